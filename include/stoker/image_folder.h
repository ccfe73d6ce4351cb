// Folders of images, one subfolder for each class.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "stoker/dataset.h"
#include "stoker/image.h"

namespace stoker {

struct ImageFolderOptions {
  ImageSize size{.height = 256, .width = 256, .channels = 3};  // of every image, after resizing
  bool shuffle = true;                                         // a new order in each epoch
  std::uint64_t seed = 0;
  ImageLimits limits{};  // of each file
  // Files that can't be read or decoded: see MapOptions.
  OnError on_error = OnError::stop;
  std::int64_t max_failures = kMaxFailures;
  // Threads of their own for reading and for decoding. With read_workers these are two stages, and
  // files are read ahead of the decoding; without, the thread that decodes a file reads it.
  std::optional<int> read_workers{};
  std::optional<int> decode_workers{};
  // Files are decoded in processes of their own, as IsolatedImageReader does, so that one that
  // crashes a decoder is an error of the batch that it is in.
  bool isolate = false;
  // The share of the images, rounded down, that is kept for validation, within (0, 1), and which
  // part to return: "training" or "validation". The images are shuffled by the seed before they are
  // split, unless `shuffle` is false: then the last ones by class and name are kept, as in Keras.
  // The parts have no image in common if split, seed and shuffle are the same for both.
  std::optional<double> validation_split{};
  std::string subset{};
};

// The elements can be asked for by number, so that the feed's workers decode them, straight into
// the slot if batch() is the only stage after them, unless there are threads of the stages' own.
//
//   ImageFolder photos = image_folder("photos", {.size = {224, 224, 3}});
//   model.fit(photos.dataset.batch(32), {.epochs = 10, .workers = AUTOTUNE});
struct ImageFolder {
  Dataset<std::uint8_t, std::int32_t> dataset;  // (height, width, channels), and a class number
  // The classes' names by number, sorted; also of empty subfolders.
  std::vector<std::string> class_names;
  std::vector<std::string> files;    // sorted by class and name
  std::vector<std::int32_t> labels;  // the labels of the files
};

// Finds images as Keras's image_dataset_from_directory does, in files that end in png, jpg or jpeg.
// Folders and files whose names begin with a dot are skipped. The function only looks for files; a
// file that can't be decoded, or a link that leads nowhere, is an error of the batch that it is in,
// or is replaced by another image (OnError::skip).
// Throws IoError if the folder is missing or holds no class with an image, ShapeError for a size
// without pixels, ValueError for numbers of workers or failures that make no sense, and for a
// validation_split without a subset, outside of (0, 1), or that leaves a part without images.
ImageFolder image_folder(const std::string& path, const ImageFolderOptions& options = {});

// Keras's subset "both".
struct ImageFolderSubsets {
  ImageFolder training;
  ImageFolder validation;
};
// Returns both parts of one split; the option `subset` is not looked at.
//
//   auto [training, validation] = image_folder_subsets("photos", {.validation_split = 0.2});
ImageFolderSubsets image_folder_subsets(const std::string& path, ImageFolderOptions options);

}  // namespace stoker
