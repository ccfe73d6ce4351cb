// The neutral tree of values, and JSON.
#include "stoker/config.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <string>

#include "core/nearest.h"
#include "stoker/error.h"
#include "support/message.h"

namespace stoker {
namespace {

using test::message_of;

TEST(Config, keeps_kinds_apart_and_the_order_of_keys) {
  const Config config = Config::from_json(
      R"({"b": 1, "a": [true, null, 2.5, "text", {}], "whole": 3.0, "large": 9007199254740993})");
  EXPECT_EQ(config.members()[0].first, "b");
  EXPECT_TRUE(config["b"].is_integer());
  EXPECT_EQ(config["b"].number(), 1.0);
  EXPECT_FALSE(config["whole"].is_integer());
  EXPECT_EQ(config["whole"].integer(), 3);
  EXPECT_EQ(config["large"].integer(), 9007199254740993);
  EXPECT_EQ(config["a"].size(), 5U);
  EXPECT_TRUE(config["a"].at(1).is_null());
  EXPECT_EQ(config["a"].at(3).string(), "text");
  EXPECT_EQ(config.find("c"), nullptr);
}

TEST(Config, writes_what_reads_back_the_same) {
  Config config = Config::map({{"tiny", 5e-324},
                               {"third", 1.0 / 3.0},
                               {"one", 1.0},
                               {"int", -7},
                               {"text", "quote \" backslash \\ newline \n grün"},
                               {"list", Config::list({1, Config::list(), Config::map()})}});
  for (const int indent : {0, 2}) {
    EXPECT_EQ(Config::from_json(config.to_json(indent)), config) << config.to_json(indent);
  }
  EXPECT_EQ(Config::map({{"a", 1}, {"b", Config::list({1, 2})}}).to_json(),
            R"({"a": 1, "b": [1, 2]})");
  EXPECT_EQ(Config::map({{"a", Config::list({1})}}).to_json(2), "{\n  \"a\": [\n    1\n  ]\n}");
}

TEST(Config, of_bytes_that_are_no_text_is_still_json) {
  EXPECT_NO_THROW(Config::from_json(Config("\xff\xfe").to_json()));
}

TEST(Config, refuses_what_json_has_no_word_for) {
  for (const double value : {HUGE_VAL, -HUGE_VAL, std::nan("")}) {
    EXPECT_THROW(Config(value).to_json(), ValueError);
  }
}

TEST(Config, says_where_a_text_is_no_json) {
  EXPECT_EQ(
      message_of<ValueError>([] { Config::from_json("{\"a\": 1,\n  \"b\": }"); }).substr(0, 52),
      "JSON: line 2, column 8: expected JSON, received \"\"b\"");
  for (const char* text :
       {"", " ", "{", "[1,]", "{\"a\" 1}", "nul", "1 2", "\"open", "NaN", "Infinity", "'a'",
        "{a: 1}", "[1] x", "\"\\q\"", "01", "\"\x01\"", "\xff"}) {
    EXPECT_THROW(Config::from_json(text), ValueError) << text;
  }
}

TEST(Config, refuses_a_key_that_stands_twice) {
  EXPECT_EQ(message_of<ValueError>([] { Config::from_json(R"({"units": 1, "units": 2})"); }),
            "JSON: the key \"units\" stands twice in one map");
}

TEST(Config, refuses_too_many_levels_without_following_them) {
  const std::string deep(1'000'000, '[');
  EXPECT_EQ(message_of<ValueError>([&] { Config::from_json(deep); }),
            "JSON: expected at most 256 levels, received more");
}

TEST(Config, names_the_kind_that_is_there) {
  EXPECT_EQ(message_of<ValueError>([] { Config("relu").number(); }),
            "expected a number, received \"relu\"");
  EXPECT_EQ(message_of<ValueError>([] { Config(1.5).integer(); }),
            "expected a whole number, received the number 1.5");
  EXPECT_EQ(message_of<ValueError>([] { Config(nullptr).string(); }),
            "expected a text, received null");
  EXPECT_EQ(message_of<ValueError>([] { Config(1).find("a"); }), "expected a map, received 1");
  EXPECT_EQ(message_of<ValueError>([] {
              Config::map({{"units", 1}}).at("unist");
            }),
            "expected the key \"unist\", received a map with units; did you mean \"units\"?");
  EXPECT_THROW(Config::list({1}).at(1), ValueError);
}

TEST(Nearest, is_the_name_with_the_fewest_edits) {
  constexpr std::array<std::string_view, 4> kNames{"Dense", "Dropout", "Flatten", "Conv2D"};
  EXPECT_EQ(nearest("Dance", kNames), "Dense");
  EXPECT_EQ(nearest("dropuot", kNames), "Dropout");
  EXPECT_EQ(nearest("conv2d", kNames), "Conv2D");
  EXPECT_EQ(nearest("LSTM", kNames), "");
  EXPECT_EQ(nearest("", kNames), "");
  EXPECT_EQ(nearest(std::string(100'000, 'x'), kNames), "");
  EXPECT_EQ(did_you_mean("flaten", kNames), "; did you mean \"Flatten\"?");
}

}  // namespace
}  // namespace stoker
