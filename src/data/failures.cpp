#include "stoker/failures.h"

#include "core/format.h"
#include "stoker/error.h"

namespace stoker::detail {
namespace {

std::string text_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& known) {
    return known.what();
  } catch (...) {
    return "something that is no std::exception";
  }
}

}  // namespace

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

std::string Failures::first_text() const {
  if (stages_.empty()) return {};
  return text_of(stages_.front().first);
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
  const std::string text =
      format("expected at most ", stage->most, " failures (max_failures), received ", stage->count,
             ". The first was: ", text_of(stage->first));
  try {
    std::rethrow_exception(stage->first);
  } catch (...) {
    std::throw_with_nested(DataError(text));
  }
}

}  // namespace stoker::detail
