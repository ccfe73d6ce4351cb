// Images that a table lists, with what it says of each: Keras's flow_from_dataframe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "stoker/csv.h"
#include "stoker/dataset.h"
#include "stoker/image_folder.h"
#include "stoker/tensor.h"

namespace stoker {

struct ImageListOptions {
  std::string path_column = "filename";
  std::string label_column = "class";
  // The folder that relative paths begin in; without one, that of the table.
  std::string folder{};
  // The classes by number. Without them, the labels' texts, sorted.
  std::vector<std::string> class_names{};
  // Size, order, limits, threads, what is done with files that fail, and the part to take.
  ImageFolderOptions images{};
  CsvOptions csv{};
};

// Returns the images that the rows of a CSV file name, with class numbers, as image_folder() does.
// A file that is missing is an error of the batch that it is in, or is replaced by another image
// (OnError::skip).
//
//   ImageFolder photos = images_from_csv(
//       "labels.csv", {.label_column = "species", .folder = "photos", .images = {.size = {96, 96,
//       3}}});
//
// Throws as read_csv() and image_folder() do, ValueError for columns that there are not, DataError
// for a row without a path and for a label that is none of the class_names.
ImageFolder images_from_csv(const std::string& path, const ImageListOptions& options = {});

struct ImageValues {
  // (height, width, channels), and the numbers: (columns), or () of one column.
  Dataset<std::uint8_t, float> dataset;
  std::vector<std::string> files;
  Tensor values;  // (files, columns)
};
// Returns the images with numbers from columns of the table, for models that predict numbers
// (class_mode "raw" in Keras). Throws as images_from_csv() does, and DataError for a field that is
// no number.
ImageValues image_values_from_csv(const std::string& path,
                                  const std::vector<std::string>& value_columns,
                                  const ImageListOptions& options = {});

}  // namespace stoker
