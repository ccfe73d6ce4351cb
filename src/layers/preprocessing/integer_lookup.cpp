// IntegerLookup: indices of whole numbers in a vocabulary.
#include "layers/preprocessing/integer_lookup.h"

#include <limits>
#include <utility>

#include "core/check.h"
#include "layers/fields.h"
#include "layers/preprocessing/categories.h"
#include "layers/preprocessing/dropped_fractions.h"
#include "layers/preprocessing/lookup_fields.h"
#include "layers/preprocessing/salt_field.h"
#include "layers/preprocessing/vocabulary.h"
#include "layers/registry.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker {
namespace {

using graph::Value;

struct LookupArguments {
  IntegerLookupOptions options{};
};

void describe(Fields& fields, LookupArguments& arguments) {
  IntegerLookupOptions& options = arguments.options;
  layers::describe_common(fields, options);
  fields.only("vocabulary_dtype", "int64");
  fields.ignored({"vocabulary_size", "has_input_vocabulary"});
  layers::describe_lookup(fields, options);
  fields("oov_method", options.oov_method);
  fields("salt", options.salt);
  fields.never({"sparse"});
}

std::int64_t element(const layers::DataBatch& batch, std::int64_t i) {
  switch (batch.dtype) {
    case DType::float32:
      return static_cast<std::int64_t>(static_cast<const float*>(batch.elements)[i]);
    case DType::int32:
      return static_cast<const std::int32_t*>(batch.elements)[i];
    case DType::uint8:
      return static_cast<const std::uint8_t*>(batch.elements)[i];
    default:
      throw DTypeError(
          format("adapt: expected float32, int32 or uint8 data, received ", batch.dtype));
  }
}

class IntegerLookupLayer final : public layers::UnaryLayer {
 public:
  explicit IntegerLookupLayer(IntegerLookupOptions options)
      : UnaryLayer("IntegerLookup", options.name, options.dtype),
        options_(std::move(options)),
        vocabulary_({.where = label(),
                     .max_tokens = options_.max_tokens,
                     .num_oov_indices = options_.num_oov_indices,
                     .mask_token = options_.mask_token,
                     .oov_token = options_.oov_token,
                     .invert = options_.invert,
                     .output_mode = options_.output_mode,
                     .pad_to_max_tokens = options_.pad_to_max_tokens}) {
    casts_inputs = false;
    const bool is_hashed = options_.oov_method == "farmhash";
    if (!is_hashed && options_.oov_method != "floormod") {
      throw ValueError(format(label(),
                              ": expected an oov_method of floormod or farmhash, received ", '"',
                              options_.oov_method, '"'));
    }
    if (options_.salt && !is_hashed) {
      throw ValueError(format(label(), ": expected oov_method farmhash with a salt"));
    }
    require_int32("oov_token", options_.oov_token);
    if (options_.mask_token) require_int32("mask_token", *options_.mask_token);
    if (!options_.vocabulary.empty()) {
      set(options_.vocabulary, options_.idf_weights);
    } else if (!options_.idf_weights.empty()) {
      throw ValueError(format(label(), ": expected a vocabulary with idf_weights"));
    }
  }

  void write_fields(Fields& fields) const override {
    LookupArguments copy{options_};
    copy.options.name = name();
    const std::vector<float>& weights = vocabulary_.idf_weights();
    copy.options.vocabulary = vocabulary_.tokens(!weights.empty());
    copy.options.idf_weights.clear();
    for (std::size_t i = 0; !weights.empty() && i < copy.options.vocabulary.size(); ++i) {
      copy.options.idf_weights.push_back(weights[i]);
    }
    describe(fields, copy);
  }

  Value apply(layers::BuildContext& context, Value x) override {
    vocabulary_.require_ready();
    is_built_ = true;
    const std::string& mode = vocabulary_.rules().output_mode;
    const std::int64_t depth = vocabulary_.depth();
    const Value table = ops::lookup_table(*x.graph, entries(depth));
    const Value indices = ops::lookup(layers::without_fractions(x), table, unknown());
    if (mode == "int") return indices;
    // A masked number is a category behind all others, which is cut off.
    const bool has_mask = options_.mask_token.has_value();
    Value rows =
        layers::encoded(indices, mode == "tf_idf" ? "count" : mode, has_mask ? depth + 1 : depth);
    if (has_mask) {
      rows = ops::slice(rows, static_cast<std::int64_t>(rows.shape().rank()) - 1, 0, depth);
    }
    if (mode == "tf_idf") {
      rows = ops::multiply(rows, ops::constant(*x.graph, {depth}, vocabulary_.idf_weights()));
    }
    return context.to_compute(rows);
  }

  void set(std::vector<std::int64_t> vocabulary, std::vector<double> idf_weights) {
    require_unbuilt();
    for (const std::int64_t token : vocabulary) require_int32("tokens", token);
    vocabulary_.set(std::move(vocabulary), std::move(idf_weights));
  }

  void adapt(const std::function<std::optional<layers::DataBatch>()>& next) {
    require_unbuilt();
    if (!options_.vocabulary.empty()) {
      throw ValueError(format(label(), ": adapt: expected no option vocabulary"));
    }
    vocabulary_.start();
    while (const std::optional<layers::DataBatch> batch = next()) {
      if (batch->shape.rank() == 0 || batch->shape.elements() == 0) continue;
      const std::int64_t samples = batch->shape[0], size = batch->shape.elements() / samples;
      for (std::int64_t i = 0; i < samples; ++i) {
        std::vector<std::int64_t> document;
        for (std::int64_t k = 0; k < size; ++k) document.push_back(element(*batch, i * size + k));
        for (const std::int64_t token : document) require_int32("tokens", token);
        vocabulary_.document(document);
      }
    }
    vocabulary_.finish();
  }

  const layers::Vocabulary<std::int64_t>& vocabulary() const { return vocabulary_; }

 private:
  void require_int32(const char* what, std::int64_t number) const {
    constexpr std::int64_t kLargest = std::numeric_limits<std::int32_t>::max();
    check::require(
        label(), what, number,
        check::closed(-static_cast<double>(kLargest) - 1.0, static_cast<double>(kLargest)));
  }
  void require_unbuilt() const {
    if (!is_built_) return;
    throw ValueError(format(label(), ": expected a layer that is in no model yet, whose shapes ",
                            "depend on the vocabulary"));
  }

  std::vector<ops::LookupEntry> entries(std::int64_t depth) const {
    std::vector<ops::LookupEntry> result;
    const std::vector<std::int64_t> tokens = vocabulary_.tokens(true);
    const auto add = [&](std::int64_t key, std::int64_t value) {
      result.push_back({static_cast<std::int32_t>(key), static_cast<std::int32_t>(value)});
    };
    const std::int64_t first = options_.invert ? 0 : vocabulary_.first_token();
    for (std::int64_t i = first; i < vocabulary_.size(); ++i) {
      const std::int64_t token = tokens[static_cast<std::size_t>(i)];
      options_.invert ? add(i, token) : add(token, i);
    }
    if (options_.mask_token && !options_.invert) {
      add(*options_.mask_token, vocabulary_.rules().output_mode == "int" ? 0 : depth);
    }
    return result;
  }

  UnknownNumbers unknown() const {
    if (options_.invert) {
      return {.first = static_cast<std::int32_t>(options_.oov_token), .buckets = 1};
    }
    UnknownNumbers to;
    to.first = static_cast<std::int32_t>(vocabulary_.first_unknown());
    to.buckets = static_cast<std::int32_t>(options_.num_oov_indices);
    to.is_hashed = options_.oov_method == "farmhash";
    to.has_key = options_.salt.has_value();
    if (options_.salt) to.key = {options_.salt->first, options_.salt->second};
    return to;
  }

  const IntegerLookupOptions options_;
  layers::Vocabulary<std::int64_t> vocabulary_;
  bool is_built_ = false;
};

IntegerLookupLayer* lookup_of(const Layer& layer) {
  return dynamic_cast<IntegerLookupLayer*>(layer.base().get());
}
IntegerLookupLayer& required_lookup(const char* where, const Layer& layer) {
  if (IntegerLookupLayer* found = lookup_of(layer)) return *found;
  throw ValueError(format(where, ": expected an IntegerLookup, received ",
                          layer.base() ? layer.base()->label() : "no layer"));
}

}  // namespace

Layer IntegerLookup(IntegerLookupOptions options) {
  return Layer(std::make_shared<IntegerLookupLayer>(std::move(options)));
}

std::vector<std::int64_t> get_vocabulary(const Layer& integer_lookup, bool include_special_tokens) {
  return required_lookup("get_vocabulary", integer_lookup)
      .vocabulary()
      .tokens(include_special_tokens);
}

void set_vocabulary(const Layer& integer_lookup, std::vector<std::int64_t> vocabulary,
                    std::vector<double> idf_weights) {
  required_lookup("set_vocabulary", integer_lookup)
      .set(std::move(vocabulary), std::move(idf_weights));
}

bool layers::adapt_lookup(const Layer& layer,
                          const std::function<std::optional<DataBatch>()>& next) {
  IntegerLookupLayer* lookup = lookup_of(layer);
  if (lookup != nullptr) lookup->adapt(next);
  return lookup != nullptr;
}

Layer layers::make_IntegerLookup(Fields& fields) {
  return IntegerLookup(fields.all<LookupArguments>().options);
}

}  // namespace stoker
