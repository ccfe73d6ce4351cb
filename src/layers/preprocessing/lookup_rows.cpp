#include "layers/preprocessing/lookup_rows.h"

#include <algorithm>

#include "core/fingerprint.h"
#include "stoker/error.h"

namespace stoker {
namespace layers {
namespace {

std::uint64_t hash_of(std::string_view text, const std::optional<Salt>& salt) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  return salt ? siphash64(bytes, text.size(), {salt->first, salt->second})
              : fingerprint64(bytes, text.size());
}

template <class Key>
std::int64_t bin_of(const Key& key, std::string_view text, std::int64_t num_bins,
                    const std::optional<Key>& mask_value, const std::optional<Salt>& salt) {
  if (num_bins < 1) {
    throw ValueError(format("hash_bin: expected num_bins of 1 or more, received ", num_bins));
  }
  if (!mask_value || num_bins == 1) {
    return static_cast<std::int64_t>(hash_of(text, salt) % static_cast<std::uint64_t>(num_bins));
  }
  if (key == *mask_value) return 0;
  return 1 +
         static_cast<std::int64_t>(hash_of(text, salt) % static_cast<std::uint64_t>(num_bins - 1));
}

}  // namespace

std::int64_t unknown_bucket(const VocabularyRules<std::string>& rules, std::string_view token,
                            const std::optional<Salt>& salt) {
  if (rules.num_oov_indices == 0) {
    throw DataError(format(rules.where, ": expected tokens of the vocabulary, received \"", token,
                           "\"; with num_oov_indices=1 unknown tokens get an index of their own"));
  }
  if (rules.num_oov_indices == 1) return 0;
  return static_cast<std::int64_t>(hash_of(token, salt) %
                                   static_cast<std::uint64_t>(rules.num_oov_indices));
}

void require_mode(const Vocabulary<std::string>& vocabulary, std::string_view mode) {
  vocabulary.require_ready();
  const VocabularyRules<std::string>& rules = vocabulary.rules();
  if (rules.output_mode == mode) return;
  throw ValueError(format(rules.where, ": expected output_mode ", mode, " for indices, received ",
                          rules.output_mode, ", whose rows are floats"));
}

void require_indices(const Vocabulary<std::string>& vocabulary) {
  require_mode(vocabulary, "int");
  if (!vocabulary.rules().invert) return;
  throw ValueError(format(vocabulary.rules().where,
                          ": expected no option invert, with which indices become tokens"));
}

void require_rows(const Vocabulary<std::string>& vocabulary) {
  vocabulary.require_ready();
  if (vocabulary.rules().output_mode != "int") return;
  throw ValueError(format(vocabulary.rules().where, ": expected memory of int32 in output_mode ",
                          "int, received floats"));
}

void require_elements(std::string_view where, std::size_t received, std::size_t expected) {
  if (received == expected) return;
  throw ShapeError(
      format(where, ": expected memory for ", expected, " elements, received ", received));
}

void add_token(const Vocabulary<std::string>& vocabulary, std::int64_t index,
               std::span<float> row) {
  if (index == kMaskToken) return;
  const auto at = static_cast<std::size_t>(index);
  const std::string& mode = vocabulary.rules().output_mode;
  if (mode == "count") {
    row[at] += 1.0f;
  } else if (mode == "tf_idf") {
    row[at] += vocabulary.idf_weights()[at];
  } else {
    row[at] = 1.0f;
  }
}

void write_vocabulary(const Vocabulary<std::string>& vocabulary, std::vector<std::string>& tokens,
                      std::vector<double>& weights) {
  const std::vector<float>& all = vocabulary.idf_weights();
  tokens = vocabulary.tokens(!all.empty());
  weights.clear();
  for (std::size_t i = 0; !all.empty() && i < tokens.size(); ++i) weights.push_back(all[i]);
}

std::vector<std::string> vocabulary_lines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.emplace_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

}  // namespace layers

std::int64_t hash_bin(std::string_view text, std::int64_t num_bins,
                      const TextHashOptions& options) {
  const std::optional<std::string_view> mask = options.mask_value;
  return layers::bin_of(text, text, num_bins, mask, options.salt);
}

std::int64_t hash_bin(std::int64_t number, std::int64_t num_bins,
                      const NumberHashOptions& options) {
  return layers::bin_of(number, std::to_string(number), num_bins, options.mask_value, options.salt);
}

Feature::Feature(std::string_view text) : fingerprint_(layers::hash_of(text, {})) {}

std::int64_t crossed_bin(std::span<const Feature> features, std::int64_t num_bins) {
  if (num_bins < 1) {
    throw ValueError(format("crossed_bin: expected num_bins of 1 or more, received ", num_bins));
  }
  if (features.size() < 2) {
    throw ValueError(
        format("crossed_bin: expected two features or more, received ", features.size()));
  }
  std::uint64_t hash = kCrossingSeed;
  for (const Feature& feature : features) hash = joined_fingerprint(hash, feature.fingerprint());
  return static_cast<std::int64_t>(hash % static_cast<std::uint64_t>(num_bins));
}

std::int64_t crossed_bin(std::initializer_list<Feature> features, std::int64_t num_bins) {
  return crossed_bin(std::span<const Feature>(features.begin(), features.size()), num_bins);
}

}  // namespace stoker
