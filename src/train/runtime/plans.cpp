// Plans are made once for each mode and batch shape, bound to memory, and run.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "core/check.h"
#include "core/format.h"
#include "core/multi_index.h"
#include "layers/dtype_policy.h"
#include "losses/loss.h"
#include "metrics/metric.h"
#include "ops/ops.h"
#include "optimizers/optimizer.h"
#include "report/progress_bar.h"
#include "stoker/error.h"
#include "train/model_impl.h"
#include "train/runtime/output_advice.h"

namespace stoker {

using train::Mode;
using train::Plan;

namespace {

// The number of plans that a model keeps. Making one takes a millisecond or more and keeping it
// half a megabyte or more, so a source whose batches all differ in rows would fill the memory
// without a limit.
constexpr std::size_t kMostPlans = 32;

// The key holds everything on which a plan depends. That includes the offset of each field in its
// slot, which follows from the slot's whole batch and not from the number of rows in it.
std::string plan_key(Mode mode, const BatchSpec& spec, const std::vector<std::size_t>& offsets,
                     std::int64_t rows) {
  std::string key =
      format(static_cast<int>(mode), '/', rows, '/', spec.inputs.size(), '/', spec.targets.size());
  for (std::size_t i = 0; i < spec.field_count(); ++i) {
    const Field& field = spec.field(i);
    key += format('/', field.dtype, field.shape.without_batch(), '@', offsets[i]);
  }
  return key;
}

float element_at(DType dtype, const void* data, std::int64_t i) {
  switch (dtype) {
    case DType::bfloat16:
      return static_cast<float>(static_cast<const bfloat16*>(data)[i]);
    case DType::float16:
      return static_cast<float>(static_cast<const float16*>(data)[i]);
    default:
      return static_cast<const float*>(data)[i];
  }
}

// The error of a label, or of an id of an embedding, that does not exist.
std::string class_error(const graph::Graph& graph, const plan::Scalars& found,
                        const std::string& where) {
  const graph::Node& node = graph.node(found.error_node);
  const graph::RecordedError error =
      node.op->traits.describe_error(graph, node, found.error_detail, found.error_row);
  return format(node.origin.text(), ": ", error.what, ", in ", where,
                "; the step was not applied. ", error.remedy);
}

// The error of an update that is not finite, which names the weight that it would have been written
// to.
std::string overflow_error(const train::Network& network, std::int64_t place) {
  const bool is_state = place >= plan::kOverflowState;
  const std::int64_t element = is_state ? place - plan::kOverflowState : place;
  for (const train::Weight& weight : network.weights()) {
    const std::int64_t first = weight.home.offset / static_cast<std::int64_t>(sizeof(float));
    if ((weight.home.space == graph::Space::state) != is_state) continue;
    if (element < first || element >= first + weight.count) continue;
    return format("the update of ", weight.path, " is not finite at element ",
                  multi_index(weight.spec.shape, element - first), " of ", weight.spec.shape);
  }
  return "an update is not finite";
}

// The part of a batch that the mode reads. Predictions take no targets.
BatchSpec needed(const BatchSpec& spec, Mode mode) {
  if (mode != Mode::predict) return spec;
  return {spec.inputs, {}, {}};
}

}  // namespace

Model::Impl::Impl(std::string model_name, std::shared_ptr<const train::Topology> topology,
                  ModelOptions model_options, bool initializes)
    : name(std::move(model_name)),
      options(std::move(model_options)),
      network(std::move(topology),
              layers::policy_of(options.dtype_policy, format("Model \"", name, "\""))),
      state(network, options.seed, options.threads, options.device.base(), name, initializes),
      layout(std::as_const(state).store().layout()) {
  network.set_model_name(name);
}

Model::Impl::~Impl() { synchronize(); }

void Model::Impl::synchronize() noexcept {
  try {
    state.stream().synchronize();
  } catch (const DeviceError&) {
  }
}

void Model::Impl::require_compiled(const char* what) const {
  if (!compiled) {
    throw ValueError(format("Model \"", name, "\": ", what,
                            " needs a compiled model; call "
                            "compile({.optimizer = ..., .loss = ...}) first"));
  }
  if (!compiled->has_loss()) {
    throw ValueError(format("Model \"", name, "\": ", what, " needs a loss; compile() got none"));
  }
}

// Takes over the places of weights that another model has moved by joining the store.
void Model::Impl::follow_store() {
  const std::uint64_t now = std::as_const(state).store().layout();
  if (layout == now) return;
  synchronize();
  plans.clear();
  network.place();
  layout = now;
}

void Model::Impl::compile(CompileOptions compile_options) {
  if (!compile_options.optimizer.base()) {
    throw ValueError("compile: expected an optimizer, received one that was moved from");
  }
  const bool is_half = network.policy() == layers::policy_of("mixed_float16", "compile");
  if (is_half && compile_options.optimizer.base()->loss_scaling() == nullptr) {
    compile_options.optimizer = LossScaleOptimizer(compile_options.optimizer);
  }
  train::Compiled fresh = train::compiled_of(std::move(compile_options), network);
  const optimizers::OptimizerBase& optimizer = *fresh.options.optimizer.base();
  plan::Scalars scalars = state.read_scalars();
  // An optimizer that has several rules may refuse a weight.
  for (const train::Weight& weight : network.weights()) {
    if (weight.spec.trainable) optimizer.rule_for(network.updated(weight));
  }
  scalars.learning_rate = static_cast<float>(optimizer.common().learning_rate.at(0));
  scalars.iterations = 0;
  const optimizers::LossScaling* scaling = optimizer.loss_scaling();
  scalars.loss_scale = scaling != nullptr ? static_cast<float>(scaling->initial_scale) : 1.0f;
  scalars.inverse_loss_scale = 1.0f / scalars.loss_scale;
  scalars.finite_steps = 0;
  scalars.skips_update = 0;
  scalars.skipped_updates = 0;
  synchronize();
  plans.clear();
  staging.reset();
  compiled.reset();  // The model stays uncompiled when there is no memory for what follows.
  prepare_training(optimizer);
  state.write_scalars(scalars);
  compiled = std::move(fresh);
  for (const std::string& advice : train::advice_on_outputs(*compiled, network)) {
    report::print_warning("compile: " + advice);
  }
}

std::shared_ptr<Plan> Model::Impl::plan(Mode mode, const BatchSpec& spec,
                                        const std::vector<std::size_t>& offsets,
                                        std::int64_t rows) {
  const std::string key = plan_key(mode, needed(spec, mode), offsets, rows);
  if (!plans.contains(key)) forget_oldest_plan();
  std::shared_ptr<Plan>& entry = plans[key];
  try {
    if (!entry) {
      if (mode != Mode::predict && !compiled->metrics_resolved) {
        train::resolve_metrics(*compiled, network, spec);
        state.reserve_metrics(compiled->total_count);
        compiled->metrics_resolved = true;
      }
      entry = make_plan(compiled ? &*compiled : nullptr, mode, spec, offsets, rows);
    }
  } catch (...) {
    plans.erase(key);
    throw;
  }
  try {
    state.reserve_arena(entry->executable->program().arena_bytes);
  } catch (const device::OutOfMemory& error) {
    throw_out_of_memory(*entry, error.what());
  }
  entry->last_use = ++plan_uses;
  return entry;
}

void Model::Impl::forget_oldest_plan() {
  if (plans.size() < kMostPlans) return;
  synchronize();  // A step of this plan may be under way.
  plans.erase(std::min_element(plans.begin(), plans.end(), [](const auto& a, const auto& b) {
    return a.second->last_use < b.second->last_use;
  }));
}

std::shared_ptr<Plan> Model::Impl::make_plan(const train::Compiled* compiled_options, Mode mode,
                                             const BatchSpec& spec,
                                             const std::vector<std::size_t>& offsets,
                                             std::int64_t rows) {
  auto step = train::build_step(network, mode == Mode::predict ? nullptr : compiled_options, mode,
                                needed(spec, mode), offsets, rows);
  auto plan = std::make_shared<Plan>();
  plan->outputs = step.keep;
  // An eager step is not fused either, because a relu within a library's convolution hides a NaN.
  const bool eager = compiled_options != nullptr && compiled_options->options.run_eagerly;
  plan->executable = state.backend().compile(std::move(step.graph), step.keep,
                                             {.optimize = !eager, .tf32 = options.tf32});
  plan->mode = mode;
  plan->spec = spec;
  plan->offsets = offsets;
  plan->rows = rows;
  return plan;
}

BatchSpec Model::Impl::declared_batch(std::int64_t rows) const {
  const train::Topology& topology = network.topology();
  BatchSpec spec;
  for (std::size_t i = 0; i < topology.inputs().size(); ++i) {
    const auto& input = topology.input(i);
    spec.inputs.push_back({topology.name_of(input), input.dtype, input.shape.with_batch(rows)});
  }
  if (compiled->own_targets != nullptr) {
    for (const auto& target : *compiled->own_targets) {
      spec.targets.push_back({target->name(), target->dtype, target->shape.with_batch(rows)});
    }
    return spec;
  }
  for (std::size_t i = 0; i < compiled->outputs.size(); ++i) {
    const train::CompiledOutput& output = compiled->outputs[i];
    if (!output.needs_target()) continue;
    // The loss expects class numbers without the last axis, or labels of the output's shape.
    const DType dtype = output.loss ? output.loss.base()->label_dtype() : DType::float32;
    Shape shape = topology.output(i).value.shape;
    if (dtype == DType::int32) {
      Shape shorter;
      for (std::size_t axis = 0; axis + 1 < shape.rank(); ++axis) shorter.push_back(shape[axis]);
      shape = shorter;
    }
    shape[0] = rows;
    spec.targets.push_back({output.name, dtype, shape});
  }
  return spec;
}

void Model::Impl::run(Plan& plan, device::RingState* ring, const train::StepPlace& place) {
  if (!(plan.bound == state.version())) {
    state.stream().synchronize();
    plan.executable->bind(state.memory());
    plan.bound = state.version();
  }
  if (compiled && compiled->options.run_eagerly) {
    // A scaled gradient may overflow, because that is how the scale is found.
    const bool is_scaled = compiled->options.optimizer.base()->loss_scaling() != nullptr;
    plan.executable->run_checked(
        state.stream(), ring,
        [&](const graph::Node& node, const graph::ValueInfo& value, const void* data) {
          if (!is_floating(value.type.dtype)) return;
          if (is_scaled && node.origin.is_gradient) return;
          const std::int64_t count = value.type.shape.elements();
          for (std::int64_t i = 0; i < count; ++i) {
            const float element = element_at(value.type.dtype, data, i);
            if (std::isfinite(element)) continue;
            throw NumericError(format(node.origin.text(), ": ", element, " at element ", i,
                                      " of the output ", value.type.shape, " of op ", node.op->name,
                                      ", in step ", place.step + 1, " of epoch ", place.epoch + 1));
          }
        });
  } else {
    plan.executable->run(state.stream(), ring);
  }
  if (state.device().reads_host_memory()) check(plan, place);
}

void Model::Impl::check(Plan& plan, const train::StepPlace& place) {
  check(plan, place, state.read_scalars());
}

void Model::Impl::check(Plan& plan, const train::StepPlace& place, const plan::Scalars& found) {
  const bool overflowed = found.overflow != plan::kNoOverflow;
  if (found.error == plan::StepError::none && !overflowed) return;
  state.clear_error();
  if (overflowed) {
    throw NumericError(format(overflow_error(network, found.overflow), ", in step ",
                              place.overflowed_step(found) + 1, " of epoch ", place.epoch + 1,
                              ". Such elements keep their values; the others have taken the step. ",
                              "A smaller learning_rate or clipnorm often helps"));
  }
  const std::string where =
      format("step ", place.step_of(found) + 1, " of epoch ", place.epoch + 1);
  if (found.error == plan::StepError::wrong_batch) {
    throw DeviceError(format("the ring's slot holds batch ", found.error_detail, " where batch ",
                             found.error_row, " was expected, in ", where));
  }
  if (found.error == plan::StepError::non_finite_loss) {
    throw NumericError(
        format("the loss is not finite in ", where,
               "; the weights are those from before it. "
               "compile({..., .run_eagerly = true}) stops at the first layer that gives a NaN or "
               "infinity; a smaller learning_rate or clipnorm often helps"));
  }
  if (found.error == plan::StepError::non_finite_gradient) {
    throw NumericError(
        format("a gradient is not finite in ", where,
               ", though the loss is; the weights are those from "
               "before it. compile({..., .run_eagerly = true}) stops at the op that gives it"));
  }
  throw DataError(class_error(*plan.executable->program().graph, found, where));
}

Logs Model::Impl::read_logs() {
  Logs logs;
  logs_of(state.read_metrics(), logs);
  return logs;
}

void Model::Impl::logs_of(std::span<const float> metrics, Logs& logs) {
  std::vector<double>& totals = compiled->totals;
  for (std::size_t i = 0; i < totals.size(); ++i) {
    totals[i] = static_cast<double>(metrics[i]) + static_cast<double>(metrics[totals.size() + i]);
  }
  // The first totals are the loss's: the sum over samples and their number. Without samples there
  // is no mean.
  const bool is_empty = totals[1] == 0.0;
  for (const auto& tracked : compiled->tracked) {
    const auto own = std::span<const double>(totals).subspan(tracked.first_total, tracked.totals);
    const double result =
        tracked.metric ? tracked.metric->result_at(own, tracked.which) : own[0] / own[1];
    logs.set(tracked.name, is_empty ? std::numeric_limits<double>::quiet_NaN() : result);
  }
}

}  // namespace stoker
