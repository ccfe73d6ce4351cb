// The page as text: the template, with the files that it names and the data in their places.
#include "report/page.h"

#include "report/page_files.h"
#include "stoker/error.h"

namespace stoker::report {
namespace {

std::string_view file(std::string_view name) {
  for (const PageFile& one : page_files()) {
    if (one.name == name) return one.text;
  }
  throw Error("report: the page names a file that it does not have: " + std::string(name));
}

// Takes the text up to `mark` away from `rest`, and the mark too.
std::string_view take_until(std::string_view& rest, std::string_view mark) {
  const std::size_t at = rest.find(mark);
  const std::string_view taken = rest.substr(0, at);
  rest.remove_prefix(at == std::string_view::npos ? rest.size() : at + mark.size());
  return taken;
}

// Copies `rest` and replaces each element that names a file by one that holds it.
void append(std::string& page, std::string_view rest, std::string_view before,
            std::string_view after, std::string_view open, std::string_view close) {
  while (!rest.empty()) {
    page += take_until(rest, before);
    if (rest.empty()) break;
    ((page += open) += file(take_until(rest, after))) += close;
  }
}

}  // namespace

std::string html_around(std::string_view json) {
  std::string styled;
  append(styled, file("page.html"), "<link rel=\"stylesheet\" href=\"", "\">", "<style>\n",
         "</style>");
  std::string page;
  std::string_view rest = styled;
  constexpr std::string_view kData = "<script type=\"application/json\" id=\"data\">";
  page += take_until(rest, kData);
  (page += kData) += json;
  take_until(rest, "{}");
  append(page, rest, "<script src=\"", "\"></script>", "<script>\n", "</script>");
  return page;
}

std::string html_of(const Page& page) { return html_around(json_of(page)); }

}  // namespace stoker::report
