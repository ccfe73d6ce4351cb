// What layers share that are made of other layers for images.
#pragma once

#include <cstdint>
#include <optional>

#include "layers/layer.h"

namespace stoker::layers {

// The seed of part `number` of a layer with that seed, so that no two parts draw the same numbers.
inline std::optional<std::uint64_t> seed_of(const std::optional<std::uint64_t>& seed,
                                            std::uint64_t number) {
  constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15;
  if (!seed) return std::nullopt;
  return *seed ^ (kGolden * (number + 1));
}

inline graph::Value result_of(BuildContext& context, const Layer& part, graph::Value x,
                              std::uint32_t number) {
  const MaskedValue input{x};
  return context.call(*part.base(), {&input, 1}, number).at(0).value;
}

}  // namespace stoker::layers
