// The threads of a Dataset's map and prefetch.
#include "stoker/detail/dataset_ahead.h"

#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

namespace stoker::detail {

struct Ahead::Impl {
  Impl(Maker& its_maker, int workers, std::size_t count) : maker(its_maker), places(count) {
    try {
      for (int i = 0; i < workers; ++i) threads.emplace_back([this] { run(); });
    } catch (...) {  // the system has no more threads
      stop();
      throw;
    }
  }
  ~Impl() { stop(); }

  struct Place {
    std::exception_ptr error;
    bool ready = false;
  };
  static constexpr std::int64_t kNotYet = -1;

  std::size_t place_of(std::int64_t n) const { return static_cast<std::size_t>(n) % places.size(); }
  void stop();
  void run();

  Maker& maker;
  std::vector<Place> places;
  std::mutex mutex;
  std::condition_variable changed;
  std::int64_t asked = 0;
  std::int64_t taken = 0;
  std::int64_t end = kNotYet;  // the number of elements, once it is known
  bool asking = false;
  bool stopping = false;
  std::vector<std::thread> threads;
};

void Ahead::Impl::stop() {
  {
    const std::lock_guard lock(mutex);
    stopping = true;
  }
  changed.notify_all();
  for (std::thread& thread : threads) thread.join();
}

void Ahead::Impl::run() {
  std::unique_lock lock(mutex);
  const auto room = static_cast<std::int64_t>(places.size());
  for (;;) {
    changed.wait(lock,
                 [&] { return stopping || end != kNotYet || (!asking && asked < taken + room); });
    if (stopping || end != kNotYet) return;
    asking = true;
    const std::int64_t ordinal = asked++;
    const std::size_t number = place_of(ordinal);
    Place& place = places[number];
    place.error = nullptr;
    lock.unlock();
    bool found = false;
    try {
      found = maker.ask(number);
    } catch (...) {
      place.error = std::current_exception();
    }
    lock.lock();
    asking = false;
    if (!found) end = place.error ? asked : ordinal;  // no element follows an error
    changed.notify_all();
    if (found) {
      lock.unlock();
      try {
        maker.work(number, ordinal);
      } catch (...) {
        place.error = std::current_exception();
      }
      lock.lock();
    }
    place.ready = found || place.error;
    changed.notify_all();
  }
}

Ahead::Ahead(Maker& maker, int workers, std::size_t places)
    : impl_(std::make_unique<Impl>(maker, workers, places)) {}
Ahead::~Ahead() = default;

std::optional<std::size_t> Ahead::wait() {
  std::unique_lock lock(impl_->mutex);
  const std::size_t number = impl_->place_of(impl_->taken);
  Impl::Place& place = impl_->places[number];
  impl_->changed.wait(lock, [&] { return place.ready || impl_->taken == impl_->end; });
  if (!place.ready) return std::nullopt;
  if (place.error) std::rethrow_exception(place.error);
  return number;
}

void Ahead::give_back() {
  const std::lock_guard lock(impl_->mutex);
  impl_->places[impl_->place_of(impl_->taken)].ready = false;
  ++impl_->taken;
  impl_->changed.notify_all();
}

}  // namespace stoker::detail
