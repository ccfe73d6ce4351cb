// Decides when waiting for batches has become worth a word to the user.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

namespace stoker::feed {

// Adds up what was waited for, by stage, however short each wait was. It is worth a warning after a
// second in all, where that is more than a fifth of the time, either of the epoch or of all epochs:
// what went well an hour ago does not hide it, and short epochs do not either. Times between epochs
// do not count.
class Starvation {
 public:
  enum class Stage : std::uint8_t { generator, upload, launch };
  struct Found {
    Stage stage{};  // that was waited for most
    double waited = 0.0;
    double of = 0.0;  // seconds both
  };

  void begin_epoch(std::int64_t now_ns);
  void end_epoch(std::int64_t now_ns);
  void add(Stage stage, std::int64_t waited_ns);
  // `waiting_ns`: the wait for the generator that is under way.
  std::optional<Found> check(std::int64_t now_ns, std::int64_t waiting_ns = 0) const;

 private:
  using Waits = std::array<std::int64_t, 3>;

  Waits epoch_{};
  Waits all_{};
  std::int64_t begin_ns_ = 0;   // of the epoch; 0 between epochs
  std::int64_t before_ns_ = 0;  // in epochs that are over
};

const char* name_of(Starvation::Stage stage);  // "the generator"

}  // namespace stoker::feed
