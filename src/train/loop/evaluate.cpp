// Evaluation, prediction, and single steps by train_on_batch and its like.
#include <cstring>
#include <iostream>
#include <new>
#include <utility>

#include "core/format.h"
#include "core/timeline.h"
#include "report/progress_bar.h"
#include "stoker/error.h"
#include "train/loop/interrupt.h"
#include "train/model_impl.h"

namespace stoker {

using train::Mode;
using train::StepRunner;

namespace {

template <class Options>
feed::FeedOptions feed_options(const Options& options, std::uint64_t seed,
                               const train::InterruptScope& interrupt) {
  return {.epochs = 1,
          .first_epoch = 0,
          .steps_per_epoch = options.steps,
          .max_queue_size = options.max_queue_size,
          .workers = options.workers,
          .max_workers = options.max_workers,
          .seed = seed,
          .nan_policy = options.nan_policy,
          .timeout_seconds = options.generator_timeout,
          .should_stop = [&interrupt] { return interrupt.requested(); }};
}

// Throws once the call is interrupted, because partial results are of no use.
void throw_if_interrupted(const train::InterruptScope& interrupt, const char* what,
                          std::int64_t steps) {
  if (interrupt.requested()) throw Interrupted(format(what, ": interrupted after step ", steps));
}

template <class Options>
std::optional<std::int64_t> expected_steps(const Options& options, const Source& source) {
  return options.steps ? options.steps : source.batches_per_epoch();
}

// Warns so that a mean over fewer batches than were asked for does not pass for one over all of
// them.
template <class Options>
void warn_of_missing_batches(std::int64_t steps, const Options& options) {
  if (options.nan_policy == NanPolicy::skip) {
    if (steps == 0) {
      std::cerr
          << "Warning: no batch was left to evaluate: each of them held a NaN and was skipped.\n";
    }
  } else if (options.steps && steps < *options.steps) {
    std::cerr << "Warning: the source ran out of data after " << steps << " batches of the "
              << *options.steps << " that were asked for.\n";
  }
}

bool same_batches(const BatchSpec& a, const BatchSpec& b) {
  if (a.field_count() != b.field_count() || a.inputs.size() != b.inputs.size() ||
      a.sample_weights.size() != b.sample_weights.size()) {
    return false;
  }
  for (std::size_t i = 0; i < a.field_count(); ++i) {
    if (a.field(i).dtype != b.field(i).dtype || !(a.field(i).shape == b.field(i).shape)) {
      return false;
    }
  }
  return true;
}

}  // namespace

Logs Model::Impl::evaluate(const std::shared_ptr<Source>& source,
                           const EvaluateOptions& evaluate_options,
                           const train::InterruptScope& interrupt) {
  require_compiled("evaluate");
  train::require_source(source, "evaluate");
  train::require_end(*source, evaluate_options.steps, "evaluate", "steps");
  const feed::SlotLayout layout(source->spec());
  StepRunner runner(*this, Mode::evaluate, source->spec(), layout.offsets);
  const train::Plan& plan = runner.prepare();
  report::ProgressBar bar = report::standard_progress_bar(evaluate_options.verbose);
  bar.begin(expected_steps(evaluate_options, *source));
  feed::Pipeline pipeline =
      open_feed(plan, source, feed_options(evaluate_options, options.seed, interrupt));
  state.reset_metrics();
  std::int64_t steps = 0;
  while (const auto batch = pipeline.next()) {
    runner.run(*batch, pipeline.ring(), {0, steps});
    pipeline.consumed(*batch);
    ++steps;
    if (interrupt.requested()) break;
    const std::int64_t now = now_ns();
    if (bar.wants_update(now)) bar.update(steps, read_logs(), now);
  }
  throw_if_interrupted(interrupt, "evaluate", steps);
  warn_of_missing_batches(steps, evaluate_options);
  runner.check({0, steps - 1});
  Logs logs = read_logs();
  bar.finish(steps, logs, now_ns());
  return logs;
}

void Model::Impl::require_one_output(const char* what) const {
  const std::vector<std::string>& names = network.topology().output_names();
  if (names.size() == 1) return;
  throw ValueError(format("Model \"", name, "\": ", what,
                          ": expected a model of one output, this "
                          "one has ",
                          names.size(), "; ", what, "_outputs() gives them all"));
}

namespace {

// Collects the rows of the outputs, one batch after another.
class Collected {
 public:
  explicit Collected(const train::Topology& topology) {
    for (std::size_t i = 0; i < topology.outputs().size(); ++i) {
      outputs_.push_back({topology.output(i).value.shape, {}});
    }
  }

  // Appends the rows of a batch and waits until they have arrived.
  void take(const train::Plan& plan, std::int64_t rows, device::Stream& stream) {
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
      std::vector<std::byte>& to = outputs_[i].rows;
      const auto elements = outputs_[i].shape.without_batch().with_batch(rows).elements();
      const std::size_t bytes = static_cast<std::size_t>(elements) * sizeof(float);
      to.resize(to.size() + bytes);
      stream.copy_to_host(to.data() + to.size() - bytes, plan.executable->address(plan.outputs[i]),
                          bytes);
    }
    count_ += rows;
    stream.synchronize();
  }

  std::vector<Tensor> tensors() const {
    std::vector<Tensor> result;
    for (const auto& [shape, rows] : outputs_) {
      Tensor& tensor = result.emplace_back(shape.without_batch().with_batch(count_));
      if (!rows.empty()) std::memcpy(tensor.raw(), rows.data(), rows.size());
    }
    return result;
  }

 private:
  struct Output {
    Shape shape;
    std::vector<std::byte> rows;
  };
  std::vector<Output> outputs_;
  std::int64_t count_ = 0;
};

}  // namespace

std::vector<Tensor> Model::Impl::predict(const std::shared_ptr<Source>& source,
                                         const PredictOptions& predict_options,
                                         const train::InterruptScope& interrupt) {
  train::require_source(source, "predict");
  if (predict_options.nan_policy == NanPolicy::skip) {
    throw ValueError(
        "predict: nan_policy skip would leave out rows, so that outputs stand beside "
        "other inputs than theirs; expected stop, warn or allow");
  }
  train::require_end(*source, predict_options.steps, "predict", "steps");
  const feed::SlotLayout layout(source->spec());
  StepRunner runner(*this, Mode::predict, source->spec(), layout.offsets);
  const train::Plan& whole = runner.prepare();
  report::ProgressBar bar = report::standard_progress_bar(predict_options.verbose);
  bar.begin(expected_steps(predict_options, *source));
  feed::Pipeline pipeline =
      open_feed(whole, source, feed_options(predict_options, options.seed, interrupt));

  Collected collected(network.topology());
  std::int64_t steps = 0;
  while (const auto batch = pipeline.next()) {
    runner.run(*batch, pipeline.ring(), {0, steps});
    pipeline.consumed(*batch);
    collected.take(runner.plan(batch->rows), batch->rows, state.stream());
    runner.check({0, steps});
    ++steps;
    if (interrupt.requested()) break;
    const std::int64_t now = now_ns();
    if (bar.wants_update(now)) bar.update(steps, {}, now);
  }
  throw_if_interrupted(interrupt, "predict", steps);
  warn_of_missing_batches(steps, predict_options);
  bar.finish(steps, {}, now_ns());
  return collected.tensors();
}

// ---- Single batches ----------------------------------------------------------------------------
namespace {

// The fields of a batch of these tensors: "x", or "x0", "x1" where there are several.
std::vector<Field> fields_of(const char* name, const std::vector<const Tensor*>& tensors) {
  std::vector<Field> fields;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    fields.push_back(
        {tensors.size() == 1 ? name : format(name, i), tensors[i]->dtype(), tensors[i]->shape()});
  }
  return fields;
}

BatchSpec batch_of(const train::Arrays& arrays, const char* what) {
  BatchSpec spec{fields_of("x", arrays.inputs), fields_of("y", arrays.targets),
                 fields_of("sample_weight", arrays.sample_weights)};
  if (spec.inputs.empty()) throw ShapeError(format(what, ": expected x, received none"));
  std::string shapes;
  bool fits = true;
  for (std::size_t i = 0; i < spec.field_count(); ++i) {
    const Field& field = spec.field(i);
    const bool has_rows = field.shape.rank() > 0;
    fits = fits && has_rows && spec.inputs[0].shape.rank() > 0 &&
           field.shape[0] == spec.inputs[0].shape[0];
    shapes += format(i > 0 ? ", " : "", field.name, " ", field.shape);
  }
  if (!fits) {
    throw ShapeError(
        format(what, ": expected as many rows of x, y and sample_weight, received ", shapes));
  }
  return spec;
}

std::vector<const Tensor*> all_of(const train::Arrays& arrays) {
  std::vector<const Tensor*> all = arrays.inputs;
  all.insert(all.end(), arrays.targets.begin(), arrays.targets.end());
  all.insert(all.end(), arrays.sample_weights.begin(), arrays.sample_weights.end());
  return all;
}

}  // namespace

void Model::Impl::fill_staged(const train::Plan& step, const BatchSpec& spec,
                              const feed::SlotLayout& layout,
                              const std::vector<const Tensor*>& tensors) {
  if (!staging || !same_batches(staging->spec, spec)) stage(step, spec, layout);
  std::byte* block = staging->host->data();
  new (block) device::SlotHeader{staging->batches++, spec.batch_size()};
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    std::memcpy(block + layout.offsets[i], tensors[i]->raw(), tensors[i]->bytes());
  }
  if (staging->device) {
    state.stream().copy_to_device(staging->device->data(), block, layout.bytes);
  }
}

Logs Model::Impl::run_on_batch(Mode mode, const Tensors& x, const Tensors& y,
                               const Tensors& sample_weight) {
  const std::int64_t begin = now_ns();
  const char* what = mode == Mode::train ? "train_on_batch" : "test_on_batch";
  require_compiled(what);
  const train::Arrays given = arrays(x, y, sample_weight, what);
  const BatchSpec spec = batch_of(given, what);
  const feed::SlotLayout layout(spec);
  const std::shared_ptr<train::Plan> kept = plan(mode, spec, layout.offsets, spec.batch_size());
  train::Plan& step = *kept;
  fill_staged(step, spec, layout, all_of(given));
  state.reset_metrics();
  const train::StepPlace place{0, static_cast<std::int64_t>(state.read_scalars().step)};
  run(step, reinterpret_cast<device::RingState*>(staging->ring->data()), place);
  check(step, place);
  Logs logs = read_logs();
  if (mode == Mode::train) note_on_batch(begin, spec.batch_size());
  return logs;
}

std::vector<Tensor> Model::Impl::predict_on_batch(const Tensors& x) {
  const train::Arrays given = arrays(x, {}, {}, "predict_on_batch");
  const BatchSpec spec = batch_of(given, "predict_on_batch");
  const feed::SlotLayout layout(spec);
  const std::shared_ptr<train::Plan> step =
      plan(Mode::predict, spec, layout.offsets, spec.batch_size());
  fill_staged(*step, spec, layout, given.inputs);
  run(*step, reinterpret_cast<device::RingState*>(staging->ring->data()), {});
  Collected collected(network.topology());
  collected.take(*step, spec.batch_size(), state.stream());
  check(*step, {});
  return collected.tensors();
}

// Between two calls nothing is generated ahead, so the device waits for the caller.
void Model::Impl::note_on_batch(std::int64_t begin_ns, std::int64_t rows) {
  const std::int64_t end = now_ns();
  const auto seconds = [](std::int64_t ns) { return 1e-9 * static_cast<double>(ns); };
  if (on_batch_end_ns > 0) {
    const std::int64_t waited = begin_ns - on_batch_end_ns;
    on_batch.generate.add(waited);
    on_batch.waited_for_generator += seconds(waited);
  }
  on_batch.step.add(end - begin_ns);
  on_batch.computed += seconds(end - begin_ns);
  ++on_batch.batches;
  on_batch.samples += rows;
  on_batch_end_ns = end;
}

FeedReport Model::Impl::take_on_batch_report() {
  FeedReport report = std::exchange(on_batch, FeedReport{});
  on_batch_end_ns = 0;
  report.by_hand = true;
  report.generated = report.waited_for_generator;
  report.wall = report.waited_for_generator + report.computed;
  report.queue_size = 0;
  return report;
}

// Staging is a ring of one slot.
void Model::Impl::stage(const train::Plan& step, const BatchSpec& spec,
                        const feed::SlotLayout& layout) {
  device::Device& device = state.device();
  staging.reset();  // The old memory is freed before new memory is allocated.
  train::Staging fresh;
  fresh.spec = spec;
  fresh.host = device::allocate_staging(device, layout.bytes);
  try {
    if (!device.reads_host_memory()) fresh.device = device.allocate(layout.bytes);
    fresh.ring = device.allocate(sizeof(device::RingState));
  } catch (const device::OutOfMemory& error) {
    throw_out_of_memory(step, error.what());
  }
  device::RingState ring;
  ring.blocks[0] = fresh.device ? fresh.device->data() : fresh.host->data();
  state.stream().copy_to_device(fresh.ring->data(), reinterpret_cast<const std::byte*>(&ring),
                                sizeof(ring));
  state.stream().synchronize();
  staging = std::move(fresh);
}

}  // namespace stoker
