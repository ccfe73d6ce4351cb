#include "core/nearest.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <numeric>
#include <utility>
#include <vector>

#include "core/format.h"

namespace stoker {
namespace {

bool is_alike(char a, char b) {
  const auto lower = [](char c) { return std::tolower(static_cast<unsigned char>(c)); };
  return lower(a) == lower(b);
}

// Counts the edits: letters that are inserted, left out or changed, and neighbours that changed
// places.
std::size_t distance(std::string_view from, std::string_view to) {
  std::vector<std::size_t> before_last;
  std::vector<std::size_t> last(to.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (std::size_t i = 0; i < from.size(); ++i) {
    std::vector<std::size_t> row{i + 1};
    for (std::size_t j = 0; j < to.size(); ++j) {
      const std::size_t changed = last[j] + (is_alike(from[i], to[j]) ? 0 : 1);
      row.push_back(std::min({row[j] + 1, last[j + 1] + 1, changed}));
      const bool is_swapped =
          i > 0 && j > 0 && is_alike(from[i], to[j - 1]) && is_alike(from[i - 1], to[j]);
      if (is_swapped) row.back() = std::min(row.back(), before_last[j - 1] + 1);
    }
    before_last = std::exchange(last, std::move(row));
  }
  return last.back();
}

}  // namespace

std::string_view nearest(std::string_view name, std::span<const std::string_view> known) {
  constexpr std::size_t kLongest = 100;  // A longer text is no misspelt name.
  if (name.size() > kLongest) return {};
  std::string_view best;
  std::size_t fewest = 0;
  for (const std::string_view candidate : known) {
    const std::size_t edits = distance(name, candidate);
    if (5 * edits > 2 * std::max(name.size(), candidate.size())) continue;
    if (best.empty() || edits < fewest) {
      best = candidate;
      fewest = edits;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view name, std::span<const std::string_view> known) {
  const std::string_view best = nearest(name, known);
  return best.empty() ? "" : format("; did you mean \"", best, "\"?");
}

bool stands_for(std::string_view given, std::string_view class_name, std::string_view text,
                std::string_view short_text) {
  if (given == text || given == class_name) return true;
  if (short_text.empty() || given.size() != short_text.size()) return false;
  std::string capitals(short_text);
  for (char& c : capitals) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return given == short_text || given == capitals;
}

std::string joined(std::span<const std::string_view> names) {
  std::string text;
  for (const std::string_view name : names) text += format(text.empty() ? "" : ", ", name);
  return text;
}

}  // namespace stoker
