// Losses, weights and tensors are given to a model as one value or as several, for its inputs or
// outputs.
#pragma once

#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "stoker/tensor.h"

namespace stoker {

// A value for each output (or input) of a model. It may be one value, a list in the order of the
// outputs, or a list of names and values:
//   .loss = "mse"      .loss = {"mse", "mae"}      .loss = {{"price", "mse"}, {"age", "mae"}}
template <class T>
class Several {
 public:
  struct Entry {
    std::string name;  // This is empty where the values are given in order.
    T value;
  };

  Several() = default;
  template <class U>
  requires std::convertible_to<U, T> Several(U&& one) : is_single_(true) {
    entries_.push_back({{}, T(std::forward<U>(one))});
  }
  Several(std::initializer_list<T> list) : Several(std::vector<T>(list)) {}
  Several(std::vector<T> list) {
    for (T& value : list) entries_.push_back({{}, std::move(value)});
  }
  Several(std::initializer_list<std::pair<const std::string, T>> named) {
    for (const auto& [name, value] : named) add(name, value);
  }
  Several(const std::vector<std::pair<std::string, T>>& named) {
    for (const auto& [name, value] : named) add(name, value);
  }
  Several(const std::map<std::string, T>& named) {
    for (const auto& [name, value] : named) add(name, value);
  }

  // The values in the order in which they were given.
  const std::vector<Entry>& entries() const { return entries_; }
  bool empty() const { return entries_.empty(); }
  // Whether a single value was given. A list of one is not single.
  bool is_single() const { return is_single_; }
  bool is_named() const { return is_named_; }

 private:
  void add(const std::string& name, const T& value) {
    is_named_ = true;
    entries_.push_back({name, value});
  }

  std::vector<Entry> entries_;
  bool is_single_ = false;
  bool is_named_ = false;
};

// The same for tensors that a call reads and does not keep, so nothing is copied:
//   model.fit(x, y)      model.fit({x1, x2}, y)      model.fit(x, {{"price", y1}, {"age", y2}})
class Tensors {
 public:
  struct Entry {
    Entry(const Tensor& tensor) : tensor(&tensor) {}
    Entry(std::string name, const Tensor& tensor) : name(std::move(name)), tensor(&tensor) {}
    std::string name{};  // This is empty where the tensors are given in order.
    const Tensor* tensor;
  };

  Tensors() = default;
  Tensors(const Tensor& one) : entries_{one} {}
  Tensors(std::initializer_list<Entry> entries) : entries_(entries) {}
  Tensors(const std::vector<Tensor>& list) : entries_(list.begin(), list.end()) {}
  Tensors(const std::map<std::string, Tensor>& named) {
    for (const auto& [name, tensor] : named) entries_.emplace_back(name, tensor);
  }
  Tensors(const Several<Tensor>& several) {
    for (const auto& entry : several.entries()) entries_.emplace_back(entry.name, entry.value);
  }

  const std::vector<Entry>& entries() const { return entries_; }
  bool empty() const { return entries_.empty(); }

 private:
  std::vector<Entry> entries_;
};

}  // namespace stoker
