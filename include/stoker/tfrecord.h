// TFRecord files, and the tf.train.Example messages in them.
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

// A feature of a tf.train.Example that becomes a component.
struct ExampleFeature {
  std::string name{};
  // The shape of the component. One extent may be Shape::kUnknown: it is then what the feature's
  // length makes it, and padded_batch() puts elements together.
  Shape shape{};
  // The feature holds the bytes of a PNG or JPEG, which is decoded and resized to (height, width,
  // channels), as uint8.
  bool is_image = false;
};

// Returns the messages of TFRecord files, gzipped or not, as elements. A float_list becomes floats
// (float, bfloat16, float16); an int64_list becomes int32 or uint8 where every number fits, or
// floats; a bytes_list of one value becomes its bytes: of an image, or as numbers in little-endian
// order. Checksums of lengths and data are verified.
//
//   auto examples = tfrecord_examples<std::uint8_t, std::int32_t>(
//       {"train-{000..127}.tfrecord"},
//       {{{"image/encoded", {224, 224, 3}, true}, {"image/class/label", {}}}});
//   model.fit(examples.shuffle(examples.cardinality(), 7).batch(64), {.workers = AUTOTUNE});
//
// Throws ValueError without a shard and for two unknown extents, DTypeError for images that are not
// read as uint8, IoError for shards that are missing or whose lengths are damaged or lead beyond
// their end. A record with a wrong checksum, that is no such message, without the feature, with one
// of another kind or length, or with numbers that do not fit, is an error that names file and
// offset.
template <class... T>
Dataset<T...> tfrecord_examples(const std::vector<std::string>& shards,
                                const std::array<ExampleFeature, sizeof...(T)>& features,
                                const RecordOptions& options = {});

// Returns the records as they are, bytes of different lengths, for messages of one's own.
Dataset<std::uint8_t> tfrecord_records(const std::vector<std::string>& shards,
                                       const RecordOptions& options = {});

namespace detail {
std::shared_ptr<const Records> open_examples(const std::vector<std::string>& shards,
                                             std::span<const ExampleFeature> features,
                                             std::span<const DType> dtypes,
                                             const RecordOptions& options);
}  // namespace detail

template <class... T>
Dataset<T...> tfrecord_examples(const std::vector<std::string>& shards,
                                const std::array<ExampleFeature, sizeof...(T)>& features,
                                const RecordOptions& options) {
  const std::array<DType, sizeof...(T)> dtypes{dtype_of<T>...};
  std::array<Shape, sizeof...(T)> shapes;
  for (std::size_t i = 0; i < shapes.size(); ++i) shapes[i] = features[i].shape;
  return detail::dataset_of<T...>(detail::open_examples(shards, features, dtypes, options), shapes,
                                  options, "tfrecord");
}

}  // namespace stoker
