// Callbacks: code that a fit, an evaluation or a prediction calls at its events. The hooks, their
// order and their numbers, which count from 0, are Keras 3's. Hooks are called one after another on
// the thread that called fit, and the device goes on with the steps that were launched meanwhile.
//
//   class StopAt : public Callback {
//    public:
//     explicit StopAt(double accuracy) : accuracy_(accuracy) {}
//     void on_epoch_end(std::int64_t, Logs& logs) override {
//       if (logs["val_accuracy"] >= accuracy_) model().stop_training();
//     }
//    private:
//     double accuracy_;
//   };
//   model.fit(x, y, {.epochs = 100, .validation_split = 0.1, .callbacks = {StopAt(0.99)}});
//
// A hook may evaluate, predict, read and set weights and the learning rate, of its own model and of
// others, and train other models that share no layer with it. It can't train or compile the model
// that it is called for, nor models that share layers with it: that throws ValueError. An exception
// out of a hook ends the fit with a CallbackError that names the callback and the hook, with the
// original nested in it; the model is then as it was after the last step.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "stoker/detail/function.h"
#include "stoker/history.h"
#include "stoker/tensor.h"

namespace stoker {

struct CallbackState;
class Error;
class Model;

namespace detail {
// What a LogsView reads when it is asked.
class LogsSource {
 public:
  virtual const Logs& read() = 0;

 protected:
  ~LogsSource() = default;
};
// What a PredictionsView reads when it is asked.
class PredictionsSource {
 public:
  virtual std::vector<Tensor> last_batch() const = 0;

 protected:
  ~PredictionsSource() = default;
};
}  // namespace detail

// Loss and metrics since the epoch began, up to and including a step. The first look at them waits
// for that step to end on the device; a hook that does not look costs nothing. A view is valid
// within the hook that was given it, and a Logs made from it stays.
class LogsView {
 public:
  explicit LogsView(detail::LogsSource& source) : source_(&source) {}

  // Throws ValueError, with the names that there are, for another name.
  double operator[](const std::string& name) const { return logs()[name]; }
  double loss() const { return logs().loss(); }
  bool contains(const std::string& name) const { return logs().contains(name); }
  auto begin() const { return logs().begin(); }
  auto end() const { return logs().end(); }
  std::size_t size() const { return logs().size(); }
  const Logs& logs() const { return source_->read(); }
  operator const Logs&() const { return logs(); }

 private:
  detail::LogsSource* source_;
};

// The outputs for the batch that was just predicted. Like a LogsView it is valid within its hook.
class PredictionsView {
 public:
  explicit PredictionsView(const detail::PredictionsSource& source) : source_(&source) {}
  // Returns a tensor of shape (rows, ...) for each output of the model.
  std::vector<Tensor> tensors() const { return source_->last_batch(); }

 private:
  const detail::PredictionsSource* source_;
};

// Facts about the fit, evaluation or prediction that calls the hooks. During the validation of a
// fit they are still the fit's.
struct CallbackParams {
  std::int64_t epochs = 1;              // The number of the last epoch, as in the options.
  std::optional<std::int64_t> steps{};  // Steps in an epoch, where that is known beforehand.
  int verbose = 0;
};

// The base class of callbacks. Only the hooks that it needs are overridden.
class Callback {
 public:
  virtual ~Callback() = default;

  // Returns the name for messages. Where it is not overridden, it is the name of the class.
  virtual std::string name() const;

  // Logs of an epoch hold loss and metrics, and after validation "val_loss" and so on. What a hook
  // adds to them is seen by the callbacks after it, the progress bar and the history.
  virtual void on_train_begin() {}
  virtual void on_train_end(const Logs& logs) { (void)logs; }  // The logs of the last epoch.
  virtual void on_epoch_begin(std::int64_t epoch) { (void)epoch; }
  virtual void on_epoch_end(std::int64_t epoch, Logs& logs) { (void)epoch, (void)logs; }
  virtual void on_train_batch_begin(std::int64_t step) { (void)step; }
  virtual void on_train_batch_end(std::int64_t step, LogsView logs) { (void)step, (void)logs; }

  // These are called by evaluate() and by the validation of a fit.
  virtual void on_test_begin() {}
  virtual void on_test_end(const Logs& logs) { (void)logs; }
  virtual void on_test_batch_begin(std::int64_t step) { (void)step; }
  virtual void on_test_batch_end(std::int64_t step, LogsView logs) { (void)step, (void)logs; }

  virtual void on_predict_begin() {}
  virtual void on_predict_end() {}
  virtual void on_predict_batch_begin(std::int64_t step) { (void)step; }
  virtual void on_predict_batch_end(std::int64_t step, PredictionsView outputs) {
    (void)step, (void)outputs;
  }

  // Keras has no hooks like these. The first two are called about ten times a second, when the host
  // has received what the device recorded up to some step: looking at these logs never waits. The
  // third is called after on_epoch_end, with the epoch's verdict.
  virtual void on_train_progress(std::int64_t step, LogsView logs) { (void)step, (void)logs; }
  virtual void on_test_progress(std::int64_t step, LogsView logs) { (void)step, (void)logs; }
  virtual void on_epoch_report(std::int64_t epoch, const FeedReport& report) {
    (void)epoch, (void)report;
  }

  // Called when an error is about to end a fit: a step whose loss is not finite, a source that
  // failed, Ctrl-C. The weights are those after the last good step. Returns whether the fit should
  // rather end as by stop_training(), after the hooks of the epoch's end; Ctrl-C, and an error of
  // the validation, end it all the same. All callbacks are asked.
  virtual bool on_train_failure(const Error& failure) {
    (void)failure;
    return false;
  }

  // What the callback remembers from epoch to epoch, such as the best loss so far, for a fit that
  // stops and goes on (BackupAndRestore): save_state() puts it into `state`, which is empty, and
  // load_state() takes it back, after on_train_begin of all callbacks. A state belongs to the
  // callback of the same name; where several have it, to the one of the same place among these.
  // stoker/callback_state.h has the struct.
  virtual void save_state(CallbackState& state) const { (void)state; }
  virtual void load_state(const CallbackState& state) { (void)state; }

  // Makes model() and params() answer. A fit calls it, and calls it again with what it was given
  // before when the fit ends.
  struct Place {
    Model* model = nullptr;
    CallbackParams params{};
    bool is_fit = false;
  };
  Place set_place(Place place) { return std::exchange(place_, std::move(place)); }

 protected:
  // Returns the model that is trained, evaluated or asked. Throws ValueError outside of hooks.
  Model& model() const;
  const CallbackParams& params() const { return place_.params; }
  // Whether a fit calls the hooks, also those of its validation.
  bool is_in_fit() const { return place_.is_fit; }

 private:
  Place place_{};
};

// The same hooks as functions, of which any may be missing:
//   model.fit(x, y, {.callbacks = {LambdaCallback{.on_epoch_end = [](std::int64_t, Logs&) {}}}});
// The options of fit, evaluate and predict have them as members too.
struct LambdaCallback {
  detail::Function<void()> on_train_begin{};
  detail::Function<void(const Logs& logs)> on_train_end{};
  detail::Function<void(std::int64_t epoch)> on_epoch_begin{};
  detail::Function<void(std::int64_t epoch, Logs& logs)> on_epoch_end{};
  detail::Function<void(std::int64_t step)> on_train_batch_begin{};
  detail::Function<void(std::int64_t step, LogsView logs)> on_train_batch_end{};
  detail::Function<void()> on_test_begin{};
  detail::Function<void(const Logs& logs)> on_test_end{};
  detail::Function<void(std::int64_t step)> on_test_batch_begin{};
  detail::Function<void(std::int64_t step, LogsView logs)> on_test_batch_end{};
  detail::Function<void()> on_predict_begin{};
  detail::Function<void()> on_predict_end{};
  detail::Function<void(std::int64_t step)> on_predict_batch_begin{};
  detail::Function<void(std::int64_t step, PredictionsView outputs)> on_predict_batch_end{};
  detail::Function<void(std::int64_t step, LogsView logs)> on_train_progress{};
  detail::Function<void(std::int64_t step, LogsView logs)> on_test_progress{};
  detail::Function<void(std::int64_t epoch, const FeedReport& report)> on_epoch_report{};
};

// A callback in the options of a call. A temporary is moved into the handle, a shared_ptr is
// shared, and an object with a name stays the caller's, who keeps it alive and finds in it what it
// has gathered:
//   Losses losses;
//   model.fit(x, y, {.callbacks = {losses, StopAt(0.99), std::make_shared<Plot>()}});
class CallbackHandle {
 public:
  template <class C>
  requires std::derived_from<std::remove_cvref_t<C>, Callback> CallbackHandle(C&& callback) {
    using Own = std::remove_reference_t<C>;
    static_assert(!std::is_const_v<Own>,
                  "A callback's hooks may change it, so it can't be const: give an object that is "
                  "not, or a temporary");
    if constexpr (std::is_lvalue_reference_v<C>) {
      callback_ = std::shared_ptr<Callback>(std::shared_ptr<Callback>(), &callback);
    } else {
      callback_ = std::make_shared<Own>(std::move(callback));
    }
  }
  template <std::derived_from<Callback> C>
  CallbackHandle(std::shared_ptr<C> callback) : callback_(std::move(callback)) {}
  CallbackHandle(LambdaCallback hooks);

  // Null where the shared_ptr was.
  const std::shared_ptr<Callback>& callback() const { return callback_; }

 private:
  std::shared_ptr<Callback> callback_;
};

}  // namespace stoker
