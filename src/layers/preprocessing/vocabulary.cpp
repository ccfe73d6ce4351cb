#include "layers/preprocessing/vocabulary.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <type_traits>
#include <utility>

#include "core/check.h"
#include "core/format.h"
#include "core/nearest.h"
#include "stoker/error.h"

namespace stoker::layers {
namespace {

std::string shown(const std::string& token) { return '"' + token + '"'; }
std::string shown(std::int64_t token) { return std::to_string(token); }

template <class Token>
std::string listed(const std::vector<Token>& tokens) {
  constexpr std::size_t kMost = 10;
  std::string text;
  for (std::size_t i = 0; i < std::min(tokens.size(), kMost); ++i) {
    text += (i == 0 ? "" : ", ") + shown(tokens[i]);
  }
  if (tokens.size() > kMost) text += format(" and ", tokens.size() - kMost, " more");
  return text;
}

}  // namespace

template <class Token>
Vocabulary<Token>::Vocabulary(VocabularyRules<Token> rules) : rules_(std::move(rules)) {
  const std::string& where = rules_.where;
  if (rules_.output_mode == "binary") rules_.output_mode = "multi_hot";
  if (rules_.output_mode == "tf-idf") rules_.output_mode = "tf_idf";
  constexpr std::array<std::string_view, 5> kModes{"int", "one_hot", "multi_hot", "count",
                                                   "tf_idf"};
  if (std::ranges::find(kModes, rules_.output_mode) == kModes.end()) {
    throw ValueError(format(where, ": expected an output_mode of int, one_hot, multi_hot, count or",
                            " tf_idf, received \"", rules_.output_mode, "\""));
  }
  check::require(where, "num_oov_indices", rules_.num_oov_indices, check::closed(0, 1 << 30));
  if (rules_.max_tokens) {
    check::require(where, "max_tokens", *rules_.max_tokens, check::closed(2, 1 << 30));
    if (*rules_.max_tokens <= first_token()) {
      throw ValueError(format(where, ": expected max_tokens above the number of special tokens, ",
                              first_token(), ", received ", *rules_.max_tokens));
    }
  }
  if (rules_.pad_to_max_tokens && !rules_.max_tokens) {
    throw ValueError(format(where, ": expected max_tokens with pad_to_max_tokens"));
  }
  if (rules_.invert && rules_.output_mode != "int") {
    throw ValueError(
        format(where, ": expected output_mode int with invert, received ", rules_.output_mode));
  }
}

template <class Token>
std::vector<Token> Vocabulary<Token>::special_tokens() const {
  std::vector<Token> special;
  if (first_unknown() == 1) special.push_back(*rules_.mask_token);
  special.resize(static_cast<std::size_t>(first_token()), rules_.oov_token);
  return special;
}

template <class Token>
void Vocabulary<Token>::refuse_special(const char* kind, const Token& token, std::size_t at) const {
  const std::vector<Token> special = special_tokens();
  throw ValueError(format(rules_.where,
                          ": expected a vocabulary whose special tokens are left out, or are its ",
                          "first in this order: ", special.empty() ? "none" : listed(special),
                          "; received the ", kind, " ", shown(token), " at place ", at));
}

template <class Token>
void Vocabulary<Token>::set(std::vector<Token> vocabulary, std::vector<double> idf_weights) {
  const std::string& where = rules_.where;
  const bool is_weighed = rules_.output_mode == "tf_idf";
  if (is_weighed && idf_weights.empty()) {
    throw ValueError(
        format(where, ": expected idf_weights with a vocabulary in output_mode tf_idf"));
  }
  if (!is_weighed && !idf_weights.empty()) {
    throw ValueError(format(where, ": expected idf_weights only in output_mode tf_idf, received ",
                            "them in ", rules_.output_mode));
  }
  if (vocabulary.empty()) {
    throw ValueError(format(where, ": expected a vocabulary of at least one token"));
  }
  if (is_weighed && idf_weights.size() != vocabulary.size()) {
    throw ValueError(format(where, ": expected an idf weight for each of the ", vocabulary.size(),
                            " tokens, received ", idf_weights.size()));
  }
  const std::vector<Token> special = special_tokens();
  const bool has_special = vocabulary.size() >= special.size() &&
                           std::equal(special.begin(), special.end(), vocabulary.begin());
  const std::size_t begin = has_special ? special.size() : 0;
  std::vector<Token> tokens(vocabulary.begin() + static_cast<std::ptrdiff_t>(begin),
                            vocabulary.end());

  typename TokenMaps<Token>::template Map<int> seen;
  std::vector<Token> repeated;
  for (const Token& token : tokens) {
    if (++seen[token] == 2) repeated.push_back(token);
  }
  if (!repeated.empty()) {
    throw ValueError(format(where,
                            ": expected each token of a vocabulary once, received more than ",
                            "once: ", listed(repeated)));
  }
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (rules_.mask_token && tokens[i] == *rules_.mask_token) {
      refuse_special("mask_token", tokens[i], begin + i);
    }
    // Unless indices become tokens, an oov_token is never looked up.
    if (rules_.invert && tokens[i] == rules_.oov_token) {
      refuse_special("oov_token", tokens[i], begin + i);
    }
  }
  const std::int64_t size = first_token() + static_cast<std::int64_t>(tokens.size());
  if (rules_.max_tokens && size > *rules_.max_tokens) {
    throw ValueError(format(where, ": expected a vocabulary of at most max_tokens = ",
                            *rules_.max_tokens, ", received ", size, " with the special tokens"));
  }
  keep(std::move(tokens));
  if (is_weighed) keep_weights(idf_weights, has_special);
}

template <class Token>
void Vocabulary<Token>::keep(std::vector<Token> tokens) {
  tokens_ = std::move(tokens);
  indices_.clear();
  indices_.reserve(tokens_.size());
  std::int64_t index = first_token();
  for (const Token& token : tokens_) indices_.emplace(token, index++);
}

// Unknown tokens have the mean of all weights, and places without a token have none.
template <class Token>
void Vocabulary<Token>::keep_weights(const std::vector<double>& weights, bool have_special_tokens) {
  const double mean = weights.empty() ? 0.0
                                      : std::accumulate(weights.begin(), weights.end(), 0.0) /
                                            static_cast<double>(weights.size());
  const auto front = static_cast<std::size_t>(have_special_tokens ? 0 : first_token());
  idf_weights_.assign(front, static_cast<float>(mean));
  idf_weights_.insert(idf_weights_.end(), weights.begin(), weights.end());
  idf_weights_.resize(static_cast<std::size_t>(depth()));
}

template <class Token>
void Vocabulary<Token>::start() {
  counts_.clear();
  documents_ = 0;
}

template <class Token>
void Vocabulary<Token>::document(const std::vector<View>& tokens) {
  for (const View token : tokens) {
    auto found = counts_.find(token);
    if (found == counts_.end()) found = counts_.emplace(Token(token), Counts{}).first;
    Counts& counts = found->second;
    ++counts.times;
    if (std::exchange(counts.last_document, documents_) != documents_) ++counts.documents;
  }
  ++documents_;
}

template <class Token>
void Vocabulary<Token>::finish() {
  if (rules_.mask_token) counts_.erase(*rules_.mask_token);
  counts_.erase(rules_.oov_token);
  if (counts_.empty()) {
    throw ValueError(format(rules_.where, ": adapt: expected at least one token, received none in ",
                            documents_, " documents"));
  }
  std::vector<std::pair<Token, Counts>> learned(counts_.begin(), counts_.end());
  std::ranges::sort(learned, [](const auto& a, const auto& b) {
    return a.second.times != b.second.times ? a.second.times > b.second.times : a.first > b.first;
  });
  if (rules_.max_tokens) {
    const auto most = static_cast<std::size_t>(*rules_.max_tokens - first_token());
    if (learned.size() > most) learned.resize(most);
  }
  std::vector<Token> tokens;
  std::vector<double> weights;
  const auto documents = static_cast<double>(documents_);
  for (auto& [token, counts] : learned) {
    tokens.push_back(std::move(token));
    weights.push_back(std::log(1.0 + documents / (1.0 + static_cast<double>(counts.documents))));
  }
  keep(std::move(tokens));
  if (rules_.output_mode == "tf_idf") keep_weights(weights, false);
  start();
}

template <class Token>
void Vocabulary<Token>::require_ready() const {
  if (!tokens_.empty()) return;
  throw ValueError(format(rules_.where, ": expected a vocabulary; adapt() learns one, and ",
                          "set_vocabulary() and the option vocabulary give one"));
}

template <class Token>
std::int64_t Vocabulary<Token>::find(View token) const {
  if (rules_.mask_token && token == *rules_.mask_token) return kMaskToken;
  const auto found = indices_.find(token);
  return found == indices_.end() ? kUnknownToken : found->second;
}

template <class Token>
const Token& Vocabulary<Token>::token(std::int64_t index) const {
  if (index == 0 && first_unknown() == 1) return *rules_.mask_token;
  if (index < first_token() || index >= size()) return rules_.oov_token;
  return tokens_[static_cast<std::size_t>(index - first_token())];
}

template <class Token>
std::int64_t Vocabulary<Token>::first_unknown() const {
  return rules_.mask_token && rules_.output_mode == "int" ? 1 : 0;
}

template <class Token>
std::int64_t Vocabulary<Token>::size() const {
  return first_token() + static_cast<std::int64_t>(tokens_.size());
}

template <class Token>
std::int64_t Vocabulary<Token>::depth() const {
  return rules_.pad_to_max_tokens ? *rules_.max_tokens : size();
}

template <class Token>
std::vector<Token> Vocabulary<Token>::tokens(bool include_special_tokens) const {
  if (!include_special_tokens) return tokens_;
  std::vector<Token> all = special_tokens();
  all.insert(all.end(), tokens_.begin(), tokens_.end());
  return all;
}

template class Vocabulary<std::string>;
template class Vocabulary<std::int64_t>;

}  // namespace stoker::layers
