// Cursors of a Dataset's stages that have threads of their own. Programs include stoker/dataset.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "stoker/detail/dataset_blocks.h"
#include "stoker/detail/dataset_core.h"
#include "stoker/detail/dataset_elements.h"

namespace stoker::detail {

// The elements of the blocks.
template <class... T>
class BlockMaker : public Blocks::Maker {
 public:
  struct Block {
    ElementBlock<T...> elements;
    Sinks<T...> written;  // what is asked for by number, before it has a place of its own
    FailedBefore failed;
  };
  void resize(std::size_t places, std::size_t most) override {
    blocks.resize(places);
    most_in_block = most;
  }
  std::vector<Block> blocks;
  std::size_t most_in_block = 0;
};

// Makes elements of a stage by their numbers, each thread a block of its own.
template <class... T>
class NumberedMaker final : public BlockMaker<T...> {
 public:
  NumberedMaker(const Stage<T...>& stage, const Pass& pass, std::int64_t first)
      : stage_(stage), pass_(pass), count_(stage.cardinality()), next_(first) {}

  bool read(std::size_t, Blocks::Range& range, std::size_t most) override {
    range.first = next_;
    range.count = most;
    if (count_ != kInfinite) {
      const std::int64_t left = larger_of<std::int64_t>(0, count_ - next_);
      range.count = smaller_of(most, static_cast<std::size_t>(left));
    }
    next_ += static_cast<std::int64_t>(range.count);
    return count_ == kInfinite || next_ < count_;
  }

  void work(std::size_t place, Blocks::Range& range, StageClock& clock) override {
    auto& block = this->blocks[place];
    block.failed.clear();
    Failures failures;
    std::int64_t waited_ns = 0;
    Pass pass = pass_;
    if (pass.failures != nullptr) pass.failures = &failures;
    pass.clock = &clock;
    pass.waited_ns = &waited_ns;
    const std::size_t count = range.count;
    range.count = 0;
    block.elements.prepare(stage_, count, this->most_in_block);
    try {
      if (block.elements.is_flat()) {
        // Each element is written to its place.
        make_all(pass, range, count, block.elements.at(0), [&](std::size_t) {
          block.failed.take(range.count, failures);
          if (++range.count < count) block.elements.at(range.count);
        });
      } else {
        make_all(pass, range, count, block.written, [&](std::size_t) {
          block.failed.take(range.count, failures);
          block.elements.take(range.count, block.written);
          ++range.count;
        });
      }
    } catch (...) {
      block.failed.take(range.count, failures);
      throw;
    }
  }

 private:
  // Calls keep() for each element that has been made in `out`; it counts them in the range.
  template <class Keep>
  void make_all(const Pass& pass, const Blocks::Range& range, std::size_t count, Sinks<T...>& out,
                const Keep& keep) {
    std::array<std::int64_t, Stage<T...>::kMostAtOnce> numbers;
    while (range.count < count) {
      const std::size_t many = smaller_of(numbers.size(), count - range.count);
      for (std::size_t i = 0; i < many; ++i) {
        numbers[i] = range.first + static_cast<std::int64_t>(range.count + i);
      }
      stage_.make_each(pass, std::span(numbers).first(many), out, keep, false);
    }
  }

  const Stage<T...>& stage_;
  const Pass pass_;
  const std::int64_t count_;
  std::int64_t next_;
};

// Reads elements of the stage before one after another, and makes results from them. `ask` reads
// one, into `held` or straight to its place: bool ask(Input&, Held& held, Sinks<T...>& element).
// `work` makes the result, and returns false for one that is passed over: bool work(const Pass&,
// Held& held, Sinks<T...>& element, std::int64_t ordinal).
template <class Input, class Held, class HeldStage, class Ask, class Work, class... T>
class StreamMaker final : public BlockMaker<T...> {
 public:
  template <class Begin>
  StreamMaker(const Stage<T...>& stage, const HeldStage& held, const Pass& pass, std::int64_t first,
              Begin begin, Ask ask, Work work)
      : stage_(stage),
        held_stage_(held),
        counter_(stage.counter_in(pass)),
        pass_(pass),
        ask_(std::move(ask)),
        work_(std::move(work)),
        ordinal_(first) {
    Pass before = pass;
    if (before.failures != nullptr) before.failures = &failures_;
    before.clock = &clock_;
    before.waited_ns = &waited_ns_;
    input_ = begin(before);
    failures_.clear();  // what was passed over to begin here was counted before
  }
  const std::int64_t* waited_ns() const { return &waited_ns_; }
  StageClock* clock() { return &clock_; }

  void resize(std::size_t places, std::size_t most) override {
    BlockMaker<T...>::resize(places, most);
    read_.resize(places);
  }

  bool read(std::size_t place, Blocks::Range& range, std::size_t most) override {
    auto& block = this->blocks[place];
    Read& read = read_[place];
    read.failed.clear();
    read.held.prepare(held_stage_, most, this->most_in_block);
    block.elements.prepare(stage_, most, this->most_in_block);
    range.first = ordinal_;
    range.count = 0;
    bool more = true;
    try {
      while (more && range.count < most) {
        more = ask_(*input_, read.held.at(range.count), block.elements.at(range.count));
        read.failed.take(range.count, failures_);
        range.count += more ? 1 : 0;
      }
    } catch (...) {
      read.failed.take(range.count, failures_);
      if (range.count == 0) move_failed(place);
      throw;
    }
    ordinal_ += static_cast<std::int64_t>(range.count);
    if (range.count == 0) move_failed(place);
    return more;
  }

  void work(std::size_t place, Blocks::Range& range, StageClock& clock) override {
    auto& block = this->blocks[place];
    Read& read = read_[place];
    block.failed.clear();
    Failures failures;
    std::int64_t waited_ns = 0;
    Pass pass = pass_;
    if (pass.failures != nullptr) pass.failures = &failures;
    pass.clock = &clock;
    pass.waited_ns = &waited_ns;
    const std::size_t count = range.count;
    range.count = 0;
    const ClockScope scope(counter_ != nullptr ? &clock : nullptr, counter_);
    try {
      for (std::size_t i = 0; i < count; ++i) {
        read.failed.give(i, &failures);
        const bool is_made = work_(pass, read.held.at(i), block.elements.at(i),
                                   range.first + static_cast<std::int64_t>(i));
        block.failed.take(range.count, failures);
        if (!is_made) continue;
        if (i != range.count) block.elements.move(i, range.count);
        ++range.count;
      }
      read.failed.give(count, &failures);
    } catch (...) {
      block.failed.take(range.count, failures);
      throw;
    }
    block.failed.take(range.count, failures);
    if (counter_ == nullptr || !clock.is_running()) return;
    counter_->timed_elements.fetch_add(static_cast<std::int64_t>(range.count),
                                       std::memory_order_relaxed);
  }

 private:
  struct Read {
    Held held;
    FailedBefore failed;
  };
  // Of a block without elements nothing else is made.
  void move_failed(std::size_t place) {
    auto& block = this->blocks[place];
    block.failed.clear();
    Failures failures;
    read_[place].failed.give(0, &failures);
    block.failed.take(0, failures);
  }

  const Stage<T...>& stage_;
  const HeldStage& held_stage_;  // the stage of which elements are held
  StageCounter* const counter_;
  const Pass pass_;
  Ask ask_;
  Work work_;
  std::int64_t ordinal_;
  // Those of the thread that reads.
  Failures failures_;
  StageClock clock_;
  std::int64_t waited_ns_ = 0;
  std::vector<Read> read_;
  std::unique_ptr<Input> input_;  // a cursor
};

// Gives the elements of blocks in order, and with each the failures before it.
template <class... T>
class BlocksCursor final : public Cursor<T...> {
 public:
  BlocksCursor(std::unique_ptr<BlockMaker<T...>> maker, const Blocks::Options& options,
               Failures* failures)
      : maker_(std::move(maker)), failures_(failures), blocks_(*maker_, options) {}

  bool next(Sinks<T...>& out) override {
    if (!behind_.empty()) add_failures();
    while (at_ == count_) {
      const std::optional<Blocks::Taken> taken = blocks_.next();
      if (!taken) return false;
      place_ = taken->place;
      count_ = taken->count;
      at_ = 0;
      if (count_ > 0) break;
      leave_block();
      add_failures();
    }
    auto& block = maker_->blocks[place_];
    block.failed.give(at_, failures_);
    block.elements.give(at_++, out);
    if (at_ == count_) leave_block();
    return true;
  }
  bool has_threads() const override { return true; }

 private:
  // The failures behind the block's last element belong to the next one.
  void leave_block() {
    maker_->blocks[place_].failed.give(count_, &behind_);
    blocks_.give_back();
  }
  void add_failures() {
    if (failures_ != nullptr && !behind_.empty()) {
      failures_->add(behind_);
      failures_->check();
    }
    behind_.clear();
  }

  const std::unique_ptr<BlockMaker<T...>> maker_;
  Failures* const failures_;
  Failures behind_;
  std::size_t place_ = 0;
  std::size_t at_ = 0;
  std::size_t count_ = 0;
  Blocks blocks_;  // the last member, so that its threads have ended before the others go
};

template <class... T>
Blocks::Options block_options(const Stage<T...>& stage, const Pass& pass, int workers,
                              std::int64_t most) {
  return {.workers = workers,
          .most_elements = most,
          .element_bytes = stage.element_bytes(),
          .counter = stage.counter_in(pass),
          .budget = pass.budget,
          .waited_ns = pass.waited_ns};
}

// Makes the elements of a stage by their numbers, on threads of its own.
template <class... T>
std::unique_ptr<Cursor<T...>> numbered_ahead(const Stage<T...>& stage, const Pass& pass,
                                             std::int64_t first, int workers,
                                             std::int64_t most = 0) {
  return std::make_unique<BlocksCursor<T...>>(
      std::make_unique<NumberedMaker<T...>>(stage, pass, first),
      block_options(stage, pass, workers, most), pass.failures);
}

// Makes elements from those of a stage before, of which begin(const Pass&) returns a cursor that
// gives number `first` next.
template <class Held, class... T, class HeldStage, class Begin, class Ask, class Work>
std::unique_ptr<Cursor<T...>> stream_ahead(const Stage<T...>& stage, const HeldStage& held,
                                           const Pass& pass, std::int64_t first, int workers,
                                           std::int64_t most, Begin begin, Ask ask, Work work) {
  using Input = typename std::invoke_result_t<Begin&, const Pass&>::element_type;
  auto maker = std::make_unique<StreamMaker<Input, Held, HeldStage, Ask, Work, T...>>(
      stage, held, pass, first, std::move(begin), std::move(ask), std::move(work));
  Blocks::Options options = block_options(stage, pass, workers, most);
  options.input_ns = maker->waited_ns();
  options.input_clock = maker->clock();
  return std::make_unique<BlocksCursor<T...>>(std::move(maker), options, pass.failures);
}
// Reads elements of the stage before as they are: bool read(Input&, Sinks<T...>& element).
template <class... T, class Begin, class Read>
std::unique_ptr<Cursor<T...>> read_ahead(const Stage<T...>& stage, const Pass& pass,
                                         std::int64_t first, std::int64_t most, Begin begin,
                                         Read read) {
  return stream_ahead<NoElements, T...>(
      stage, stage, pass, first, 1, most, std::move(begin),
      [read](auto& inner, NoElements&, Sinks<T...>& element) { return read(inner, element); },
      [](const Pass&, NoElements&, Sinks<T...>&, std::int64_t) { return true; });
}

template <class... T>
std::unique_ptr<Cursor<T...>> Stage<T...>::by_number(const Pass& pass, std::int64_t first) const {
  const int workers = threads_so_far();
  if (workers == 0) return std::make_unique<IndexCursor<T...>>(*this, pass, first);
  return numbered_ahead(*this, pass, first, workers);
}

}  // namespace stoker::detail
