// What a checkpoint keeps of a callback: see Callback::save_state().
#pragma once

#include <vector>

#include "stoker/config.h"
#include "stoker/tensor.h"

namespace stoker {

struct CallbackState {
  Config values = Config::map();  // A map.
  std::vector<Tensor> tensors{};

  bool is_empty() const { return values.size() == 0 && tensors.empty(); }
};

}  // namespace stoker
