// Evaluation, prediction, and single steps by hand.
#include <cmath>
#include <cstring>
#include <iostream>
#include <new>
#include <utility>

#include "core/format.h"
#include "core/timeline.h"
#include "losses/loss.h"
#include "report/progress_bar.h"
#include "stoker/error.h"
#include "train/interrupt.h"
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

// Nothing that was found so far is of use once the call is interrupted.
void throw_if_interrupted(const train::InterruptScope& interrupt, const char* what,
                          std::int64_t steps) {
  if (interrupt.requested()) throw Interrupted(format(what, ": interrupted after step ", steps));
}

template <class Options>
std::optional<std::int64_t> expected_steps(const Options& options, const Source& source) {
  return options.steps ? options.steps : source.batches_per_epoch();
}

// A mean over fewer batches than were asked for should not pass for one over all of them.
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

Field field_of(const char* name, const Tensor& tensor) {
  return {name, tensor.dtype(), tensor.shape()};
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

Tensor Model::Impl::predict(const std::shared_ptr<Source>& source,
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

  const std::size_t row_bytes =
      static_cast<std::size_t>(network.output().shape.without_batch().elements()) * sizeof(float);
  std::vector<std::byte> rows;
  std::int64_t count = 0;
  std::int64_t steps = 0;
  while (const auto batch = pipeline.next()) {
    runner.run(*batch, pipeline.ring(), {0, steps});
    pipeline.consumed(*batch);
    const train::Plan& plan = runner.plan(batch->rows);
    const std::size_t bytes = row_bytes * static_cast<std::size_t>(batch->rows);
    rows.resize(rows.size() + bytes);
    state.stream().copy_to_host(rows.data() + rows.size() - bytes,
                                plan.executable->address(plan.output), bytes);
    state.stream().synchronize();
    runner.check({0, steps});
    count += batch->rows;
    ++steps;
    if (interrupt.requested()) break;
    const std::int64_t now = now_ns();
    if (bar.wants_update(now)) bar.update(steps, {}, now);
  }
  throw_if_interrupted(interrupt, "predict", steps);
  warn_of_missing_batches(steps, predict_options);
  bar.finish(steps, {}, now_ns());
  Tensor result(network.output().shape.without_batch().with_batch(count));
  if (!rows.empty()) std::memcpy(result.raw(), rows.data(), rows.size());
  return result;
}

Logs Model::Impl::run_on_batch(Mode mode, const Tensor& x, const Tensor& labels,
                               const Tensor& sample_weight) {
  const std::int64_t begin = now_ns();
  const char* what = mode == Mode::train ? "train_on_batch" : "test_on_batch";
  require_compiled(what);
  Tensor storage;
  const Tensor& y = adapt_labels(labels, storage);
  if (x.shape().rank() == 0 || y.shape().rank() == 0 || x.shape()[0] != y.shape()[0] ||
      (!sample_weight.empty() && sample_weight.shape()[0] != x.shape()[0])) {
    throw ShapeError(format(what, ": expected as many rows of x, y and sample_weight, received ",
                            x.shape(), ", ", y.shape(), " and ", sample_weight.shape()));
  }
  BatchSpec spec{{field_of("x", x)}, {field_of("y", y)}, {}};
  if (!sample_weight.empty()) spec.sample_weights = {field_of("sample_weight", sample_weight)};
  const feed::SlotLayout layout(spec);
  const std::shared_ptr<train::Plan> kept = plan(mode, spec, layout.offsets, spec.batch_size());
  train::Plan& step = *kept;
  if (!staging || !same_batches(staging->spec, spec)) stage(step, spec, layout);
  std::byte* block = staging->host->data();
  new (block) device::SlotHeader{staging->batches++, spec.batch_size()};
  const Tensor* tensors[] = {&x, &y, &sample_weight};
  for (std::size_t i = 0; i < spec.field_count(); ++i) {
    std::memcpy(block + layout.offsets[i], tensors[i]->raw(), tensors[i]->bytes());
  }
  if (staging->device) {
    state.stream().copy_to_device(staging->device->data(), block, layout.bytes);
  }
  state.reset_metrics();
  const train::StepPlace place{0, static_cast<std::int64_t>(state.read_scalars().step)};
  run(step, reinterpret_cast<device::RingState*>(staging->ring->data()), place);
  check(step, place);
  Logs logs = read_logs();
  if (mode == Mode::train) note_on_batch(begin, spec.batch_size());
  return logs;
}

// Nothing is generated ahead of a call, so that the device waits for the caller from one to the
// next.
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

// A ring of one slot.
void Model::Impl::stage(const train::Plan& step, const BatchSpec& spec,
                        const feed::SlotLayout& layout) {
  device::Device& device = state.device();
  staging.reset();  // before another is taken
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

const Tensor& Model::Impl::adapt_labels(const Tensor& y, Tensor& storage) const {
  if (!compiled || !compiled->options.loss) return y;
  if (compiled->options.loss.base()->label_dtype() != DType::int32) return y;
  if (y.dtype() == DType::int32) return y;
  storage = Tensor(y.shape(), DType::int32);
  const std::span<std::int32_t> out = storage.data<std::int32_t>();
  if (y.dtype() == DType::uint8) {
    const auto in = y.data<std::uint8_t>();
    for (std::size_t i = 0; i < in.size(); ++i) out[i] = in[i];
  } else if (y.dtype() == DType::float32) {
    const auto in = y.data<float>();
    for (std::size_t i = 0; i < in.size(); ++i) {
      if (!(std::fabs(in[i]) < 16777216.0f) || in[i] != std::floor(in[i])) {
        throw DataError(format("label ", in[i], " of row ", i, " is not a class number"));
      }
      out[i] = static_cast<std::int32_t>(in[i]);
    }
  } else {
    throw DTypeError(format("expected labels of int32, uint8 or float32, received ", y.dtype()));
  }
  return storage;
}

}  // namespace stoker
