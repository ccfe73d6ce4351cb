// Files that grow line by line, such as logs.
#pragma once

#include <filesystem>
#include <string_view>

namespace stoker {

// Appends the text to a file, whole or not at all: where the disk is full in the middle of it, the
// file is cut back to what it was. The file is made where it is missing. A pipe or a device takes
// what it takes. Throws IoError with the path and the system's reason.
void append_to_file(const std::filesystem::path& path, std::string_view text);
// Leaves an empty file of that name. Throws IoError, and the file is then as it was.
void empty_file(const std::filesystem::path& path);

}  // namespace stoker
