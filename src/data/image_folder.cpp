#include "stoker/image_folder.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <memory>
#include <utility>

#include "core/format.h"
#include "stoker/error.h"

namespace stoker {
namespace {

namespace fs = std::filesystem;

bool is_image(const fs::path& path) {
  std::string suffix = path.extension().string();
  std::ranges::transform(suffix, suffix.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return suffix == ".png" || suffix == ".jpg" || suffix == ".jpeg";
}

template <class Wanted>
std::vector<fs::path> sorted_entries(const fs::path& folder, Wanted wanted) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (wanted(*it)) entries.push_back(it->path());
  }
  if (error) throw IoError(format(folder.native(), ": ", error.message()));
  std::ranges::sort(entries);
  return entries;
}

}  // namespace

ImageFolder image_folder(const std::string& path, const ImageFolderOptions& options) {
  std::vector<std::string> names;
  std::vector<std::string> files;
  std::vector<std::int32_t> labels;
  const auto is_folder = [](const fs::directory_entry& entry) { return entry.is_directory(); };
  for (const fs::path& folder : sorted_entries(path, is_folder)) {
    const auto found = sorted_entries(folder, [](const fs::directory_entry& entry) {
      return entry.is_regular_file() && is_image(entry.path());
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
  const ImageSize size = options.size;
  const auto shared =
      std::make_shared<const std::pair<std::vector<std::string>, std::vector<std::int32_t>>>(
          files, labels);
  auto dataset = order.map<std::uint8_t, std::int32_t>(
      {Shape{size.height, size.width, size.channels}, Shape{}},
      [shared, size](std::span<const std::int32_t> number, std::span<std::uint8_t> image,
                     std::span<std::int32_t> label) {
        const auto i = static_cast<std::size_t>(number[0]);
        read_image_into(shared->first[i], image, size);
        label[0] = shared->second[i];
      });
  return {std::move(dataset), std::move(names), std::move(files), std::move(labels)};
}

}  // namespace stoker
