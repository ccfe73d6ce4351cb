#include "feed/ring/worker_pool.h"

#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "core/format.h"
#include "feed/ring/workers.h"
#include "stoker/error.h"

namespace stoker::feed {
namespace {

// Workers beside a step on the same cores run at a priority that is lower by this. A step's threads
// wait for each other after every op, so that one that is suspended for a generator holds up all of
// them. At this level workers get a quarter of a core that both want, and a generator that is
// behind still has all of it while the step waits. (If nothing else runs on the machine, levels
// from ten above to nineteen below make no measurable difference.)
constexpr int kNice = 5;

// Lowers the priority of the calling thread, which so far is that of its maker and of the step.
void yield_to_step() {
  const auto self = static_cast<id_t>(gettid());
  setpriority(PRIO_PROCESS, self, std::min(getpriority(PRIO_PROCESS, self) + kNice, 19));
}

}  // namespace

WorkerPool::Shared::Shared(std::shared_ptr<Source> from, const FeedOptions& options, int slots,
                           device::Device& on, int workers)
    : device(on.weak_from_this().lock()),
      source(std::move(from)),
      claim(*source, options.what),
      schedule(options, *source),
      layout(SlotLayout::of_host(*source)),
      ring(layout, slots, on),
      // The timeline has tracks for the workers, the consumer, the copy stream and the compute
      // stream.
      timeline(static_cast<std::size_t>(workers) + 3, options.stamps_per_track) {}

WorkerPool::WorkerPool(std::shared_ptr<Shared> shared, const Options& options)
    : shares_cores_(options.shares_cores),
      timeout_ns_(options.timeout_ns),
      workers_(std::make_shared<Workers>(std::move(shared), options)) {
  threads_.reserve(static_cast<std::size_t>(options.workers));
  start_up_to(options.active);
  workers_->set_active(static_cast<int>(threads_.size()));
}

void WorkerPool::start_up_to(int workers) {
  while (static_cast<int>(threads_.size()) < workers && shortage_.empty()) {
    const auto number = static_cast<int>(threads_.size());
    workers_->begin(number);
    try {
      threads_.emplace_back([workers = workers_, number, shares_cores = shares_cores_] {
        pthread_setname_np(pthread_self(), "stoker-feed");
        prctl(PR_SET_TIMERSLACK, 1000UL);  // in nanoseconds; the ring's timed sleeps are short
        if (shares_cores) yield_to_step();
        workers->run(number);
      });
    } catch (const std::system_error& error) {
      workers_->end(number);
      if (threads_.empty()) {
        std::throw_with_nested(DeviceError(format(
            "the feed needs a thread that generates, and the system gives none: ", error.what(),
            ". It may have too many (ulimit -u)")));
      }
      shortage_ = format(workers, " workers: the system gives no thread beyond ", number, " (",
                         error.what(), "), so there are ", number);
    }
  }
}

WorkerPool::~WorkerPool() {
  stop();
  join();
}

void WorkerPool::set_active(int workers) {
  start_up_to(workers);
  workers_->set_active(std::min(workers, static_cast<int>(threads_.size())));
}
int WorkerPool::active() const { return workers_->active(); }
CoreShares WorkerPool::core_shares() const { return workers_->core_shares(); }
std::uint64_t WorkerPool::drawn_one_by_one() const { return workers_->drawn_one_by_one(); }
std::optional<WorkerPool::Busy> WorkerPool::who_fills(std::uint64_t position) const {
  return workers_->who_fills(position);
}
bool WorkerPool::has_ended() const { return workers_->has_ended(); }
void WorkerPool::stop() { workers_->stop(); }
std::exception_ptr WorkerPool::failure() const { return workers_->failure(); }

bool WorkerPool::join() {
  bool all = true;
  for (std::size_t i = 0; i < threads_.size(); ++i) {
    const auto number = static_cast<int>(i);
    if (!threads_[i].joinable()) continue;
    if (timeout_ns_ == 0 ||
        workers_->wait_until_ended(number, workers_->deadline_of(number, timeout_ns_))) {
      threads_[i].join();
    } else {
      threads_[i].detach();
      all = false;
    }
  }
  return all;
}

void WorkerPool::join_or_abandon(std::int64_t deadline_ns) {
  for (std::size_t i = 0; i < threads_.size(); ++i) {
    if (!threads_[i].joinable()) continue;
    if (workers_->wait_until_ended(static_cast<int>(i), deadline_ns)) {
      threads_[i].join();
    } else {
      threads_[i].detach();
    }
  }
}

}  // namespace stoker::feed
