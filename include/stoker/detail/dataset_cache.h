// Stages that make elements of a Dataset ahead, or keep them. Programs include stoker/dataset.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "stoker/detail/dataset_ahead.h"
#include "stoker/detail/mutex.h"

namespace stoker::detail {

// ---- Reading ahead ----
// Makes elements ahead. If they cannot be asked for by number, it has a thread of its own for the
// stages before it; otherwise the feed's workers make them ahead.
template <class... T>
class PrefetchStage final : public Stage<T...> {
 public:
  PrefetchStage(StagePtr<T...> input, std::int64_t ahead)
      : Stage<T...>(input->shapes(), input->depth() + 1), input_(std::move(input)), ahead_(ahead) {}
  std::int64_t cardinality() const override { return input_->cardinality(); }
  bool is_random_access() const override { return input_->is_random_access(); }
  void get(const Pass& pass, std::int64_t index, Sinks<T...>& out) const override {
    input_->get(pass, index, out);
  }
  std::unique_ptr<Cursor<T...>> begin(const Pass& pass) const override {
    std::shared_ptr<Cursor<T...>> inner = input_->begin(pass);
    return ahead_cursor<Nothing, T...>(
        [inner](Nothing&, Sinks<T...>& element) { return inner->next(element); },
        [](Nothing&, Sinks<T...>&, std::int64_t) {}, 1, ahead_);
  }

 private:
  const StagePtr<T...> input_;
  const std::int64_t ahead_;
};

// ---- Caches ----
template <class... T>
class CacheStage final : public Stage<T...> {
 public:
  CacheStage(StagePtr<T...> input, std::string path)
      : Stage<T...>(input->shapes(), input->depth() + 1),
        input_(std::move(input)),
        path_(std::move(path)) {}

  std::int64_t cardinality() const override {
    const Lock lock(mutex_);
    return whole_ ? static_cast<std::int64_t>(elements_.size()) : input_->cardinality();
  }
  std::unique_ptr<Cursor<T...>> begin(const Pass& pass) const override {
    load();
    {
      const Lock lock(mutex_);
      if (whole_) {
        return function_cursor<T...>([this, next = std::size_t{0}](Sinks<T...>& out) mutable {
          // Once they are complete, the elements never change.
          if (next == elements_.size()) return false;
          copy_element(elements_[next++], out);
          return true;
        });
      }
    }
    // The elements are kept only if this pass comes to its end.
    auto kept = std::make_shared<std::vector<Sinks<T...>>>();
    std::shared_ptr<Cursor<T...>> inner = input_->begin(pass);
    return function_cursor<T...>([this, kept, inner](Sinks<T...>& out) {
      if (inner->next(out)) {
        kept->emplace_back();
        copy_element(out, kept->back());
        return true;
      }
      keep(std::move(*kept));
      return false;
    });
  }

 private:
  void keep(std::vector<Sinks<T...>> elements) const {
    const Lock lock(mutex_);
    if (whole_) return;
    if (!path_.empty()) save(elements);
    elements_ = std::move(elements);
    whole_ = true;
  }
  // Returns shapes and element types as a text, so that another pipeline's file is not taken for
  // this one's.
  std::string signature() const {
    std::string text;
    for_each_index<sizeof...(T)>([&](auto i) {
      text += std::string(name_of(dtype_of<std::tuple_element_t<i, std::tuple<T...>>>)) +
              to_string(this->shapes()[i]) + ";";
    });
    return text;
  }
  void save(const std::vector<Sinks<T...>>& elements) const {
    std::uint64_t bytes = 0;
    for (const Sinks<T...>& element : elements) {
      for_each_index<sizeof...(T)>([&](auto i) {
        const auto& sink = std::get<i>(element);
        bytes += sink.shape().rank() * sizeof(std::int64_t) + sink.values().size_bytes();
      });
    }
    CacheWriter file(path_, signature(), static_cast<std::int64_t>(elements.size()), bytes);
    for (const Sinks<T...>& element : elements) {
      for_each_index<sizeof...(T)>([&](auto i) {
        const auto& sink = std::get<i>(element);
        const Shape shape = sink.shape();
        file.write(shape.begin(), shape.rank() * sizeof(std::int64_t));
        file.write(sink.values().data(), sink.values().size_bytes());
      });
      file.end_element();
    }
    file.commit();
  }
  void load() const {
    const Lock lock(mutex_);
    if (whole_ || path_.empty()) return;
    std::optional<CacheReader> file = CacheReader::open(path_, signature());
    if (!file) return;
    std::vector<Sinks<T...>> elements;
    for (std::int64_t n = 0; n < file->elements(); ++n) {
      elements.emplace_back();
      for_each_index<sizeof...(T)>(
          [&](auto i) { read(*file, this->shapes()[i], std::get<i>(elements.back())); });
      file->end_element();
    }
    file->end();
    elements_ = std::move(elements);
    whole_ = true;
  }
  // Reads one component. Its extents are compared with the expected shape, and with what is left of
  // the file, before memory is taken for it.
  template <class E>
  static void read(CacheReader& file, const Shape& expected, Sink<E>& sink) {
    Shape shape = expected;
    for (std::size_t axis = 0; axis < shape.rank(); ++axis) {
      file.read(&shape[axis], sizeof(std::int64_t));
      const std::int64_t extent = shape[axis];
      const bool is_short = axis == 0 && extent >= 1 && extent < expected[0];
      const bool may_be = expected[axis] == Shape::kUnknown
                              ? extent >= 0 && static_cast<std::uint64_t>(extent) <= file.left()
                              : extent == expected[axis] || is_short;
      if (!may_be) file.fail_damaged("an element is of another shape than it says");
    }
    std::uint64_t bytes = sizeof(E);
    for (const std::int64_t extent : shape) {
      if (__builtin_mul_overflow(bytes, static_cast<std::uint64_t>(extent), &bytes)) bytes = ~0ULL;
    }
    if (bytes > file.left()) file.fail_damaged("an element is larger than what is left of it");
    const auto memory = sink.take(shape);
    file.read(memory.data(), memory.size_bytes());
    const bool is_short = shape.rank() > 0 && expected[0] > shape[0];
    if (is_short) sink.set_rows(shape[0]);
  }

  const StagePtr<T...> input_;
  const std::string path_;
  mutable Mutex mutex_;
  mutable bool whole_ = false;
  mutable std::vector<Sinks<T...>> elements_;
};

}  // namespace stoker::detail
