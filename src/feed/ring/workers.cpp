#include "feed/ring/workers.h"

#include <algorithm>
#include <chrono>
#include <new>
#include <utility>

#include "core/format.h"
#include "data/source_random.h"
#include "feed/ring/nan_scan.h"
#include "stoker/error.h"

namespace stoker::feed {
namespace {

// The time of a fill on the cores is measured once in so many fills, and in every long fill, since
// measuring takes two microseconds.
constexpr std::uint64_t kCpuTimeEvery = 16;
constexpr std::int64_t kLongFillNs = 200'000;

// The number that batches have among the stages of detail::Failures, which begin with 0.
constexpr std::uint32_t kBatches = ~std::uint32_t{0};
// How many other batches are tried in the place of one that can't be made.
constexpr std::uint32_t kSubstitutes = 8;

}  // namespace

void WorkerPool::Workers::run(int number) {
  Worker& worker = workers_[static_cast<std::size_t>(number)];
  shared_->timeline.track(static_cast<std::size_t>(number)).prepare();
  const ThreadTimes times;
  worker.times = &times;
  while (const std::optional<Claim> one = claim(worker, number)) fill(worker, number, *one);
  end(number);
}

void WorkerPool::Workers::end(int number) {
  const std::lock_guard lock(state_mutex_);
  workers_[static_cast<std::size_t>(number)].ended = true;
  thread_ended_.notify_all();
}

// ---- Claiming ----

// Waits until this worker is one of the active ones. Returns false if there is nothing to do any
// more.
bool WorkerPool::Workers::wait_until_active(int number) {
  if (number < active()) return !is_over();
  std::unique_lock lock(state_mutex_);
  activated_.wait(lock, [&] { return is_over() || number < active(); });
  return !is_over();
}

std::optional<WorkerPool::Workers::Claim> WorkerPool::Workers::claim(Worker& worker, int number) {
  if (!wait_until_active(number)) return std::nullopt;
  const std::lock_guard claiming(claim_mutex_);
  if (is_over() || !open_epoch()) return std::nullopt;
  if (!ring_.is_free(next_.position)) {
    const ScopedStamp stamp(shared_->timeline.track(static_cast<std::size_t>(number)),
                            Stage::wait_for_slot, next_.batch);
    if (!ring_.wait_until_free(next_.position)) return std::nullopt;
  }
  Claim claimed = next_;
  ++next_.position;
  ++next_.batch;
  ++next_.step;
  {
    const std::lock_guard lock(state_mutex_);
    ++in_flight_;
  }
  if (claimed.step == 0 || claimed.position == 0) begin_epoch(worker, claimed);
  return claimed;
}

// Makes next_ a batch of an epoch that is not over. Returns false if there is none.
bool WorkerPool::Workers::open_epoch() {
  for (;;) {
    if (next_.epoch == schedule_.end_epoch()) {
      end_work();
      return false;
    }
    const std::optional<std::int64_t> steps = schedule_.steps(next_.epoch);
    const bool all_claimed = steps && next_.step == *steps;
    if (!all_claimed && !closing_.load()) return true;
    if (!close_epoch()) {
      end_work();
      return false;
    }
  }
}

// Moves next_ to the next epoch. Returns false if there is none.
bool WorkerPool::Workers::close_epoch() {
  const std::optional<std::int64_t> steps = schedule_.steps(next_.epoch);
  std::optional<Ending> ending;
  if (!steps || closing_.load() || source_.epochs_apart()) {
    std::unique_lock lock(state_mutex_);
    drained_.wait(lock, [&] { return in_flight_ == 0 || ring_.is_stopped(); });
    if (in_flight_ > 0) return false;
    ending = std::exchange(ending_, std::nullopt);
    closing_.store(false);
  }
  if (ending) {
    if (ending->failed) return false;
    next_.batch = ending->batch;
    // An end that the schedule does not expect is final, and so is an epoch without any batch.
    if (steps || ending->step == 0) return false;
  }
  ++next_.epoch;
  next_.step = 0;
  return true;
}

void WorkerPool::Workers::end_work() {
  const std::lock_guard lock(state_mutex_);
  over_.store(true);
  activated_.notify_all();
}

// ---- Filling ----

// Begins an epoch of the source if one begins with this claim.
void WorkerPool::Workers::begin_epoch(Worker& worker, Claim& claim) {
  const std::int64_t epoch = schedule_.source_epoch(claim.epoch);
  const bool is_first = claim.position == 0;
  if (schedule_.first_index(claim.epoch) != 0 && !is_first) return;
  worker.since_ns.store(now_ns());
  worker.filling.store(claim.position + 1);
  try {
    if (is_first) {
      begin_run(claim);
    } else {
      source_.end_epoch(epoch - 1);  // The consumer ends the last epoch.
      source_.begin_epoch(epoch);
    }
    if (orders_) orders_->of_epoch(epoch);
  } catch (const std::exception& error) {
    fail(claim, error.what());
    claim.failed = true;
  } catch (...) {
    fail(claim, "the generator threw something that is no std::exception");
    claim.failed = true;
  }
}

// The source's state is that after the batch before this one, which may have been the last of its
// epoch.
void WorkerPool::Workers::begin_run(const Claim& claim) {
  const std::int64_t epoch = schedule_.source_epoch(claim.epoch);
  source_.begin_run(schedule_.start_at(claim.epoch, claim.step));
  if (options_.source_state.empty()) {
    source_.begin_epoch(epoch);
    return;
  }
  const std::int64_t before = schedule_.source_epoch_before();
  source_.begin_epoch(before);
  source_.load_state(options_.source_state);
  if (before == epoch) return;
  source_.end_epoch(before);
  source_.begin_epoch(epoch);
}

void WorkerPool::Workers::save_state(SlotNote& note) {
  note.source_state.clear();
  source_.save_state(note.source_state);
  if (note.source_state.size() <= options_.max_state_bytes) return;
  throw DataError(format("expected a state of at most ", options_.max_state_bytes,
                         " bytes, since one is kept for each batch, received one of ",
                         note.source_state.size(),
                         " from save_state. Save where the data are rather than the data, or "
                         "raise max_state_bytes"));
}

// Fills the slot and publishes it.
void WorkerPool::Workers::fill(Worker& worker, int number, const Claim& claim) {
  SlotNote& note = ring_.note(claim.position);
  note.epoch = claim.epoch;
  note.rows = kFailed;
  note.has_nan = false;
  note.begin_ns = note.end_ns = now_ns();
  worker.since_ns.store(note.begin_ns);
  worker.filling.store(claim.position + 1);
  if (!claim.failed) note.rows = pull(worker, number, claim, note);
  worker.filling.store(0);
  // The header stands at the beginning of the slot's memory, for the device as well as for the
  // consumer.
  new (ring_.block(claim.position)) SlotHeader{claim.batch, note.rows};
  {
    const std::lock_guard lock(state_mutex_);
    if (note.rows == kEnded && (!ending_ || claim.step < ending_->step)) {
      ending_ = Ending{claim.step, claim.batch, false};
      closing_.store(true);
    }
    if (--in_flight_ == 0) drained_.notify_all();
  }
  ring_.publish(claim.position);
}

std::int64_t WorkerPool::Workers::pull(Worker& worker, int number, const Claim& claim,
                                       SlotNote& note) {
  try {
    const std::int64_t epoch = schedule_.source_epoch(claim.epoch);
    std::int64_t index = schedule_.first_index(claim.epoch) + claim.step;
    if (orders_) index = orders_->of_epoch(epoch).rows()[static_cast<std::size_t>(index)];
    BatchContext batch = context_of(epoch, index, claim.batch);
    note.failures.clear();
    batch.failures = &note.failures;
    const BatchSpec& spec = source_.spec();
    const bool measure = worker.last_ns > kLongFillNs || claim.batch % kCpuTimeEvery == 0;
    const ThreadTimes::Reading before = measure ? worker.times->read() : ThreadTimes::Reading{};
    if (source_.device_filler() != nullptr) note.context = batch;
    note.begin_ns = now_ns();
    const std::int64_t rows = make(batch, Slot(spec, ring_.fields(claim.position)), note);
    note.end_ns = now_ns();
    worker.last_ns = note.end_ns - note.begin_ns;
    if (measure) {
      worker.measured_ns.fetch_add(worker.last_ns, std::memory_order_relaxed);
      const ThreadTimes::Reading after = worker.times->read();
      worker.measured_cpu_ns.fetch_add(after.cpu_ns - before.cpu_ns, std::memory_order_relaxed);
      worker.measured_delay_ns.fetch_add(after.delayed_ns - before.delayed_ns,
                                         std::memory_order_relaxed);
    }
    Track& track = shared_->timeline.track(static_cast<std::size_t>(number));
    track.stamp(Stage::generate, claim.batch, note.begin_ns, note.end_ns);
    worker.drawn.fetch_add(batch.random.drawn_one_by_one(), std::memory_order_relaxed);
    if (batch.converted_ns > 0) {
      track.stamp(Stage::convert, claim.batch, note.end_ns - batch.converted_ns, note.end_ns);
    }
    if (rows == kSkipped) return rows;
    if (rows < 0 || rows > spec.batch_size()) {
      throw DataError(
          format("expected 0 to ", spec.batch_size(), " rows, the batch size, received ", rows));
    }
    if (rows == 0 && claim.batch == 0) throw DataError("the generator gave no batch");
    if (options_.saves_state) save_state(note);
    const bool look = options_.nan_policy != NanPolicy::allow && source_.device_filler() == nullptr;
    if (rows > 0 && look) check_for_nan(claim, rows, note);
    return rows > 0 && note.has_nan && options_.nan_policy == NanPolicy::skip ? kSkipped : rows;
  } catch (const std::exception& error) {
    fail(claim, error.what());
  } catch (...) {
    fail(claim, "the generator threw something that is no std::exception");
  }
  return kFailed;
}

BatchContext WorkerPool::Workers::context_of(std::int64_t epoch, std::int64_t index,
                                             std::uint64_t sequence) const {
  return {.epoch = epoch,
          .index = index,
          .sequence = static_cast<std::int64_t>(sequence),
          .random = data::source_random(options_.seed, epoch, data::RandomStage::batch, index)};
}

// Has the source make the batch. With OnError::skip another batch of the epoch takes the place of
// one that can't be made, if batches can be asked for by number, so that all others stay where they
// are: which one is a function of the seed, the epoch and the place. Otherwise there is no batch.
std::int64_t WorkerPool::Workers::make(BatchContext& batch, const Slot& slot, SlotNote& note) {
  if (options_.on_error == OnError::stop) return source_.fill(batch, slot);
  const std::int64_t numbered = source_.pure() ? source_.batches_per_epoch().value_or(0) : 0;
  Random others =
      data::source_random(options_.seed, batch.epoch, data::RandomStage::substitute, batch.index);
  for (std::uint32_t tried = 0;; ++tried) {
    try {
      return source_.fill(batch, slot);
    } catch (const std::bad_alloc&) {  // The next batch would need as much.
      throw;
    } catch (...) {
      note.failures.add(kBatches, options_.max_failures);
      if (numbered == 0) return kSkipped;
      if (tried == kSubstitutes) {
        std::throw_with_nested(
            DataError(format(note.failures.first_text(), "; ", kSubstitutes,
                             " other batches that were tried in its place failed too (on_error)")));
      }
    }
    batch = context_of(batch.epoch, others.integer(0, numbered),
                       static_cast<std::uint64_t>(batch.sequence));
    batch.failures = &note.failures;
  }
}

void WorkerPool::Workers::check_for_nan(const Claim& claim, std::int64_t rows,
                                        SlotNote& note) const {
  const BatchSpec& spec = source_.spec();
  for (std::size_t i = 0; i < spec.field_count(); ++i) {
    const Field& field = spec.field(i);
    const std::int64_t row_elements = field.shape.elements() / field.shape[0];
    const std::optional<std::int64_t> found =
        find_nan(ring_.fields(claim.position)[i], field.dtype, rows * row_elements);
    if (!found) continue;
    note.has_nan = true;
    if (options_.nan_policy != NanPolicy::stop) return;
    throw DataError(format("field ", field.name, " is NaN at row ", *found / row_elements,
                           ", element ", *found % row_elements,
                           ". Mend the source, or set nan_policy to skip such batches, or to allow "
                           "NaNs"));
  }
}

// The caller is handling the original exception, which thereby becomes the nested one.
void WorkerPool::Workers::fail(const Claim& claim, const std::string& what) {
  try {
    std::throw_with_nested(DataError(format("batch ", claim.batch + 1, " (epoch ", claim.epoch + 1,
                                            ", batch ", claim.step + 1, " of it): ", what)));
  } catch (...) {
    const std::lock_guard lock(state_mutex_);
    // If the epoch has ended earlier, this batch is no part of the training.
    if (ending_ && ending_->step < claim.step) return;
    ending_ = Ending{claim.step, claim.batch, true};
    closing_.store(true);
    failure_ = std::current_exception();
  }
}

// ---- For the consumer ----

void WorkerPool::Workers::set_active(int workers) {
  const std::lock_guard lock(state_mutex_);
  active_.store(std::clamp(workers, 1, static_cast<int>(workers_.size())));
  activated_.notify_all();
}

CoreShares WorkerPool::Workers::core_shares() const {
  std::int64_t wall = 0;
  std::int64_t cpu = 0;
  std::int64_t delayed = 0;
  for (const Worker& worker : workers_) {
    wall += worker.measured_ns.load(std::memory_order_relaxed);
    cpu += worker.measured_cpu_ns.load(std::memory_order_relaxed);
    delayed += worker.measured_delay_ns.load(std::memory_order_relaxed);
  }
  if (wall <= 0) return {};
  const auto share = [wall](std::int64_t ns) {
    return std::clamp(static_cast<double>(ns) / static_cast<double>(wall), 0.0, 1.0);
  };
  return {.had = share(cpu), .wanted = share(cpu + delayed)};
}

std::uint64_t WorkerPool::Workers::drawn_one_by_one() const {
  std::uint64_t drawn = 0;
  for (const Worker& worker : workers_) drawn += worker.drawn.load(std::memory_order_relaxed);
  return drawn;
}

void WorkerPool::Workers::begin(int number) {
  const std::lock_guard lock(state_mutex_);
  workers_[static_cast<std::size_t>(number)].ended = false;
}

std::int64_t WorkerPool::Workers::deadline_of(int number, std::int64_t timeout_ns) const {
  const Worker& worker = workers_[static_cast<std::size_t>(number)];
  const bool fills = worker.filling.load() != 0;
  return (fills ? worker.since_ns.load() : now_ns()) + timeout_ns;
}

std::optional<WorkerPool::Busy> WorkerPool::Workers::who_fills(std::uint64_t position) const {
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    if (workers_[i].filling.load() == position + 1) {
      return Busy{static_cast<int>(i), workers_[i].since_ns.load()};
    }
  }
  return std::nullopt;
}

void WorkerPool::Workers::stop() {
  ring_.stop();
  const std::lock_guard lock(state_mutex_);
  over_.store(true);
  activated_.notify_all();
  drained_.notify_all();
}

std::exception_ptr WorkerPool::Workers::failure() const {
  const std::lock_guard lock(state_mutex_);
  return failure_;
}

bool WorkerPool::Workers::wait_until_ended(int number, std::int64_t deadline_ns) {
  const std::chrono::steady_clock::time_point deadline{std::chrono::nanoseconds(deadline_ns)};
  std::unique_lock lock(state_mutex_);
  return thread_ended_.wait_until(lock, deadline,
                                  [&] { return workers_[static_cast<std::size_t>(number)].ended; });
}

bool WorkerPool::Workers::has_ended() const {
  const std::lock_guard lock(state_mutex_);
  return std::ranges::all_of(workers_, [](const Worker& worker) { return worker.ended; });
}

}  // namespace stoker::feed
