#include "data/image_files.h"

#include "core/format.h"
#include "data/limits.h"
#include "stoker/error.h"

namespace stoker::data {

void check_images(const char* where, const ImageFolderOptions& options) {
  if (options.size.elements() == 0) {
    throw ShapeError(format(where, ": expected a size of at least one pixel, received ",
                            options.size.height, " x ", options.size.width, " x ",
                            options.size.channels));
  }
  check_limits(options.limits);
  if (options.subset == "both") {
    throw ValueError(format(where,
                            ": expected the subset \"training\" or \"validation\", received ",
                            "\"both\". image_folder_subsets() returns both"));
  }
  check_split(where, split_of(options));
}

Split split_of(const ImageFolderOptions& options) {
  return {options.validation_split, options.subset, options.shuffle, options.seed};
}

}  // namespace stoker::data
