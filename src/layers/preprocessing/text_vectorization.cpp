// TextVectorization: texts are standardized, split, and made ngrams of, and their tokens looked up.
#include <algorithm>
#include <utility>

#include "core/check.h"
#include "core/utf8.h"
#include "layers/fields.h"
#include "layers/preprocessing/lookup_rows.h"
#include "layers/preprocessing/vocabulary.h"
#include "stoker/error.h"
#include "stoker/text.h"

namespace stoker {

// A name is a text, and null stands for none. A function has no form.
template <>
struct FieldType<Standardize> {
  static Standardize read(const Config& config) {
    if (config.is_null()) return nullptr;
    return config.string();
  }
  static Config write(const Standardize& value) {
    if (value.function()) {
      throw ValueError("standardize: a function is not a part of a configuration");
    }
    return value.name().empty() ? Config() : Config(value.name());
  }
};
template <>
struct FieldType<Split> {
  static Split read(const Config& config) {
    if (config.is_null()) return nullptr;
    return config.string();
  }
  static Config write(const Split& value) {
    if (value.function()) throw ValueError("split: a function is not a part of a configuration");
    return value.name().empty() ? Config() : Config(value.name());
  }
};
template <>
struct FieldType<Ngrams> {
  static Ngrams read(const Config& config) {
    if (config.is_null()) return {};
    if (!config.is_list()) {
      const std::int64_t largest = config.integer();
      check::require("ngrams", "a length", largest, check::closed(1, 1 << 20));
      return {static_cast<int>(largest)};
    }
    return Ngrams(FieldType<std::vector<std::int64_t>>::read(config));
  }
  static Config write(const Ngrams& value) {
    if (value.lengths().empty()) return {};
    if (value.is_range()) return value.lengths()[0];
    return FieldType<std::vector<std::int64_t>>::write(value.lengths());
  }
};

namespace {

constexpr const char* kWhere = "TextVectorization";

struct TextArguments : TextVectorizationOptions {};

void describe(Fields& fields, TextArguments& options) {
  fields.ignored({"name", "trainable", "dtype", "vocabulary_size", "has_input_vocabulary"});
  fields.only("encoding", "utf-8");
  fields("max_tokens", options.max_tokens);
  fields("standardize", options.standardize);
  fields("split", options.split);
  fields("ngrams", options.ngrams);
  fields("output_mode", options.output_mode);
  fields("output_sequence_length", options.output_sequence_length);
  fields("pad_to_max_tokens", options.pad_to_max_tokens);
  fields("vocabulary", options.vocabulary);
  fields("idf_weights", options.idf_weights);
  fields.never({"sparse", "ragged"});
}

bool is_punctuation(char c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
         (c >= '{' && c <= '~');
}
bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string standardized(std::string_view text, const Standardize& how) {
  if (how.function()) return how.function()(text);
  const bool strips = how.name().ends_with("strip_punctuation");
  const bool lowers = how.name().starts_with("lower");
  std::string result;
  result.reserve(text.size());
  for (const char c : text) {
    if (strips && is_punctuation(c)) continue;
    result += lowers ? lower(c) : c;
  }
  return result;
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i;
    while (end < text.size() && !is_space(text[end])) ++end;
    if (end > i) words.emplace_back(text.substr(i, end - i));
    i = end + 1;
  }
  return words;
}

// The bytes that a character takes away where it is none: as many as begin a valid one, which one
// U+FFFD stands for (Unicode 15, section 3.9, "substitution of maximal subparts").
std::size_t invalid_length(std::string_view text) {
  for (std::size_t length = 3; length > 1; --length) {
    if (length > text.size()) continue;
    if (utf8_length(std::string(text.substr(0, length)) + "\x80\x80") > length) return length;
  }
  return 1;
}

std::vector<std::string> characters_of(std::string_view text) {
  std::vector<std::string> characters;
  while (!text.empty()) {
    const std::size_t valid = utf8_length(text);
    const std::size_t length = valid == 0 ? invalid_length(text) : valid;
    characters.push_back(valid == 0 ? "\xef\xbf\xbd" : std::string(text.substr(0, length)));
    text.remove_prefix(length);
  }
  return characters;
}

std::vector<std::string> split(const std::string& text, const Split& how) {
  if (how.function()) return how.function()(text);
  if (how.name() == "whitespace") return words_of(text);
  if (how.name() == "character") return characters_of(text);
  return {text};
}

std::vector<std::string> ngrams_of(std::vector<std::string> tokens, const Ngrams& ngrams) {
  std::vector<std::int64_t> lengths = ngrams.lengths();
  if (lengths.empty()) return tokens;
  if (ngrams.is_range()) {
    lengths.clear();
    for (std::int64_t n = 1; n <= ngrams.lengths()[0]; ++n) lengths.push_back(n);
  }
  std::vector<std::string> result;
  for (const std::int64_t length : lengths) {
    const auto width = static_cast<std::size_t>(length);
    for (std::size_t i = 0; i + width <= tokens.size(); ++i) {
      std::string joined = tokens[i];
      for (std::size_t k = 1; k < width; ++k) joined += ' ' + tokens[i + k];
      result.push_back(std::move(joined));
    }
  }
  return result;
}

void require_name(const char* option, const std::string& name,
                  std::initializer_list<std::string_view> known) {
  if (std::ranges::find(known, name) != known.end()) return;
  std::string names;
  for (const std::string_view one : known) {
    if (!one.empty()) names += format(names.empty() ? "" : ", ", one);
  }
  throw ValueError(format(kWhere, ": expected ", option, " to be nullptr, a function, or one of ",
                          names, ", received \"", name, "\""));
}

}  // namespace

struct TextVectorization::State {
  explicit State(TextVectorizationOptions given)
      : options(std::move(given)),
        vocabulary({.where = kWhere,
                    .max_tokens = options.max_tokens,
                    .mask_token = std::string(),
                    .oov_token = "[UNK]",
                    .output_mode = options.output_mode,
                    .pad_to_max_tokens = options.pad_to_max_tokens}) {
    require_name("standardize", options.standardize.name(),
                 {"", "lower", "strip_punctuation", "lower_and_strip_punctuation"});
    require_name("split", options.split.name(), {"", "whitespace", "character"});
    for (const std::int64_t length : options.ngrams.lengths()) {
      check::require(kWhere, "lengths of ngrams", length, check::closed(1, 1 << 20));
    }
    const std::string& mode = vocabulary.rules().output_mode;
    if (mode == "one_hot") {
      throw ValueError(format(kWhere, ": expected an output_mode of int, multi_hot, count or ",
                              "tf_idf, received one_hot"));
    }
    if (options.output_sequence_length) {
      check::require(kWhere, "output_sequence_length", *options.output_sequence_length,
                     check::at_least(1));
      if (mode != "int") {
        throw ValueError(format(kWhere, ": expected output_mode int with output_sequence_length, ",
                                "received ", mode));
      }
    }
    if (!options.vocabulary.empty()) {
      vocabulary.set(options.vocabulary, options.idf_weights);
    } else if (!options.idf_weights.empty()) {
      throw ValueError(format(kWhere, ": expected a vocabulary with idf_weights"));
    }
  }

  void require_adaptable() const {
    if (options.vocabulary.empty()) return;
    throw ValueError(format(kWhere, ": adapt: expected no option vocabulary"));
  }

  std::vector<std::string> tokens(std::string_view text) const {
    return ngrams_of(split(standardized(text, options.standardize), options.split), options.ngrams);
  }
  void learn(std::string_view text) {
    const std::vector<std::string> all = tokens(text);
    vocabulary.document({all.begin(), all.end()});
  }
  std::int64_t index(std::string_view token) const {
    const std::int64_t found = vocabulary.find(token);
    return found == layers::kUnknownToken ? vocabulary.first_unknown() : found;
  }

  TextVectorizationOptions options;
  layers::Vocabulary<std::string> vocabulary;
};

TextVectorization::TextVectorization(TextVectorizationOptions options)
    : state_(std::make_shared<State>(std::move(options))) {}

void TextVectorization::adapt(Texts texts) {
  state_->require_adaptable();
  state_->vocabulary.start();
  for (std::size_t i = 0; i < texts.size(); ++i) state_->learn(texts[i]);
  state_->vocabulary.finish();
}

void TextVectorization::adapt(const detail::Function<std::optional<std::string>()>& next_text) {
  state_->require_adaptable();
  state_->vocabulary.start();
  while (const std::optional<std::string> text = next_text()) state_->learn(*text);
  state_->vocabulary.finish();
}

void TextVectorization::set_vocabulary(std::vector<std::string> vocabulary,
                                       std::vector<double> idf_weights) {
  state_->vocabulary.set(std::move(vocabulary), std::move(idf_weights));
}
std::vector<std::string> TextVectorization::get_vocabulary(bool include_special_tokens) const {
  return state_->vocabulary.tokens(include_special_tokens);
}
std::int64_t TextVectorization::vocabulary_size() const { return state_->vocabulary.size(); }
std::int64_t TextVectorization::row_size() const { return state_->vocabulary.depth(); }

std::vector<std::string> TextVectorization::tokens(std::string_view text) const {
  return state_->tokens(text);
}

std::vector<std::int32_t> TextVectorization::indices(std::string_view text) const {
  layers::require_indices(state_->vocabulary);
  std::vector<std::int32_t> result;
  for (const std::string& token : state_->tokens(text)) {
    const std::int64_t index = state_->index(token);
    result.push_back(index == layers::kMaskToken ? 0 : static_cast<std::int32_t>(index));
  }
  const std::optional<std::int64_t>& most = state_->options.output_sequence_length;
  if (most && std::cmp_greater(result.size(), *most)) {
    result.resize(static_cast<std::size_t>(*most));
  }
  return result;
}

void TextVectorization::operator()(std::string_view text, std::span<std::int32_t> to) const {
  const std::optional<std::int64_t>& length = state_->options.output_sequence_length;
  if (length) layers::require_elements(kWhere, to.size(), static_cast<std::size_t>(*length));
  const std::vector<std::int32_t> found = indices(text);
  const std::size_t count = std::min(found.size(), to.size());
  std::copy_n(found.begin(), count, to.begin());
  std::ranges::fill(to.subspan(count), 0);
}

void TextVectorization::operator()(std::string_view text, std::span<float> to) const {
  layers::require_rows(state_->vocabulary);
  layers::require_elements(kWhere, to.size(), static_cast<std::size_t>(row_size()));
  std::ranges::fill(to, 0.0f);
  for (const std::string& token : state_->tokens(text)) {
    layers::add_token(state_->vocabulary, state_->index(token), to);
  }
}

Tensor TextVectorization::operator()(Texts texts) const {
  const auto count = static_cast<std::int64_t>(texts.size());
  if (state_->vocabulary.rules().output_mode != "int") {
    layers::require_rows(state_->vocabulary);
    Tensor result({count, row_size()});
    const auto width = static_cast<std::size_t>(row_size());
    for (std::size_t i = 0; i < texts.size(); ++i) {
      (*this)(texts[i], result.data<float>().subspan(i * width, width));
    }
    return result;
  }
  std::vector<std::vector<std::int32_t>> rows;
  std::size_t width = 0;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    rows.push_back(indices(texts[i]));
    width = std::max(width, rows.back().size());
  }
  const std::int64_t length =
      state_->options.output_sequence_length.value_or(static_cast<std::int64_t>(width));
  Tensor result({count, length}, DType::int32);
  auto to = result.data<std::int32_t>().begin();
  for (const std::vector<std::int32_t>& row : rows) {
    std::ranges::copy(row, to);
    to += length;
  }
  return result;
}

Config TextVectorization::config() const {
  TextArguments options{state_->options};
  layers::write_vocabulary(state_->vocabulary, options.vocabulary, options.idf_weights);
  Fields fields = Fields::writing();
  describe(fields, options);
  return object_config("keras.layers", kWhere, fields.config());
}

TextVectorization TextVectorization::from_config(const Config& config) {
  return TextVectorization(layers::options_of<TextArguments>(kWhere, config));
}

}  // namespace stoker
