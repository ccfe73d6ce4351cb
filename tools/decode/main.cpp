// stoker-decode, which no user calls: see serve.h.
#include "serve.h"

int main(int count, char** arguments) {
  return stoker::decode::run(count, arguments, [](const auto&, auto) {});
}
