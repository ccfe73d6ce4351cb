#include "stoker/image_folder.h"

#include <array>
#include <string_view>
#include <utility>

#include "core/foreign.h"
#include "data/class_files.h"
#include "data/image_files.h"

namespace stoker {
namespace {

constexpr std::array<std::string_view, 3> kSuffixes{".png", ".jpg", ".jpeg"};

ImageFolder part_of(const data::ClassFiles& found, const ImageFolderOptions& options,
                    bool is_other) {
  std::vector<std::string> files;
  std::vector<std::int32_t> labels;
  for (const std::size_t i :
       data::subset_of(found.files.size(), data::split_of(options), is_other)) {
    files.push_back(found.files[i]);
    labels.push_back(found.labels[i]);
  }
  auto dataset = data::decoded(files, labels, Shape{}, options, "image_folder");
  return {std::move(dataset), found.names, std::move(files), std::move(labels)};
}

}  // namespace

ImageFolder image_folder(const std::string& path, const ImageFolderOptions& options) {
  data::check_images("image_folder", options);
  return with_own_errors(
      path, [&] { return part_of(data::find_class_files(path, kSuffixes), options, false); });
}

ImageFolderSubsets image_folder_subsets(const std::string& path, ImageFolderOptions options) {
  options.subset = "training";
  data::check_images("image_folder_subsets", options);
  return with_own_errors(path, [&] {
    const data::ClassFiles found = data::find_class_files(path, kSuffixes);
    return ImageFolderSubsets{part_of(found, options, false), part_of(found, options, true)};
  });
}

}  // namespace stoker
