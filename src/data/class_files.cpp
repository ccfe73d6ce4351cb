#include "data/class_files.h"

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "core/format.h"
#include "data/permutation.h"
#include "stoker/error.h"

namespace stoker::data {
namespace {

namespace fs = std::filesystem;

// File managers, editors and notebooks write hidden files for themselves.
bool is_hidden(const fs::path& path) { return path.filename().native().starts_with('.'); }

// A link that leads nowhere counts as a file, since nobody would notice if it were left out.
bool may_be_file(const fs::directory_entry& entry) {
  std::error_code unknown;
  const fs::file_status status = entry.status(unknown);
  return fs::is_regular_file(status) || !fs::status_known(status) || !fs::exists(status);
}

bool has_suffix(const fs::path& path, std::span<const std::string_view> suffixes) {
  std::string suffix = path.extension().string();
  std::ranges::transform(suffix, suffix.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::ranges::find(suffixes, suffix) != suffixes.end();
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

}  // namespace

ClassFiles find_class_files(const std::string& path, std::span<const std::string_view> suffixes) {
  ClassFiles found;
  const auto is_folder = [](const fs::directory_entry& entry) {
    std::error_code unknown;
    return entry.is_directory(unknown);
  };
  for (const fs::path& folder : sorted_entries(path, is_folder)) {
    const auto files = sorted_entries(folder, [&](const fs::directory_entry& entry) {
      return has_suffix(entry.path(), suffixes) && may_be_file(entry);
    });
    for (const fs::path& file : files) {
      found.files.push_back(file.string());
      found.labels.push_back(static_cast<std::int32_t>(found.names.size()));
    }
    found.names.push_back(folder.filename().string());
  }
  if (found.files.empty()) {
    throw IoError(format(path, ": expected subfolders, one for each class, that hold ", suffixes[0],
                         " or ", suffixes[1], " files; found none"));
  }
  return found;
}

void check_split(const char* where, const Split& split) {
  const bool has_subset = !split.subset.empty();
  if (has_subset && split.subset != "training" && split.subset != "validation") {
    throw ValueError(format(where,
                            ": expected the subset \"training\" or \"validation\", received \"",
                            split.subset, "\""));
  }
  if (split.validation_split.has_value() != has_subset) {
    throw ValueError(format(where, ": expected validation_split and subset together, received ",
                            has_subset ? "a subset" : "a split", " alone"));
  }
  if (has_subset && !(*split.validation_split > 0.0 && *split.validation_split < 1.0)) {
    throw ValueError(format(where, ": expected a validation_split within (0, 1), received ",
                            *split.validation_split));
  }
}

std::vector<std::size_t> subset_of(std::size_t count, const Split& split, bool is_other) {
  std::vector<std::size_t> numbers(count);
  for (std::size_t i = 0; i < count; ++i) numbers[i] = i;
  if (!split.validation_split) return numbers;
  if (split.shuffle) {
    // The split depends on the seed alone, so that both subsets are parts of one split.
    Permutations orders(static_cast<std::int64_t>(count), split.seed);
    const Permutations::Order order = orders.of_epoch(0);
    std::ranges::copy(order.rows(), numbers.begin());
  }
  // The last ones are for validation, their number rounded down, as in Keras.
  const auto held_out =
      static_cast<std::size_t>(*split.validation_split * static_cast<double>(count));
  const bool is_validation = (split.subset == "validation") != is_other;
  const auto middle = numbers.end() - static_cast<std::ptrdiff_t>(held_out);
  std::vector<std::size_t> part(is_validation ? middle : numbers.begin(),
                                is_validation ? numbers.end() : middle);
  if (part.empty()) {
    throw ValueError(format("validation_split: expected at least one file in the subset \"",
                            is_validation ? "validation" : "training", "\", received none of ",
                            count, " with a split of ", *split.validation_split));
  }
  std::ranges::sort(part);
  return part;
}

}  // namespace stoker::data
