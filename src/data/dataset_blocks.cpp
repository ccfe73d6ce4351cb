// The threads of a Dataset's stages.
#include "stoker/detail/dataset_blocks.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "core/timeline.h"
#include "data/stage_tuning.h"

namespace stoker::detail {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr std::int64_t kBlockNs = 200'000;     // the work that a block is to be
constexpr std::size_t kMostInBlock = 8192;     // elements
constexpr std::size_t kMostOfAnySize = 1024;   // elements whose size is not known before
constexpr std::int64_t kMostBytes = 1 << 18;   // of a block of several elements
constexpr std::size_t kGrowth = 4;             // of a block over the one before
constexpr std::int64_t kTuningNs = 5'000'000;  // between two decisions
constexpr int kMostWorkers = 1024;

int cores() { return std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, 1024); }

}  // namespace

struct Blocks::Impl {
  Impl(Maker& its_maker, const Options& its_options);
  ~Impl() { stop(); }

  struct Place {
    Range range;
    std::exception_ptr error;
    bool is_ready = false;
  };

  std::size_t place_of(std::int64_t n) const { return static_cast<std::size_t>(n) % places.size(); }
  std::int64_t room() const { return static_cast<std::int64_t>(places.size()); }
  bool may_begin() const { return !is_last && !is_reading && begun < taken + room(); }
  void start_thread();
  void stop();
  void run(int number);
  bool has_resting() const { return threads.size() > static_cast<std::size_t>(alive); }
  void wake(bool has_resting_threads, bool has_idle_ones);
  void wait_for_work(std::unique_lock<std::mutex>& lock);
  void make_block(std::unique_lock<std::mutex>& lock);
  void resize_blocks(std::int64_t ns, std::size_t count);
  void wait_for_block(std::unique_lock<std::mutex>& lock, const Place& place);
  void tune();

  Maker& maker;
  Options options;
  bool is_tuned = false;
  int most_workers = 1;
  std::size_t most_in_block = kMostInBlock;
  std::vector<Place> places;
  ClockSample sample;

  std::mutex mutex;
  std::condition_variable has_work;   // the workers wait for it
  std::condition_variable has_block;  // the consumer waits for it
  std::int64_t begun = 0;             // blocks
  std::int64_t taken = 0;
  bool holds = false;       // the consumer has block `taken`
  bool is_reading = false;  // a worker is in Maker::read()
  bool is_last = false;     // no block follows those that were begun
  bool stopping = false;
  bool consumer_waits = false;
  int idle = 0;   // workers that wait
  int alive = 0;  // workers that may work; AUTOTUNE lets the others rest
  std::size_t block_size = 1;
  std::int64_t element_ns = 0;
  std::int64_t ready_elements = 0;
  // What AUTOTUNE looks at, since its last decision.
  std::int64_t tuned_at = 0;
  std::int64_t consumer_waited = 0;
  std::int64_t waited_for_input = 0;
  std::int64_t waited_for_room = 0;

  std::vector<std::thread> threads;
};

Blocks::Impl::Impl(Maker& its_maker, const Options& its_options)
    : maker(its_maker), options(its_options), is_tuned(options.workers == AUTOTUNE) {
  most_workers = is_tuned ? cores() : std::clamp(options.workers, 1, kMostWorkers);
  std::size_t count = 2 * static_cast<std::size_t>(most_workers) + 2;
  if (options.most_elements > 0) {
    const auto most = static_cast<std::size_t>(options.most_elements);
    count = std::clamp<std::size_t>(most, 1, std::min<std::size_t>(count, 4));
    most_in_block = std::clamp<std::size_t>(most / count, 1, kMostInBlock);
  }
  if (options.element_bytes > 0) {
    most_in_block = std::clamp<std::size_t>(
        static_cast<std::size_t>(kMostBytes / options.element_bytes), 1, most_in_block);
  } else {
    most_in_block = std::min(most_in_block, kMostOfAnySize);
  }
  places.resize(count);
  maker.resize(count, most_in_block);
  tuned_at = now_ns();
  if (options.counter != nullptr) options.counter->is_tuned.store(is_tuned, kRelaxed);
  try {
    const std::lock_guard lock(mutex);
    // A thread that is tuned counts in the budget, but the first one starts in any case.
    if (is_tuned && options.budget != nullptr) options.budget->take_first();
    for (int i = 0; i < (is_tuned ? 1 : most_workers); ++i) start_thread();
  } catch (...) {  // the system has no more threads
    stop();
    throw;
  }
}

// Lets one more thread work. The lock is held.
void Blocks::Impl::start_thread() {
  const int number = alive;
  if (threads.size() == static_cast<std::size_t>(number)) {
    threads.emplace_back([this, number] { run(number); });
  }
  ++alive;
  has_work.notify_all();
  if (options.counter != nullptr) options.counter->workers.store(alive, kRelaxed);
}

void Blocks::Impl::stop() {
  {
    const std::lock_guard lock(mutex);
    stopping = true;
  }
  has_work.notify_all();
  for (std::thread& thread : threads) thread.join();
  // The counter keeps the number, for who asks when the pass is over.
  if (!is_tuned || options.budget == nullptr) return;
  for (; alive > 0; --alive) options.budget->give_back();
}

// Wakes a worker. A thread that rests wouldn't take the work. The lock needn't be held.
void Blocks::Impl::wake(bool has_resting_threads, bool has_idle_ones) {
  if (has_resting_threads) {
    has_work.notify_all();
  } else if (has_idle_ones) {
    has_work.notify_one();
  }
}

void Blocks::Impl::run(int number) {
  std::unique_lock lock(mutex);
  for (;;) {
    while (!stopping && number >= alive) has_work.wait(lock);
    while (!stopping && number < alive && !may_begin()) wait_for_work(lock);
    if (stopping) return;
    if (number < alive) make_block(lock);
  }
}

void Blocks::Impl::wait_for_work(std::unique_lock<std::mutex>& lock) {
  const bool for_input = is_reading;
  const bool at_end = is_last;
  const std::int64_t begin = now_ns();
  ++idle;
  has_work.wait(lock);
  --idle;
  if (at_end) return;
  const std::int64_t waited = now_ns() - begin;
  (for_input ? waited_for_input : waited_for_room) += waited;
  if (options.counter == nullptr) return;
  auto& counter =
      for_input ? options.counter->waited_for_input_ns : options.counter->waited_for_room_ns;
  counter.fetch_add(waited, kRelaxed);
}

// Reads a block and makes it. The lock is given up while the maker is called.
void Blocks::Impl::make_block(std::unique_lock<std::mutex>& lock) {
  is_reading = true;
  const std::size_t number = place_of(begun++);
  Place& place = places[number];
  place.error = nullptr;
  place.range.count = 0;
  const std::size_t most = block_size;
  lock.unlock();

  StageClock clock;
  if (options.counter != nullptr && sample.wants()) clock.start();
  const bool is_timed = clock.is_running();
  if (options.input_clock != nullptr && is_timed) options.input_clock->start();
  const std::int64_t input_before = options.input_ns != nullptr ? *options.input_ns : 0;
  const std::int64_t begin = now_ns();
  bool more = false;
  try {
    more = maker.read(number, place.range, most);
  } catch (...) {
    place.error = std::current_exception();
  }
  const std::int64_t read = now_ns() - begin;
  const std::int64_t waited = options.input_ns != nullptr ? *options.input_ns - input_before : 0;
  std::int64_t readings = 0;
  if (options.input_clock != nullptr && is_timed) {
    options.input_clock->stop();
    readings = options.input_clock->readings();
  }
  if (options.counter != nullptr && waited > 0) {
    options.counter->waited_for_input_ns.fetch_add(waited, kRelaxed);
  }

  lock.lock();
  is_reading = false;
  waited_for_input += waited;
  if (!more) {
    is_last = true;
  }
  const bool wakes = may_begin();
  const bool wakes_all = has_resting();
  const bool any_idle = idle > 0;
  lock.unlock();
  if (wakes) wake(wakes_all, any_idle);

  const std::size_t asked = place.range.count;
  const std::int64_t work_begin = now_ns();
  if (asked > 0) {
    try {
      maker.work(number, place.range, clock);
    } catch (...) {
      place.error = std::current_exception();
    }
  }
  const std::int64_t worked = now_ns() - work_begin;
  if (is_timed) {
    clock.stop();
    sample.has_taken(clock.readings() + readings, now_ns() - begin);
  }

  lock.lock();
  if (place.error) is_last = true;  // no element follows an error
  resize_blocks(read - waited + worked, asked);
  place.is_ready = true;
  ready_elements += static_cast<std::int64_t>(place.range.count);
  if (!consumer_waits || &place != &places[place_of(taken)]) return;
  // The consumer would only wait for the lock.
  lock.unlock();
  has_block.notify_one();
  lock.lock();
}

// Chooses how many elements the next blocks have, from how long the last one took.
void Blocks::Impl::resize_blocks(std::int64_t ns, std::size_t count) {
  if (count == 0) return;
  const std::int64_t each = std::max<std::int64_t>(1, ns / static_cast<std::int64_t>(count));
  element_ns = element_ns == 0 ? each : (3 * element_ns + each) / 4;
  const auto wanted = static_cast<std::size_t>(
      std::max<std::int64_t>(1, kBlockNs / std::max<std::int64_t>(1, element_ns)));
  block_size = std::clamp<std::size_t>(wanted, 1, std::min(most_in_block, kGrowth * block_size));
}

// Starts a thread or ends one, as was decided, where there may be more.
void Blocks::Impl::tune() {
  const std::int64_t now = now_ns();
  const std::int64_t elapsed = now - tuned_at;
  if (elapsed < kTuningNs) return;
  const data::ThreadChange change =
      data::change_of_threads({.elapsed_ns = elapsed,
                               .threads = alive,
                               .consumer_waited_ns = consumer_waited,
                               .waited_for_input_ns = waited_for_input,
                               .waited_for_room_ns = waited_for_room});
  tuned_at = now;
  consumer_waited = waited_for_input = waited_for_room = 0;
  if (change == data::ThreadChange::one_more && alive < most_workers && !is_last &&
      (options.budget == nullptr || options.budget->take())) {
    try {
      start_thread();
    } catch (const std::system_error&) {  // those that there are go on
      most_workers = alive;
      if (options.budget != nullptr) options.budget->give_back();
    }
  } else if (change == data::ThreadChange::one_fewer) {
    --alive;
    if (options.counter != nullptr) options.counter->workers.store(alive, kRelaxed);
    if (options.budget != nullptr) options.budget->give_back();
  }
}

void Blocks::Impl::wait_for_block(std::unique_lock<std::mutex>& lock, const Place& place) {
  if (place.is_ready || (is_last && taken == begun)) return;
  const std::int64_t begin = now_ns();
  consumer_waits = true;
  has_block.wait(lock, [&] { return place.is_ready || (is_last && taken == begun); });
  consumer_waits = false;
  const std::int64_t waited = now_ns() - begin;
  consumer_waited += waited;
  if (options.waited_ns != nullptr) *options.waited_ns += waited;
}

Blocks::Blocks(Maker& maker, const Options& options)
    : impl_(std::make_unique<Impl>(maker, options)) {}
Blocks::~Blocks() = default;

void Blocks::give_back() {
  Impl& all = *impl_;
  std::unique_lock lock(all.mutex);
  Impl::Place& place = all.places[all.place_of(all.taken)];
  if (!all.holds || place.error) return;
  place.is_ready = false;
  all.holds = false;
  ++all.taken;
  // Workers that wait for room are woken when there is some for several blocks.
  if (2 * (all.begun - all.taken) > all.room() || !all.may_begin()) return;
  const bool has_resting = all.has_resting();
  const bool has_idle = all.idle > 0;
  lock.unlock();
  all.wake(has_resting, has_idle);
}

std::optional<Blocks::Taken> Blocks::next() {
  give_back();
  Impl& all = *impl_;
  std::unique_lock lock(all.mutex);
  const std::size_t number = all.place_of(all.taken);
  Impl::Place& place = all.places[number];
  if (all.holds) std::rethrow_exception(place.error);
  if (all.is_tuned) all.tune();
  const bool was_ready = place.is_ready;
  all.wait_for_block(lock, place);
  if (!place.is_ready) return std::nullopt;
  all.holds = true;
  const auto count = static_cast<std::int64_t>(place.range.count);
  if (all.options.counter != nullptr) {
    // Each element of the block finds those behind it ready.
    const std::int64_t seen = was_ready ? all.ready_elements : count - 1;
    all.options.counter->asked.fetch_add(count, kRelaxed);
    all.options.counter->ready.fetch_add(
        std::max<std::int64_t>(0, count * seen - count * (count - 1) / 2), kRelaxed);
  }
  all.ready_elements -= count;
  return Taken{number, place.range.count};
}

}  // namespace stoker::detail
