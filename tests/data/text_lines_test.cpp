#include "stoker/text_lines.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "stoker/error.h"
#include "support/record_files.h"
#include "support/temporary_folder.h"

namespace stoker::test {
namespace {

std::vector<std::string> lines_of(const Dataset<std::uint8_t>& dataset) {
  std::vector<std::string> lines;
  for (const auto& [line] : dataset) lines.emplace_back(line.begin(), line.end());
  return lines;
}

TEST(TextLines, ends_of_lines_are_left_out) {
  const TemporaryFolder folder;
  using Lines = std::vector<std::string>;
  const std::vector<std::pair<std::string, Lines>> cases{
      {"a\nb\n", {"a", "b"}}, {"a\r\nb", {"a", "b"}}, {"\n\nx", {"", "", "x"}}, {"", {}},
      {"\n", {""}},           {"a\rb\n", {"a\rb"}}};
  for (const auto& [text, expected] : cases) {
    folder.write("a", text);
    folder.write("g", gzipped(text));
    EXPECT_EQ(lines_of(text_lines({folder / "a"})), expected);
    EXPECT_EQ(lines_of(text_lines({folder / "g"})), expected);
  }
}

TEST(TextLines, files_larger_than_a_piece_are_read) {
  const TemporaryFolder folder;
  std::string text;
  std::vector<std::string> expected;
  for (int i = 0; i < 1000; ++i) {
    expected.push_back(std::string(static_cast<std::size_t>(i * 7 % 900), 'x') + std::to_string(i));
    text += expected.back() + "\n";
  }
  folder.write("a", text);
  folder.write("g", gzipped(text));
  const auto lines = text_lines({folder / "a"});
  EXPECT_EQ(lines.cardinality(), 1000);
  EXPECT_EQ(lines_of(lines), expected);
  EXPECT_EQ(lines_of(text_lines({folder / "g"})), expected);
}

TEST(TextLines, lines_that_are_too_long_are_refused) {
  const TemporaryFolder folder;
  folder.write("a", "abc\nabcdefgh\nab\n");
  folder.write("g", gzipped("abc\nabcdefgh\nab\n"));
  const RecordOptions options{.limits = {.max_bytes = 5}};
  EXPECT_THROW(lines_of(text_lines({folder / "a"}, options)), Error);
  EXPECT_THROW(lines_of(text_lines({folder / "g"}, options)), Error);
  EXPECT_THROW(text_lines({folder / "none"}), IoError);
}

}  // namespace
}  // namespace stoker::test
