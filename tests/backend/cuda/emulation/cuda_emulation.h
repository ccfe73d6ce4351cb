// Runs CUDA kernels on the CPU: the same source, compiled by g++ with this header before it. Every
// thread of a block is a fiber. Blocks, and fibers between two barriers, run in random order;
// shared memory holds garbage when a block begins. So a missing barrier, a read of what was never
// written and a sum whose order is left to chance show as wrong results, and a barrier that not all
// threads reach is reported. What it cannot show: races between blocks that run at the same time,
// and anything about speed.
//
//   stoker::emulation::run(my_kernel, blocks, threads, shared_bytes, has_barriers, params);
//
// Self-contained, for x86-64 and GCC. All of it is hidden: a shared object of emulated kernels has
// a machine of its own. Declare shared memory in functions that are neither templates nor inline:
// GCC puts what those declare elsewhere, where it is not filled with garbage.
#pragma once

#if !defined(__x86_64__)
#error "The emulator switches stacks in x86-64 assembly."
#endif

#include <math.h>  // as CUDA does: isfinite and its like without std::
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#pragma GCC visibility push(hidden)

// ---- Words of the language ----------------------------------------------------------------------
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(n) alignas(n)
#define __constant__ static
#define __shared__ static __attribute__((section("stoker_shared")))
// Shared memory whose size the launch says; under nvcc: extern __shared__.
#define STOKER_DYNAMIC_SHARED(T, name) T* const name = ::stoker::emulation::dynamic_shared<T>()

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
};
inline dim3 threadIdx, blockIdx, blockDim, gridDim;

// Where `__shared__` variables of this program or shared object lie; the linker defines these.
extern "C" {
[[gnu::weak]] extern unsigned char __start_stoker_shared[];
[[gnu::weak]] extern unsigned char __stop_stoker_shared[];
}

namespace stoker::emulation {

// ---- Fibers -------------------------------------------------------------------------------------

// Saves the stack pointer of the running fiber, with the registers that a callee keeps on its
// stack, and goes on where `next` was saved.
[[gnu::naked, gnu::noipa, gnu::no_sanitize("address", "undefined", "thread")]] inline void
switch_stacks(void** /*saved*/, void* /*next*/) {
  asm(R"(
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret)");
}

// Stacks of equal size, each with a page below it that may not be touched.
class Stacks {
 public:
#if defined(__SANITIZE_ADDRESS__)
  static constexpr std::size_t kBytes = 256 * 1024;
#else
  static constexpr std::size_t kBytes = 64 * 1024;
#endif

  explicit Stacks(std::size_t count) : count_(count) {
    void* memory = ::mmap(nullptr, count * kStride, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    memory_ = static_cast<std::byte*>(memory);
    for (std::size_t i = 0; i < count; ++i) ::mprotect(memory_ + i * kStride, kPage, PROT_NONE);
  }
  ~Stacks() {
#if defined(__SANITIZE_ADDRESS__)
    // Fibers given up leave marks of frames that never returned.
    for (std::size_t i = 0; i < count_; ++i) ASAN_UNPOISON_MEMORY_REGION(bottom(i), kBytes);
#endif
    ::munmap(memory_, count_ * kStride);
  }
  Stacks(const Stacks&) = delete;
  Stacks& operator=(const Stacks&) = delete;

  std::byte* bottom(std::size_t i) const { return memory_ + i * kStride + kPage; }

 private:
  static constexpr std::size_t kPage = 4096;
  static constexpr std::size_t kStride = kBytes + kPage;
  std::byte* memory_ = nullptr;
  std::size_t count_;
};

// Where a thread waits, for the report.
struct Place {
  const char* file = "";
  int line = 0;
  friend bool operator==(const Place& a, const Place& b) {
    return a.line == b.line && (a.file == b.file || std::strcmp(a.file, b.file) == 0);
  }
  std::string text() const { return std::string(file) + ":" + std::to_string(line); }
};

struct Fiber {
  enum class State : std::uint8_t { ready, at_barrier, in_warp, done };
  void* stack_pointer = nullptr;
  State state = State::done;
  Place place;
  // Of the warp operation that it is in.
  unsigned mask = 0;
  unsigned from = 0;  // the lane that it reads
  std::uint64_t given = 0, received = 0;
  void* fake_stack = nullptr;  // AddressSanitizer's
};
// As Fiber::from: a bit for every lane that gave something else than 0.
inline constexpr unsigned kBallot = ~0U;

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 2 + 1) {}
  std::uint64_t next() {  // xorshift64*
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545F4914F6CDD1DULL;
  }
  std::size_t below(std::size_t count) { return (next() >> 32) * count >> 32; }
  template <class T>
  void shuffle(std::vector<T>& items) {
    for (std::size_t i = items.size(); i > 1; --i) {
      std::swap(items[i - 1], items[below(i)]);
    }
  }

 private:
  std::uint64_t state_;
};

// ---- The machine --------------------------------------------------------------------------------

inline constexpr unsigned kWarp = 32;
inline constexpr unsigned kMaxThreads = 1024;

// One launch at a time, from whichever thread.
class Machine {
 public:
  static Machine& instance() {
    static Machine machine;
    return machine;
  }
  void reseed(std::uint64_t seed) { random_ = Random(seed); }

  // `body` runs the kernel for one thread.
  template <class Body>
  void run(unsigned blocks, unsigned threads, unsigned shared_bytes, bool has_barriers,
           const Body& body) {
    const std::lock_guard<std::mutex> lock(busy_);
    begin(blocks, threads, shared_bytes, has_barriers);
    for (const unsigned block : blocks_) {
      blockIdx.x = block;
      spoil_shared_memory();
      if (has_barriers) {
        run_fibers(&call<Body>, &body);
      } else {
        for (const unsigned thread : order_) {
          threadIdx.x = thread;
          body();
        }
      }
    }
  }

  // Called by the running thread.
  void wait_for_block(Place place) {
    Fiber& fiber = running(place);
    fiber.state = Fiber::State::at_barrier;
    fiber.place = place;
    ++at_barrier_;
    leave(fiber);
  }
  // Gives `value` to the others of the mask, and takes what lane `from` gives.
  std::uint64_t exchange(unsigned mask, std::uint64_t value, unsigned from, Place place) {
    Fiber& fiber = running(place);
    fiber.state = Fiber::State::in_warp;
    fiber.place = place;
    // A thread outside of its own mask waits for ever.
    fiber.mask = (mask >> lane() & 1U) != 0 ? mask & lanes_of_warp() : 0U;
    fiber.from = from;
    fiber.given = value;
    if (arrive(fiber.mask)) release_warp(fiber.mask);
    leave(fiber);
    return fiber.received;
  }
  // How many threads of the block say yes.
  int count(bool vote, Place place) {
    votes_[1] += vote ? 1 : 0;
    wait_for_block(place);
    return votes_[0];
  }
  unsigned lane() const { return threadIdx.x % kWarp; }
  void* dynamic_shared() { return shared_.data(); }

 private:
  using Call = void (*)(const void* body);
  template <class Body>
  static void call(const void* body) {
    (*static_cast<const Body*>(body))();
  }

  Machine() = default;

  void begin(unsigned blocks, unsigned threads, unsigned shared_bytes, bool has_barriers) {
    if (threads == 0 || threads > kMaxThreads || blocks == 0 || blocks > 0x7fffffffU) {
      throw std::invalid_argument("no launch: " + std::to_string(blocks) + " blocks of " +
                                  std::to_string(threads) + " threads");
    }
    gridDim = {.x = blocks};
    blockDim = {.x = threads};
    blockIdx = threadIdx = {.x = 0, .y = 0, .z = 0};
    threads_ = threads;
    shared_ = std::vector<Chunk>((shared_bytes + sizeof(Chunk) - 1) / sizeof(Chunk));
    blocks_.resize(blocks);
    std::iota(blocks_.begin(), blocks_.end(), 0U);
    random_.shuffle(blocks_);
    order_.resize(threads);
    std::iota(order_.begin(), order_.end(), 0U);
    random_.shuffle(order_);
    in_fibers_ = has_barriers;
    if (has_barriers && fibers_.size() < threads) {
      fibers_.clear();
      stacks_ = std::make_unique<Stacks>(kMaxThreads);
      fibers_.resize(kMaxThreads);
      for (std::size_t i = 0; i < kMaxThreads; ++i) prepare(i);
    }
  }

  // NaN and minus one in one block, large numbers in another: a sum shows the first, and a maximum
  // the second.
  [[gnu::no_sanitize("address")]] void spoil_shared_memory() {
    const unsigned char garbage = (random_.next() >> 40 & 1U) != 0 ? 0xff : 0x7f;
    // Volatile: not a call of memset, in which AddressSanitizer would see the zones between the
    // variables.
    for (volatile unsigned char* at = __start_stoker_shared; at != __stop_stoker_shared; ++at) {
      *at = garbage;
    }
    if (!shared_.empty()) std::memset(shared_.data(), garbage, shared_.size() * sizeof(Chunk));
  }

  // A stack on which switch_stacks finds six registers and an address to return to.
  void prepare(std::size_t i) {
    auto* top = reinterpret_cast<void**>(stacks_->bottom(i) + Stacks::kBytes);
    // A function begins with its stack pointer 8 off a multiple of 16.
    *--top = nullptr;
    *--top = reinterpret_cast<void*>(&Machine::fiber_main);
    for (int r = 0; r < 6; ++r) *--top = nullptr;
    fibers_[i].stack_pointer = top;
  }

  // A fiber never ends: it runs one thread of one block after another.
  static void fiber_main() {
    Machine& machine = instance();
    machine.arrived(nullptr);
    for (;;) {
      machine.call_(machine.body_);
      Fiber& fiber = machine.fibers_[machine.current_];
      fiber.state = Fiber::State::done;
      ++machine.done_;
      machine.leave(fiber);
    }
  }

  void run_fibers(Call call, const void* body) {
    call_ = call;
    body_ = body;
    done_ = at_barrier_ = 0;
    votes_[0] = votes_[1] = 0;
    arrivals_.assign((threads_ + kWarp - 1) / kWarp, {});
    for (unsigned i = 0; i < threads_; ++i) fibers_[i].state = Fiber::State::ready;
    ready_ = order_;
    while (!ready_.empty()) {
      take_some();
      for (const unsigned i : now_) enter(i);
      if (at_barrier_ == threads_) release_block();
    }
    if (done_ != threads_) give_up();
  }

  // Into now_: some of the threads of one warp. So a warp can run far ahead of another one, and a
  // barrier that keeps it from writing what the other has yet to read is missed when it is missing.
  void take_some() {
    const unsigned warp = ready_[random_.below(ready_.size())] / kWarp;
    const auto of_warp = [&](unsigned i) { return i / kWarp == warp; };
    const auto middle = std::partition(ready_.begin(), ready_.end(), std::not_fn(of_warp));
    now_.assign(middle, ready_.end());
    random_.shuffle(now_);
    const std::size_t count = 1 + random_.below(now_.size());
    std::copy(now_.begin() + static_cast<std::ptrdiff_t>(count), now_.end(), middle);
    ready_.resize(ready_.size() - count);
    now_.resize(count);
  }

  void enter(unsigned i) {
    current_ = i;
    threadIdx.x = i;
    Fiber& fiber = fibers_[i];
#if defined(__SANITIZE_ADDRESS__)
    void* fake_stack = nullptr;
    __sanitizer_start_switch_fiber(&fake_stack, stacks_->bottom(i), Stacks::kBytes);
#endif
    switch_stacks(&scheduler_, fiber.stack_pointer);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
#endif
  }
  void leave(Fiber& fiber) {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&fiber.fake_stack, scheduler_bottom_, scheduler_bytes_);
#endif
    switch_stacks(&fiber.stack_pointer, scheduler_);
    arrived(&fiber);
  }
  void arrived([[maybe_unused]] Fiber* fiber) {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fiber == nullptr ? nullptr : fiber->fake_stack,
                                    &scheduler_bottom_, &scheduler_bytes_);
#endif
  }

  Fiber& running(const Place& place) {
    if (!in_fibers_) {
      throw std::logic_error("a launch without barriers reached one at " + place.text());
    }
    return fibers_[current_];
  }

  void release_block() {
    for (unsigned i = 1; i < threads_; ++i) {
      if (!(fibers_[i].place == fibers_[0].place)) give_up();
    }
    at_barrier_ = 0;
    votes_[0] = std::exchange(votes_[1], 0);
    for (unsigned i = 0; i < threads_; ++i) make_ready(i);
  }

  // The threads of each warp that wait, by the mask that they wait for.
  struct Arrival {
    unsigned mask, lanes;
  };
  bool arrive(unsigned mask) {
    auto& arrivals = arrivals_[current_ / kWarp];
    auto found = std::find_if(arrivals.begin(), arrivals.end(),
                              [&](const Arrival& a) { return a.mask == mask; });
    if (found == arrivals.end()) found = arrivals.insert(found, {mask, 0});
    found->lanes |= 1U << (current_ % kWarp);
    if (found->lanes != mask) return false;
    arrivals.erase(found);
    return true;
  }
  // All of them wait: what each receives is settled before one goes on.
  void release_warp(unsigned mask) {
    const unsigned first = current_ / kWarp * kWarp;
    for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
      const unsigned i = first + static_cast<unsigned>(std::countr_zero(rest));
      fibers_[i].received = received(first, mask, fibers_[i].from);
      make_ready(i);
    }
  }
  std::uint64_t received(unsigned first, unsigned mask, unsigned from) const {
    if (from != kBallot) {
      const bool is_given = from < kWarp && (mask >> from & 1U) != 0;
      return is_given ? fibers_[first + from].given : ~std::uint64_t{0};
    }
    std::uint64_t votes = 0;
    for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
      const auto lane = static_cast<unsigned>(std::countr_zero(rest));
      if (fibers_[first + lane].given != 0) votes |= std::uint64_t{1} << lane;
    }
    return votes;
  }
  // Of the running thread's warp: those that there are.
  unsigned lanes_of_warp() const {
    const unsigned count = threads_ - current_ / kWarp * kWarp;
    return count >= kWarp ? ~0U : (1U << count) - 1U;
  }
  void make_ready(unsigned i) {
    fibers_[i].state = Fiber::State::ready;
    ready_.push_back(i);
  }

  [[noreturn]] void give_up() {
    std::string text = "deadlock in block " + std::to_string(blockIdx.x) + ": " +
                       std::to_string(done_) + " of " + std::to_string(threads_) +
                       " threads have ended";
    std::vector<Place> named;
    for (unsigned i = 0; i < threads_; ++i) {
      const Fiber& fiber = fibers_[i];
      if (fiber.state == Fiber::State::done) continue;
      if (std::find(named.begin(), named.end(), fiber.place) != named.end()) continue;
      named.push_back(fiber.place);
      text += "; thread " + std::to_string(i) + " waits for its " +
              (fiber.state == Fiber::State::in_warp ? "warp" : "block") + " at " +
              fiber.place.text();
    }
    ready_.clear();
    now_.clear();
    fibers_.clear();  // their stacks are in the middle of a kernel
    stacks_.reset();
    throw std::logic_error(text);
  }

  struct alignas(16) Chunk {
    std::byte bytes[16];
  };

  std::mutex busy_;
  Random random_{1};
  std::unique_ptr<Stacks> stacks_;
  std::vector<Fiber> fibers_;
  std::vector<unsigned> blocks_, order_, ready_, now_;
  std::vector<std::vector<Arrival>> arrivals_;  // by warp
  std::vector<Chunk> shared_;
  int votes_[2] = {};  // of the barrier before, and of the next one
  Call call_ = nullptr;
  const void* body_ = nullptr;
  unsigned threads_ = 0, current_ = 0, done_ = 0, at_barrier_ = 0;
  bool in_fibers_ = false;
  void* scheduler_ = nullptr;
  const void* scheduler_bottom_ = nullptr;
  std::size_t scheduler_bytes_ = 0;
};

// Other orders, the same ones for the same seed.
inline void reseed(std::uint64_t seed) { Machine::instance().reseed(seed); }

// Throws std::logic_error when threads wait for ones that never come. Without barriers (and warp
// operations) threads are calls in a loop, which is many times faster.
template <class Params>
void run(void (*kernel)(Params), unsigned blocks, unsigned threads, unsigned shared_bytes,
         bool has_barriers, const std::type_identity_t<Params>& params) {
  Machine::instance().run(blocks, threads, shared_bytes, has_barriers, [&] { kernel(params); });
}

template <class T>
T* dynamic_shared() {
  return static_cast<T*>(Machine::instance().dynamic_shared());
}

template <class T>
T exchange(unsigned mask, T value, unsigned lane, Place place) {
  static_assert(sizeof(T) <= sizeof(std::uint64_t) && std::is_trivially_copyable_v<T>);
  std::uint64_t word = 0;
  std::memcpy(&word, &value, sizeof(T));
  word = Machine::instance().exchange(mask, word, lane, place);
  std::memcpy(&value, &word, sizeof(T));
  return value;
}

// The lane to read from, or the own one where that is outside of the lanes that go together.
inline unsigned lane_within(int lane, int width) {
  const auto own = static_cast<int>(Machine::instance().lane());
  return static_cast<unsigned>(lane / width == own / width && lane >= 0 ? lane : own);
}

}  // namespace stoker::emulation

// ---- Barriers and warps -------------------------------------------------------------------------
#define STOKER_PLACE const char *file = __builtin_FILE(), int line = __builtin_LINE()

inline void __syncthreads(STOKER_PLACE) {
  stoker::emulation::Machine::instance().wait_for_block({file, line});
}
inline int __syncthreads_count(int vote, STOKER_PLACE) {
  return stoker::emulation::Machine::instance().count(vote != 0, {file, line});
}
inline int __syncthreads_or(int vote, STOKER_PLACE) {
  return stoker::emulation::Machine::instance().count(vote != 0, {file, line}) != 0 ? 1 : 0;
}
inline int __syncthreads_and(int vote, STOKER_PLACE) {
  return stoker::emulation::Machine::instance().count(vote == 0, {file, line}) == 0 ? 1 : 0;
}
inline void __syncwarp(unsigned mask = 0xffffffffU, STOKER_PLACE) {
  stoker::emulation::Machine::instance().exchange(mask, 0, 0, {file, line});
}
inline unsigned __ballot_sync(unsigned mask, int vote, STOKER_PLACE) {
  return static_cast<unsigned>(stoker::emulation::Machine::instance().exchange(
      mask, vote != 0 ? 1 : 0, stoker::emulation::kBallot, {file, line}));
}
inline int __any_sync(unsigned mask, int vote, STOKER_PLACE) {
  return __ballot_sync(mask, vote, file, line) != 0 ? 1 : 0;
}
inline int __all_sync(unsigned mask, int vote, STOKER_PLACE) {
  return __ballot_sync(mask, vote == 0 ? 1 : 0, file, line) == 0 ? 1 : 0;
}
template <class T>
T __shfl_sync(unsigned mask, T value, int from, int width = 32, STOKER_PLACE) {
  const auto own = static_cast<int>(stoker::emulation::Machine::instance().lane());
  const int lane = own / width * width + (from & (width - 1));
  return stoker::emulation::exchange(mask, value, static_cast<unsigned>(lane), {file, line});
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32, STOKER_PLACE) {
  const auto own = static_cast<int>(stoker::emulation::Machine::instance().lane());
  const unsigned lane = stoker::emulation::lane_within(own ^ bits, width);
  return stoker::emulation::exchange(mask, value, lane, {file, line});
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned by, int width = 32, STOKER_PLACE) {
  const auto own = static_cast<int>(stoker::emulation::Machine::instance().lane());
  const unsigned lane = stoker::emulation::lane_within(own + static_cast<int>(by), width);
  return stoker::emulation::exchange(mask, value, lane, {file, line});
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned by, int width = 32, STOKER_PLACE) {
  const auto own = static_cast<int>(stoker::emulation::Machine::instance().lane());
  const unsigned lane = stoker::emulation::lane_within(own - static_cast<int>(by), width);
  return stoker::emulation::exchange(mask, value, lane, {file, line});
}
#undef STOKER_PLACE

// ---- Atomics: a fiber gives way at barriers only ------------------------------------------------
template <class T>
T atomicAdd(T* at, std::type_identity_t<T> value) {
  return std::exchange(*at, static_cast<T>(*at + value));
}
template <class T>
T atomicSub(T* at, std::type_identity_t<T> value) {
  return std::exchange(*at, static_cast<T>(*at - value));
}
template <class T>
T atomicMin(T* at, std::type_identity_t<T> value) {
  return std::exchange(*at, std::min(*at, value));
}
template <class T>
T atomicMax(T* at, std::type_identity_t<T> value) {
  return std::exchange(*at, std::max(*at, value));
}
template <class T>
T atomicOr(T* at, std::type_identity_t<T> value) {
  return std::exchange(*at, *at | value);
}
template <class T>
T atomicAnd(T* at, std::type_identity_t<T> value) {
  return std::exchange(*at, *at & value);
}
template <class T>
T atomicExch(T* at, std::type_identity_t<T> value) {
  return std::exchange(*at, value);
}
template <class T>
T atomicCAS(T* at, std::type_identity_t<T> expected, std::type_identity_t<T> value) {
  return std::exchange(*at, *at == expected ? value : *at);
}
inline unsigned atomicInc(unsigned* at, unsigned last) {
  return std::exchange(*at, *at >= last ? 0U : *at + 1U);
}
inline unsigned atomicDec(unsigned* at, unsigned last) {
  return std::exchange(*at, *at == 0U || *at > last ? last : *at - 1U);
}
inline void __threadfence() {}
inline void __threadfence_block() {}

// ---- Vectors ------------------------------------------------------------------------------------
#define STOKER_VECTORS(T, name)                              \
  struct alignas(2 * sizeof(T)) name##2 {                    \
    T x, y;                                                  \
  };                                                         \
  struct alignas(4 * sizeof(T)) name##4 {                    \
    T x, y, z, w;                                            \
  };                                                         \
  inline name##2 make_##name##2(T x, T y) { return {x, y}; } \
  inline name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
STOKER_VECTORS(float, float)
STOKER_VECTORS(int, int)
STOKER_VECTORS(unsigned, uint)
STOKER_VECTORS(signed char, char)
STOKER_VECTORS(unsigned char, uchar)
STOKER_VECTORS(short, short)
STOKER_VECTORS(unsigned short, ushort)
#undef STOKER_VECTORS
struct alignas(16) longlong2 {
  long long x, y;
};
struct alignas(16) ulonglong2 {
  unsigned long long x, y;
};

// ---- Arithmetic: what CUDA has beyond the C library ---------------------------------------------
inline float __int_as_float(int x) { return std::bit_cast<float>(x); }
inline float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
inline int __float_as_int(float x) { return std::bit_cast<int>(x); }
inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
inline double __longlong_as_double(long long x) { return std::bit_cast<double>(x); }
inline long long __double_as_longlong(double x) { return std::bit_cast<long long>(x); }
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>(std::uint64_t{a} * b >> 32);
}
inline int __popc(unsigned x) { return std::popcount(x); }
inline int __clz(int x) { return std::countl_zero(static_cast<unsigned>(x)); }
inline int __ffs(int x) { return x == 0 ? 0 : std::countr_zero(static_cast<unsigned>(x)) + 1; }
template <class T>
T min(T a, T b) {
  return b < a ? b : a;
}
template <class T>
T max(T a, T b) {
  return a < b ? b : a;
}
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline float __expf(float x) { return std::exp(x); }
inline float __logf(float x) { return std::log(x); }
inline float __fdividef(float x, float y) { return x / y; }
inline float __fadd_rn(float x, float y) { return x + y; }
inline float __fmul_rn(float x, float y) { return x * y; }
inline float __fdiv_rn(float x, float y) { return x / y; }
inline float __fsqrt_rn(float x) { return std::sqrt(x); }
inline float __fmaf_rn(float x, float y, float z) { return std::fma(x, y, z); }
template <class T>
T __ldg(const T* at) {
  return *at;
}

#pragma GCC visibility pop
