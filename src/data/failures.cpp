#include "stoker/failures.h"

#include "core/format.h"
#include "stoker/error.h"

namespace stoker::detail {

Failures::OfStage& Failures::of(std::uint32_t stage, std::int64_t most) {
  for (OfStage& known : stages_) {
    if (known.stage == stage) return known;
  }
  return stages_.emplace_back(OfStage{.stage = stage, .most = most});
}

void Failures::add(std::uint32_t stage, std::int64_t most) {
  OfStage& mine = of(stage, most);
  if (mine.count++ == 0) mine.first = std::current_exception();
}

void Failures::add(const Failures& later) {
  for (const OfStage& other : later.stages_) {
    OfStage& mine = of(other.stage, other.most);
    if (mine.count == 0) mine.first = other.first;
    mine.count += other.count;
  }
}

std::int64_t Failures::count() const {
  std::int64_t all = 0;
  for (const OfStage& stage : stages_) all += stage.count;
  return all;
}

const Failures::OfStage* Failures::exceeded() const {
  for (const OfStage& stage : stages_) {
    if (stage.count > stage.most) return &stage;
  }
  return nullptr;
}

void Failures::check() const {
  const OfStage* const stage = exceeded();
  if (stage == nullptr) return;
  try {
    std::rethrow_exception(stage->first);
  } catch (const std::exception& error) {
    std::throw_with_nested(
        DataError(format("expected at most ", stage->most, " failures (max_failures), received ",
                         stage->count, ". The first was: ", error.what())));
  } catch (...) {
    std::throw_with_nested(DataError(format("expected at most ", stage->most,
                                            " failures (max_failures), received ", stage->count)));
  }
}

}  // namespace stoker::detail
