// Memory for elements that a thread keeps. Programs include stoker/dataset.h.
#pragma once

#include <memory>
#include <utility>
#include <vector>

namespace stoker::detail {

// Memory for one element, which the thread keeps for the next, since a call must not allocate.
// Nested calls have one each.
template <class T>
class Lease {
 public:
  Lease() : value_(take()) {}
  ~Lease() { free().push_back(std::move(value_)); }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  T& operator*() const { return *value_; }

 private:
  static std::vector<std::unique_ptr<T>>& free() {
    thread_local std::vector<std::unique_ptr<T>> kept;
    return kept;
  }
  static std::unique_ptr<T> take() {
    if (free().empty()) return std::make_unique<T>();
    std::unique_ptr<T> value = std::move(free().back());
    free().pop_back();
    return value;
  }
  std::unique_ptr<T> value_;
};

}  // namespace stoker::detail
