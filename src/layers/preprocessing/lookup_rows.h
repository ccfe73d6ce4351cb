// The checks and the rows of StringLookup and TextVectorization.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/fields.h"
#include "layers/preprocessing/vocabulary.h"
#include "stoker/text.h"

namespace stoker::layers {

// Which of the buckets of unknown tokens a token gets. Throws DataError where there is none.
std::int64_t unknown_bucket(const VocabularyRules<std::string>& rules, std::string_view token,
                            const std::optional<Salt>& salt);

// These throw ValueError where there is no vocabulary, or where the mode is another.
void require_mode(const Vocabulary<std::string>& vocabulary, std::string_view mode);
void require_indices(const Vocabulary<std::string>& vocabulary);
void require_rows(const Vocabulary<std::string>& vocabulary);
// Throws ShapeError unless both are equal.
void require_elements(std::string_view where, std::size_t received, std::size_t expected);

// Adds a token to a row, unless its index is that of a mask.
void add_token(const Vocabulary<std::string>& vocabulary, std::int64_t index, std::span<float> row);

// Writes a vocabulary as a configuration has it: with its special tokens where they have weights.
void write_vocabulary(const Vocabulary<std::string>& vocabulary, std::vector<std::string>& tokens,
                      std::vector<double>& weights);
// The lines of a vocabulary's file.
std::vector<std::string> vocabulary_lines(std::string_view text);

// Reads options from the configuration of an object, or of that class.
template <class Options>
Options options_of(const char* class_name, const Config& config) {
  const bool is_object = config.is_map() && config.find("class_name") != nullptr;
  const Config inner = is_object ? object_of(config).config : config;
  if (is_object && object_of(config).class_name != class_name) {
    throw ValueError(format(class_name, "::from_config: expected a ", class_name, ", received a ",
                            object_of(config).class_name));
  }
  Fields fields = Fields::reading(inner, class_name);
  return fields.all<Options>();
}

}  // namespace stoker::layers
