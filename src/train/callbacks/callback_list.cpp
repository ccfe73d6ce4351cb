#include "train/callbacks/callback_list.h"

#include <algorithm>

#include "core/format.h"
#include "stoker/callbacks.h"
#include "stoker/error.h"
#include "stoker/model.h"
#include "stoker/run_report.h"

namespace stoker::train {

CallbackList::CallbackList(Model& model, const char* what, const std::vector<CallbackHandle>& given,
                           CallbackParams params, Use& use)
    : what_(what), use_(use), place_{&model, std::move(params)} {
  for (std::size_t i = 0; i < given.size(); ++i) {
    if (!given[i].callback()) {
      throw ValueError(format(what, ": expected a callback at place ", i,
                              " of callbacks, received ", "a null pointer"));
    }
    given_.push_back(given[i].callback());
  }
  for (const auto& callback : given_) before_.push_back(callback->set_place(place_));
}

// One callback may stand in the list twice, so the places are given back in the opposite order.
CallbackList::~CallbackList() {
  for (std::size_t i = given_.size(); i-- > 0;) given_[i]->set_place(std::move(before_[i]));
}

CallbackList::Own::Own(CallbackList& list, Callback& callback, bool hears_steps)
    : list_(list), hears_steps_(hears_steps) {
  callback.set_place(list.place_);
  list.own_.push_back(&callback);
  if (hears_steps_) list.own_of_steps_.push_back(&callback);
}

CallbackList::Own::~Own() {
  list_.own_.pop_back();
  if (hears_steps_) list_.own_of_steps_.pop_back();
}

bool CallbackList::has_progress_bar() const {
  return std::ranges::any_of(given_, [](const auto& callback) {
    return dynamic_cast<const ProgbarLogger*>(callback.get()) != nullptr;
  });
}

bool CallbackList::has_report() const {
  return std::ranges::any_of(given_, [](const auto& callback) {
    return dynamic_cast<const Report*>(callback.get()) != nullptr;
  });
}

bool CallbackList::absorb(const Error& failure) {
  bool absorbs = false;
  const Use::Opening opening(use_);
  failure_ = nullptr;
  for (const auto& callback : given_) {
    try {
      absorbs = callback->on_train_failure(failure) || absorbs;
    } catch (...) {
      rethrow(*callback, "on_train_failure", -1);
    }
  }
  return absorbs && dynamic_cast<const Interrupted*>(&failure) == nullptr;
}

void CallbackList::rethrow(const Callback& callback, const char* hook, std::int64_t place) const {
  if (failure_) std::rethrow_exception(failure_);
  const auto where = [&] {
    const std::string number = place < 0 ? "" : format(place);
    return format(what_, ": callback ", callback.name(), ", ", hook, "(", number, "): ");
  };
  try {
    throw;
  } catch (const Interrupted&) {
    throw;
  } catch (const std::exception& error) {
    std::throw_with_nested(CallbackError(where() + error.what()));
  } catch (...) {
    std::throw_with_nested(CallbackError(where() + "it threw something that is no std::exception"));
  }
}

}  // namespace stoker::train
