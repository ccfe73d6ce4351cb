#include "support/form.h"

#include <cctype>

namespace stoker::test {

std::string form_of(const std::string& text) {
  std::string form;
  for (std::size_t i = 0; i < text.size();) {
    const bool begins = std::isdigit(static_cast<unsigned char>(text[i])) != 0 &&
                        (i == 0 || (std::isalpha(static_cast<unsigned char>(text[i - 1])) == 0 &&
                                    text[i - 1] != '_'));
    if (!begins) {
      form += text[i++];
      continue;
    }
    while (i < text.size() && (std::isdigit(static_cast<unsigned char>(text[i])) != 0 ||
                               ((text[i] == '.' || text[i] == ',') && i + 1 < text.size() &&
                                std::isdigit(static_cast<unsigned char>(text[i + 1])) != 0))) {
      ++i;
    }
    for (const std::string unit : {" µs", " ms", " s", " ns"}) {
      const bool ends = i + unit.size() >= text.size() ||
                        std::isalpha(static_cast<unsigned char>(text[i + unit.size()])) == 0;
      if (text.compare(i, unit.size(), unit) == 0 && ends) i += unit.size();
    }
    form += '#';
  }
  return form;
}

std::string verdict_form(const std::string& line) {
  std::string form = form_of(line);
  for (const std::string part : {" (# in # above #)", " AUTOTUNE chose # worker and a queue of #.",
                                 " AUTOTUNE chose # workers and a queue of #."}) {
    for (std::size_t at = form.find(part); at != std::string::npos; at = form.find(part)) {
      form.erase(at, part.size());
    }
  }
  return form;
}

}  // namespace stoker::test
