// Lines of text files.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "stoker/dataset.h"
#include "stoker/record_options.h"

namespace stoker {

// Returns the lines of text files, gzipped or not, as bytes without the line's end, which is LF or
// CR LF; the last line may have none. Lines differ in length: map them to numbers, and put these
// together by padded_batch().
//
//   auto lines = text_lines({"reviews-{0..9}.txt"});
//   auto ids = lines.map<std::int32_t>({Shape{128}}, [&](std::span<const std::uint8_t> line,
//                                                        VaryingOutput<std::int32_t> out) { ... });
//
// To find the lines of a plain file, it is read once, and takes 8 bytes of memory a line. Throws
// ValueError without a file, IoError for files that are missing or damaged. A line of more bytes
// than the limits is an error that names file and offset.
Dataset<std::uint8_t> text_lines(const std::vector<std::string>& files,
                                 const RecordOptions& options = {});

}  // namespace stoker
