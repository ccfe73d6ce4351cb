// TextVectorization. Vocabularies, indices and rows are those of Keras 3.15.1 on TensorFlow 2.21.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <string>
#include <vector>

#include "support/contains.h"
#include "support/message.h"

namespace stoker {
namespace {

using test::contains;
using test::message_of;

using Strings = std::vector<std::string>;
using Indices = std::vector<std::int32_t>;
using Row = std::vector<float>;

const Strings& texts() {
  static const Strings all{"The cat, the dog; the END.", "A cat sat.", "dogs don't sit: sat? sat!",
                           "", "ŻÓŁW żółw   cat"};
  return all;
}

TextVectorization adapted(const TextVectorizationOptions& options) {
  TextVectorization words(options);
  words.adapt(texts());
  return words;
}
Indices indices_of(const TextVectorization& words) {
  const Tensor result = words(texts());
  return {result.data<std::int32_t>().begin(), result.data<std::int32_t>().end()};
}
Row rows_of(const TextVectorization& words) {
  const Tensor result = words(texts());
  return {result.data<float>().begin(), result.data<float>().end()};
}

TEST(TextVectorization, LearnsWordsInLowerCaseWithoutPunctuation) {
  const TextVectorization words = adapted({});
  EXPECT_EQ(words.get_vocabulary(), (Strings{"", "[UNK]", "the", "sat", "cat", "żółw", "ŻÓŁw",
                                             "sit", "end", "dont", "dogs", "dog", "a"}));
  EXPECT_EQ(words(texts()).shape(), (Shape{5, 6}));
  EXPECT_EQ(indices_of(words), (Indices{2, 4, 2, 11, 2, 8, 12, 4, 3, 0, 0, 0, 10, 9, 7,
                                        3, 3, 0, 0,  0, 0, 0,  0, 0, 6, 5, 4, 0,  0, 0}));
}

TEST(TextVectorization, CutsAndFillsToALength) {
  const TextVectorization words = adapted({.max_tokens = 6, .output_sequence_length = 3});
  EXPECT_EQ(words.get_vocabulary(), (Strings{"", "[UNK]", "the", "sat", "cat", "żółw"}));
  EXPECT_EQ(indices_of(words), (Indices{2, 4, 2, 1, 4, 3, 1, 1, 1, 0, 0, 0, 1, 5, 4}));
  EXPECT_EQ(words.indices("cat"), (Indices{4}));
  Indices to(3, 9);
  words("sat", to);
  EXPECT_EQ(to, (Indices{3, 0, 0}));
  Indices other(2);
  EXPECT_THROW(words("sat", other), ShapeError);
}

TEST(TextVectorization, MakesRowsOfNgrams) {
  const TextVectorization words = adapted(
      {.max_tokens = 9, .ngrams = 2, .output_mode = "multi_hot", .pad_to_max_tokens = true});
  EXPECT_EQ(words.get_vocabulary(), (Strings{"[UNK]", "the", "sat", "cat", "żółw cat", "żółw",
                                             "ŻÓŁw żółw", "ŻÓŁw", "the end"}));
  EXPECT_EQ(rows_of(words),
            (Row{1, 1, 0, 1, 0, 0, 0, 0, 1, 1, 0, 1, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0,
                 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0}));
}

TEST(TextVectorization, MakesNgramsOfTheLengthsListed) {
  const TextVectorization words({.ngrams = {1, 3}});
  EXPECT_EQ(words.tokens("a b c d"), (Strings{"a", "b", "c", "d", "a b c", "b c d"}));
  EXPECT_EQ(TextVectorization({.ngrams = {2}}).tokens("a"), Strings{});
}

TEST(TextVectorization, CountsWords) {
  const TextVectorization words =
      adapted({.max_tokens = 8, .standardize = "lower", .output_mode = "count"});
  EXPECT_EQ(words.get_vocabulary(),
            (Strings{"[UNK]", "the", "cat", "żółw", "ŻÓŁw", "sit:", "sat?", "sat."}));
  EXPECT_EQ(rows_of(words), (Row{3, 3, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 1, 3, 0, 0, 0,
                                 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0}));
}

TEST(TextVectorization, WeighsWords) {
  const TextVectorization words = adapted({.max_tokens = 12,
                                           .standardize = "strip_punctuation",
                                           .output_mode = "tf_idf",
                                           .pad_to_max_tokens = true});
  EXPECT_EQ(words.get_vocabulary(), (Strings{"[UNK]", "sat", "cat", "the", "żółw", "ŻÓŁW", "sit",
                                             "dont", "dogs", "dog", "The", "END"}));
  const Row rows = rows_of(words);
  const float once = 1.2527629137039185f, cat = 0.8109301924705505f;
  const Row expected{0,
                     0,
                     cat,
                     2.505525827407837f,
                     0,
                     0,
                     0,
                     0,
                     0,
                     once,
                     once,
                     once,
                     1.1878750324249268f,
                     0.9808292388916016f,
                     cat};
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_FLOAT_EQ(rows[i], expected[i]) << i;
}

TEST(TextVectorization, SplitsCharacters) {
  const TextVectorization words =
      adapted({.max_tokens = 12, .split = "character", .output_sequence_length = 8});
  EXPECT_EQ(words.get_vocabulary(),
            (Strings{"", "[UNK]", " ", "t", "a", "s", "e", "d", "o", "h", "c", "w"}));
  EXPECT_EQ(indices_of(words),
            (Indices{3, 9, 6, 2, 10, 4, 3, 2, 4, 2, 10, 4, 3, 2, 5, 4,  7, 8, 1, 5,
                     2, 7, 8, 1, 0,  0, 0, 0, 0, 0, 0,  0, 1, 1, 1, 11, 2, 1, 1, 1}));
  EXPECT_EQ(words.tokens("a\xff\xc3"
                         "b\xe2\x82"
                         "c"),
            (Strings{"a", "\ufffd", "\ufffd", "b", "\ufffd", "c"}));
}

TEST(TextVectorization, SplitsAtTheWhitespaceOfAscii) {
  const TextVectorization words;
  EXPECT_EQ(words.tokens(" a\tb\nc\vd\fe\rf\u00a0g\u2003h  "),
            (Strings{"a", "b", "c", "d", "e", "f\u00a0g\u2003h"}));
}

TEST(TextVectorization, LeavesTextsWholeOnRequest) {
  const TextVectorization words = adapted({.standardize = nullptr, .split = nullptr});
  EXPECT_EQ(words.get_vocabulary(),
            (Strings{"", "[UNK]", texts()[4], texts()[2], texts()[0], texts()[1]}));
  EXPECT_EQ(indices_of(words), (Indices{4, 5, 3, 0, 2}));
}

TEST(TextVectorization, TakesFunctions) {
  const TextVectorization words(
      {.standardize = [](std::string_view text) { return std::string(text) + ",z"; },
       .split =
           [](std::string_view text) {
             return Strings{std::string(text.substr(0, text.find(','))), "end"};
           }});
  EXPECT_EQ(words.tokens("a,b"), (Strings{"a", "end"}));
  EXPECT_TRUE(contains(message_of<ValueError>([&] { words.config(); }), "a function"));
}

TEST(TextVectorization, LearnsFromTextsThatComeOneByOne) {
  TextVectorization words;
  std::size_t next = 0;
  words.adapt([&]() -> std::optional<std::string> {
    if (next == texts().size()) return std::nullopt;
    return texts()[next++];
  });
  EXPECT_EQ(words.get_vocabulary(), adapted({}).get_vocabulary());
}

TEST(TextVectorization, RefusesBadOptions) {
  EXPECT_THROW(TextVectorization({.standardize = "upper"}), ValueError);
  EXPECT_THROW(TextVectorization({.split = "words"}), ValueError);
  EXPECT_THROW(TextVectorization({.ngrams = {0}}), ValueError);
  EXPECT_THROW(TextVectorization({.output_mode = "one_hot"}), ValueError);
  EXPECT_THROW(TextVectorization({.output_mode = "count", .output_sequence_length = 3}),
               ValueError);
  TextVectorization words;
  EXPECT_THROW(words(texts()), ValueError);
  EXPECT_THROW(words.adapt({"", " . "}), ValueError);
}

TEST(TextVectorization, IsMadeAgainFromItsConfiguration) {
  const TextVectorization words = adapted({.ngrams = {1, 2}, .output_mode = "tf_idf"});
  const TextVectorization again =
      TextVectorization::from_config(Config::from_json(words.config().to_json()));
  EXPECT_EQ(again.config(), words.config());
  EXPECT_EQ(rows_of(again), rows_of(words));
}

// What Keras writes for a layer with a vocabulary.
TEST(TextVectorization, IsMadeFromKerasConfiguration) {
  const TextVectorization words = TextVectorization::from_config(Config::from_json(R"({
    "module": "keras.layers", "class_name": "TextVectorization", "config": {
      "name": "words", "trainable": true, "dtype": {"module": "keras", "class_name": "DTypePolicy",
      "config": {"name": "float32"}, "registered_name": null}, "max_tokens": null,
      "standardize": "lower_and_strip_punctuation", "split": "whitespace", "ngrams": [1, 2],
      "output_mode": "int", "output_sequence_length": null, "pad_to_max_tokens": false,
      "sparse": false, "ragged": false, "vocabulary": ["a", "b"], "idf_weights": null,
      "encoding": "utf-8", "vocabulary_size": 4}, "registered_name": null})"));
  EXPECT_EQ(words.get_vocabulary(), (Strings{"", "[UNK]", "a", "b"}));
  EXPECT_EQ(words.indices("B a"), (Indices{3, 2, 1}));
}

}  // namespace
}  // namespace stoker
