#include "feed/producer.h"

#include <pthread.h>
#include <sys/prctl.h>

#include <new>
#include <string>

#include "core/format.h"
#include "data/source_random.h"
#include "stoker/error.h"

namespace stoker::feed {

Producer::Producer(Source& source, const Schedule& schedule, std::uint64_t seed, Ring& ring,
                   Track& track)
    : source_(source), schedule_(schedule), seed_(seed), ring_(ring), track_(track) {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "stoker-feed");
    prctl(PR_SET_TIMERSLACK, 1000UL);  // nanoseconds; the ring's naps are short
    run();
  });
}

Producer::~Producer() {
  ring_.stop();
  join();
}

void Producer::join() {
  if (thread_.joinable()) thread_.join();
}

void Producer::run() {
  next_.epoch = schedule_.first_epoch();
  while (next_.epoch < schedule_.end_epoch() && run_epoch()) ++next_.epoch;
}

// False when there is no epoch after this one.
bool Producer::run_epoch() {
  const std::optional<std::int64_t> steps = schedule_.steps(next_.epoch);
  for (next_.step = 0; !steps || next_.step < *steps; ++next_.step) {
    if (ring_.is_stopped()) return false;
    if (!ring_.is_free(next_.position)) {
      const ScopedStamp stamp(track_, Stage::wait_for_slot, next_.batch);
      if (!ring_.wait_until_free(next_.position)) return false;
    }
    const std::int64_t rows = produce();
    if (rows == kFailed) return false;
    // An end that the schedule did not foresee is final, and so is an epoch without any batch.
    if (rows == kEnded) return !steps && next_.step > 0;
  }
  return true;
}

// Fills and publishes the next slot.
std::int64_t Producer::produce() {
  const std::int64_t rows = pull();
  // Where the slot's memory begins, for the device as well as for the consumer.
  new (ring_.block(next_.position)) SlotHeader{next_.batch, rows};
  ring_.publish(next_.position++);
  if (rows > 0) ++next_.batch;
  return rows;
}

std::int64_t Producer::pull() {
  try {
    const std::int64_t epoch = schedule_.source_epoch(next_.epoch);
    const std::int64_t index = schedule_.first_index(next_.epoch) + next_.step;
    if (next_.step == 0 && (index == 0 || next_.batch == 0)) source_.begin_epoch(epoch);
    BatchContext batch{
        .epoch = epoch,
        .index = index,
        .sequence = static_cast<std::int64_t>(next_.batch),
        .random = data::source_random(seed_, epoch, data::RandomStage::batch, index)};
    const BatchSpec& spec = source_.spec();
    std::int64_t rows = 0;
    {
      const ScopedStamp stamp(track_, Stage::generate, next_.batch);
      rows = source_.fill(batch, Slot(spec, ring_.fields(next_.position)));
    }
    if (rows < 0 || rows > spec.batch_size()) {
      throw DataError(
          format("expected 0 to ", spec.batch_size(), " rows, the batch size, received ", rows));
    }
    if (rows == 0 && next_.batch == 0) throw DataError("the generator gave no batch");
    return rows;
  } catch (const std::exception& error) {
    fail(error.what());
  } catch (...) {
    fail("the generator threw something that is no std::exception");
  }
  return kFailed;
}

// Called while the original is being handled, which so becomes the nested one.
void Producer::fail(const std::string& what) {
  try {
    std::throw_with_nested(DataError(format("batch ", next_.batch + 1, " (epoch ", next_.epoch + 1,
                                            ", batch ", next_.step + 1, " of it): ", what)));
  } catch (...) {
    failure_ = std::current_exception();
  }
}

}  // namespace stoker::feed
