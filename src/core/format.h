// Joins the parts of a message: format("Dense \"", name, "\": expected ", shape). g++ 12 has no
// std::format.
#pragma once

#include <sstream>
#include <string>

#include "stoker/dtype.h"
#include "stoker/shape.h"

namespace stoker {

inline std::ostream& operator<<(std::ostream& out, const Shape& shape) {
  return out << to_string(shape);
}
inline std::ostream& operator<<(std::ostream& out, DType dtype) { return out << name_of(dtype); }

template <class... Parts>
std::string format(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

}  // namespace stoker
