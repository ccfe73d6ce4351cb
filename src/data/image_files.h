// Files of images as elements of a Dataset, with a label each.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "data/class_files.h"
#include "data/file_stage.h"
#include "stoker/image_folder.h"
#include "stoker/isolated_images.h"

namespace stoker::data {

// Throws ShapeError for a size without pixels, ValueError for limits, splits and subsets that make
// no sense. `where` begins the message.
void check_images(const char* where, const ImageFolderOptions& options);

Split split_of(const ImageFolderOptions& options);

// The elements that the options' decoding makes of files and labels, of which each has
// `label_shape`. L is std::int32_t or float.
template <class L>
Dataset<std::uint8_t, L> decoded(std::vector<std::string> all_files, std::vector<L> all_labels,
                                 const Shape& label_shape, const ImageFolderOptions& options,
                                 const char* where) {
  const auto count = static_cast<std::int32_t>(all_files.size());
  Dataset<std::int32_t> order = range(count);
  if (options.shuffle) order = order.shuffle(count, options.seed);
  const auto files = std::make_shared<const std::vector<std::string>>(std::move(all_files));
  const auto labels = std::make_shared<const std::vector<L>>(std::move(all_labels));
  const auto copy_label = [labels](std::size_t i, std::span<L> to) {
    detail::copy_values(std::span<const L>(*labels).subspan(i * to.size(), to.size()), to);
  };
  const ImageSize size = options.size;
  std::optional<IsolatedImageReader> isolated;
  if (options.isolate) isolated.emplace(IsolationOptions{.limits = options.limits});
  const std::array<Shape, 2> shapes{Shape{size.height, size.width, size.channels}, label_shape};
  const MapOptions decoding{.workers = options.decode_workers,
                            .on_error = options.on_error,
                            .max_failures = options.max_failures,
                            .name = "decode"};
  if (!options.read_workers) {
    return order.map<std::uint8_t, L>(
        shapes,
        [files, copy_label, size, limits = options.limits, isolated](
            std::span<const std::int32_t> number, std::span<std::uint8_t> image,
            std::span<L> label) {
          const auto i = static_cast<std::size_t>(number[0]);
          if (isolated) {
            isolated->read_image_into((*files)[i], image, size);
          } else {
            read_image_into((*files)[i], image, size, limits);
          }
          copy_label(i, label);
        },
        decoding);
  }
  const auto policy = detail::error_policy(options.on_error, options.max_failures, where);
  const Dataset<std::uint8_t, std::int32_t> read(std::make_shared<FileStage>(
      order.stage(), files, detail::own_workers(options.read_workers, where), policy));
  return read.map<std::uint8_t, L>(
      shapes,
      [files, copy_label, size, limits = options.limits, isolated](
          std::span<const std::uint8_t> bytes, std::span<const std::int32_t> number,
          std::span<std::uint8_t> image, std::span<L> label) {
        const auto i = static_cast<std::size_t>(number[0]);
        if (isolated) {
          isolated->decode_image_into(std::as_bytes(bytes), (*files)[i], image, size);
        } else {
          image::decode_into(std::as_bytes(bytes), (*files)[i], image, size, limits);
        }
        copy_label(i, label);
      },
      decoding);
}

}  // namespace stoker::data
