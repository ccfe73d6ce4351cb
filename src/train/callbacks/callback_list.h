// The callbacks of one call of fit, evaluate or predict, and the hooks that are sent to them.
#pragma once

#include <array>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/timeline.h"
#include "stoker/callback.h"
#include "train/runtime/step_graph.h"
#include "train/runtime/use.h"

namespace stoker {
struct EvaluateOptions;
struct FitOptions;
struct PredictOptions;
}  // namespace stoker

namespace stoker::train {

template <class... P>
struct Hook {
  const char* name;
  void (Callback::*method)(P...);
};

inline constexpr Hook<> kTrainBegin{"on_train_begin", &Callback::on_train_begin};
inline constexpr Hook<const Logs&> kTrainEnd{"on_train_end", &Callback::on_train_end};
inline constexpr Hook<std::int64_t> kEpochBegin{"on_epoch_begin", &Callback::on_epoch_begin};
inline constexpr Hook<std::int64_t, Logs&> kEpochEnd{"on_epoch_end", &Callback::on_epoch_end};
inline constexpr Hook<std::int64_t, const FeedReport&> kEpochReport{"on_epoch_report",
                                                                    &Callback::on_epoch_report};
inline constexpr Hook<> kTestBegin{"on_test_begin", &Callback::on_test_begin};
inline constexpr Hook<const Logs&> kTestEnd{"on_test_end", &Callback::on_test_end};
inline constexpr Hook<> kPredictBegin{"on_predict_begin", &Callback::on_predict_begin};
inline constexpr Hook<> kPredictEnd{"on_predict_end", &Callback::on_predict_end};

// The hooks around a step, by the mode of the loop.
inline constexpr std::array<Hook<std::int64_t>, 3> kBatchBegin{
    {{"on_train_batch_begin", &Callback::on_train_batch_begin},
     {"on_test_batch_begin", &Callback::on_test_batch_begin},
     {"on_predict_batch_begin", &Callback::on_predict_batch_begin}}};
inline constexpr std::array<Hook<std::int64_t, LogsView>, 2> kBatchEnd{
    {{"on_train_batch_end", &Callback::on_train_batch_end},
     {"on_test_batch_end", &Callback::on_test_batch_end}}};
inline constexpr Hook<std::int64_t, PredictionsView> kPredictBatchEnd{
    "on_predict_batch_end", &Callback::on_predict_batch_end};
inline constexpr std::array<Hook<std::int64_t, LogsView>, 2> kProgress{
    {{"on_train_progress", &Callback::on_train_progress},
     {"on_test_progress", &Callback::on_test_progress}}};

// The user's callbacks come first, in their order, and then Stoker's own: an epoch's logs reach the
// progress bar and the history with what the user's hooks have added to them.
class CallbackList {
 public:
  // `what` is the call's name, "fit". `given` may be empty; null handles in it throw ValueError.
  // The callbacks' model() and params() answer as long as the list lives.
  CallbackList(Model& model, const char* what, const std::vector<CallbackHandle>& given,
               CallbackParams params, Use& use);
  ~CallbackList();
  CallbackList(const CallbackList&) = delete;
  CallbackList& operator=(const CallbackList&) = delete;

  // Adds a callback of Stoker's own for as long as this object lives, one within the other.
  class Own {
   public:
    // `hears_steps` says whether it gets the hooks around each step, which most have no use for.
    Own(CallbackList& list, Callback& callback, bool hears_steps = false);
    ~Own();
    Own(const Own&) = delete;
    Own& operator=(const Own&) = delete;

   private:
    CallbackList& list_;
    const bool hears_steps_;
  };

  // Calls the hook of every callback. An exception of a user's hook becomes a CallbackError, unless
  // it is an Interrupted, or fail() was called meanwhile.
  template <class... P, class... A>
  void send(const Hook<P...>& hook, A&&... arguments) {
    if (!given_.empty()) send_to_given(hook, arguments...);
    for (Callback* own : own_) (own->*hook.method)(arguments...);
  }
  // Does the same for a hook around a step, at no cost where nobody hears it.
  template <class... P, class... A>
  void send_step(const Hook<P...>& hook, A&&... arguments) {
    if (!given_.empty()) send_to_given(hook, arguments...);
    for (Callback* own : own_of_steps_) (own->*hook.method)(arguments...);
  }

  // Tells that the loop itself has failed while a hook was called: its error ends the loop.
  void fail(std::exception_ptr failure) { failure_ = std::move(failure); }

  // Whether one of the user's takes the place of the progress bar.
  bool has_progress_bar() const;
  // Whether one of the user's draws single batches, so that the timeline should keep more of them.
  bool has_report() const;
  bool has_given() const { return !given_.empty(); }  // The user's.

  // Asks all of the user's callbacks whether the fit should end as by stop_training() instead of
  // with this failure.
  bool absorb(const Error& failure);

  // Returns the seconds in the user's hooks since the last call.
  double take_seconds() { return 1e-9 * static_cast<double>(std::exchange(ns_, 0)); }

 private:
  // Returns the epoch or step that a hook gets, or -1 for those that get none.
  static std::int64_t place_of() { return -1; }
  static std::int64_t place_of(const Logs&) { return -1; }
  template <class... Rest>
  static std::int64_t place_of(std::int64_t place, const Rest&...) {
    return place;
  }
  template <class... P, class... A>
  void send_to_given(const Hook<P...>& hook, A&&... arguments) {
    const Use::Opening opening(use_);
    const std::int64_t begin = now_ns();
    for (const std::shared_ptr<Callback>& callback : given_) {
      try {
        (callback.get()->*hook.method)(arguments...);
      } catch (...) {
        rethrow(*callback, hook.name, place_of(arguments...));
      }
    }
    ns_ += now_ns() - begin;
    if (failure_) std::rethrow_exception(failure_);  // The hook may have caught it.
  }
  // Rethrows the exception that is being handled, as send() says.
  [[noreturn]] void rethrow(const Callback& callback, const char* hook, std::int64_t place) const;

  const char* const what_;
  Use& use_;
  std::vector<std::shared_ptr<Callback>> given_;
  std::vector<Callback::Place> before_;  // The places of the given ones before this call.
  std::vector<Callback*> own_;
  std::vector<Callback*> own_of_steps_;
  const Callback::Place place_;
  std::exception_ptr failure_;
  std::int64_t ns_ = 0;
};

// Return the handles in the options of a call, and behind them a handle of the hooks in the options
// where there are any.
std::vector<CallbackHandle> callbacks_of(const FitOptions& options);
std::vector<CallbackHandle> callbacks_of(const EvaluateOptions& options);
std::vector<CallbackHandle> callbacks_of(const PredictOptions& options);

}  // namespace stoker::train
