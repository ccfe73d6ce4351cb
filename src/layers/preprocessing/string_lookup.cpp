// StringLookup: indices of tokens, and rows of numbers for them.
#include <algorithm>
#include <utility>

#include "core/fingerprint.h"
#include "core/input_file.h"
#include "layers/fields.h"
#include "layers/preprocessing/lookup_fields.h"
#include "layers/preprocessing/lookup_rows.h"
#include "layers/preprocessing/salt_field.h"
#include "layers/preprocessing/vocabulary.h"
#include "stoker/error.h"
#include "stoker/text.h"

namespace stoker {

using layers::Vocabulary;
using layers::VocabularyRules;

namespace {

VocabularyRules<std::string> rules_of(const StringLookupOptions& options) {
  return {.where = "StringLookup",
          .max_tokens = options.max_tokens,
          .num_oov_indices = options.num_oov_indices,
          .mask_token = options.mask_token,
          .oov_token = options.oov_token,
          .invert = options.invert,
          .output_mode = options.output_mode,
          .pad_to_max_tokens = options.pad_to_max_tokens};
}

struct StringLookupArguments : StringLookupOptions {};

void describe(Fields& fields, StringLookupArguments& options) {
  fields.ignored({"name", "trainable", "dtype", "vocabulary_size", "oov_method", "vocabulary_dtype",
                  "has_input_vocabulary"});
  fields.only("encoding", "utf-8");
  layers::describe_lookup(fields, options);
  fields("salt", options.salt);
  fields.never({"sparse"});
}

}  // namespace

struct StringLookup::State {
  explicit State(StringLookupOptions given)
      : options(std::move(given)), vocabulary(rules_of(options)) {
    if (!options.vocabulary.empty()) {
      vocabulary.set(options.vocabulary, options.idf_weights);
    } else if (!options.idf_weights.empty()) {
      throw ValueError("StringLookup: expected a vocabulary with idf_weights");
    }
  }

  void require_adaptable() const {
    if (options.vocabulary.empty()) return;
    throw ValueError("StringLookup: adapt: expected no option vocabulary");
  }

  // The place in a row, or the index.
  std::int64_t index(std::string_view token) const {
    const std::int64_t found = vocabulary.find(token);
    if (found != layers::kUnknownToken) return found;
    return vocabulary.first_unknown() +
           layers::unknown_bucket(vocabulary.rules(), token, options.salt);
  }

  StringLookupOptions options;
  Vocabulary<std::string> vocabulary;
};

StringLookup::StringLookup(StringLookupOptions options)
    : state_(std::make_shared<State>(std::move(options))) {}

void StringLookup::adapt(Texts tokens) {
  state_->require_adaptable();
  state_->vocabulary.start();
  for (std::size_t i = 0; i < tokens.size(); ++i) state_->vocabulary.document({tokens[i]});
  state_->vocabulary.finish();
}

void StringLookup::adapt(const detail::Function<std::optional<std::vector<std::string>>()>& next) {
  state_->require_adaptable();
  state_->vocabulary.start();
  while (const std::optional<std::vector<std::string>> document = next()) {
    state_->vocabulary.document({document->begin(), document->end()});
  }
  state_->vocabulary.finish();
}

void StringLookup::set_vocabulary(std::vector<std::string> vocabulary,
                                  std::vector<double> idf_weights) {
  state_->vocabulary.set(std::move(vocabulary), std::move(idf_weights));
}

std::vector<std::string> StringLookup::get_vocabulary(bool include_special_tokens) const {
  return state_->vocabulary.tokens(include_special_tokens);
}
std::int64_t StringLookup::vocabulary_size() const { return state_->vocabulary.size(); }
std::int64_t StringLookup::row_size() const { return state_->vocabulary.depth(); }

std::int32_t StringLookup::index(std::string_view token) const {
  layers::require_indices(state_->vocabulary);
  const std::int64_t index = state_->index(token);
  return index == layers::kMaskToken ? 0 : static_cast<std::int32_t>(index);
}

void StringLookup::operator()(Texts tokens, std::span<std::int32_t> to) const {
  layers::require_indices(state_->vocabulary);
  layers::require_elements("StringLookup", to.size(), tokens.size());
  for (std::size_t i = 0; i < tokens.size(); ++i) to[i] = index(tokens[i]);
}

void StringLookup::operator()(Texts tokens, std::span<float> to) const {
  layers::require_rows(state_->vocabulary);
  const auto depth = static_cast<std::size_t>(row_size());
  const bool is_each = state_->vocabulary.rules().output_mode == "one_hot";
  layers::require_elements("StringLookup", to.size(), is_each ? tokens.size() * depth : depth);
  std::ranges::fill(to, 0.0f);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::int64_t index = state_->index(tokens[i]);
    layers::add_token(state_->vocabulary, index, is_each ? to.subspan(i * depth, depth) : to);
  }
}

Tensor StringLookup::operator()(Texts tokens) const {
  const std::string& mode = state_->vocabulary.rules().output_mode;
  const auto count = static_cast<std::int64_t>(tokens.size());
  if (mode == "int") {
    Tensor result({count}, DType::int32);
    (*this)(tokens, result.data<std::int32_t>());
    return result;
  }
  layers::require_rows(state_->vocabulary);
  Tensor result(mode == "one_hot" ? Shape{count, row_size()} : Shape{row_size()});
  (*this)(tokens, result.data<float>());
  return result;
}

Tensor StringLookup::batch(std::span<const std::vector<std::string>> samples) const {
  const std::string& mode = state_->vocabulary.rules().output_mode;
  const bool is_each = mode == "int" || mode == "one_hot";
  const std::size_t length = samples.empty() ? 0 : samples[0].size();
  Shape shape{static_cast<std::int64_t>(samples.size())};
  if (is_each) shape.push_back(static_cast<std::int64_t>(length));
  if (mode != "int") shape.push_back(row_size());
  Tensor result(shape, mode == "int" ? DType::int32 : DType::float32);
  const std::size_t elements =
      samples.empty() ? 0 : static_cast<std::size_t>(result.size()) / samples.size();
  for (std::size_t i = 0; i < samples.size(); ++i) {
    if (is_each && samples[i].size() != length) {
      throw ShapeError(format("StringLookup: expected samples of one length in output_mode ", mode,
                              ", received ", length, " tokens in sample 0 and ", samples[i].size(),
                              " in sample ", i));
    }
    if (mode == "int") {
      (*this)(samples[i], result.data<std::int32_t>().subspan(i * elements, elements));
    } else {
      (*this)(samples[i], result.data<float>().subspan(i * elements, elements));
    }
  }
  return result;
}

const std::string& StringLookup::token(std::int64_t index) const {
  layers::require_mode(state_->vocabulary, "int");
  return state_->vocabulary.token(index);
}

std::vector<std::string> StringLookup::tokens(std::span<const std::int32_t> indices) const {
  std::vector<std::string> result;
  for (const std::int32_t index : indices) result.push_back(token(index));
  return result;
}

Config StringLookup::config() const {
  StringLookupArguments options{state_->options};
  layers::write_vocabulary(state_->vocabulary, options.vocabulary, options.idf_weights);
  Fields fields = Fields::writing();
  describe(fields, options);
  return object_config("keras.layers", "StringLookup", fields.config());
}

StringLookup StringLookup::from_config(const Config& config) {
  return StringLookup(layers::options_of<StringLookupArguments>("StringLookup", config));
}

std::vector<std::string> read_vocabulary(const std::filesystem::path& path) {
  constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 30;
  std::vector<std::byte> memory;
  const std::span<const std::byte> bytes = read_whole_file(path, kMostBytes, memory);
  return layers::vocabulary_lines({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

}  // namespace stoker
