#include "stoker/image_folder.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>

#include "core/foreign.h"
#include "core/format.h"
#include "data/file_stage.h"
#include "data/limits.h"
#include "stoker/error.h"
#include "stoker/isolated_images.h"

namespace stoker {
namespace {

namespace fs = std::filesystem;

bool is_image(const fs::path& path) {
  std::string suffix = path.extension().string();
  std::ranges::transform(suffix, suffix.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return suffix == ".png" || suffix == ".jpg" || suffix == ".jpeg";
}

// File managers, editors and notebooks write hidden files for themselves.
bool is_hidden(const fs::path& path) { return path.filename().native().starts_with('.'); }

// A link that leads nowhere counts as a file, since nobody would notice if it were left out.
bool may_be_file(const fs::directory_entry& entry) {
  std::error_code unknown;
  const fs::file_status status = entry.status(unknown);
  return fs::is_regular_file(status) || !fs::status_known(status) || !fs::exists(status);
}

template <class Wanted>
std::vector<fs::path> sorted_entries(const fs::path& folder, Wanted wanted) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (!is_hidden(it->path()) && wanted(*it)) entries.push_back(it->path());
  }
  if (error) throw IoError(format(folder.native(), ": ", error.message()));
  std::ranges::sort(entries);
  return entries;
}

Dataset<std::uint8_t, std::int32_t> decoded(const Dataset<std::int32_t>& order,
                                            const std::vector<std::string>& all_files,
                                            const std::vector<std::int32_t>& all_labels,
                                            const ImageFolderOptions& options) {
  const auto files = std::make_shared<const std::vector<std::string>>(all_files);
  const auto labels = std::make_shared<const std::vector<std::int32_t>>(all_labels);
  const ImageSize size = options.size;
  std::optional<IsolatedImageReader> isolated;
  if (options.isolate) isolated.emplace(IsolationOptions{.limits = options.limits});
  const std::array<Shape, 2> shapes{Shape{size.height, size.width, size.channels}, Shape{}};
  const MapOptions decoding{.workers = options.decode_workers,
                            .on_error = options.on_error,
                            .max_failures = options.max_failures,
                            .name = "decode"};
  if (!options.read_workers) {
    return order.map<std::uint8_t, std::int32_t>(
        shapes,
        [files, labels, size, limits = options.limits, isolated](
            std::span<const std::int32_t> number, std::span<std::uint8_t> image,
            std::span<std::int32_t> label) {
          const auto i = static_cast<std::size_t>(number[0]);
          if (isolated) {
            isolated->read_image_into((*files)[i], image, size);
          } else {
            read_image_into((*files)[i], image, size, limits);
          }
          label[0] = (*labels)[i];
        },
        decoding);
  }
  const auto policy = detail::error_policy(options.on_error, options.max_failures, "image_folder");
  const Dataset<std::uint8_t, std::int32_t> read(std::make_shared<data::FileStage>(
      order.stage(), files, detail::own_workers(options.read_workers, "image_folder"), policy));
  return read.map<std::uint8_t, std::int32_t>(
      shapes,
      [files, labels, size, limits = options.limits, isolated](
          std::span<const std::uint8_t> bytes, std::span<const std::int32_t> number,
          std::span<std::uint8_t> image, std::span<std::int32_t> label) {
        const auto i = static_cast<std::size_t>(number[0]);
        if (isolated) {
          isolated->decode_image_into(std::as_bytes(bytes), (*files)[i], image, size);
        } else {
          image::decode_into(std::as_bytes(bytes), (*files)[i], image, size, limits);
        }
        label[0] = (*labels)[i];
      },
      decoding);
}

ImageFolder find(const std::string& path, const ImageFolderOptions& options) {
  if (options.size.elements() == 0) {
    throw ShapeError(format("image_folder: expected a size of at least one pixel, received ",
                            options.size.height, " x ", options.size.width, " x ",
                            options.size.channels));
  }
  data::check_limits(options.limits);
  std::vector<std::string> names;
  std::vector<std::string> files;
  std::vector<std::int32_t> labels;
  const auto is_folder = [](const fs::directory_entry& entry) {
    std::error_code unknown;
    return entry.is_directory(unknown);
  };
  for (const fs::path& folder : sorted_entries(path, is_folder)) {
    const auto found = sorted_entries(folder, [](const fs::directory_entry& entry) {
      return is_image(entry.path()) && may_be_file(entry);
    });
    for (const fs::path& file : found) {
      files.push_back(file.string());
      labels.push_back(static_cast<std::int32_t>(names.size()));
    }
    names.push_back(folder.filename().string());
  }
  if (files.empty()) {
    throw IoError(format(path,
                         ": expected subfolders, one for each class, that hold .png or .jpg "
                         "files; found none"));
  }
  const auto count = static_cast<std::int32_t>(files.size());
  Dataset<std::int32_t> order = range(count);
  if (options.shuffle) order = order.shuffle(count, options.seed);
  auto dataset = decoded(order, files, labels, options);
  return {std::move(dataset), std::move(names), std::move(files), std::move(labels)};
}

}  // namespace

ImageFolder image_folder(const std::string& path, const ImageFolderOptions& options) {
  return with_own_errors(path, [&] { return find(path, options); });
}

}  // namespace stoker
