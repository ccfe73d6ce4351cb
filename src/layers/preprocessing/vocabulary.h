// What StringLookup, TextVectorization and IntegerLookup share: a vocabulary that is given or
// learned, and the indices of its tokens.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace stoker::layers {

// A text may be looked up by a view of it.
struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>{}(text);
  }
};
template <class Token>
struct TokenMaps {
  using View = Token;
  template <class V>
  using Map = std::unordered_map<Token, V>;
};
template <>
struct TokenMaps<std::string> {
  using View = std::string_view;
  template <class V>
  using Map = std::unordered_map<std::string, V, TextHash, std::equal_to<>>;
};

// The options that shape a vocabulary, by Keras's names.
template <class Token>
struct VocabularyRules {
  std::string where;  // begins the messages of errors
  std::optional<std::int64_t> max_tokens{};
  std::int64_t num_oov_indices = 1;
  std::optional<Token> mask_token{};
  Token oov_token{};
  bool invert = false;
  std::string output_mode = "int";
  bool pad_to_max_tokens = false;
};

// The index of a token that stands for no place of the vocabulary.
constexpr std::int64_t kUnknownToken = -1;
constexpr std::int64_t kMaskToken = -2;

// Indices are those of Keras: first the mask's, if tokens become indices and there is a mask, then
// those of unknown tokens, then the vocabulary's. Functions that are const may be called by many
// threads at once.
template <class Token>
class Vocabulary {
 public:
  using View = typename TokenMaps<Token>::View;

  // Throws ValueError for options that contradict each other.
  explicit Vocabulary(VocabularyRules<Token> rules);

  // Takes a vocabulary that may begin with the special tokens. With tf_idf there is a weight for
  // each of its tokens. Throws ValueError for tokens that stand there twice, for special tokens at
  // other places, and for more tokens than max_tokens.
  void set(std::vector<Token> vocabulary, std::vector<double> idf_weights);

  // Learns a vocabulary from documents: start(), document() for each, finish(), which throws
  // ValueError where no token came. The most frequent tokens come first, and of equally frequent
  // ones the larger, as in Keras.
  void start();
  void document(const std::vector<View>& tokens);
  void finish();

  // Throws ValueError where there is no vocabulary yet.
  void require_ready() const;
  // Returns the token's index, kMaskToken or kUnknownToken.
  std::int64_t find(View token) const;
  // Returns the token at an index: a special one too, and oov_token outside of the vocabulary.
  const Token& token(std::int64_t index) const;

  std::int64_t first_unknown() const;  // index of the first unknown token
  std::int64_t first_token() const { return first_unknown() + rules_.num_oov_indices; }
  std::int64_t size() const;
  // How many places a row has in modes other than "int".
  std::int64_t depth() const;
  std::vector<Token> tokens(bool include_special_tokens) const;
  // A weight for each place of a row, with tf_idf.
  const std::vector<float>& idf_weights() const { return idf_weights_; }
  const VocabularyRules<Token>& rules() const { return rules_; }

 private:
  struct Counts {
    std::int64_t times = 0, documents = 0, last_document = -1;
  };

  void keep(std::vector<Token> tokens);
  void keep_weights(const std::vector<double>& weights, bool have_special_tokens);
  std::vector<Token> special_tokens() const;
  [[noreturn]] void refuse_special(const char* kind, const Token& token, std::size_t at) const;

  VocabularyRules<Token> rules_;
  std::vector<Token> tokens_;  // without the special ones
  typename TokenMaps<Token>::template Map<std::int64_t> indices_;
  std::vector<float> idf_weights_;
  typename TokenMaps<Token>::template Map<Counts> counts_;
  std::int64_t documents_ = 0;
};

extern template class Vocabulary<std::string>;
extern template class Vocabulary<std::int64_t>;

}  // namespace stoker::layers
