#include "report/chart.h"

#include <algorithm>
#include <cmath>

#include "core/format.h"
#include "report/columns.h"
#include "report/text.h"

namespace stoker::report {
namespace {

constexpr int kLeastBar = 4;

std::string repeated(std::string_view character, int times) {
  std::string text;
  for (int i = 0; i < times; ++i) text += character;
  return text;
}

}  // namespace

std::string padded(std::string_view text, std::size_t columns) {
  const auto taken = static_cast<std::size_t>(columns_of(text));
  return std::string(text) + std::string(taken < columns ? columns - taken : 0, ' ');
}

std::string bar_chart(const std::vector<Bar>& bars, int columns) {
  std::size_t names = 0;
  std::size_t values = 0;
  double least = HUGE_VAL;
  double most = 0.0;
  for (const Bar& bar : bars) {
    names = std::max(names, static_cast<std::size_t>(columns_of(bar.name)));
    values = std::max(values, rate(bar.value).size());
    if (bar.value > 0.0 && std::isfinite(bar.value)) {
      least = std::min(least, bar.value);
      most = std::max(most, bar.value);
    }
  }
  const int room = std::max(kLeastBar, columns - static_cast<int>(names + values) - 6);
  // The least value has a bar too: the scale begins at a third of it.
  const double scale = most > 0.0 ? std::log(most / (least / 3.0)) : 1.0;
  std::string text;
  for (const Bar& bar : bars) {
    const bool has_bar = bar.value > 0.0 && std::isfinite(bar.value);
    const double share = has_bar ? std::log(bar.value / (least / 3.0)) / scale : 0.0;
    const int length = static_cast<int>(std::lround(share * room));
    const std::string value = rate(bar.value);
    text += format("  ", padded(bar.name, names), "  ", repeated("█", length),
                   std::string(static_cast<std::size_t>(room - length), ' '), "  ",
                   std::string(values - value.size(), ' '), value, "\n");
  }
  return text;
}

std::string divided(const std::vector<Part>& parts, double whole, int columns) {
  std::string text;
  if (!(whole > 0.0)) return text;
  double sum = 0.0;
  int drawn = 0;
  for (const Part& part : parts) {
    sum += std::max(part.value, 0.0);
    const int end =
        std::clamp(static_cast<int>(std::lround(sum / whole * columns)), drawn, columns);
    text += repeated(part.character, end - drawn);
    drawn = end;
  }
  return text;
}

}  // namespace stoker::report
