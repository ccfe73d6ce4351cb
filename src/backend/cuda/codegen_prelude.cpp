// What every generated source begins with. CUDA C++ that needs no header: NVRTC compiles it, and
// g++ behind the emulator of the tests.
//
// A generated node is a struct. It knows pointers, shapes and its expression, all as constants:
//   one(i, range, y)   the expression's outputs for element i
//   pack(i, range, y)  the same for the elements of a pack: four, or eight where that is 16 bytes
//                      of a 16-bit type; i is a multiple of that
// The templates here, and those of codegen_prelude_reduce.cpp, are the loops around them.
#include <string>

#include "backend/cuda/codegen.h"
#include "backend/cuda/codegen_node.h"

namespace stoker::backend::cuda {
namespace {

constexpr const char* kNumbers = R"(
namespace gen {

typedef unsigned int u32;
typedef unsigned long long u64;

constexpr u32 kThreads = 256;  // of every block

// plan::Scalars.
struct Scalars {
  float learning_rate;
  float loss_scale;
  int iterations;
  u32 step;
  u64 seed;
  int error;
  int error_node;
  long long error_detail;
  long long error_row;
  float inverse_loss_scale;
  int finite_steps;
  int skips_update;
  int skipped_updates;
  long long overflow;
};

// ---- Element types ----

struct bfloat16 {
  unsigned short bits;
};
struct float16 {
  unsigned short bits;
};

__device__ __forceinline__ float of_bits(u32 bits) { return __uint_as_float(bits); }
__device__ __forceinline__ u32 bits_of(float x) { return __float_as_uint(x); }
__device__ __forceinline__ float infinity() { return of_bits(0x7f800000u); }

__device__ __forceinline__ float to_float(float x) { return x; }
__device__ __forceinline__ float to_float(int x) { return static_cast<float>(x); }
__device__ __forceinline__ float to_float(unsigned char x) { return static_cast<float>(x); }
__device__ __forceinline__ float to_float(bfloat16 x) {
  return of_bits(static_cast<u32>(x.bits) << 16);
}
// Exponents are moved by a multiplication: Giesen, "Half to float done quic".
__device__ __forceinline__ float to_float(float16 x) {
  const float scaled = of_bits((x.bits & 0x7fffu) << 13) * 0x1.0p112f;
  const u32 special = (x.bits & 0x7c00u) == 0x7c00u ? 0x7f800000u : 0u;
  return of_bits(bits_of(scaled) | special | (x.bits & 0x8000u) << 16);
}

// Of a float that no integer of the type stands for, the nearest one that there is; 0 of NaN.
__device__ __forceinline__ float within(float x, float low, float high) {
  return x < low ? low : x > high ? high : x == x ? x : 0.0f;
}
__device__ __forceinline__ void put(float x, float& to) { to = x; }
__device__ __forceinline__ void put(float x, int& to) {
  to = static_cast<int>(within(x, -0x1.0p31f, 0x1.fffffep30f));
}
__device__ __forceinline__ void put(float x, unsigned char& to) {
  to = static_cast<unsigned char>(static_cast<int>(within(x, 0.0f, 255.0f)));
}
// Both round to nearest even.
__device__ __forceinline__ void put(float x, bfloat16& to) {
  const u32 word = bits_of(x);
  const u32 rounded = (word + 0x7fffu + ((word >> 16) & 1u)) >> 16;
  const bool is_nan = (word & 0x7fffffffu) > 0x7f800000u;
  to.bits = static_cast<unsigned short>(is_nan ? (word >> 16) | 0x40u : rounded);
}
__device__ __forceinline__ void put(float x, float16& to) {
  const u32 word = bits_of(x) & 0x7fffffffu;
  const u32 sign = (bits_of(x) >> 16) & 0x8000u;
  // Denormal halves: the addition rounds to their last place.
  const u32 small = bits_of(of_bits(word) + 0.5f) - bits_of(0.5f);
  const u32 normal = (word - (112u << 23) + 0xfffu + ((word >> 13) & 1u)) >> 13;
  const u32 large = word > 0x7f800000u ? 0x7e00u : 0x7c00u;
  const u32 half = word < (113u << 23) ? small : word < (143u << 23) ? normal : large;
  to.bits = static_cast<unsigned short>(half | sign);
}

// x as it is once it has been stored as a T.
template <class T>
__device__ __forceinline__ float rounded(float x) {
  T stored;
  put(x, stored);
  return to_float(stored);
}

// N elements in accesses of up to 128 bits.
template <class T, int N>
struct alignas(N * sizeof(T) < 16 ? N * sizeof(T) : 16) Pack {
  T at[N];
};
template <class T, int N>
__device__ __forceinline__ void load_pack(const T* from, float (&to)[N]) {
  const Pack<T, N> pack = *reinterpret_cast<const Pack<T, N>*>(from);
#pragma unroll
  for (int k = 0; k < N; ++k) to[k] = to_float(pack.at[k]);
}
template <class T, int N>
__device__ __forceinline__ void store_pack(T* to, const float (&from)[N]) {
  Pack<T, N> pack;
#pragma unroll
  for (int k = 0; k < N; ++k) put(from[k], pack.at[k]);
  *reinterpret_cast<Pack<T, N>*>(to) = pack;
}

// Whether x is finite when it is stored in the type: 65520 and more is an infinite float16.
__device__ __forceinline__ bool is_storable(float x, const float*) {
  return (bits_of(x) & 0x7fffffffu) < 0x7f800000u;
}
__device__ __forceinline__ bool is_storable(float x, const bfloat16*) {
  return (bits_of(x) & 0x7fffffffu) < 0x7f7f8000u;
}
__device__ __forceinline__ bool is_storable(float x, const float16*) {
  return (bits_of(x) & 0x7fffffffu) < 0x477ff000u;
}
// The smallest place stays, in whatever order threads come.
__device__ __forceinline__ void note_overflow(Scalars* scalars, long long place) {
  atomicMin(&scalars->overflow, place);
}

// ---- Functions of expressions; NaN is neither dropped nor made ----

__device__ __forceinline__ float sign(float x) { return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x; }
__device__ __forceinline__ float sigmoid(float x) {
  const float t = expf(-fabsf(x));
  return (x < 0.0f ? t : 1.0f) / (t + 1.0f);
}
__device__ __forceinline__ float relu(float x) { return x < 0.0f ? 0.0f : x; }
__device__ __forceinline__ float is_finite(float x) { return fabsf(x) < infinity() ? 1.0f : 0.0f; }
__device__ __forceinline__ float minimum(float a, float b) { return a < b || a != a ? a : b; }
__device__ __forceinline__ float maximum(float a, float b) { return a > b || a != a ? a : b; }

// ---- Random numbers: stoker/random.h, word for word ----

struct Words {
  u32 at[4];
};
__device__ __forceinline__ Words philox(u64 block, u32 stream, u32 step, u64 seed) {
  Words w = {{static_cast<u32>(block), static_cast<u32>(block >> 32), stream, step}};
  u32 k0 = static_cast<u32>(seed), k1 = static_cast<u32>(seed >> 32);
#pragma unroll
  for (int round = 0; round < 10; ++round) {
    const u64 p0 = static_cast<u64>(0xD2511F53u) * w.at[0];
    const u64 p1 = static_cast<u64>(0xCD9E8D57u) * w.at[2];
    const Words next = {{static_cast<u32>(p1 >> 32) ^ w.at[1] ^ k0, static_cast<u32>(p1),
                         static_cast<u32>(p0 >> 32) ^ w.at[3] ^ k1, static_cast<u32>(p0)}};
    w = next;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return w;
}
__device__ __forceinline__ float unit_float(u32 word) {
  return static_cast<float>(static_cast<int>(word >> 8)) * 0x1.0p-24f;
}
__device__ __forceinline__ void uniform_four(u64 element, u32 stream, const Scalars* scalars,
                                             float (&to)[4]) {
  const Words words = philox(element / 4, stream, scalars->step, scalars->seed);
#pragma unroll
  for (int k = 0; k < 4; ++k) to[k] = unit_float(words.at[k]);
}
template <int N>
__device__ __forceinline__ void uniform_pack(u64 element, u32 stream, const Scalars* scalars,
                                             float (&to)[N]) {
#pragma unroll
  for (int k = 0; k < N; k += 4) {
    float four[4];
    uniform_four(element + k, stream, scalars, four);
    to[k] = four[0];
    to[k + 1] = four[1];
    to[k + 2] = four[2];
    to[k + 3] = four[3];
  }
}
__device__ __forceinline__ float uniform(u64 element, u32 stream, const Scalars* scalars) {
  float four[4];
  uniform_four(element, stream, scalars, four);
  const u32 k = element % 4;
  return k == 0 ? four[0] : k == 1 ? four[1] : k == 2 ? four[2] : four[3];
}

}  // namespace gen
)";

constexpr const char* kPointwise = R"(
namespace gen {

// ---- pointwise ----

// A part of the elements, cut into units of a pack; the first and the last unit may lie in it only
// partly.
template <class Index>
struct Part {
  Index units;       // of the parts before it
  Index first_unit;  // begin / Node::kPack
  Index begin, end;  // elements
  float value;
};

// The last part that begins at `unit` or before it.
template <class Index>
__device__ __forceinline__ Part<Index> part_of(const Part<Index>* parts, u32 count, Index unit) {
  u32 low = 0;
  for (u32 high = count; high - low > 1;) {
    const u32 middle = (low + high) / 2;
    if (parts[middle].units <= unit) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return parts[low];
}

// All inputs of a unit are read before its outputs are written, so these may lie over those.
template <class Node>
__device__ __forceinline__ void pointwise(const Node& node, u32 block, u32 blocks) {
  typedef typename Node::Index Index;
  if (node.is_refused()) return;
  const Index stride = static_cast<Index>(blocks) * kThreads;
  Index unit = static_cast<Index>(block) * kThreads + threadIdx.x;
  for (; unit < Node::kUnits; unit += stride) {
    const Part<Index> part = node.part(unit);
    const Index first = Node::kPack * (part.first_unit + (unit - part.units));
    if (Node::kIsWhole || (part.begin <= first && first + Node::kPack <= part.end)) {
      float y[Node::kOutputs][Node::kPack];
      node.pack(first, part.value, y);
      node.store_pack(first, y);
      continue;
    }
    const Index end = first + Node::kPack < part.end ? first + Node::kPack : part.end;
    for (Index i = first < part.begin ? part.begin : first; i < end; ++i) {
      float y[Node::kOutputs];
      node.one(i, part.value, y);
      node.store_one(i, y);
    }
  }
}

}  // namespace gen
)";

}  // namespace

const std::string& generated_prelude() {
  static const std::string prelude = std::string(kNumbers) + kPointwise + reduce_loops();
  return prelude;
}

}  // namespace stoker::backend::cuda
