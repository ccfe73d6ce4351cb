// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC'11),
// for every device. Multipliers and Weyl increments are from the paper's section 4.2 and
// Random123's philox.h.
#pragma once

#include <stoker/detail/host_device.h>

#include <cstdint>

namespace stoker {
namespace detail {

struct PhiloxBlock {
  static constexpr std::uint32_t kMultiplier0 = 0xD2511F53U;
  static constexpr std::uint32_t kMultiplier1 = 0xCD9E8D57U;
  static constexpr std::uint32_t kWeyl0 = 0x9E3779B9U;
  static constexpr std::uint32_t kWeyl1 = 0xBB67AE85U;
  static constexpr int kRounds = 10;

  std::uint32_t w0, w1, w2, w3;

  STOKER_HOST_DEVICE STOKER_ALWAYS_INLINE constexpr void round(std::uint32_t key0,
                                                               std::uint32_t key1) {
    const std::uint64_t product0 = static_cast<std::uint64_t>(kMultiplier0) * w0;
    const std::uint64_t product1 = static_cast<std::uint64_t>(kMultiplier1) * w2;
    w0 = static_cast<std::uint32_t>(product1 >> 32) ^ w1 ^ key0;
    w1 = static_cast<std::uint32_t>(product1);
    w2 = static_cast<std::uint32_t>(product0 >> 32) ^ w3 ^ key1;
    w3 = static_cast<std::uint32_t>(product0);
  }
  STOKER_HOST_DEVICE STOKER_ALWAYS_INLINE constexpr void all_rounds(std::uint32_t key0,
                                                                    std::uint32_t key1) {
    STOKER_UNROLL for (int i = 0; i < kRounds; ++i) {
      round(key0, key1);
      key0 += kWeyl0;
      key1 += kWeyl1;
    }
  }
};

}  // namespace detail

// Returns 24 random bits as a float in [0, 1).
STOKER_HOST_DEVICE STOKER_ALWAYS_INLINE constexpr float unit_float(std::uint32_t word) {
  // The bits are converted from int32, since every instruction set converts that to float.
  return static_cast<float>(static_cast<std::int32_t>(word >> 8)) * 0x1.0p-24f;
}

}  // namespace stoker
