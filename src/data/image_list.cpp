#include "stoker/image_list.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <span>
#include <utility>

#include "core/foreign.h"
#include "core/format.h"
#include "data/image_files.h"
#include "stoker/error.h"

namespace stoker {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> paths_in(const Csv& table, const std::string& path,
                                  const ImageListOptions& options) {
  const fs::path folder =
      options.folder.empty() ? fs::path(path).parent_path() : fs::path(options.folder);
  std::vector<std::string> files = table.texts(options.path_column);
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (files[i].empty()) {
      throw DataError(format(path, ", row ", i, ": expected a path in the column \"",
                             options.path_column, "\", received nothing"));
    }
    files[i] = (folder / files[i]).string();
  }
  if (files.empty()) throw DataError(format(path, ": expected at least one row, received none"));
  return files;
}

// Returns the classes by number, and `labels` as such numbers.
std::vector<std::string> classes_of(const std::vector<std::string>& texts, const std::string& path,
                                    const ImageListOptions& options,
                                    std::vector<std::int32_t>& labels) {
  std::vector<std::string> names = options.class_names;
  const bool is_given = !names.empty();
  if (!is_given) {
    names = texts;
    std::ranges::sort(names);
    names.erase(std::unique(names.begin(), names.end()), names.end());
  }
  std::map<std::string, std::int32_t> numbers;
  for (const std::string& name : names) {
    if (!numbers.emplace(name, static_cast<std::int32_t>(numbers.size())).second) {
      throw ValueError(format("images_from_csv: expected class_names that differ, received \"",
                              name, "\" twice"));
    }
  }
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto found = numbers.find(texts[i]);
    if (found == numbers.end()) {
      throw DataError(format(path, ", row ", i,
                             ": expected one of the class_names in the column \"",
                             options.label_column, "\", received \"", texts[i], "\""));
    }
    labels.push_back(found->second);
  }
  return names;
}

}  // namespace

ImageFolder images_from_csv(const std::string& path, const ImageListOptions& options) {
  data::check_images("images_from_csv", options.images);
  return with_own_errors(path, [&] {
    const Csv table = read_csv(path, options.csv);
    const std::vector<std::string> all_files = paths_in(table, path, options);
    std::vector<std::int32_t> all_labels;
    std::vector<std::string> names =
        classes_of(table.texts(options.label_column), path, options, all_labels);
    std::vector<std::string> files;
    std::vector<std::int32_t> labels;
    for (const std::size_t i : data::subset_of(all_files.size(), data::split_of(options.images))) {
      files.push_back(all_files[i]);
      labels.push_back(all_labels[i]);
    }
    auto dataset = data::decoded(files, labels, Shape{}, options.images, "images_from_csv");
    return ImageFolder{std::move(dataset), std::move(names), std::move(files), std::move(labels)};
  });
}

ImageValues image_values_from_csv(const std::string& path,
                                  const std::vector<std::string>& value_columns,
                                  const ImageListOptions& options) {
  data::check_images("image_values_from_csv", options.images);
  if (value_columns.empty()) {
    throw ValueError("image_values_from_csv: expected at least one value column, received none");
  }
  return with_own_errors(path, [&] {
    const Csv table = read_csv(path, options.csv);
    const std::vector<std::string> all_files = paths_in(table, path, options);
    const Tensor all = table.floats(value_columns);
    const auto width = static_cast<std::int64_t>(value_columns.size());
    std::vector<std::string> files;
    std::vector<float> numbers;
    for (const std::size_t i : data::subset_of(all_files.size(), data::split_of(options.images))) {
      files.push_back(all_files[i]);
      const auto row = all.data<float>().subspan(i * value_columns.size(), value_columns.size());
      numbers.insert(numbers.end(), row.begin(), row.end());
    }
    Tensor values = Tensor::from<float>({static_cast<std::int64_t>(files.size()), width}, numbers);
    auto dataset = data::decoded(files, std::move(numbers), width == 1 ? Shape{} : Shape{width},
                                 options.images, "image_values_from_csv");
    return ImageValues{std::move(dataset), std::move(files), std::move(values)};
  });
}

}  // namespace stoker
