#include "train/runtime/in_use.h"

#include "train/loop/loop.h"

namespace stoker::train {

void InUse::settle_outer() {
  if (model_.loop != nullptr) model_.loop->settle();
}

}  // namespace stoker::train
