// Tar archives of samples, as WebDataset writes them.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "stoker/dataset.h"
#include "stoker/detail/records.h"
#include "stoker/record_options.h"

namespace stoker {

// A member of each sample that becomes a component.
struct TarField {
  // What its name has behind the first dot; several that may stand for it: "jpg;jpeg;png".
  std::string extension{};
  // The shape of the component. One extent may be Shape::kUnknown, for arrays and bytes whose
  // length differs.
  Shape shape{};
  // Of a .json member: the key of the number, or of the list of numbers.
  std::string key{};
};

// Returns the samples of tar archives, gzipped or not. Members that follow each other and have the
// same name up to the first dot of its last part are one sample. By what stands behind the last
// dot:
//
// - png, jpg, jpeg: an image, decoded and resized to (height, width, channels), as uint8
// - cls, cls2, id, index: a whole number as text
// - json: the number or numbers at `key`
// - npy: an array, of the component's type or of integers to be read as floats
// - any other: bytes, as uint8, or as numbers in little-endian order
//
//   auto samples = tar_samples<std::uint8_t, std::int32_t>(
//       {"train-{000..127}.tar"}, {{{"jpg;png", {224, 224, 3}}, {"cls", {}}}});
//   model.fit(samples.shuffle(samples.cardinality(), 7).batch(64), {.workers = AUTOTUNE});
//
// Nothing is unpacked to disk. Throws ValueError without a shard, DTypeError for images that are
// not read as uint8, IoError for archives that are missing, damaged or cut off, and for those with
// absolute paths, paths through "..", links, devices or sparse files. A sample that lacks a member,
// or whose member can't be read, is an error that names archive, member and offset.
template <class... T>
Dataset<T...> tar_samples(const std::vector<std::string>& shards,
                          const std::array<TarField, sizeof...(T)>& fields,
                          const RecordOptions& options = {});

namespace detail {
std::shared_ptr<const Records> open_tar_samples(const std::vector<std::string>& shards,
                                                std::span<const TarField> fields,
                                                std::span<const DType> dtypes,
                                                const RecordOptions& options);
}  // namespace detail

template <class... T>
Dataset<T...> tar_samples(const std::vector<std::string>& shards,
                          const std::array<TarField, sizeof...(T)>& fields,
                          const RecordOptions& options) {
  const std::array<DType, sizeof...(T)> dtypes{dtype_of<T>...};
  std::array<Shape, sizeof...(T)> shapes;
  for (std::size_t i = 0; i < shapes.size(); ++i) shapes[i] = fields[i].shape;
  return detail::dataset_of<T...>(detail::open_tar_samples(shards, fields, dtypes, options), shapes,
                                  options, "tar");
}

}  // namespace stoker
