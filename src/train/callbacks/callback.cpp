// The base class of callbacks, and hooks that are given as functions.
#include "stoker/callback.h"

#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <typeinfo>

#include "stoker/error.h"
#include "stoker/model.h"
#include "train/callbacks/callback_list.h"

namespace stoker {
namespace {

// Passes each hook on to a function, where there is one.
class Functions final : public Callback {
 public:
  explicit Functions(LambdaCallback hooks) : hooks_(std::move(hooks)) {}
  std::string name() const override { return "LambdaCallback"; }

  void on_train_begin() override { call(hooks_.on_train_begin); }
  void on_train_end(const Logs& logs) override { call(hooks_.on_train_end, logs); }
  void on_epoch_begin(std::int64_t epoch) override { call(hooks_.on_epoch_begin, epoch); }
  void on_epoch_end(std::int64_t epoch, Logs& logs) override {
    call(hooks_.on_epoch_end, epoch, logs);
  }
  void on_train_batch_begin(std::int64_t step) override { call(hooks_.on_train_batch_begin, step); }
  void on_train_batch_end(std::int64_t step, LogsView logs) override {
    call(hooks_.on_train_batch_end, step, logs);
  }
  void on_test_begin() override { call(hooks_.on_test_begin); }
  void on_test_end(const Logs& logs) override { call(hooks_.on_test_end, logs); }
  void on_test_batch_begin(std::int64_t step) override { call(hooks_.on_test_batch_begin, step); }
  void on_test_batch_end(std::int64_t step, LogsView logs) override {
    call(hooks_.on_test_batch_end, step, logs);
  }
  void on_predict_begin() override { call(hooks_.on_predict_begin); }
  void on_predict_end() override { call(hooks_.on_predict_end); }
  void on_predict_batch_begin(std::int64_t step) override {
    call(hooks_.on_predict_batch_begin, step);
  }
  void on_predict_batch_end(std::int64_t step, PredictionsView outputs) override {
    call(hooks_.on_predict_batch_end, step, outputs);
  }
  void on_train_progress(std::int64_t step, LogsView logs) override {
    call(hooks_.on_train_progress, step, logs);
  }
  void on_test_progress(std::int64_t step, LogsView logs) override {
    call(hooks_.on_test_progress, step, logs);
  }
  void on_epoch_report(std::int64_t epoch, const FeedReport& report) override {
    call(hooks_.on_epoch_report, epoch, report);
  }

 private:
  template <class F, class... A>
  static void call(const F& function, A&&... arguments) {
    if (function) function(std::forward<A>(arguments)...);
  }

  const LambdaCallback hooks_;
};

// The hooks that the options of fit and evaluate have in common.
template <class Options>
void add_test_hooks(LambdaCallback& hooks, const Options& options) {
  hooks.on_test_begin = options.on_test_begin;
  hooks.on_test_end = options.on_test_end;
  hooks.on_test_batch_begin = options.on_test_batch_begin;
  hooks.on_test_batch_end = options.on_test_batch_end;
  hooks.on_test_progress = options.on_test_progress;
}

template <class... F>
bool any_of(const F&... functions) {
  return (static_cast<bool>(functions) || ...);
}

template <class Options>
bool has_test_hooks(const Options& options) {
  return any_of(options.on_test_begin, options.on_test_end, options.on_test_batch_begin,
                options.on_test_batch_end, options.on_test_progress);
}

}  // namespace

std::string Callback::name() const {
  const char* mangled = typeid(*this).name();
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> name(
      abi::__cxa_demangle(mangled, nullptr, nullptr, &status), std::free);
  return status == 0 ? name.get() : mangled;
}

Model& Callback::model() const {
  if (place_.model == nullptr) {
    throw ValueError(
        "Callback::model: expected to be called within a hook, while a fit, an "
        "evaluation or a prediction runs");
  }
  return *place_.model;
}

CallbackHandle::CallbackHandle(LambdaCallback hooks)
    : callback_(std::make_shared<Functions>(std::move(hooks))) {}

namespace train {

std::vector<CallbackHandle> callbacks_of(const FitOptions& options) {
  std::vector<CallbackHandle> all = options.callbacks;
  if (!has_test_hooks(options) &&
      !any_of(options.on_train_begin, options.on_train_end, options.on_epoch_begin,
              options.on_epoch_end, options.on_train_batch_begin, options.on_train_batch_end,
              options.on_train_progress, options.on_epoch_report)) {
    return all;
  }
  LambdaCallback hooks{.on_train_begin = options.on_train_begin,
                       .on_train_end = options.on_train_end,
                       .on_epoch_begin = options.on_epoch_begin,
                       .on_epoch_end = options.on_epoch_end,
                       .on_train_batch_begin = options.on_train_batch_begin,
                       .on_train_batch_end = options.on_train_batch_end,
                       .on_train_progress = options.on_train_progress,
                       .on_epoch_report = options.on_epoch_report};
  add_test_hooks(hooks, options);
  all.emplace_back(std::move(hooks));
  return all;
}

std::vector<CallbackHandle> callbacks_of(const EvaluateOptions& options) {
  std::vector<CallbackHandle> all = options.callbacks;
  if (!has_test_hooks(options)) return all;
  LambdaCallback hooks;
  add_test_hooks(hooks, options);
  all.emplace_back(std::move(hooks));
  return all;
}

std::vector<CallbackHandle> callbacks_of(const PredictOptions& options) {
  std::vector<CallbackHandle> all = options.callbacks;
  if (!any_of(options.on_predict_begin, options.on_predict_end, options.on_predict_batch_begin,
              options.on_predict_batch_end)) {
    return all;
  }
  all.emplace_back(LambdaCallback{.on_predict_begin = options.on_predict_begin,
                                  .on_predict_end = options.on_predict_end,
                                  .on_predict_batch_begin = options.on_predict_batch_begin,
                                  .on_predict_batch_end = options.on_predict_batch_end});
  return all;
}

}  // namespace train
}  // namespace stoker
