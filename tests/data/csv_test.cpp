#include "stoker/csv.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "stoker/error.h"
#include "support/contains.h"
#include "support/message.h"
#include "support/temporary_folder.h"

namespace stoker {
namespace {

using test::contains;
using test::message_of;
using test::TemporaryFolder;
using Names = std::vector<std::string>;

std::vector<float> floats(const Tensor& tensor) {
  const auto values = tensor.data<float>();
  return {values.begin(), values.end()};
}
std::vector<std::int32_t> ints(const Tensor& tensor) {
  const auto values = tensor.data<std::int32_t>();
  return {values.begin(), values.end()};
}

TEST(Csv, columns_by_name_and_type) {
  const TemporaryFolder folder;
  const Csv table = read_csv(folder.write("a.csv",
                                          "width,species,\"count, all\"\r\n"
                                          "1.5,setosa,3\r\n"
                                          " -2e-1 ,\"a \"\"b\"\"\nc\",+4\r\n"
                                          "\r\n"
                                          "7,setosa,5"));
  EXPECT_EQ(table.names(), (std::vector<std::string>{"width", "species", "count, all"}));
  EXPECT_EQ(table.rows(), 3);
  EXPECT_EQ(floats(table.floats({"count, all", "width"})),
            (std::vector<float>{3, 1.5f, 4, -0.2f, 5, 7}));
  EXPECT_EQ(ints(table.ints("count, all")), (std::vector<std::int32_t>{3, 4, 5}));
  EXPECT_EQ(table.texts("species")[1], "a \"b\"\nc");
  std::vector<std::string> values;
  EXPECT_EQ(ints(table.categories("species", values)), (std::vector<std::int32_t>{1, 0, 1}));
  EXPECT_EQ(values[1], "setosa");
}

TEST(Csv, without_a_header_and_with_another_delimiter) {
  const TemporaryFolder folder;
  const Csv table =
      read_csv(folder.write("a.csv", "1;2\n3;4\n"), {.delimiter = ';', .header = false});
  EXPECT_EQ(floats(table.floats()), (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(floats(table.floats({"1"})), (std::vector<float>{2, 4}));
}

TEST(Csv, empty_fields_count_as_told_or_are_errors) {
  const TemporaryFolder folder;
  const std::string path = folder.write("a.csv", "x,y\n1,\n,2\n");
  EXPECT_EQ(floats(read_csv(path, {.missing = -1.0f}).floats()),
            (std::vector<float>{1, -1, -1, 2}));
  EXPECT_TRUE(contains(message_of<DataError>([&] { read_csv(path).floats(); }),
                       "line 2, column \"y\": expected a number ({.missing"));
}

TEST(Csv, numbers_too_small_for_a_float_are_zero_and_too_large_ones_errors) {
  const TemporaryFolder folder;
  EXPECT_EQ(floats(read_csv(folder.write("a.csv", "x\n1e-50\n-1e-400\n1e-42\n")).floats()),
            (std::vector<float>{0.0f, 0.0f, 1e-42f}));
  EXPECT_THROW(read_csv(folder.write("a.csv", "x\n1e50\n")).floats(), DataError);
}

TEST(Csv, errors_name_the_line_and_the_column) {
  const TemporaryFolder folder;
  const auto error = [&](const std::string& text) {
    return message_of<DataError>([&] { read_csv(folder.write("a.csv", text)).floats(); });
  };
  EXPECT_TRUE(contains(error("x,y\n1,2\n3\n"), "line 3: expected 2 fields"));
  EXPECT_TRUE(
      contains(error("x,y\n1,2x\n"), "line 2, column \"y\": expected a number, received \"2x\""));
  EXPECT_TRUE(contains(error("x\n\"\n1"), "line 2: a quote without an end"));
  EXPECT_TRUE(contains(error("x\n\"1\"2\n"), "line 2: expected ','"));
  EXPECT_TRUE(contains(error(""), "expected at least one line"));
  const Csv table = read_csv(folder.write("b.csv", "x,y\n1,2\n"));
  EXPECT_TRUE(contains(message_of<ValueError>([&] { table.ints("z"); }), "there is: x, y"));
  EXPECT_THROW(read_csv(folder / "missing.csv"), IoError);
}

// ---- Lines ----
TEST(Csv, a_line_ends_in_lf_cr_lf_or_cr) {
  const TemporaryFolder folder;
  const std::vector<float> expected{1, 2, 3, 4};
  for (const std::string end : {"\n", "\r\n", "\r"}) {
    for (const std::string& last : {end, std::string()}) {
      const std::string text = "a,b" + end + "1,2" + end + "\"3\",4" + last;
      const Csv table = read_csv(folder.write("a.csv", text));
      EXPECT_EQ(table.names(), (Names{"a", "b"}));
      EXPECT_EQ(floats(table.floats()), expected) << text;
    }
  }
  // No carriage return vanishes from between two numbers.
  EXPECT_EQ(floats(read_csv(folder.write("b.csv", "x\n1\r2\n")).floats()),
            (std::vector<float>{1, 2}));
  EXPECT_THROW(read_csv(folder.write("b.csv", "x,y\n1\r,2\n")), DataError);
  EXPECT_EQ(floats(read_csv(folder.write("b.csv", "x\n\"1\"\r9\n")).floats()),
            (std::vector<float>{1, 9}));
}

TEST(Csv, line_ends_within_quotes_stay_and_are_counted) {
  const TemporaryFolder folder;
  const Csv table =
      read_csv(folder.write("a.csv", "t,x\n\"a\nb\",1\n\"c\r\nd\",2\n\"e\rf\",3\ng,?4\n"));
  EXPECT_EQ(table.texts("t"), (Names{"a\nb", "c\r\nd", "e\rf", "g"}));
  EXPECT_TRUE(
      contains(message_of<DataError>([&] { table.floats({"x"}); }), "line 8, column \"x\""));
}

TEST(Csv, lines_of_nothing_but_spaces_and_tabs_are_blank) {
  const TemporaryFolder folder;
  for (const std::string blank : {"", " ", "\t", " \t  "}) {
    const Csv table =
        read_csv(folder.write("a.csv", blank + "\nx,y\n" + blank + "\n1,2\n3,4\n" + blank));
    EXPECT_EQ(table.names(), (Names{"x", "y"}));
    EXPECT_EQ(floats(table.floats()), (std::vector<float>{1, 2, 3, 4}));
    // In a table of one column too, where a quoted field is no blank line.
    const Csv one =
        read_csv(folder.write("b.csv", "x\n1\n" + blank + "\n\"\"\n2\n"), {.missing = -1.0f});
    EXPECT_EQ(floats(one.floats()), (std::vector<float>{1, -1, 2}));
  }
  // Where a tab parts fields, a line of tabs is a row of empty ones.
  const Csv tabs =
      read_csv(folder.write("c.csv", "x\ty\n\t\n1\t2\n  \n"), {.delimiter = '\t', .missing = 0.0f});
  EXPECT_EQ(floats(tabs.floats()), (std::vector<float>{0, 0, 1, 2}));
}

TEST(Csv, a_delimiter_can_be_no_quote_and_no_line_end) {
  const TemporaryFolder folder;
  const std::string path = folder.write("a.csv", "x\n1\n");
  for (const char delimiter : {'"', '\n', '\r'}) {
    EXPECT_THROW(read_csv(path, {.delimiter = delimiter}), ValueError);
  }
}

TEST(Csv, utf_16_is_not_read_and_said_to_be_so) {
  const TemporaryFolder folder;
  EXPECT_TRUE(contains(
      message_of<IoError>([&] { read_csv(folder.write("a.csv", std::string("\xff\xfex\0", 4))); }),
      "UTF-16"));
  EXPECT_EQ(read_csv(folder.write("a.csv", "\xef\xbb\xbfx\n1\n")).names(), (Names{"x"}));
}

// ---- Names ----
TEST(Csv, columns_of_one_name_and_of_none_are_all_there) {
  const TemporaryFolder folder;
  const Csv table =
      read_csv(folder.write("a.csv", ",value,value,value.1,value,\n1,2,3,4,5,6\n7,8,9,10,11,12\n"));
  EXPECT_EQ(table.names(),
            (Names{"Unnamed: 0", "value", "value.2", "value.1", "value.3", "Unnamed: 5"}));
  EXPECT_EQ(floats(table.floats()), (std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}));
  EXPECT_EQ(floats(table.floats({"value.3"})), (std::vector<float>{5, 11}));
  EXPECT_EQ(ints(table.ints("value.1")), (std::vector<std::int32_t>{4, 10}));
}

// ---- Missing numbers ----
TEST(Csv, one_rule_for_everything_that_stands_for_a_missing_number) {
  const TemporaryFolder folder;
  for (const std::string word :
       {"", "  ", "\"\"", "?", "NA", " NA ", "\"NA\"", "N/A", "n/a", "#N/A", "<NA>", "NULL", "null",
        "None", "NaN", "nan", "NAN", "-nan", "+nan"}) {
    const std::string path = folder.write("a.csv", "x,y\n1," + word + "\n");
    EXPECT_EQ(floats(read_csv(path, {.missing = -1.0f}).floats()), (std::vector<float>{1, -1}))
        << word;
    EXPECT_TRUE(contains(message_of<DataError>([&] { read_csv(path).floats(); }),
                         "line 2, column \"y\": expected a number ({.missing"))
        << word;
    const float kept = read_csv(path, {.missing = std::numeric_limits<float>::quiet_NaN()})
                           .floats()
                           .data<float>()[1];
    EXPECT_TRUE(std::isnan(kept)) << word;
    EXPECT_EQ(ints(read_csv(path, {.missing = -1.0f}).ints("y"))[0], -1) << word;
  }
  for (const std::string word : {"NAs", "-", "??", "none such"}) {
    const std::string path = folder.write("a.csv", "x,y\n1," + word + "\n");
    EXPECT_THROW(read_csv(path, {.missing = -1.0f}).floats(), DataError) << word;
  }
}

TEST(Csv, the_words_for_a_missing_number_are_an_option) {
  const TemporaryFolder folder;
  const std::string path = folder.write("a.csv", "x,y\n-999,2\n3,\n");
  EXPECT_EQ(floats(read_csv(path, {.missing = 0.5f, .missing_words = {"-999"}}).floats()),
            (std::vector<float>{0.5f, 2, 3, 0.5f}));
  const std::string other = folder.write("b.csv", "x,y\n1,NA\n");
  EXPECT_THROW(read_csv(other, {.missing = 0.5f, .missing_words = {}}).floats(), DataError);
}

TEST(Csv, a_missing_whole_number_counts_as_a_whole_number_or_is_an_error) {
  const TemporaryFolder folder;
  const std::string path = folder.write("a.csv", "x,label\n1,3\n2,NA\n");
  EXPECT_EQ(ints(read_csv(path, {.missing = -1.0f}).ints("label")),
            (std::vector<std::int32_t>{3, -1}));
  EXPECT_TRUE(contains(message_of<DataError>([&] { read_csv(path).ints("label"); }),
                       "line 3, column \"label\": expected a whole number ({.missing"));
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const float missing : {std::nanf(""), 1e20f, 3e9f, -3e9f, 0.5f, kInfinity, -kInfinity}) {
    EXPECT_TRUE(
        contains(message_of<DataError>([&] { read_csv(path, {.missing = missing}).ints("label"); }),
                 "line 3, column \"label\""))
        << missing;
    // Where nothing is missing the option has no say.
    EXPECT_EQ(ints(read_csv(path, {.missing = missing}).ints("x")),
              (std::vector<std::int32_t>{1, 2}));
  }
}

TEST(Csv, a_number_has_one_sign_at_most) {
  const TemporaryFolder folder;
  for (const std::string text : {"+-5", "++5", "-+5", "--5", "+", "-", "+ 5"}) {
    const Csv table = read_csv(folder.write("a.csv", "x\n" + text + "\n"), {.missing = 7.0f});
    EXPECT_THROW(table.floats(), DataError) << text;
    EXPECT_THROW(table.ints("x"), DataError) << text;
  }
  EXPECT_EQ(ints(read_csv(folder.write("a.csv", "x\n+5\n-5\n")).ints("x")),
            (std::vector<std::int32_t>{5, -5}));
}

}  // namespace
}  // namespace stoker
