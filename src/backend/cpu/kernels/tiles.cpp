// The tile interpreter: every instruction of a pointwise program is one vector loop over a tile of
// some hundred floats that stays in the first level cache.
#include <cstring>

#include "backend/cpu/kernels/isa.h"
#include "backend/cpu/kernels/kernels.h"
#include "backend/cpu/kernels/lanes.h"
#include "backend/cpu/kernels/uniform.h"
#include "backend/cpu/kernels/vector.h"
#include "stoker/detail/float_bits.h"

namespace stoker::backend::cpu::STOKER_ISA {
namespace {

// Where an operand's floats are; a step of 0 repeats the first vector.
struct Slot {
  float* at;
  std::int64_t step;  // kWidth or 0
};

std::int64_t round_up(std::int64_t n) { return (n + kWidth - 1) / kWidth * kWidth; }
std::int64_t smaller(std::int64_t a, std::int64_t b) { return a < b ? a : b; }

// ---- Loops over a tile; n is a multiple of kWidth ----------------------------------------------

template <class F>
[[gnu::always_inline]] inline void each(Slot a, float* to, std::int64_t n, F f) {
  for (std::int64_t i = 0; i < n; i += kWidth, a.at += a.step) store(to + i, f(load(a.at)));
}

template <class F>
[[gnu::always_inline]] inline void each(Slot a, Slot b, float* to, std::int64_t n, F f) {
  for (std::int64_t i = 0; i < n; i += kWidth, a.at += a.step, b.at += b.step) {
    store(to + i, f(load(a.at), load(b.at)));
  }
}

template <class F>
[[gnu::always_inline]] inline void each(Slot a, Slot b, Slot c, float* to, std::int64_t n, F f) {
  for (std::int64_t i = 0; i < n; i += kWidth, a.at += a.step, b.at += b.step, c.at += c.step) {
    store(to + i, f(load(a.at), load(b.at), load(c.at)));
  }
}

Floats one_where(Ints condition) { return select(condition, all(1.0f), 0.0f); }

// The functions that work in double take this many operands at a time. The number is large enough
// that the compiler makes vector code of a loop over them instead of unrolling it.
constexpr std::int64_t kStretch = 64;
struct Stretch {
  alignas(kVectorBytes) float x[kStretch];

  void take(Slot& a, std::int64_t n) {
    for (std::int64_t i = 0; i < n; i += kWidth, a.at += a.step) store(x + i, load(a.at));
  }
};

void sines(Slot a, float* to, std::int64_t n, std::uint64_t quadrants) {
  Stretch x, y;
  for (std::int64_t i = 0; i < n; i += kStretch) {
    const std::int64_t count = smaller(kStretch, n - i);
    x.take(a, count);
    for (std::int64_t k = 0; k < count; ++k) y.x[k] = sine(x.x[k], quadrants);
    std::int32_t large = 0;
    for (std::int64_t k = 0; k < count; ++k) large |= is_large_angle(x.x[k]);
    for (std::int64_t k = 0; large != 0 && k < count; ++k) {
      if (is_large_angle(x.x[k]) == 0) continue;
      y.x[k] = quadrants == 0 ? __builtin_sinf(x.x[k]) : __builtin_cosf(x.x[k]);
    }
    std::memcpy(to + i, y.x, static_cast<std::size_t>(count) * sizeof(float));
  }
}

void powers(Slot a, Slot b, float* to, std::int64_t n) {
  Stretch x, p, y;
  for (std::int64_t i = 0; i < n; i += kStretch) {
    const std::int64_t count = smaller(kStretch, n - i);
    x.take(a, count);
    p.take(b, count);
    for (std::int64_t k = 0; k < count; ++k) y.x[k] = power(x.x[k], p.x[k]);
    std::int32_t special = 0;
    for (std::int64_t k = 0; k < count; ++k) special |= is_special_power(x.x[k], p.x[k]);
    for (std::int64_t k = 0; special != 0 && k < count; ++k) {
      if (is_special_power(x.x[k], p.x[k]) != 0) y.x[k] = __builtin_powf(x.x[k], p.x[k]);
    }
    std::memcpy(to + i, y.x, static_cast<std::size_t>(count) * sizeof(float));
  }
}

// ---- 16-bit types ------------------------------------------------------------------------------

// Conversions in this instruction set, as functions that loops can be given.
float from_half(std::uint16_t bits) { return detail::from_float16_bits(bits); }
std::uint16_t to_half(float x) { return detail::to_float16_bits(x); }
float from_bfloat16(std::uint16_t bits) { return detail::from_bfloat16_bits(bits); }
std::uint16_t to_bfloat16(float x) { return detail::to_bfloat16_bits(x); }

// Returns x rounded as if it were stored in the 16-bit type and read back.
template <class F>
void round_trip(Slot a, float* to, std::int64_t n, F f) {
  Stretch x;
  for (std::int64_t i = 0; i < n; i += kStretch) {
    const std::int64_t count = smaller(kStretch, n - i);
    x.take(a, count);
    for (std::int64_t k = 0; k < count; ++k) to[i + k] = f(x.x[k]);
  }
}

// ---- Instructions ------------------------------------------------------------------------------

void execute(const TileInstruction& in, const Slot* slots, std::int64_t n) {
  const Slot a = slots[in.a], b = slots[in.b], c = slots[in.c];
  float* to = slots[in.to].at;
  using V = Floats;
  switch (in.op) {
    case TileOp::neg:
      return each(a, to, n, [](V x) { return -x; });
    case TileOp::abs:
      return each(a, to, n, [](V x) { return absolute(x); });
    case TileOp::sign:
      return each(a, to, n, [](V x) { return select(x > 0.0f, 1.0f, select(x < 0.0f, -1.0f, x)); });
    case TileOp::floor:
      return each(a, to, n, [](V x) { return floor(x); });
    case TileOp::exp:
      return each(a, to, n, [](V x) { return exp(x); });
    case TileOp::expm1:
      return each(a, to, n, [](V x) { return expm1(x); });
    case TileOp::log:
      return each(a, to, n, [](V x) { return log(x); });
    case TileOp::log1p:
      return each(a, to, n, [](V x) { return log1p(x); });
    case TileOp::sqrt:
      return each(a, to, n, [](V x) { return sqrt(x); });
    case TileOp::rsqrt:
      return each(a, to, n, [](V x) { return 1.0f / sqrt(x); });
    case TileOp::reciprocal:
      return each(a, to, n, [](V x) { return 1.0f / x; });
    case TileOp::tanh:
      return each(a, to, n, [](V x) { return tanh(x); });
    case TileOp::sigmoid:
      return each(a, to, n, [](V x) { return sigmoid(x); });
    case TileOp::relu:
      return each(a, to, n, [](V x) { return relu(x); });
    case TileOp::erf:
      return each(a, to, n, [](V x) { return erf(x); });
    case TileOp::sin:
      return sines(a, to, n, 0);
    case TileOp::cos:
      return sines(a, to, n, 1);
    case TileOp::is_finite:
      return each(a, to, n, [](V x) { return one_where(is_finite(x)); });
    case TileOp::to_bfloat16:
      return round_trip(a, to, n, [](float x) { return from_bfloat16(to_bfloat16(x)); });
    case TileOp::to_float16:
      return round_trip(a, to, n, [](float x) { return from_half(to_half(x)); });
    case TileOp::add:
      return each(a, b, to, n, [](V x, V y) { return x + y; });
    case TileOp::sub:
      return each(a, b, to, n, [](V x, V y) { return x - y; });
    case TileOp::mul:
      return each(a, b, to, n, [](V x, V y) { return x * y; });
    case TileOp::div:
      return each(a, b, to, n, [](V x, V y) { return x / y; });
    case TileOp::minimum:
      return each(a, b, to, n, [](V x, V y) { return minimum(x, y); });
    case TileOp::maximum:
      return each(a, b, to, n, [](V x, V y) { return maximum(x, y); });
    case TileOp::pow:
      return powers(a, b, to, n);
    case TileOp::less:
      return each(a, b, to, n, [](V x, V y) { return one_where(x < y); });
    case TileOp::less_equal:
      return each(a, b, to, n, [](V x, V y) { return one_where(x <= y); });
    case TileOp::equal:
      return each(a, b, to, n, [](V x, V y) { return one_where(x == y); });
    case TileOp::select:
      return each(a, b, c, to, n, [](V x, V y, V z) { return select(x != 0.0f, y, z); });
    case TileOp::copy:
      return each(a, to, n, [](V x) { return x; });
    case TileOp::multiply_add:
      return each(a, b, c, to, n, [](V x, V y, V z) { return x * y + z; });
    case TileOp::negative_multiply_add:
      return each(a, b, c, to, n, [](V x, V y, V z) { return z - x * y; });
    case TileOp::multiply_subtract:
      return each(a, b, c, to, n, [](V x, V y, V z) { return x * y - z; });
  }
}

// ---- Loads and stores ---------------------------------------------------------------------------

template <class T, class F>
void convert(const T* from, float* to, std::int64_t count, F f) {
  for (std::int64_t i = 0; i < count; ++i) to[i] = f(from[i]);
}

// Loads `count` contiguous elements, which begin `first` elements after `from`.
void load_as_floats(TileType type, const void* from, std::int64_t first, float* to,
                    std::int64_t count) {
  switch (type) {
    case TileType::float32:
      std::memcpy(to, static_cast<const float*>(from) + first,
                  static_cast<std::size_t>(count) * sizeof(float));
      return;
    case TileType::int32:
      return convert(static_cast<const std::int32_t*>(from) + first, to, count,
                     [](std::int32_t x) { return static_cast<float>(x); });
    case TileType::uint8:
      return convert(static_cast<const std::uint8_t*>(from) + first, to, count,
                     [](std::uint8_t x) { return static_cast<float>(x); });
    case TileType::bfloat16:
      return convert(static_cast<const std::uint16_t*>(from) + first, to, count, from_bfloat16);
    case TileType::float16:
      return convert(static_cast<const std::uint16_t*>(from) + first, to, count, from_half);
  }
}

template <class T, class F>
void convert_back(const float* from, T* to, std::int64_t count, F f) {
  for (std::int64_t i = 0; i < count; ++i) to[i] = f(from[i]);
}

// Returns the nearest number to x in [low, high], the range of an integer type; 0 for NaN.
float within(float x, float low, float high) {
  return x < low ? low : x > high ? high : x == x ? x : 0.0f;
}

void store_as(TileType type, const float* from, void* to, std::int64_t first, std::int64_t count) {
  switch (type) {
    case TileType::float32:
      std::memcpy(static_cast<float*>(to) + first, from,
                  static_cast<std::size_t>(count) * sizeof(float));
      return;
    case TileType::int32:
      return convert_back(from, static_cast<std::int32_t*>(to) + first, count, [](float x) {
        return static_cast<std::int32_t>(within(x, -0x1.0p31f, 0x1.fffffep30f));
      });
    case TileType::uint8:
      return convert_back(from, static_cast<std::uint8_t*>(to) + first, count, [](float x) {
        return static_cast<std::uint8_t>(static_cast<std::int32_t>(within(x, 0.0f, 255.0f)));
      });
    case TileType::bfloat16:
      return convert_back(from, static_cast<std::uint16_t*>(to) + first, count, to_bfloat16);
    case TileType::float16:
      return convert_back(from, static_cast<std::uint16_t*>(to) + first, count, to_half);
  }
}

std::uint32_t overflow_bits(TileType type) {
  switch (type) {
    case TileType::bfloat16:
      return detail::kBfloat16Overflow;
    case TileType::float16:
      return detail::kFloat16Overflow;
    default:
      return detail::kFloat32Overflow;
  }
}

std::uint32_t magnitude_bits(float x) { return detail::bits_of(x) & 0x7fffffffU; }

// Returns whether one of the floats is infinite or NaN when it is stored in the type.
bool overflows(TileType type, const float* x, std::int64_t n) {
  std::int64_t i = 0;
  if (type == TileType::float32) {
    Floats products[4] = {};  // x * 0 is NaN where x is infinite or NaN
    for (; i + 4 * kWidth <= n; i += 4 * kWidth) {
      for (int k = 0; k < 4; ++k) products[k] += load(x + i + k * kWidth) * 0.0f;
    }
    const Floats sum = (products[0] + products[1]) + (products[2] + products[3]);
    if (any(sum != sum)) return true;
  }
  const std::uint32_t limit = overflow_bits(type);
  bool found = false;
  for (; i < n; ++i) found |= magnitude_bits(x[i]) >= limit;
  return found;
}

// ---- Leaves ------------------------------------------------------------------------------------

void fill(float* to, float value, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) to[i] = value;
}

float load_one(TileType type, const void* from, std::int64_t index) {
  float value;
  load_as_floats(type, from, index, &value, 1);
  return value;
}

// Loads elements [first, first + count) of a broadcast input; the indices of its axes count up like
// the digits of a number.
void load_strided(const TileInput& input, const void* from, std::int64_t first, float* to,
                  std::int64_t count) {
  std::int64_t position[kTileMaxRank];
  std::int64_t source = 0;
  for (int d = 0; d < input.rank; ++d) {
    position[d] = first % input.extents[d];
    first /= input.extents[d];
    source += position[d] * input.strides[d];
  }
  while (count > 0) {
    const std::int64_t run = smaller(input.extents[0] - position[0], count);
    if (input.strides[0] == 0) {
      fill(to, load_one(input.type, from, source), run);
    } else if (input.strides[0] == 1) {
      load_as_floats(input.type, from, source, to, run);
    } else {
      for (std::int64_t i = 0; i < run; ++i) {
        to[i] = load_one(input.type, from, source + i * input.strides[0]);
      }
    }
    to += run;
    count -= run;
    position[0] += run;
    source += run * input.strides[0];
    for (int d = 0; d + 1 < input.rank && position[d] == input.extents[d]; ++d) {
      source += input.strides[d + 1] - input.extents[d] * input.strides[d];
      position[d] = 0;
      ++position[d + 1];
    }
  }
}

// ---- One evaluation ----------------------------------------------------------------------------

class Evaluation {
 public:
  Evaluation(const TileProgramView& program, const TileArguments& arguments)
      : program_(program), arguments_(arguments) {}

  void run(std::int64_t begin, std::int64_t end) {
    origin_ = arguments_.result != nullptr ? begin : 0;
    prepare(end - begin);
    while (begin < end) {
      std::int64_t n = smaller(program_.tile, end - begin);
      // A tail shorter than a vector is worked on in padded copies.
      const bool is_staged = n % kWidth != 0 && n < kTileStage;
      if (!is_staged) n -= n % kWidth;
      run_tile(begin, n, is_staged);
      begin += n;
    }
  }

 private:
  // Prepares everything that is the same for all tiles.
  void prepare(std::int64_t total) {
    for (int i = 0; i < program_.constant_count; ++i) {
      // The cast is safe, since only the slots of registers and outputs are written to.
      slots_[i] = {const_cast<float*>(program_.constants) + i * kMaxVector, 0};
    }
    for (int i = 0; i < program_.register_count; ++i) {
      slots_[program_.constant_count + i] = {scratch_ + program_.registers[i], kWidth};
    }
    if (program_.range_slot >= 0) {
      float* at = scratch_ + program_.range_offset;
      store(at, all(arguments_.range_value));
      slots_[program_.range_slot] = {at, 0};
    }
    for (int i = 0; i < program_.input_count; ++i) {
      const TileInput& input = program_.inputs[i];
      float* at = scratch_ + input.offset;
      const void* memory = arguments_.values[input.value];
      slots_[input.slot] = {at, kWidth};
      if (input.source == TileSource::scalar) {
        store(at, all(load_one(input.type, memory, 0)));
        slots_[input.slot].step = 0;
      } else if (input.source == TileSource::periodic) {
        expand(input, memory, at, total);
      }
    }
    for (int i = 0; i < program_.scalar_count; ++i) {
      const TileScalar& scalar = program_.scalars[i];
      slots_[scalar.slot] = {scratch_ + scalar.offset, 0};
      execute(program_.instructions[i], slots_, kWidth);
    }
    for (int i = 0; i < program_.uniform_count; ++i) {
      slots_[program_.uniforms[i].slot] = {scratch_ + program_.uniforms[i].offset, kWidth};
    }
    for (int i = 0; i < program_.output_count; ++i) {
      if (program_.outputs[i].is_direct) slots_[program_.outputs[i].slot].step = kWidth;
    }
  }

  // Fills the register so that a tile may begin anywhere in the period.
  void expand(const TileInput& input, const void* memory, float* to, std::int64_t total) {
    const std::int64_t period = input.period;
    load_as_floats(input.type, memory, 0, to, period);
    const std::int64_t wanted =
        period + round_up(smaller(program_.tile, total > kTileStage ? total : kTileStage));
    for (std::int64_t have = period; have < wanted;) {
      const std::int64_t more = smaller(have, wanted - have);
      std::memcpy(to + have, to, static_cast<std::size_t>(more) * sizeof(float));
      have += more;
    }
  }

  void run_tile(std::int64_t begin, std::int64_t n, bool is_staged) {
    const std::int64_t padded = is_staged ? round_up(n) : n;
    for (int i = 0; i < program_.input_count; ++i) {
      load_input(program_.inputs[i], begin, n, padded);
    }
    for (int i = 0; i < program_.uniform_count; ++i) {
      const TileUniform& uniform = program_.uniforms[i];
      float* at = scratch_ + uniform.offset;
      const std::int64_t skipped = begin % 4;
      fill_uniform(at, begin / 4, (skipped + padded + 3) / 4, arguments_.seed, uniform.stream,
                   arguments_.step);
      slots_[uniform.slot].at = at + skipped;
    }
    for (int i = 0; i < program_.output_count; ++i) {
      const TileOutput& output = program_.outputs[i];
      if (!output.is_direct) continue;
      slots_[output.slot].at =
          is_staged ? scratch_ + output.stage : memory_of(output) + (begin - origin_);
    }
    for (int i = program_.scalar_count; i < program_.instruction_count; ++i) {
      execute(program_.instructions[i], slots_, padded);
    }
    if (program_.keeps_finite && overflows_somewhere(n)) return store_finite(begin, n);
    for (int i = 0; i < program_.output_count; ++i) {
      const TileOutput& output = program_.outputs[i];
      if (output.is_direct && !is_staged) continue;
      if (output.type == TileType::float32 && n % kWidth == 0) {
        each(slots_[output.slot], memory_of(output) + (begin - origin_), n,
             [](Floats x) { return x; });
        continue;
      }
      store_as(output.type, slots_[output.slot].at, memory_of(output), begin - origin_, n);
    }
  }

  bool overflows_somewhere(std::int64_t n) const {
    bool found = false;
    for (int i = 0; i < program_.output_count; ++i) {
      const TileOutput& output = program_.outputs[i];
      found |= overflows(output.type, slots_[output.slot].at, n);
    }
    return found;
  }

  // Stores element by element. That is rare, so that its speed does not matter.
  void store_finite(std::int64_t begin, std::int64_t n) {
    for (std::int64_t k = 0; k < n; ++k) {
      bool is_finite = true;
      for (int i = 0; i < program_.output_count; ++i) {
        const TileOutput& output = program_.outputs[i];
        is_finite &= magnitude_bits(slots_[output.slot].at[k]) < overflow_bits(output.type);
      }
      if (!is_finite) {
        *arguments_.first_overflow = smaller(*arguments_.first_overflow, begin + k);
        continue;
      }
      for (int i = 0; i < program_.output_count; ++i) {
        const TileOutput& output = program_.outputs[i];
        store_as(output.type, slots_[output.slot].at + k, memory_of(output), begin - origin_ + k,
                 1);
      }
    }
  }

  void load_input(const TileInput& input, std::int64_t begin, std::int64_t n, std::int64_t padded) {
    void* memory = arguments_.values[input.value];
    Slot& slot = slots_[input.slot];
    switch (input.source) {
      case TileSource::direct:
        if (n == padded) {
          slot.at = static_cast<float*>(memory) + begin;
          return;
        }
        slot.at = scratch_ + input.stage;
        load_as_floats(TileType::float32, memory, begin, slot.at, n);
        break;
      case TileSource::scalar:
        return;
      case TileSource::convert:
        load_as_floats(input.type, memory, begin, slot.at, n);
        break;
      case TileSource::periodic:
        slot.at = scratch_ + input.offset + begin % input.period;
        return;
      case TileSource::strided:
        load_strided(input, memory, begin, slot.at, n);
        break;
    }
    fill(slot.at + n, 0.0f, padded - n);
  }

  float* memory_of(const TileOutput& output) const {
    return arguments_.result != nullptr ? arguments_.result
                                        : static_cast<float*>(arguments_.values[output.value]);
  }

  const TileProgramView& program_;
  const TileArguments& arguments_;
  std::int64_t origin_ = 0;
  // The slots are not initialised: an evaluation of a few elements would do nothing else.
  Slot slots_[kTileMaxSlots];
  alignas(kVectorBytes) float scratch_[kTileScratchFloats];
};

}  // namespace

void evaluate(const TileProgramView& program, const TileArguments& arguments, std::int64_t begin,
              std::int64_t end) {
  Evaluation(program, arguments).run(begin, end);
}

}  // namespace stoker::backend::cpu::STOKER_ISA
