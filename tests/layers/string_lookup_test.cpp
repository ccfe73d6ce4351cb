// StringLookup. Vocabularies, indices and rows are those of Keras 3.15.1 on TensorFlow 2.21.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <string>
#include <vector>

#include "support/contains.h"
#include "support/message.h"
#include "support/temporary_folder.h"

namespace stoker {
namespace {

using test::contains;
using test::message_of;

using Strings = std::vector<std::string>;
using Indices = std::vector<std::int32_t>;
using Row = std::vector<float>;

const Strings& tokens() {
  static const Strings all{"b", "a", "c", "a", "b", "d", ""};
  return all;
}

Indices indices_of(const StringLookup& lookup, Texts texts) {
  const Tensor result = lookup(texts);
  return {result.data<std::int32_t>().begin(), result.data<std::int32_t>().end()};
}
Row row_of(const StringLookup& lookup, Texts texts) {
  const Tensor result = lookup(texts);
  return {result.data<float>().begin(), result.data<float>().end()};
}

TEST(StringLookup, LearnsFrequentTokensFirstAndLargerOnesOfEqualNumber) {
  StringLookup lookup;
  lookup.adapt(tokens());
  EXPECT_EQ(lookup.get_vocabulary(), (Strings{"[UNK]", "b", "a", "d", "c", ""}));
  EXPECT_EQ(lookup.get_vocabulary(false), (Strings{"b", "a", "d", "c", ""}));
  EXPECT_EQ(lookup.vocabulary_size(), 6);
  EXPECT_EQ(indices_of(lookup, {"a", "z", "", "d"}), (Indices{2, 0, 5, 3}));
}

TEST(StringLookup, SpreadsUnknownTokensByTensorFlowsHashes) {
  StringLookupOptions options{.max_tokens = 7, .num_oov_indices = 3, .mask_token = ""};
  StringLookup fast(options);
  fast.adapt(tokens());
  EXPECT_EQ(fast.get_vocabulary(), (Strings{"", "[UNK]", "[UNK]", "[UNK]", "b", "a", "d"}));
  const Strings texts{"a", "z", "", "d", "yy", "w", "x1"};
  EXPECT_EQ(indices_of(fast, texts), (Indices{5, 2, 0, 6, 2, 3, 2}));
  options.salt = Salt(133, 137);
  StringLookup salted(options);
  salted.adapt(tokens());
  EXPECT_EQ(indices_of(salted, texts), (Indices{5, 3, 0, 6, 1, 3, 3}));
}

TEST(StringLookup, WritesRows) {
  const Strings texts{"a", "z", "", "b", "a"};
  StringLookupOptions options{
      .num_oov_indices = 2, .mask_token = "", .vocabulary = {"a", "b", "c"}};
  options.output_mode = "one_hot";
  EXPECT_EQ(row_of(StringLookup(options), texts),
            (Row{0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0}));
  options.output_mode = "multi_hot";
  EXPECT_EQ(row_of(StringLookup(options), texts), (Row{0, 1, 1, 1, 0}));
  options.output_mode = "count";
  EXPECT_EQ(row_of(StringLookup(options), texts), (Row{0, 1, 2, 1, 0}));
}

TEST(StringLookup, WeighsRowsByGivenWeights) {
  const StringLookup lookup({.max_tokens = 6,
                             .vocabulary = {"a", "b", "c"},
                             .idf_weights = {0.25, 0.75, 0.6},
                             .output_mode = "tf_idf",
                             .pad_to_max_tokens = true});
  const Tensor rows =
      lookup.batch(std::vector<Strings>{{"a", "c", "d", "d"}, {"b", "b", "b", "z"}});
  EXPECT_EQ(rows.shape(), (Shape{2, 6}));
  const Row expected{1.0666667222976685f,
                     0.25f,
                     0.0f,
                     0.6000000238418579f,
                     0,
                     0,
                     0.5333333611488342f,
                     0.0f,
                     2.25f,
                     0.0f,
                     0,
                     0};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_FLOAT_EQ(rows.data<float>()[i], expected[i]);
  }
}

TEST(StringLookup, LearnsWeightsFromDocuments) {
  StringLookup lookup({.output_mode = "tf_idf"});
  const std::vector<Strings> documents{{"a", "b", "a"}, {"a", "c", "d"}, {"b", "a", "x"}};
  std::size_t next = 0;
  lookup.adapt([&]() -> std::optional<Strings> {
    if (next == documents.size()) return std::nullopt;
    return documents[next++];
  });
  EXPECT_EQ(lookup.get_vocabulary(), (Strings{"[UNK]", "a", "b", "x", "d", "c"}));
  const Row row = row_of(lookup, {"a", "b", "q"});
  EXPECT_FLOAT_EQ(row[0], 0.8003271222114563f);
  EXPECT_FLOAT_EQ(row[1], 0.5596157908439636f);
  EXPECT_FLOAT_EQ(row[2], 0.6931471824645996f);
}

TEST(StringLookup, GivesTokensForIndices) {
  const StringLookup lookup({.mask_token = "", .vocabulary = {"a", "b", "c"}, .invert = true});
  EXPECT_EQ(lookup.tokens(Indices{0, 1, 2, 3, 4, 5, -1}),
            (Strings{"", "[UNK]", "a", "b", "c", "[UNK]", "[UNK]"}));
  EXPECT_TRUE(contains(message_of<ValueError>([&] { lookup.index("a"); }), "no option invert"));
}

TEST(StringLookup, TakesAVocabularyThatBeginsWithItsSpecialTokens) {
  StringLookup lookup({.mask_token = ""});
  lookup.set_vocabulary({"", "[UNK]", "x", "y"});
  EXPECT_EQ(lookup.index("y"), 3);
  EXPECT_EQ(lookup.get_vocabulary(), (Strings{"", "[UNK]", "x", "y"}));
}

TEST(StringLookup, RefusesBadVocabularies) {
  StringLookup lookup({.max_tokens = 4, .mask_token = ""});
  EXPECT_TRUE(contains(message_of<ValueError>([&] {
                         lookup.set_vocabulary({"a", "b", "a", "b"});
                       }),
                       "more than once: \"a\", \"b\""));
  EXPECT_TRUE(contains(message_of<ValueError>([&] {
                         lookup.set_vocabulary({"a", "", "b"});
                       }),
                       "at place 1"));
  EXPECT_TRUE(contains(message_of<ValueError>([&] {
                         lookup.set_vocabulary({"a", "b", "c"});
                       }),
                       "at most max_tokens = 4, received 5"));
  EXPECT_TRUE(
      contains(message_of<ValueError>([&] { lookup.set_vocabulary({}); }), "at least one token"));
  EXPECT_TRUE(contains(message_of<ValueError>([&] { lookup.adapt(Strings{}); }), "received none"));
  EXPECT_TRUE(
      contains(message_of<ValueError>([&] { lookup.index("a"); }), "expected a vocabulary"));
  EXPECT_THROW(lookup.set_vocabulary({"a"}, {0.5}), ValueError);
}

TEST(StringLookup, RefusesOptionsThatContradict) {
  EXPECT_THROW(StringLookup({.pad_to_max_tokens = true}), ValueError);
  EXPECT_THROW(StringLookup({.max_tokens = 1}), ValueError);
  EXPECT_THROW(StringLookup({.num_oov_indices = -1}), ValueError);
  EXPECT_THROW(StringLookup({.invert = true, .output_mode = "count"}), ValueError);
  EXPECT_THROW(StringLookup({.output_mode = "counts"}), ValueError);
  StringLookup given({.vocabulary = {"a"}});
  EXPECT_THROW(given.adapt(tokens()), ValueError);
}

TEST(StringLookup, RefusesUnknownTokensWithoutAnIndexForThem) {
  const StringLookup lookup({.num_oov_indices = 0, .vocabulary = {"a", "b"}});
  EXPECT_EQ(lookup.index("b"), 1);
  EXPECT_THROW(lookup.index("c"), DataError);
}

TEST(StringLookup, RefusesMemoryOfAnotherSizeAndSamplesOfSeveralLengths) {
  const StringLookup lookup({.vocabulary = {"a", "b"}});
  Indices to(2);
  EXPECT_THROW(lookup({"a"}, to), ShapeError);
  Row row(3);
  EXPECT_THROW(lookup({"a"}, row), ValueError);
  EXPECT_THROW(lookup.batch(std::vector<Strings>{{"a"}, {"a", "b"}}), ShapeError);
}

TEST(StringLookup, IsMadeAgainFromItsConfiguration) {
  StringLookup lookup({.num_oov_indices = 2, .output_mode = "tf-idf", .salt = Salt(3)});
  lookup.adapt(tokens());
  const StringLookup again =
      StringLookup::from_config(Config::from_json(lookup.config().to_json()));
  EXPECT_EQ(again.config(), lookup.config());
  EXPECT_EQ(row_of(again, {"a", "q"}), row_of(lookup, {"a", "q"}));
}

TEST(StringLookup, ReadsAVocabularyFromAFile) {
  const test::TemporaryFolder folder;
  const std::string path = folder.write("words.txt", "one\ntwo\r\n\nthree\n\n");
  EXPECT_EQ(read_vocabulary(path), (Strings{"one", "two", "", "three"}));
  EXPECT_THROW(read_vocabulary(folder / "none.txt"), IoError);
}

}  // namespace
}  // namespace stoker
