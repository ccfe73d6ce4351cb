// expect: coroutine<T...>.shapes, f. takes BatchCoroutine f.BatchWriter<T...>&
#include "stoker/coroutine.h"

int main() {
  using namespace stoker;
  coroutine<float, float>({.x = {4, 2}, .y = {4}},
                          [](BatchWriter<float>&) -> BatchCoroutine { co_yield whole_batch; });
}
