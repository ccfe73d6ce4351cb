// Prints tensors as NumPy 2 prints arrays. Source: numpy/_core/arrayprint.py, with its default
// options: up to 1000 elements are printed all, of more the first and last three along each axis.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <ostream>
#include <string>
#include <vector>

#include "core/format.h"
#include "stoker/tensor.h"

namespace stoker {
namespace {

constexpr std::int64_t kThreshold = 1000;
constexpr std::int64_t kEdge = 3;
constexpr std::size_t kLineWidth = 75;
constexpr int kPrecision = 8;

std::string spaces(std::size_t count) { return std::string(count, ' '); }

// A finite number in decimal digits.
struct Decimal {
  bool is_negative = false;
  std::string digits{};  // without a point
  int exponent = 0;      // of the first digit
};

bool reads_back(const Decimal& decimal, float value, DType dtype) {
  const std::string text = decimal.digits.substr(0, 1) + "." + decimal.digits.substr(1) + "e" +
                           std::to_string(decimal.exponent);
  float read = 0.0f;
  std::from_chars(text.data(), text.data() + text.size(), read);
  if (decimal.is_negative) read = -read;
  if (dtype == DType::bfloat16) return bfloat16(read).bits == bfloat16(value).bits;
  if (dtype == DType::float16) return float16(read).bits == float16(value).bits;
  return read == value;
}

// Returns the digits of the number rounded to so many places behind the first.
Decimal decimal_of(float value, int places) {
  std::array<char, 32> text{};
  const char* end = std::to_chars(text.data(), text.data() + text.size(), std::abs(value),
                                  std::chars_format::scientific, places)
                        .ptr;
  Decimal decimal{.is_negative = std::signbit(value)};
  const char* at = text.data();
  for (; *at != 'e'; ++at) {
    if (*at != '.') decimal.digits += *at;
  }
  ++at;  // from_chars takes no plus sign.
  std::from_chars(*at == '+' ? at + 1 : at, end, decimal.exponent);
  return decimal;
}

// Returns the fewest digits that give the number back in its own type.
Decimal decimal_of(float value, DType dtype) {
  constexpr int kMostPlaces = std::numeric_limits<float>::max_digits10 - 1;
  Decimal decimal;
  for (int places = 0; places <= kMostPlaces; ++places) {
    decimal = decimal_of(value, places);
    if (reads_back(decimal, value, dtype)) break;
  }
  while (decimal.digits.size() > 1 && decimal.digits.back() == '0') decimal.digits.pop_back();
  return decimal;
}

// The text of a number before and after its point, and of its exponent where it has one.
struct Parts {
  std::string whole{};
  std::string fraction{};
  std::string exponent{};
};

Parts positional(float value, const Decimal& decimal) {
  Parts parts{.whole = decimal.is_negative ? "-" : ""};
  const auto count = static_cast<int>(decimal.digits.size());
  if (count - 1 - decimal.exponent > kPrecision) {
    std::array<char, 64> text{};
    const char* end = std::to_chars(text.data(), text.data() + text.size(), std::abs(value),
                                    std::chars_format::fixed, kPrecision)
                          .ptr;
    const std::string all(text.data(), static_cast<std::size_t>(end - text.data()));
    const std::size_t point = all.find('.');
    parts.whole += all.substr(0, point);
    parts.fraction = all.substr(point + 1);
    while (!parts.fraction.empty() && parts.fraction.back() == '0') parts.fraction.pop_back();
    return parts;
  }
  if (decimal.exponent < 0) {
    parts.whole += '0';
    parts.fraction =
        std::string(static_cast<std::size_t>(-decimal.exponent - 1), '0') + decimal.digits;
    return parts;
  }
  std::string digits = decimal.digits;
  const auto whole = static_cast<std::size_t>(decimal.exponent) + 1;
  if (digits.size() < whole) digits.resize(whole, '0');
  parts.whole += digits.substr(0, whole);
  parts.fraction = digits.substr(whole);
  return parts;
}

Parts scientific(const Decimal& decimal) {
  std::string exponent = std::to_string(std::abs(decimal.exponent));
  if (exponent.size() < 2) exponent = "0" + exponent;
  return {.whole = (decimal.is_negative ? "-" : "") + decimal.digits.substr(0, 1),
          .fraction = decimal.digits.substr(1),
          .exponent = (decimal.exponent < 0 ? "-" : "+") + exponent};
}

// Elements as texts of one width. NumPy decides on the form by the elements that are printed.
class Elements {
 public:
  explicit Elements(const Tensor& tensor)
      : tensor_(tensor), is_floating_(is_floating(tensor.dtype())) {}

  void see(std::int64_t i) {
    if (!is_floating_) {
      width_ = std::max(width_, whole(i).size());
      return;
    }
    const float value = number(i);
    if (!std::isfinite(value)) {
      has_none_ = true;
      is_negative_ = is_negative_ || (std::isinf(value) && value < 0.0f);
      return;
    }
    values_.push_back(value);
    if (value == 0.0f) return;
    smallest_ = std::min(smallest_, std::abs(value));
    largest_ = std::max(largest_, std::abs(value));
  }
  void decide() {
    if (!is_floating_) return;
    is_scientific_ = largest_ > 0.0f && (largest_ >= 1e8f || smallest_ < 1e-4f ||
                                         rounded(largest_ / smallest_) > 1000.0f);
    for (const float value : values_) {
      const Parts parts = parts_of(value);
      left_ = std::max(left_, parts.whole.size());
      right_ = std::max(right_, parts.fraction.size());
      exponent_ = std::max(exponent_, parts.exponent.size());
    }
    width_ = left_ + 1 + right_ + (is_scientific_ ? exponent_ + 1 : 0);
    if (has_none_) width_ = std::max<std::size_t>(width_, is_negative_ ? 4 : 3);
  }
  std::string text(std::int64_t i) const {
    std::string text = is_floating_ ? floating(number(i)) : whole(i);
    return spaces(width_ - std::min(width_, text.size())) + text;
  }
  // A single element, as Python prints a number.
  std::string alone() const {
    if (!is_floating_) return whole(0);
    const float value = number(0);
    if (!std::isfinite(value)) return not_finite(value);
    const Decimal decimal = decimal_of(value, tensor_.dtype());
    if (value != 0.0f && (decimal.exponent < -4 || decimal.exponent >= 16)) {
      const Parts parts = scientific(decimal);
      return parts.whole + (parts.fraction.empty() ? "" : "." + parts.fraction) + "e" +
             parts.exponent;
    }
    const Parts parts = positional(value, decimal);
    return parts.whole + "." + (parts.fraction.empty() ? "0" : parts.fraction);
  }

 private:
  float number(std::int64_t i) const {
    const auto at = static_cast<std::size_t>(i);
    if (tensor_.dtype() == DType::bfloat16) {
      return static_cast<float>(tensor_.data<bfloat16>()[at]);
    }
    if (tensor_.dtype() == DType::float16) return static_cast<float>(tensor_.data<float16>()[at]);
    return tensor_.data<float>()[at];
  }
  // Rounds as arithmetic in the elements' type does.
  float rounded(float value) const {
    if (tensor_.dtype() == DType::bfloat16) return static_cast<float>(bfloat16(value));
    if (tensor_.dtype() == DType::float16) return static_cast<float>(float16(value));
    return value;
  }
  std::string whole(std::int64_t i) const {
    const auto at = static_cast<std::size_t>(i);
    if (tensor_.dtype() == DType::uint8) return std::to_string(tensor_.data<std::uint8_t>()[at]);
    return std::to_string(tensor_.data<std::int32_t>()[at]);
  }
  static std::string not_finite(float value) {
    return std::isnan(value) ? "nan" : value < 0.0f ? "-inf" : "inf";
  }
  Parts parts_of(float value) const {
    const Decimal decimal = decimal_of(value, tensor_.dtype());
    return is_scientific_ ? scientific(decimal) : positional(value, decimal);
  }
  // Numbers with exponents have equally many digits, and the others blanks in place of zeros.
  std::string floating(float value) const {
    if (!std::isfinite(value)) return not_finite(value);
    if (is_scientific_) {
      const Parts parts = scientific(decimal_of(value, static_cast<int>(right_)));
      const std::string zeros(exponent_ - parts.exponent.size(), '0');
      return parts.whole + "." + parts.fraction + "e" + parts.exponent[0] + zeros +
             parts.exponent.substr(1);
    }
    const Parts parts = parts_of(value);
    return parts.whole + "." + parts.fraction + spaces(right_ - parts.fraction.size());
  }

  const Tensor& tensor_;
  const bool is_floating_;
  std::vector<float> values_{};
  float smallest_ = std::numeric_limits<float>::infinity();
  float largest_ = 0.0f;
  bool has_none_ = false;  // Whether there is a NaN or an infinity.
  bool is_negative_ = false;
  bool is_scientific_ = false;
  std::size_t left_ = 0, right_ = 0, exponent_ = 0;
  std::size_t width_ = 0;
};

// The places along an axis that are printed. A gap is -1.
std::vector<std::int64_t> places_of(std::int64_t extent, bool is_cut) {
  std::vector<std::int64_t> places;
  const bool has_gap = is_cut && extent > 2 * kEdge;
  for (std::int64_t i = 0; i < extent; ++i) {
    if (has_gap && i == kEdge) {
      places.push_back(-1);
      i = extent - kEdge;
    }
    places.push_back(i);
  }
  return places;
}

class Printer {
 public:
  explicit Printer(const Tensor& tensor)
      : shape_(tensor.shape()), is_cut_(tensor.size() > kThreshold), elements_(tensor) {
    look(0, 0);
    elements_.decide();
  }

  std::string text(std::size_t axis, std::int64_t first) const {
    const std::string indent = spaces(axis + 1);
    std::string text = axis + 1 == shape_.rank() ? row(first, indent) : block(axis, first, indent);
    return "[" + text.substr(indent.size()) + "]";
  }

 private:
  std::int64_t next(std::size_t axis, std::int64_t first, std::int64_t place) const {
    return first * shape_[axis] + place;
  }
  void look(std::size_t axis, std::int64_t first) {
    for (const std::int64_t place : places_of(shape_[axis], is_cut_)) {
      if (place < 0) continue;
      const std::int64_t inner = next(axis, first, place);
      axis + 1 == shape_.rank() ? elements_.see(inner) : look(axis + 1, inner);
    }
  }
  // A row that is too long goes on in the next line.
  std::string row(std::int64_t first, const std::string& indent) const {
    const std::size_t axis = shape_.rank() - 1;
    // Each axis takes a bracket from the width, and the last one another.
    const std::size_t width = kLineWidth - axis - 1;
    std::string text;
    std::string line = indent;
    for (const std::int64_t place : places_of(shape_[axis], is_cut_)) {
      if (line.size() > indent.size()) line += ' ';
      const std::string word = place < 0 ? "..." : elements_.text(next(axis, first, place));
      if (line.size() + word.size() > width && line.size() > indent.size()) {
        text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
        line = indent;
      }
      line += word;
    }
    return text + line;
  }
  std::string block(std::size_t axis, std::int64_t first, const std::string& indent) const {
    std::string text;
    const std::string separator(shape_.rank() - axis - 1, '\n');
    for (const std::int64_t place : places_of(shape_[axis], is_cut_)) {
      if (!text.empty()) text += separator;
      text += indent + (place < 0 ? "..." : this->text(axis + 1, next(axis, first, place)));
    }
    return text;
  }

  const Shape& shape_;
  const bool is_cut_;
  Elements elements_;
};

}  // namespace

std::ostream& operator<<(std::ostream& out, const Tensor& tensor) {
  std::string text = format(tensor.dtype(), " ", tensor.shape(), "\n");
  if (tensor.empty()) {
    text += "[]";
  } else if (tensor.shape().rank() == 0) {
    text += Elements(tensor).alone();
  } else {
    text += Printer(tensor).text(0, 0);
  }
  return out << text;
}

}  // namespace stoker
