// Decides when the user should be told of the waiting for batches.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

namespace stoker::feed {

// Adds up the waiting, by stage, however short each wait was. A warning is due after a second of
// waiting, if that is more than a fifth of the time of the epoch or of all epochs. In this way
// neither good times an hour ago nor short epochs hide it. Times between epochs do not count.
class Starvation {
 public:
  enum class Stage : std::uint8_t { generator, upload, launch };
  using Waits = std::array<std::int64_t, 3>;  // nanoseconds, by stage
  struct Found {
    Stage stage{};  // the stage that was waited for most
    double waited = 0.0;
    double of = 0.0;  // the time of which that was a part; both in seconds
  };

  void begin_epoch(std::int64_t now_ns);
  void end_epoch(std::int64_t now_ns);
  void add(Stage stage, std::int64_t waited_ns);
  void add(const Waits& waits);
  // `waiting_ns` is how long the wait for the generator that is under way has lasted.
  std::optional<Found> check(std::int64_t now_ns, std::int64_t waiting_ns = 0) const;

 private:
  Waits epoch_{};
  Waits all_{};
  std::int64_t begin_ns_ = 0;   // the beginning of the epoch; 0 between epochs
  std::int64_t before_ns_ = 0;  // time in epochs that are over
};

// Returns the warning's text, for example "the step has waited 1 s of the last 4 s for uploads".
std::string warning_of(const Starvation::Found& found, const char* who);

}  // namespace stoker::feed
