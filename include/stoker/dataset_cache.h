// Elements of a Dataset that are made ahead, or kept.
// Programs include stoker/dataset.h.
#pragma once

#include <cstring>
#include <mutex>

#include "stoker/dataset_map.h"

namespace stoker {

namespace detail {

// ---- Reading ahead ----
// Threads of its own for what is before it, where elements cannot be asked for by number; where
// they can, the feed's workers do that.
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
    return std::make_unique<AheadCursor<std::monostate, T...>>(
        [inner](std::monostate, Sinks<T...>& element) { return inner->next(element); },
        [](std::monostate, Sinks<T...>&, std::int64_t) {}, 1, ahead_);
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
    const std::lock_guard lock(mutex_);
    return whole_ ? static_cast<std::int64_t>(elements_.size()) : input_->cardinality();
  }
  std::unique_ptr<Cursor<T...>> begin(const Pass& pass) const override {
    load();
    {
      const std::lock_guard lock(mutex_);
      if (whole_) {
        return std::make_unique<FunctionCursor<T...>>(
            [this, next = std::size_t{0}](Sinks<T...>& out) mutable {
              if (next == elements_.size()) return false;  // never changes once it is whole
              copy_element(elements_[next++], out);
              return true;
            });
      }
    }
    // Kept only if this pass comes to its end.
    auto kept = std::make_shared<std::vector<Sinks<T...>>>();
    std::shared_ptr<Cursor<T...>> inner = input_->begin(pass);
    return std::make_unique<FunctionCursor<T...>>([this, kept, inner](Sinks<T...>& out) {
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
    const std::lock_guard lock(mutex_);
    if (whole_) return;
    if (!path_.empty()) save(elements);
    elements_ = std::move(elements);
    whole_ = true;
  }
  // Shapes and element types, so that another pipeline's file is not taken for this one's.
  std::string signature() const {
    std::string text;
    for_each_index<sizeof...(T)>([&](auto i) {
      text += std::string(name_of(dtype_of<std::tuple_element_t<i, std::tuple<T...>>>)) +
              to_string(this->shapes()[i]) + ";";
    });
    return text;
  }
  void save(const std::vector<Sinks<T...>>& elements) const {
    std::vector<std::byte> bytes;
    const auto append = [&](const void* data, std::size_t size) {
      const auto* from = static_cast<const std::byte*>(data);
      bytes.insert(bytes.end(), from, from + size);
    };
    for (const Sinks<T...>& element : elements) {
      for_each_index<sizeof...(T)>([&](auto i) {
        const auto& sink = std::get<i>(element);
        const Shape shape = sink.shape();
        for (std::size_t axis = 0; axis < shape.rank(); ++axis) {
          const std::int64_t extent = shape[axis];
          append(&extent, sizeof extent);
        }
        append(sink.values().data(), sink.values().size_bytes());
      });
    }
    write_cache(path_, signature(), static_cast<std::int64_t>(elements.size()), bytes);
  }
  void load() const {
    const std::lock_guard lock(mutex_);
    if (whole_ || path_.empty()) return;
    std::int64_t count = 0;
    const std::optional<std::vector<std::byte>> bytes = read_cache(path_, signature(), count);
    if (!bytes) return;
    std::size_t at = 0;
    const auto take = [&](void* to, std::size_t size) {
      if (size > bytes->size() - at) throw IoError(path_ + ": a damaged cache. Remove it");
      std::memcpy(to, bytes->data() + at, size);
      at += size;
    };
    std::vector<Sinks<T...>> elements;
    for (std::int64_t n = 0; n < count; ++n) {
      elements.emplace_back();
      for_each_index<sizeof...(T)>([&](auto i) {
        Shape shape = this->shapes()[i];
        for (std::size_t axis = 0; axis < shape.rank(); ++axis) {
          std::int64_t extent = 0;
          take(&extent, sizeof extent);
          if (extent < 0 || extent > static_cast<std::int64_t>(bytes->size())) {
            throw IoError(path_ + ": a damaged cache. Remove it");
          }
          shape[axis] = extent;
        }
        if (shape.elements() > static_cast<std::int64_t>(bytes->size())) {
          throw IoError(path_ + ": a damaged cache. Remove it");
        }
        const auto memory = std::get<i>(elements.back()).take(shape);
        take(memory.data(), memory.size_bytes());
        if (shape.rank() > 0 && shape[0] != this->shapes()[i][0]) {
          std::get<i>(elements.back()).set_rows(shape[0]);
        }
      });
    }
    elements_ = std::move(elements);
    whole_ = true;
  }

  const StagePtr<T...> input_;
  const std::string path_;
  mutable std::mutex mutex_;
  mutable bool whole_ = false;
  mutable std::vector<Sinks<T...>> elements_;
};

}  // namespace detail
}  // namespace stoker
