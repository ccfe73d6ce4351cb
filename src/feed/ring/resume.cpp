#include "feed/ring/resume.h"

#include "core/format.h"
#include "stoker/error.h"

namespace stoker::feed {
namespace {

constexpr const char* kSave =
    "a class that derives from BatchGenerator and overrides saves_state, save_state and load_state";

std::string why_not(SourceKind kind) {
  switch (kind) {
    case SourceKind::function:
      return format(
          "its function holds something that may change from batch to batch. Say pure(f) if a "
          "batch depends on nothing but its BatchContext, or write ",
          kSave);
    case SourceKind::coroutine:
      return format(
          "a coroutine goes from one batch to the next, and how far it has come can't be saved. "
          "Write a function that makes any batch from its BatchContext, pure(f), or ",
          kSave);
    case SourceKind::device:
      return "its function holds something that may change from batch to batch. Say pure(f) if a "
             "batch depends on nothing but its BatchContext";
    default:
      return "its class doesn't say that a batch depends on nothing but its BatchContext, and "
             "saves no state. Override resumes_by_number (or pure, if several threads may call "
             "fill() too) to return true if that is so, or else saves_state, save_state and "
             "load_state";
  }
}

}  // namespace

Resume resume_of(const Source& source) {
  if (source.saves_state()) return {.kind = ResumeKind::by_state};
  if (source.resumes_by_number()) return {.kind = ResumeKind::by_number};
  return {.kind = ResumeKind::none, .why_not = why_not(source.traits().kind)};
}

void check_resume(const FeedOptions& options, const Source& source) {
  const bool has_state = !options.source_state.empty();
  if (options.first_step == 0 && options.first_batch == 0 && !has_state) return;
  const Resume resume = resume_of(source);
  if (resume.kind == ResumeKind::none) {
    throw ValueError(format(options.what, ": the generator can't go on where an earlier ",
                            options.what, " stopped: ", resume.why_not));
  }
  const bool needs_state = resume.kind == ResumeKind::by_state && options.first_batch > 0;
  if (needs_state && !has_state) {
    throw ValueError(format(
        options.what,
        ": expected the state that the generator saved (save_state) after the last batch of the "
        "earlier ",
        options.what, ", received none"));
  }
  if (has_state && resume.kind != ResumeKind::by_state) {
    throw ValueError(format(options.what,
                            ": expected a generator that saves its state, as the one did whose ",
                            options.source_state.size(),
                            " bytes are to be loaded, received one whose saves_state() is false"));
  }
}

}  // namespace stoker::feed
