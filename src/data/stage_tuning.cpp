#include "data/stage_tuning.h"

#include <algorithm>

namespace stoker::data {

ThreadChange change_of_threads(const StageWindow& window) {
  const std::int64_t elapsed = window.elapsed_ns;
  const std::int64_t idle = window.waited_for_input_ns + window.waited_for_room_ns;
  // The threads of the stage that the others wait for may be idle for so long all the same. A stage
  // whose new thread brought nothing is idle for a window more, at most, and keeps it: else threads
  // would start and end by turns.
  const std::int64_t slack = std::max(elapsed / 4, elapsed * window.threads / 8);
  if (10 * window.consumer_waited_ns > elapsed && idle < slack) return ThreadChange::one_more;
  if (window.threads > 1 && idle > elapsed + slack) return ThreadChange::one_fewer;
  return ThreadChange::none;
}

}  // namespace stoker::data
