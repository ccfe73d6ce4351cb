// Records of files as elements of a Dataset. Programs include stoker/tfrecord.h,
// stoker/tar_samples.h or stoker/text_lines.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "stoker/dataset.h"
#include "stoker/record_options.h"

namespace stoker::detail {

// The place of a component, for code that is compiled once for all element types.
class ComponentMemory {
 public:
  template <class T>
  ComponentMemory(const VaryingOutput<T>& output)
      : output_(&output), dtype_(dtype_of<T>), take_([](const void* to, const Shape& shape) {
          return std::as_writable_bytes(static_cast<const VaryingOutput<T>*>(to)->take(shape));
        }) {}
  // Does as VaryingOutput::take().
  std::span<std::byte> take(const Shape& shape) const { return take_(output_, shape); }
  DType dtype() const { return dtype_; }

 private:
  const void* output_;
  DType dtype_;
  std::span<std::byte> (*take_)(const void*, const Shape&);
};
using Components = std::span<const ComponentMemory>;

// Goes through the records of a pass. One thread at a time uses it.
class RecordStream {
 public:
  virtual ~RecordStream() = default;
  // Writes the next record; returns false at the end. After an exception it may be called again,
  // for the record behind the one that failed.
  virtual bool next(Components to) = 0;
};

// The records of some shards. Several threads may use it at a time.
class Records {
 public:
  virtual ~Records() = default;
  // Returns the number of records if they can be asked for by number.
  virtual std::optional<std::int32_t> count() const = 0;
  virtual void read(std::int32_t number, Components to) const = 0;
  virtual std::unique_ptr<RecordStream> begin(std::int64_t epoch) const = 0;
  // Returns whether shards come in another order in each epoch, and the number of the record that
  // then stands at a place.
  virtual bool shuffles() const = 0;
  virtual std::int32_t at_place(std::int32_t place, std::int64_t epoch) const = 0;
};

template <class... T>
Dataset<T...> dataset_of(const std::shared_ptr<const Records>& records,
                         const std::array<Shape, sizeof...(T)>& shapes,
                         const RecordOptions& options, const std::string& name) {
  const std::optional<std::int32_t> count = records->count();
  if (!count) {
    return Dataset<T...>::from_generator(
        shapes,
        [records](std::int64_t epoch) {
          // The stream refers to the records.
          return [records, stream = records->begin(epoch)](VaryingOutput<T>... to) {
            return stream->next(std::array{ComponentMemory(to)...});
          };
        },
        {.on_error = options.on_error, .max_failures = options.max_failures});
  }
  Dataset<std::int32_t> order = range(*count);
  if (records->shuffles()) {
    order = order.map<std::int32_t>(
        {Shape{}}, [records](MapContext& context, std::span<const std::int32_t> place,
                             std::span<std::int32_t> number) {
          number[0] = records->at_place(place[0], context.epoch);
        });
  }
  return order.map<T...>(shapes,
                         [records](std::span<const std::int32_t> number, VaryingOutput<T>... to) {
                           records->read(number[0], std::array{ComponentMemory(to)...});
                         },
                         {.workers = options.workers,
                          .on_error = options.on_error,
                          .max_failures = options.max_failures,
                          .name = name});
}

}  // namespace stoker::detail
