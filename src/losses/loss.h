// What a loss is inside: values for each sample, appended to the graph, and Keras's reduction.
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
  // By the class's name and the loss's. ValueError for an unknown reduction.
  LossBase(std::string class_name, std::string name, std::string reduction);
  virtual ~LossBase() = default;

  // Writes the fields of the loss's class.
  virtual void write_fields(Fields& fields) const = 0;

  // Checks shapes; returns float32 (batch, ...), one value for each element of the batch.
  virtual graph::Value values(graph::Value y_true, graph::Value y_pred) const = 0;
  // 1 where a value counts and 0 where it does not, of the values' shape; invalid: all count. Means
  // are over those that count.
  virtual graph::Value mask(graph::Value y_true, graph::Value y_pred) const {
    (void)y_true;
    (void)y_pred;
    return {};
  }
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

// What all losses have: a name, which nothing depends on, and the reduction.
void describe_common(Fields& fields, const char* name, std::string& reduction);

// values weighted by sample_weight (invalid: none) and reduced: shape (), or the values' own for
// "none". Weights have the values' shape, extents of 1 where they are shared, or fewer axes: then
// each goes with all values below it (one weight for a sample). `prediction_mask` is Keras's mask
// on y_pred, of the values' shape (invalid: none).
graph::Value compute(const LossBase& loss, graph::Value y_true, graph::Value y_pred,
                     graph::Value sample_weight, graph::Value prediction_mask = {});
// The same, for Keras's metrics and for callers that have values already.
graph::Value reduce_weighted(graph::Value values, graph::Value sample_weight,
                             const std::string& reduction, graph::Value mask = {});

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
