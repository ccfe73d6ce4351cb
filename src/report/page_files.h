// The files of which a page consists, as text. They lie in report/page/, and CMakeLists.txt puts
// them into the library, so that no file is needed where a program runs.
#pragma once

#include <span>

namespace stoker::report {

struct PageFile {
  const char* name;  // "page.css"
  const char* text;
};

std::span<const PageFile> page_files();

}  // namespace stoker::report
