// Small pictures for the examples learn_*.cpp: 12 by 12 pixels with a bar that lies, stands or
// leans one way or the other, and noise. The class is how it lies.
#pragma once

#include <stoker/stoker.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

struct Bars {
  stoker::Tensor x;  // (pictures, 12, 12, 1), from 0 to 1
  stoker::Tensor y;  // (pictures), classes from 0 to 3
};

inline const std::vector<std::string> kBarNames = {"lies", "stands", "rises", "falls"};

inline Bars make_bars(std::int64_t count, std::uint64_t seed) {
  using namespace stoker;
  constexpr int kSide = 12;
  Bars bars{Tensor::uniform({count, kSide, kSide, 1}, 0.0f, 0.4f, seed),
            Tensor({count}, DType::int32)};
  const Tensor places = Tensor::uniform({count, 3}, 0.0f, 1.0f, seed + 1000);
  for (std::int64_t i = 0; i < count; ++i) {
    const float* place = places.data<float>().data() + 3 * i;
    const int kind = std::min(3, static_cast<int>(4.0f * place[0]));
    const float cx = 3.0f + 5.0f * place[1], cy = 3.0f + 5.0f * place[2];
    bars.y.data<std::int32_t>()[static_cast<std::size_t>(i)] = kind;
    for (int step = -6; step <= 6; ++step) {
      const float along = 0.5f * static_cast<float>(step);
      const float dx = kind == 1 ? 0.0f : along;
      const float dy = kind == 0 ? 0.0f : kind == 3 ? along : -along;
      const int column = std::clamp(static_cast<int>(std::lround(cx + dx)), 0, kSide - 1);
      const int row = std::clamp(static_cast<int>(std::lround(cy + dy)), 0, kSide - 1);
      bars.x.data<float>()[static_cast<std::size_t>((i * kSide + row) * kSide + column)] = 1.0f;
    }
  }
  return bars;
}
