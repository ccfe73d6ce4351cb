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

  Several();
  template <class U>
  requires std::convertible_to<U, T> Several(U&& one) : is_single_(true) {
    add({}, T(std::forward<U>(one)));
  }
  Several(std::initializer_list<T> list);
  Several(std::vector<T> list);
  Several(std::initializer_list<std::pair<const std::string, T>> named);
  Several(const std::vector<std::pair<std::string, T>>& named);
  Several(const std::map<std::string, T>& named);
  Several(const Several& other);
  Several(Several&& other) noexcept;
  Several& operator=(const Several& other);
  Several& operator=(Several&& other) noexcept;
  ~Several();

  // The values in the order in which they were given.
  const std::vector<Entry>& entries() const { return entries_; }
  bool empty() const { return entries_.empty(); }
  // Whether a single value was given. A list of one is not single.
  bool is_single() const { return is_single_; }
  bool is_named() const { return is_named_; }

 private:
  void add(std::string name, T value);

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

  Tensors();
  Tensors(const Tensor& one);
  Tensors(std::initializer_list<Entry> entries);
  Tensors(const std::vector<Tensor>& list);
  Tensors(const std::map<std::string, Tensor>& named);
  Tensors(const Several<Tensor>& several);
  Tensors(const Tensors& other);
  Tensors(Tensors&& other) noexcept;
  Tensors& operator=(const Tensors& other);
  Tensors& operator=(Tensors&& other) noexcept;
  ~Tensors();

  const std::vector<Entry>& entries() const { return entries_; }
  bool empty() const { return entries_.empty(); }

 private:
  std::vector<Entry> entries_;
};

// These are compiled in the library.
extern template class Several<double>;
extern template class Several<Tensor>;

}  // namespace stoker

#include "stoker/detail/several.h"  // what Several does
