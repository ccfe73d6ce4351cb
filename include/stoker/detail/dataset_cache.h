// Stages that make elements of a Dataset ahead, or keep them. Programs include stoker/dataset.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "stoker/detail/dataset_threads.h"
#include "stoker/detail/mutex.h"

namespace stoker::detail {

// ---- Reading ahead ----
// Makes elements ahead. If they cannot be asked for by number, it has a thread of its own for the
// stages before it; otherwise the feed's workers make them ahead.
template <class... T>
class PrefetchStage final : public Stage<T...> {
 public:
  // 0 is as many as suit the thread.
  PrefetchStage(StagePtr<T...> input, std::int64_t ahead)
      : Stage<T...>("prefetch", input->shapes(), {input.get()}),
        input_(std::move(input)),
        ahead_(ahead) {}
  std::int64_t cardinality() const override { return input_->cardinality(); }
  bool is_random_access() const override { return input_->is_random_access(); }

 protected:
  void do_get(const Pass& pass, std::int64_t index, Sinks<T...>& out) const override {
    input_->get(pass, index, out);
  }
  void do_get_each(const Pass& pass, std::span<const std::int64_t> indices, Sinks<T...>& out,
                   const ElementCallback& on_element) const override {
    input_->get_each(pass, indices, out, on_element);
  }
  std::unique_ptr<Cursor<T...>> do_begin(const Pass& pass, std::int64_t first) const override {
    if (is_random_access() && this->threads_so_far() == 0) {
      return numbered_ahead(*this, pass, first, 1, ahead_);
    }
    return read_ahead<T...>(
        *this, pass, first, ahead_,
        [this, first](const Pass& before) { return input_->begin(before, first); },
        [](Cursor<T...>& inner, Sinks<T...>& element) { return inner.next(element); });
  }

 private:
  const StagePtr<T...> input_;
  const std::int64_t ahead_;
};

// ---- Caches ----
// A cache's file. It begins with a magic number, a version, the types and shapes of its elements,
// and their number; after each element stands a checksum of all bytes up to there. Numbers are
// little-endian.
class CacheWriter {
 public:
  // `bytes` is the size of all elements together. Throws IoError.
  CacheWriter(const std::string& path, const std::string& signature, std::int64_t elements,
              std::uint64_t bytes);
  ~CacheWriter();
  CacheWriter(const CacheWriter&) = delete;
  CacheWriter& operator=(const CacheWriter&) = delete;

  void write(const void* data, std::size_t size);
  void end_element();
  // This call puts the file in place. Until then there is no file of that name, or still the former
  // one.
  void commit();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};
class CacheReader {
 public:
  // Opens the file; the result is empty if there is none. Throws IoError for a file that is no
  // cache, of another version or of other elements, or damaged.
  static std::optional<CacheReader> open(const std::string& path, const std::string& signature);
  ~CacheReader();
  CacheReader(CacheReader&&) noexcept;
  CacheReader& operator=(CacheReader&&) = delete;

  std::int64_t elements() const;
  // Returns the bytes of elements that are still to be read; no element can be larger.
  std::uint64_t left() const;
  // Reads a part of an element, which must not be used before end_element() has checked its
  // checksum.
  void read(void* data, std::size_t size);
  void end_element();
  // Ends reading after the last element, and checks that nothing follows it.
  void end();
  [[noreturn]] void fail_damaged(const std::string& why) const;

 private:
  struct Impl;
  explicit CacheReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

template <class... T>
class CacheStage final : public Stage<T...> {
 public:
  CacheStage(StagePtr<T...> input, std::string path)
      : Stage<T...>("cache", input->shapes(), {input.get()}),
        input_(std::move(input)),
        path_(std::move(path)) {}

  std::int64_t cardinality() const override {
    const Lock lock(mutex_);
    return whole_ ? static_cast<std::int64_t>(elements_.size()) : input_->cardinality();
  }
  bool is_settled() const override {
    load();
    const Lock lock(mutex_);
    return whole_;
  }
  std::unique_ptr<Cursor<T...>> do_begin(const Pass& pass, std::int64_t first) const override {
    load();
    {
      const Lock lock(mutex_);
      if (whole_) {
        const auto begin = static_cast<std::size_t>(first);
        return function_cursor<T...>([this, next = begin](Sinks<T...>& out) mutable {
          // Once they are complete, the elements never change.
          if (next >= elements_.size()) return false;
          copy_element(elements_[next++], out);
          return true;
        });
      }
    }
    // The elements are kept only if this pass comes to its end. Where their number is known, that
    // is after the last one: a caller who counts doesn't ask for another.
    const std::int64_t all = input_->cardinality();
    auto kept = std::make_shared<std::vector<Sinks<T...>>>();
    std::shared_ptr<Cursor<T...>> inner = input_->begin(from_the_start(pass));
    auto cursor = function_cursor<T...>([this, kept, inner, all](Sinks<T...>& out) {
      const bool found = inner->next(out);
      if (found) {
        kept->emplace_back();
        copy_element(out, kept->back());
      }
      if (!found || static_cast<std::int64_t>(kept->size()) == all) keep(std::move(*kept));
      return found;
    });
    return passed_over<T...>(std::move(cursor), first);
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
