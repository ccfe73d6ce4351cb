// What Ctrl-C does.
#pragma once

#include <cstdint>

namespace stoker {

enum class OnInterrupt : std::uint8_t {
  // Finishes the step, joins the feed's threads, and ends the program by std::exit(130).
  exit,
  // Finishes the step and joins the threads too, but throws Interrupted. The model stays usable.
  raise,
  // Does not handle the signal.
  ignore,
};

}  // namespace stoker
