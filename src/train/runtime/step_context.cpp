#include "train/runtime/step_context.h"

#include <algorithm>
#include <numeric>

#include "core/fnv.h"
#include "core/format.h"
#include "ops/ops.h"
#include "stoker/error.h"

namespace stoker::train {

using graph::Graph;
using graph::Home;
using graph::Space;
using graph::Value;

namespace {

void set(StepContext::Updates& updates, const Home& home, Value value) {
  for (auto& [updated, earlier] : updates) {
    if (updated == home) {
      earlier = value;
      return;
    }
  }
  updates.push_back({home, value});
}

Value mean_of(Value x) {
  if (x.shape().rank() == 0) return x;
  std::vector<std::int64_t> axes(x.shape().rank());
  std::iota(axes.begin(), axes.end(), 0);
  return ops::reduce_mean(x, axes);
}

}  // namespace

Value StepContext::weight(const layers::WeightSpec& spec) {
  const Weight& weight = network_.weight(layer(), spec.name);
  auto& leaf = leaves_[static_cast<std::size_t>(&weight - network_.weights().data())];
  if (!leaf) {
    leaf = graph_.leaf(weight.path, {DType::float32, weight.spec.shape}, weight.home);
    // Keras penalises trainable weights only.
    if (weight.spec.regularizer && trainable()) {
      penalties_.emplace_back(weight.home, losses_.size());
      add_loss(layers::penalty(weight.spec.regularizer, leaf));
    }
  }
  // When a layer is called again, it continues from the state that its earlier calls have made.
  if (const Value* moved = pending_update(weight.home)) {
    return spec.autocast ? ops::cast(*moved, compute_dtype()) : *moved;
  }
  const bool is_copied = weight.spec.trainable && network_.copy_dtype() == compute_dtype();
  if (!spec.autocast) return leaf;
  return is_copied ? copy_of(weight) : ops::cast(leaf, compute_dtype());
}

void StepContext::update(const layers::WeightSpec& spec, Value value) {
  const Weight& weight = network_.weight(layer(), spec.name);
  const Home home = weight.home;
  if (is_16bit(weight.dtype)) value = ops::to_float(ops::cast(value, weight.dtype));
  set(weight.spec.trainable ? replaced_ : updates_, home, value);
  // The penalty is on the value that the step uses.
  for (const auto& [penalised, loss] : penalties_) {
    if (penalised == home) losses_[loss].value = layers::penalty(weight.spec.regularizer, value);
  }
}

void StepContext::keep(const layers::WeightSpec& spec, Value value) {
  set(kept_, network_.weight(layer(), spec.name).home, ops::to_float(value));
}

void StepContext::forget(std::size_t weight) {
  leaves_[weight] = {};
  copies_[weight] = {};
  const Home home = network_.weights()[weight].home;
  std::erase_if(replaced_, [&](const auto& update) { return update.first == home; });
  std::erase_if(penalties_, [&](const auto& penalty) { return penalty.first == home; });
}

// Streams below 2^31 belong to layers. The first sixteen of a call by the model itself are numbered
// by the call's place. All others get a number from their path, and the next free one where it is
// taken.
std::uint32_t StepContext::random_stream(std::uint32_t purpose) {
  constexpr std::uint32_t kPurposes = 16;
  constexpr std::uint32_t kFirstByPath = 1U << 30;
  if (frames().size() == 1 && purpose < kPurposes) {
    return frames()[0].number * kPurposes + purpose + 1;
  }
  std::uint32_t hash = fnv1a(purpose, kFnvBasis);
  for (const Frame& frame : frames()) {
    hash = fnv1a(frame.number, fnv1a(frame.layer->name(), hash));
  }
  std::uint32_t stream = kFirstByPath | (hash & (kFirstByPath - 1));
  while (!streams_.insert(stream).second) {
    stream = kFirstByPath | ((stream + 1) & (kFirstByPath - 1));
  }
  return stream;
}

Value StepContext::report_of(const layers::LayerBase* layer, const std::string& name) const {
  Value total;
  int calls = 0;
  for (const Report& report : reports_) {
    if (report.layer != layer || report.name != name) continue;
    const Value mean = mean_of(report.value);
    total = total ? ops::add(total, mean) : mean;
    ++calls;
  }
  if (calls == 0) {
    throw ValueError(format(label_of(*layer, layer->name()), ": reports \"", name,
                            "\" in its first call and not in this one; a value is reported in "
                            "every call, whether it trains or not"));
  }
  if (calls < 2) return total;
  const float share = 1.0f / static_cast<float>(calls);
  return ops::map(total, [share](graph::Expr x) { return x * share; });
}

// The value that a weight will have after the part of the step that is built so far. Null where it
// still has its old value.
const Value* StepContext::pending_update(const Home& home) const {
  for (const Updates* updates : {&updates_, &replaced_, &kept_}) {
    for (const auto& [updated, value] : *updates) {
      if (updated == home) return &value;
    }
  }
  return nullptr;
}

Value StepContext::copy_of(const Weight& weight) {
  auto& copy = copies_[static_cast<std::size_t>(&weight - network_.weights().data())];
  if (!copy) {
    copy = graph_.leaf(weight.path, {*network_.copy_dtype(), weight.spec.shape},
                       Network::copy_home(weight));
  }
  return copy;
}

Value field_leaf(Graph& graph, const Field& field, std::size_t offset, std::int64_t rows) {
  Shape shape = field.shape;
  shape[0] = rows;
  return graph.leaf(field.name, {field.dtype, shape},
                    {Space::input, 0, static_cast<std::int64_t>(offset)});
}

Value fit_input(Value x, const layers::InputLayer& input) {
  const std::int64_t batch = x.shape()[0];
  if (input.batch != Shape::kUnknown && batch != input.batch) {
    throw ShapeError(format(input.label(), ": expected batches of ", input.batch,
                            " samples, its batch_size, received ", batch));
  }
  const Shape wanted = input.shape.with_batch(batch);
  const bool whole = input.dtype == DType::int32;
  if (whole && x.dtype() == DType::float32) {
    throw DTypeError(format(input.label(), ": expected int32, received float32"));
  }
  if (x.shape() == wanted) return x;
  Shape extended = x.shape();
  if (extended.rank() < Shape::kMaxRank) extended.push_back(1);
  Shape shortened = wanted;
  if (shortened.rank() < Shape::kMaxRank) shortened.push_back(1);
  if (extended == wanted || x.shape() == shortened) return ops::reshape(x, wanted);
  throw ShapeError(format(input.label(), ": expected batches of ",
                          input.shape.with_batch(Shape::kUnknown), ", received ",
                          x.shape().without_batch().with_batch(Shape::kUnknown)));
}

}  // namespace stoker::train
