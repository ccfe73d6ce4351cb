#include "ops/align.h"

#include "ops/common.h"

namespace stoker::ops {
namespace {

// Requires `shorter` to have one axis less than `longer`.
void equalise(Value& longer, Value& shorter) {
  if (longer.shape().back() != 1) return;
  if (shorter.shape().rank() == 1) {
    Shape column = shorter.shape();
    column.push_back(1);
    shorter = reshape(shorter, column);
  } else {
    longer = reshape(longer, without_last(longer.shape()));
  }
}

// Extents are compared only where both are known, because the batch is not while a model is
// checked.
bool agree(const Shape& a, const Shape& b) {
  if (a.rank() != b.rank()) return false;
  for (std::size_t i = 0; i < a.rank(); ++i) {
    if (a[i] != b[i] && a[i] >= 0 && b[i] >= 0) return false;
  }
  return true;
}

}  // namespace

Shape without_last(const Shape& shape) { return Shape(shape.extents().first(shape.rank() - 1)); }

void to_same_rank(Value& a, Value& b) {
  if (a.shape().rank() == b.shape().rank() + 1) {
    equalise(a, b);
  } else if (b.shape().rank() == a.shape().rank() + 1) {
    equalise(b, a);
  }
}

void match_predictions(Value& labels, Value& predictions) {
  const Shape received = labels.shape();
  const Shape wanted = predictions.shape();
  to_same_rank(labels, predictions);
  require(agree(labels.shape(), predictions.shape()), *predictions.graph,
          "expected labels of the predictions' shape ", wanted, ", received ", received,
          received.rank() < wanted.rank() ? ". Class numbers go with the sparse losses and metrics"
                                          : "");
  labels = to_float(labels);
  predictions = to_float(predictions);
}

Value class_numbers(Value labels, Value predictions) {
  const Shape received = labels.shape();
  require(predictions.shape().rank() >= 2, *predictions.graph,
          "expected predictions (batch, ..., classes), received ", predictions.shape());
  if (received.rank() == predictions.shape().rank() && received.back() == 1) {
    labels = reshape(labels, without_last(received));
  }
  const Shape wanted = without_last(predictions.shape());
  require(agree(labels.shape(), wanted), *predictions.graph, "expected class numbers of shape ",
          wanted, ", one for each prediction of ", predictions.shape(), ", received labels of ",
          received,
          received == predictions.shape()
              ? ". One-hot labels go with the categorical losses and metrics"
              : "");
  return labels.dtype() == DType::int32 ? labels : to_float(labels);
}

Value as_rows(Value x) {
  const Shape& shape = x.shape();
  if (shape.rank() == 2) return x;
  const Shape lead = without_last(shape);
  return reshape(x, {lead.is_known() ? lead.elements() : Shape::kUnknown, shape.back()});
}

}  // namespace stoker::ops
