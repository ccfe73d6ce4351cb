// The fields that lookups of numbers and of texts have in common.
#pragma once

#include "core/fields.h"

namespace stoker::layers {

template <class Options>
void describe_lookup(Fields& fields, Options& options) {
  fields("max_tokens", options.max_tokens);
  fields("num_oov_indices", options.num_oov_indices);
  fields("mask_token", options.mask_token);
  fields("oov_token", options.oov_token);
  fields("vocabulary", options.vocabulary);
  fields("idf_weights", options.idf_weights);
  fields("invert", options.invert);
  fields("output_mode", options.output_mode);
  fields("pad_to_max_tokens", options.pad_to_max_tokens);
}

}  // namespace stoker::layers
