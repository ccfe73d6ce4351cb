// How AUTOTUNE divides threads among the stages of a Dataset.
#pragma once

#include <cstdint>

namespace stoker::data {

// What the threads of a stage, and who takes its elements, did since the last decision.
struct StageWindow {
  std::int64_t elapsed_ns = 0;
  int threads = 1;
  std::int64_t consumer_waited_ns = 0;   // for elements of this stage
  std::int64_t waited_for_input_ns = 0;  // by all threads together
  std::int64_t waited_for_room_ns = 0;   // by all threads together
};

enum class ThreadChange : std::uint8_t { none, one_more, one_fewer };

// Asks for a thread where the consumer waits and all threads are busy, and gives one up where more
// than one has nothing to do, be it for want of input or of room. The stage that others wait for is
// thereby the one that gets a thread, also from a stage that they waited for before.
ThreadChange change_of_threads(const StageWindow& window);

}  // namespace stoker::data
