// The options of a Dataset's methods, and what the function of a map may ask for.
#pragma once

#include <cstdint>

#include "stoker/random.h"

namespace stoker {

// The element that the function of a map is called for.
struct MapContext {
  std::int64_t epoch = 0;
  std::int64_t ordinal = 0;  // the element's number in its pass, from 0
  Random random{};           // its numbers are the same for any number of workers
};

struct MapOptions {
  int workers = 1;  // up to 1024; AUTOTUNE: one for each core
};
struct ShuffleOptions {
  bool reshuffle_each_iteration = true;
};
struct BatchOptions {
  bool drop_remainder = false;
};
struct WindowOptions {
  std::int64_t shift = 0;  // 0 means the size
  std::int64_t stride = 1;
  bool drop_remainder = false;
};
struct InterleaveOptions {
  std::int64_t cycle_length = 2;
  std::int64_t block_length = 1;
};

}  // namespace stoker
