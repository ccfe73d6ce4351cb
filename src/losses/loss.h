// The internal side of a loss: it appends the values of each sample to the graph, and Keras's
// reduction of them.
#pragma once

#include <memory>
#include <string>

#include "core/fields.h"
#include "graph/graph.h"
#include "ops/ops.h"
#include "stoker/losses.h"

namespace stoker::losses {

class LossBase {
 public:
  // Throws ValueError for an unknown reduction.
  LossBase(std::string class_name, std::string name, std::string reduction);
  virtual ~LossBase() = default;

  // Writes the fields of the loss's class.
  virtual void write_fields(Fields& fields) const = 0;

  // Checks shapes and returns float32 of shape (batch, ...), one value for each element of the
  // batch.
  virtual graph::Value values(graph::Value y_true, graph::Value y_pred) const = 0;
  // Returns 1 where a value counts and 0 where it does not, in the values' shape; an invalid value
  // means that all count. Means are taken over the values that count.
  virtual graph::Value mask(graph::Value y_true, graph::Value y_pred) const {
    (void)y_true;
    (void)y_pred;
    return {};
  }
  // Whether it is a function of the program's own, which files name and do not describe.
  virtual bool is_function() const { return false; }
  // The dtype that labels are delivered in when the source leaves a choice.
  virtual DType label_dtype() const { return DType::float32; }

  const std::string& class_name() const { return class_name_; }  // "MeanSquaredError"
  const std::string& name() const { return name_; }              // "mean_squared_error"
  const std::string& reduction() const { return reduction_; }

 private:
  std::string class_name_;
  std::string name_;
  std::string reduction_;
};

// Describes the fields that all losses have. `name_by_default` is written where `name` is empty.
void describe_common(Fields& fields, const char* name_by_default, std::string& name,
                     std::string& reduction);
inline std::string name_or(const std::string& name, const char* name_by_default) {
  return name.empty() ? name_by_default : name;
}

// Returns the loss's values weighted by sample_weight (invalid: no weights) and reduced to shape
// (), or in their own shape for the reduction "none". Weights have the values' shape, with extents
// of 1 where a weight is shared, or fewer axes: then a weight applies to all values under it (one
// weight for a sample). `prediction_mask` is Keras's mask on y_pred, in the values' shape (invalid:
// no mask).
graph::Value compute(const LossBase& loss, graph::Value y_true, graph::Value y_pred,
                     graph::Value sample_weight, graph::Value prediction_mask = {});
// Returns the sample weights of what a mask lets count; either may be invalid.
graph::Value masked_weight(graph::Value sample_weight, graph::Value mask);
// Weights and reduces values as compute() does, for Keras's metrics and for callers that have
// values already.
graph::Value reduce_weighted(graph::Value values, graph::Value sample_weight,
                             const std::string& reduction, graph::Value mask = {});

// Makes a loss known by its name. Throws ValueError for a name that is taken.
void make_known(const Loss& loss);

#define STOKER_LOSS(class_name, name, short_name) Loss make_##class_name(Fields& fields);
#include "losses/losses.def"
#undef STOKER_LOSS

}  // namespace stoker::losses

namespace stoker {

template <>
struct FieldType<Loss> {
  static Loss read(const Config& config) { return loss_from_config(config); }
  static Config write(const Loss& value) { return value.config(); }
};

}  // namespace stoker
