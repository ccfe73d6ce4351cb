// Texts as numbers, on the host and before a model: there are no tensors of texts. These classes
// write indices or rows of numbers into memory that the caller gives, such as a slot of a
// generator, or into a Tensor, and so stand in a plain loop as well as in the map of a Dataset.
//
//   TextVectorization words({.max_tokens = 20000, .output_sequence_length = 200});
//   words.adapt(reviews);
//   Tensor x = words(reviews);                 // (reviews, 200), int32
//   words("a good film", slot);                // one row, into a std::span<std::int32_t>
//
// Texts are bytes, and characters are the code points of UTF-8. Copies of an object share its
// vocabulary. Functions that are const may be called by many threads at once, but not while another
// gives or learns a vocabulary.
#pragma once

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "stoker/config.h"
#include "stoker/detail/function.h"
#include "stoker/salt.h"
#include "stoker/tensor.h"

namespace stoker {

// A view of several texts, which the caller keeps while a call lasts.
class Texts {
 public:
  Texts(std::span<const std::string> texts) : strings_(texts) {}
  Texts(std::span<const std::string_view> texts) : views_(texts) {}
  Texts(const std::vector<std::string>& texts) : strings_(texts) {}
  Texts(const std::vector<std::string_view>& texts) : views_(texts) {}
  Texts(std::initializer_list<std::string_view> texts) : views_(texts.begin(), texts.size()) {}

  std::size_t size() const { return strings_.size() + views_.size(); }
  std::string_view operator[](std::size_t i) const {
    return strings_.empty() ? views_[i] : std::string_view(strings_[i]);
  }

 private:
  std::span<const std::string> strings_{};
  std::span<const std::string_view> views_{};
};

// Returns the lines of a text file, one token each, without empty lines at its end. Throws IoError.
std::vector<std::string> read_vocabulary(const std::filesystem::path& path);

// ---- StringLookup ------------------------------------------------------------------------------
// Indices for tokens of a vocabulary, or tokens for indices. Indices are Keras's: 0 is the mask's,
// if there is a mask and output_mode is "int"; then come num_oov_indices for unknown tokens, by
// FarmHash or with a salt by SipHash where there are several; then the vocabulary. In other modes
// there is a row of numbers with a place for each index, and masked tokens do not count:
// "one_hot" (a row for each token), or for all tokens of a sample "multi_hot", "count" (how often),
// or "tf_idf" (how often, times a weight of each token).
struct StringLookupOptions {
  std::optional<std::int64_t> max_tokens{};  // with the special tokens
  std::int64_t num_oov_indices = 1;          // 0: unknown tokens are errors
  std::optional<std::string> mask_token{};
  std::string oov_token = "[UNK]";
  std::vector<std::string> vocabulary{};
  std::vector<double> idf_weights{};
  bool invert = false;  // Indices become tokens.
  std::string output_mode = "int";
  bool pad_to_max_tokens = false;  // Rows have max_tokens places, also for a smaller vocabulary.
  std::optional<Salt> salt{};
};

class StringLookup {
 public:
  // Throws ValueError for options that contradict each other, for tokens that are in the vocabulary
  // twice, for a mask_token within it, and for more tokens than max_tokens. set_vocabulary() does
  // so too.
  explicit StringLookup(StringLookupOptions options = {});

  // Learn the vocabulary from documents, each with its tokens; from tokens alone, each is a
  // document. The most frequent tokens come first, and of equally frequent ones those that are
  // larger, byte by byte. What was learned before is forgotten. Throw ValueError where there is no
  // token, and where options.vocabulary was given.
  void adapt(Texts tokens);
  void adapt(const detail::Function<std::optional<std::vector<std::string>>()>& next_document);
  // Takes a vocabulary that may begin with the special tokens, as get_vocabulary() returns it.
  void set_vocabulary(std::vector<std::string> vocabulary, std::vector<double> idf_weights = {});
  std::vector<std::string> get_vocabulary(bool include_special_tokens = true) const;
  std::int64_t vocabulary_size() const;  // with the special tokens
  // How many numbers a row has in modes other than "int".
  std::int64_t row_size() const;

  // Writes the index of each token; `to` has as many elements. These throw ValueError without a
  // vocabulary or in another mode, ShapeError for memory of another size, and DataError for an
  // unknown token where num_oov_indices is 0.
  void operator()(Texts tokens, std::span<std::int32_t> to) const;
  // Writes a row for all tokens, or with "one_hot" a row for each.
  void operator()(Texts tokens, std::span<float> to) const;
  // Returns int32 (tokens), or float32 (tokens, row_size) with "one_hot", or (row_size).
  Tensor operator()(Texts tokens) const;
  // Does the same for samples, which are the first axis. In modes "int" and "one_hot" they have to
  // be equally long, or else ShapeError is thrown.
  Tensor batch(std::span<const std::vector<std::string>> samples) const;
  std::int32_t index(std::string_view token) const;

  // The token at an index. It is oov_token for one that is unknown or outside of the vocabulary.
  const std::string& token(std::int64_t index) const;
  std::vector<std::string> tokens(std::span<const std::int32_t> indices) const;

  // Keras's configuration of the layer, with the vocabulary.
  Config config() const;
  // Makes one from the result of config(), or from what Keras writes. Throws ValueError, with the
  // place, for a wrong key or value. A vocabulary that Keras has learned is not in it:
  // set_vocabulary() has to give it.
  static StringLookup from_config(const Config& config);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// ---- TextVectorization -------------------------------------------------------------------------
// How a text is made uniform: nullptr (not at all), "lower", "strip_punctuation",
// "lower_and_strip_punctuation", or a function. As in TensorFlow, only the letters of ASCII get
// lower case, and punctuation is that of ASCII.
class Standardize {
 public:
  using Function = detail::Function<std::string(std::string_view)>;
  Standardize(std::nullptr_t) {}
  Standardize(const char* name) : name_(name) {}
  Standardize(std::string name) : name_(std::move(name)) {}
  template <std::invocable<std::string_view> F>
  Standardize(F function) : function_(std::move(function)) {}

  const std::string& name() const { return name_; }  // empty for a function and for nullptr
  const Function& function() const { return function_; }

 private:
  std::string name_{};
  Function function_{};
};

// How a text is cut into tokens: nullptr (it is one token), "whitespace" (that of ASCII),
// "character", or a function.
class Split {
 public:
  using Function = detail::Function<std::vector<std::string>(std::string_view)>;
  Split(std::nullptr_t) {}
  Split(const char* name) : name_(name) {}
  Split(std::string name) : name_(std::move(name)) {}
  template <std::invocable<std::string_view> F>
  Split(F function) : function_(std::move(function)) {}

  const std::string& name() const { return name_; }  // empty for a function and for nullptr
  const Function& function() const { return function_; }

 private:
  std::string name_{};
  Function function_{};
};

// So many tokens in a row, with a space between them, become one token: sequences of 1 to n tokens
// for a number n, or of the lengths listed, one length behind the other.
class Ngrams {
 public:
  Ngrams() = default;  // Tokens stay as they are.
  Ngrams(int largest) : is_range_(true), lengths_{largest} {}
  Ngrams(std::initializer_list<std::int64_t> lengths) : lengths_(lengths) {}
  explicit Ngrams(std::vector<std::int64_t> lengths) : lengths_(std::move(lengths)) {}

  bool is_range() const { return is_range_; }
  const std::vector<std::int64_t>& lengths() const { return lengths_; }

 private:
  bool is_range_ = false;
  std::vector<std::int64_t> lengths_{};
};

// A text is standardized, split, and made ngrams of; then its tokens are looked up as by a
// StringLookup whose mask_token is "" and that has one index for all unknown tokens.
struct TextVectorizationOptions {
  std::optional<std::int64_t> max_tokens{};
  Standardize standardize = "lower_and_strip_punctuation";
  Split split = "whitespace";
  Ngrams ngrams{};
  std::string output_mode = "int";  // or "multi_hot", "count", "tf_idf"
  // In mode "int" texts get so many indices: what is longer is cut, and what is shorter has 0
  // behind it.
  std::optional<std::int64_t> output_sequence_length{};
  bool pad_to_max_tokens = false;
  std::vector<std::string> vocabulary{};
  std::vector<double> idf_weights{};
};

class TextVectorization {
 public:
  // Throws ValueError as StringLookup does, and for an unknown standardize, split or length.
  explicit TextVectorization(TextVectorizationOptions options = {});

  // Learn the vocabulary of these texts, as StringLookup::adapt() does.
  void adapt(Texts texts);
  void adapt(const detail::Function<std::optional<std::string>()>& next_text);
  void set_vocabulary(std::vector<std::string> vocabulary, std::vector<double> idf_weights = {});
  std::vector<std::string> get_vocabulary(bool include_special_tokens = true) const;
  std::int64_t vocabulary_size() const;
  std::int64_t row_size() const;

  // The tokens of a text before they are looked up.
  std::vector<std::string> tokens(std::string_view text) const;
  // The indices of a text's tokens, as many as there are, but no more than output_sequence_length.
  std::vector<std::int32_t> indices(std::string_view text) const;
  // Writes the indices of a text, cut to the size of `to`, or with 0 behind them. These throw
  // ValueError without a vocabulary or in another mode, and ShapeError for memory of another size
  // than output_sequence_length or row_size().
  void operator()(std::string_view text, std::span<std::int32_t> to) const;
  // Writes the row of a text.
  void operator()(std::string_view text, std::span<float> to) const;
  // Returns int32 (texts, output_sequence_length), or as many as the longest has; or float32
  // (texts, row_size).
  Tensor operator()(Texts texts) const;

  // As for StringLookup. A function is not a part of a configuration: config() throws ValueError.
  Config config() const;
  static TextVectorization from_config(const Config& config);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// ---- Hashes ------------------------------------------------------------------------------------
// A bin in [0, num_bins) for a text, or for a number by its decimal text, as Keras's Hashing gives
// it: by FarmHash, or with a salt by SipHash. mask_value gets bin 0, and nothing else does. Throw
// ValueError for num_bins below 1. The layer Hashing does this in a model.
struct TextHashOptions {
  std::optional<std::string> mask_value{};
  std::optional<Salt> salt{};
};
struct NumberHashOptions {
  std::optional<std::int64_t> mask_value{};
  std::optional<Salt> salt{};
};
std::int64_t hash_bin(std::string_view text, std::int64_t num_bins,
                      const TextHashOptions& options = {});
std::int64_t hash_bin(std::int64_t number, std::int64_t num_bins,
                      const NumberHashOptions& options = {});

// A text or a number.
class Feature {
 public:
  Feature(std::string_view text);
  Feature(const char* text) : Feature(std::string_view(text)) {}
  Feature(const std::string& text) : Feature(std::string_view(text)) {}
  Feature(std::int64_t number) : fingerprint_(static_cast<std::uint64_t>(number)) {}
  Feature(int number) : Feature(static_cast<std::int64_t>(number)) {}
  std::uint64_t fingerprint() const { return fingerprint_; }

 private:
  std::uint64_t fingerprint_;
};
// A bin in [0, num_bins) for several features together, as Keras's HashedCrossing gives it. Throws
// ValueError for num_bins below 1, and for fewer than two features.
std::int64_t crossed_bin(std::span<const Feature> features, std::int64_t num_bins);
std::int64_t crossed_bin(std::initializer_list<Feature> features, std::int64_t num_bins);

}  // namespace stoker
