// Where the sources lie, for tests that read files beside them.
#pragma once

#include <filesystem>

namespace stoker::test {

// The top folder of the checkout; in the program for a machine with a GPU, the folder in which it
// is started. CMake says it, because a compiler cache may shorten __FILE__.
std::filesystem::path source_folder();

}  // namespace stoker::test
