// Folders of files, one subfolder for each class, and parts of them for training and validation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace stoker::data {

struct ClassFiles {
  std::vector<std::string> names;    // of the classes, also of empty subfolders
  std::vector<std::string> files;    // sorted by class and name
  std::vector<std::int32_t> labels;  // of the files
};

// Finds files whose names end in one of `suffixes`, whatever their case. Hidden folders and files
// are passed over. Throws IoError if there are none.
ClassFiles find_class_files(const std::string& path, std::span<const std::string_view> suffixes);

// The options of a source that say which part of its files it takes.
struct Split {
  std::optional<double> validation_split;
  std::string subset;
  bool shuffle;
  std::uint64_t seed;
};
// Throws ValueError, which begins with `where`, for splits and subsets that make no sense.
void check_split(const char* where, const Split& split);
// Returns the numbers of those of `count` files, in their order, that the subset has; of the other
// one if `is_other`. Throws ValueError if there are none.
std::vector<std::size_t> subset_of(std::size_t count, const Split& split, bool is_other = false);

}  // namespace stoker::data
