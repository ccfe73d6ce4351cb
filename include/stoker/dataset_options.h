// The options of a Dataset's methods, and what the function of a map may ask for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "stoker/failures.h"
#include "stoker/random.h"

namespace stoker {

// The element that the function of a map is called for.
struct MapContext {
  std::int64_t epoch = 0;
  std::int64_t ordinal = 0;  // the element's number in its pass, from 0
  Random random{};           // its numbers are the same for any number of workers
};

// Threads of a stage's own, in map, batch and image_folder: 1 to 1024, or AUTOTUNE for as many as
// help, which all stages together keep within the cores. A stage that has none works on the thread
// that asks it. Where a stage has threads, elements go through it in order.
//
// A failure is an exception of the program's function. With OnError::skip an element that fails is
// done without; more than max_failures of a stage end the pass with a DataError.
struct MapOptions {
  std::optional<int> workers{};
  OnError on_error = OnError::stop;
  std::int64_t max_failures = kMaxFailures;
  std::string name{};  // what reports call the stage
};
struct FilterOptions {
  OnError on_error = OnError::stop;
  std::int64_t max_failures = kMaxFailures;
};
struct FromGeneratorOptions {
  OnError on_error = OnError::stop;
  std::int64_t max_failures = kMaxFailures;
};
struct ShuffleOptions {
  bool reshuffle_each_iteration = true;
};
struct BatchOptions {
  bool drop_remainder = false;
  std::optional<int> workers{};
};
struct WindowOptions {
  std::int64_t shift = 0;  // 0 means the size
  std::int64_t stride = 1;
  bool drop_remainder = false;
};
struct InterleaveOptions {
  std::int64_t cycle_length = 2;
  std::int64_t block_length = 1;
  OnError on_error = OnError::stop;
  std::int64_t max_failures = kMaxFailures;
};

}  // namespace stoker
