// Hashes of texts and numbers that are the same on every device, and TensorFlow's: FarmHash's
// Fingerprint64 (Pike, Alakuijala: farmhash.cc, namespace farmhashna, 2014) and SipHash-2-4
// (Aumasson, Bernstein: "SipHash: a fast short-input PRF", 2012).
#pragma once

#include <stoker/detail/host_device.h>

#include <cstdint>

namespace stoker {

namespace fingerprint {

constexpr std::uint64_t kA = 0xc3a5c85c97cb3127, kB = 0xb492b66fbe98f273, kC = 0x9ae16a3b2f90404f;

// Bytes are read in the order of their significance, whatever the machine's own order is.
STOKER_HOST_DEVICE inline std::uint64_t fetch(const unsigned char* at, int bytes) {
  std::uint64_t value = 0;
  for (int i = 0; i < bytes; ++i) value |= static_cast<std::uint64_t>(at[i]) << (8 * i);
  return value;
}
STOKER_HOST_DEVICE inline std::uint64_t fetch64(const unsigned char* at) { return fetch(at, 8); }

STOKER_HOST_DEVICE inline std::uint64_t rotate_right(std::uint64_t value, int bits) {
  return value >> bits | value << (64 - bits);
}
STOKER_HOST_DEVICE inline std::uint64_t shift_mix(std::uint64_t value) {
  return value ^ (value >> 47);
}
STOKER_HOST_DEVICE inline std::uint64_t mix(std::uint64_t u, std::uint64_t v, std::uint64_t by) {
  const std::uint64_t a = shift_mix((u ^ v) * by);
  return shift_mix((v ^ a) * by) * by;
}

STOKER_HOST_DEVICE inline std::uint64_t up_to_16(const unsigned char* s, std::uint64_t length) {
  if (length >= 8) {
    const std::uint64_t by = kC + length * 2;
    const std::uint64_t a = fetch64(s) + kC, b = fetch64(s + length - 8);
    const std::uint64_t c = rotate_right(b, 37) * by + a;
    const std::uint64_t d = (rotate_right(a, 25) + b) * by;
    return mix(c, d, by);
  }
  if (length >= 4) {
    const std::uint64_t by = kC + length * 2;
    return mix(length + (fetch(s, 4) << 3), fetch(s + length - 4, 4), by);
  }
  if (length == 0) return kC;
  const std::uint64_t a = s[0], b = s[length >> 1], c = s[length - 1];
  const std::uint64_t y = a + (b << 8), z = length + (c << 2);
  return shift_mix(y * kC ^ z * kA) * kC;
}

inline std::uint64_t up_to_32(const unsigned char* s, std::uint64_t length) {
  const std::uint64_t by = kC + length * 2;
  const std::uint64_t a = fetch64(s) * kB, b = fetch64(s + 8);
  const std::uint64_t c = fetch64(s + length - 8) * by, d = fetch64(s + length - 16) * kC;
  return mix(rotate_right(a + b, 43) + rotate_right(c, 30) + d, a + rotate_right(b + kC, 18) + c,
             by);
}

inline std::uint64_t up_to_64(const unsigned char* s, std::uint64_t length) {
  const std::uint64_t by = kC + length * 2;
  const std::uint64_t a = fetch64(s) * kC, b = fetch64(s + 8);
  const std::uint64_t c = fetch64(s + length - 8) * by, d = fetch64(s + length - 16) * kC;
  const std::uint64_t y = rotate_right(a + b, 43) + rotate_right(c, 30) + d;
  const std::uint64_t z = mix(y, a + rotate_right(b + kC, 18) + c, by);
  const std::uint64_t e = fetch64(s + 16) * by, f = fetch64(s + 24);
  const std::uint64_t g = (y + fetch64(s + length - 32)) * by;
  const std::uint64_t h = (z + fetch64(s + length - 24)) * by;
  return mix(rotate_right(e + f, 43) + rotate_right(g, 30) + h, e + rotate_right(f + a, 18) + g,
             by);
}

struct Pair {
  std::uint64_t first = 0, second = 0;
};
// Hashes 32 bytes, from the seeds a and b.
inline Pair weak(const unsigned char* s, std::uint64_t a, std::uint64_t b) {
  const std::uint64_t w = fetch64(s), x = fetch64(s + 8), y = fetch64(s + 16), z = fetch64(s + 24);
  a += w;
  b = rotate_right(b + a + z, 21);
  const std::uint64_t c = a;
  a += x + y;
  b += rotate_right(a, 44);
  return {a + z, b + c};
}

inline std::uint64_t of_long(const unsigned char* s, std::uint64_t length) {
  constexpr std::uint64_t kSeed = 81;
  std::uint64_t x = kSeed, y = kSeed * kB + 113, z = shift_mix(y * kC + 113) * kC;
  Pair v, w;
  x = x * kC + fetch64(s);
  const auto round = [&](std::uint64_t by, std::uint64_t times) {
    x = rotate_right(x + y + v.first + fetch64(s + 8), 37) * by;
    y = rotate_right(y + v.second + fetch64(s + 48), 42) * by;
    x ^= w.second * times;
    y += v.first * times + fetch64(s + 40);
    z = rotate_right(z + w.first, 33) * by;
    v = weak(s, v.second * by, x + w.first);
    w = weak(s + 32, z + w.second, y + fetch64(s + 16));
    const std::uint64_t old = z;
    z = x;
    x = old;
  };
  const std::uint64_t rest = (length - 1) & 63;
  const unsigned char* end = s + (length - 1) / 64 * 64;
  for (; s != end; s += 64) round(kB, 1);
  const std::uint64_t by = kB + ((z & 0xff) << 1);
  s = end + rest - 63;
  w.first += rest;
  v.first += w.first;
  w.first += v.first;
  round(by, 9);
  return mix(mix(v.first, w.first, by) + shift_mix(y) * kA + z, mix(v.second, w.second, by) + x,
             by);
}

}  // namespace fingerprint

// FarmHash's fingerprint of so many bytes, which tf.strings.to_hash_bucket_fast uses.
inline std::uint64_t fingerprint64(const unsigned char* bytes, std::uint64_t length) {
  if (length <= 16) return fingerprint::up_to_16(bytes, length);
  if (length <= 32) return fingerprint::up_to_32(bytes, length);
  if (length <= 64) return fingerprint::up_to_64(bytes, length);
  return fingerprint::of_long(bytes, length);
}

// The fingerprint of two fingerprints, which a crossing of features uses: TensorFlow's
// FingerprintCat64, a step of MurmurHash64A (Appleby, 2008) that takes its rest apart.
STOKER_HOST_DEVICE inline std::uint64_t joined_fingerprint(std::uint64_t first,
                                                           std::uint64_t second) {
  constexpr std::uint64_t kBy = 0xc6a4a7935bd1e995;
  const std::uint64_t joined = ((first ^ kBy) ^ (fingerprint::shift_mix(second * kBy) * kBy)) * kBy;
  return fingerprint::shift_mix(fingerprint::shift_mix(joined) * kBy);
}
// A crossing of features begins with this number (tf.sparse.cross_hashed).
constexpr std::uint64_t kCrossingSeed = 0xDECAFCAFFE;

// A key of SipHash, which users call a salt.
struct HashKey {
  std::uint64_t first = 0, second = 0;
};

// SipHash-2-4 of so many bytes, which tf.strings.to_hash_bucket_strong uses.
STOKER_HOST_DEVICE inline std::uint64_t siphash64(const unsigned char* bytes, std::uint64_t length,
                                                  HashKey key) {
  std::uint64_t v0 = key.first ^ 0x736f6d6570736575, v1 = key.second ^ 0x646f72616e646f6d;
  std::uint64_t v2 = key.first ^ 0x6c7967656e657261, v3 = key.second ^ 0x7465646279746573;
  const auto rounds = [&](int count) {
    for (int i = 0; i < count; ++i) {
      v0 += v1;
      v1 = fingerprint::rotate_right(v1, 64 - 13) ^ v0;
      v0 = fingerprint::rotate_right(v0, 32);
      v2 += v3;
      v3 = fingerprint::rotate_right(v3, 64 - 16) ^ v2;
      v0 += v3;
      v3 = fingerprint::rotate_right(v3, 64 - 21) ^ v0;
      v2 += v1;
      v1 = fingerprint::rotate_right(v1, 64 - 17) ^ v2;
      v2 = fingerprint::rotate_right(v2, 32);
    }
  };
  const auto take = [&](std::uint64_t word) {
    v3 ^= word;
    rounds(2);
    v0 ^= word;
  };
  const std::uint64_t whole = length / 8 * 8;
  for (std::uint64_t i = 0; i < whole; i += 8) take(fingerprint::fetch64(bytes + i));
  take(fingerprint::fetch(bytes + whole, static_cast<int>(length - whole)) | length << 56);
  v2 ^= 0xff;
  rounds(4);
  return v0 ^ v1 ^ v2 ^ v3;
}

// A number in decimal, as it is hashed.
struct Decimal {
  unsigned char digits[20] = {};
  int begin = 20;
  STOKER_HOST_DEVICE explicit Decimal(std::int64_t number) {
    // The magnitude of the smallest number fits no signed one.
    std::uint64_t rest =
        number < 0 ? 0 - static_cast<std::uint64_t>(number) : static_cast<std::uint64_t>(number);
    do {
      digits[--begin] = static_cast<unsigned char>('0' + rest % 10);
      rest /= 10;
    } while (rest != 0);
    if (number < 0) digits[--begin] = '-';
  }
  STOKER_HOST_DEVICE const unsigned char* text() const { return digits + begin; }
  STOKER_HOST_DEVICE std::uint64_t length() const { return static_cast<std::uint64_t>(20 - begin); }
};

// Both hash a number of 32 bits by its decimal text, which is never longer than 11 bytes.
STOKER_HOST_DEVICE inline std::uint64_t fingerprint_of(std::int32_t number) {
  const Decimal decimal(number);
  return fingerprint::up_to_16(decimal.text(), decimal.length());
}
STOKER_HOST_DEVICE inline std::uint64_t siphash_of(std::int32_t number, HashKey key) {
  const Decimal decimal(number);
  return siphash64(decimal.text(), decimal.length(), key);
}

}  // namespace stoker
