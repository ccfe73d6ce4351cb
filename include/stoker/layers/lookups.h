// Layers that turn whole numbers into indices: of a vocabulary, or of bins. Inputs are int32 or
// uint8, or float32 whose fractions are dropped. Texts are looked up before the model (text.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "stoker/layers/layer.h"
#include "stoker/salt.h"

namespace stoker {

// Indices of numbers of a vocabulary, or with `invert` numbers for indices; see StringLookup. There
// is a vocabulary from the option, or from set_vocabulary() or adapt() before the layer is in a
// model. Several indices for unknown numbers are given by their remainder (oov_method "floormod"),
// or by a hash ("farmhash", with a salt SipHash). A number without an index ends the step with a
// DataError. Shapes and rows are those of CategoryEncoding; there is also "tf_idf".
struct IntegerLookupOptions {
  std::optional<std::int64_t> max_tokens{};
  std::int64_t num_oov_indices = 1;
  std::optional<std::int64_t> mask_token{};
  std::int64_t oov_token = -1;
  std::vector<std::int64_t> vocabulary{};
  std::vector<double> idf_weights{};
  bool invert = false;
  std::string output_mode = "int";
  bool pad_to_max_tokens = false;
  std::string oov_method = "floormod";
  std::optional<Salt> salt{};
  std::string name{};
  std::string dtype{};
};
// Throws ValueError for options that contradict each other, for tokens that are in the vocabulary
// twice or fit no int32, for a mask_token within it, and for more tokens than max_tokens.
Layer IntegerLookup(IntegerLookupOptions options = {});
// The vocabulary of an IntegerLookup, by index. adapt() learns one, where a sample is a document.
// set_vocabulary() takes one, which may begin with the special tokens; the layer must be in no
// model yet. Throw ValueError for other layers.
std::vector<std::int64_t> get_vocabulary(const Layer& integer_lookup,
                                         bool include_special_tokens = true);
void set_vocabulary(const Layer& integer_lookup, std::vector<std::int64_t> vocabulary,
                    std::vector<double> idf_weights = {});

// A bin in [0, num_bins) for each number, by a hash of its decimal text: FarmHash, or SipHash with
// a salt. mask_value has bin 0 to itself. `output_mode` is "int", or one of CategoryEncoding's.
// Bins are Keras's; hash_bin() gives them for texts and larger numbers.
struct HashingOptions {
  std::optional<std::int64_t> mask_value{};
  std::optional<Salt> salt{};
  std::string output_mode = "int";
  std::string name{};
  std::string dtype{};
};
Layer Hashing(std::int64_t num_bins, HashingOptions options = {});

// A bin for two or more features together, each (batch) or (batch, 1) and int32 or uint8.
// `output_mode` is "int" or "one_hot". crossed_bin() gives the bins of texts.
struct HashedCrossingOptions {
  std::string output_mode = "int";
  std::string name{};
  std::string dtype{};
};
Layer HashedCrossing(std::int64_t num_bins, HashedCrossingOptions options = {});

}  // namespace stoker
