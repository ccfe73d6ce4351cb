// Depthwise convolutions and their gradients. Each channel has one kernel or several of its own, so
// that lanes are output channels, and a tap multiplies a row of pixels by one vector of the kernel.
#include "backend/cpu/kernels/isa.h"
#include "backend/cpu/kernels/vector.h"

namespace stoker::backend::cpu::STOKER_ISA {
namespace {

struct Range {
  std::int64_t begin, end;
};

// The places q of [0, places) for which q * stride + offset lies in [0, extent).
Range places_inside(std::int64_t offset, std::int64_t stride, std::int64_t extent,
                    std::int64_t places) {
  const std::int64_t begin = offset < 0 ? (stride - 1 - offset) / stride : 0;
  const std::int64_t end = offset < extent ? (extent - 1 - offset) / stride + 1 : 0;
  return {begin, end < places ? end : places};
}

// The channels of x from which a vector of output channels is computed. With one kernel a channel
// they are the same; otherwise a channel of x stands in several lanes.
struct Lanes {
  std::int64_t first;  // channel of x
  Ints from;           // counted from the first
  bool reads_beyond;   // Whether a whole vector from the first channel on leaves the pixel.
};
template <bool kRepeats>
[[gnu::always_inline]] inline Lanes lanes_of(const Depthwise& d, std::int64_t output) {
  if constexpr (!kRepeats) return {output, Ints{}, false};
  const std::int64_t first = output / d.multiplier;
  // The number of the kernel among those of its channel, and the channel. To count is faster than
  // to divide.
  std::int64_t number = output - first * d.multiplier;
  std::int32_t channel = 0;
  std::int32_t from[kWidth];
  for (int i = 0; i < kWidth; ++i) {
    from[i] = channel;
    if (++number == d.multiplier) {
      number = 0;
      ++channel;
    }
  }
  Lanes lanes{first, Ints{}, first + kWidth > d.channels};
  __builtin_memcpy(&lanes.from, from, sizeof from);
  return lanes;
}
template <bool kRepeats>
[[gnu::always_inline]] inline Floats load_lanes(const float* pixel, const Lanes& lanes) {
  if constexpr (!kRepeats) return load(pixel + lanes.first);
  if (!lanes.reads_beyond) return permute(load(pixel + lanes.first), lanes.from);
  float repeated[kWidth];
  for (int i = 0; i < kWidth; ++i) repeated[i] = pixel[lanes.first + lanes.from[i]];
  return load(repeated);
}

// Adds x[i, o / multiplier] * kernel[o] to to[i, o]. Steps are in floats.
template <bool kRepeats>
void add_products(const Depthwise& d, float* to, std::int64_t to_step, const float* x,
                  std::int64_t x_step, const float* kernel, std::int64_t count) {
  const std::int64_t outputs = d.channels * d.multiplier;
  std::int64_t o = 0;
  for (; o + kWidth <= outputs; o += kWidth) {
    const Lanes lanes = lanes_of<kRepeats>(d, o);
    const Floats k = load(kernel + o);
    for (std::int64_t i = 0; i < count; ++i) {
      float* into = to + i * to_step + o;
      store(into, load(into) + load_lanes<kRepeats>(x + i * x_step, lanes) * k);
    }
  }
  for (; o < outputs; ++o) {
    for (std::int64_t i = 0; i < count; ++i) {
      to[i * to_step + o] += x[i * x_step + o / d.multiplier] * kernel[o];
    }
  }
}

// Adds the sum over i of x[i, o / multiplier] * dy[i, o] to to[o].
template <bool kRepeats>
void add_dot_products(const Depthwise& d, float* to, const float* x, std::int64_t x_step,
                      const float* dy, std::int64_t count) {
  const std::int64_t outputs = d.channels * d.multiplier;
  std::int64_t o = 0;
  for (; o + kWidth <= outputs; o += kWidth) {
    const Lanes lanes = lanes_of<kRepeats>(d, o);
    // Four sums, so that the additions do not wait for each other.
    Floats s0{}, s1{}, s2{}, s3{};
    const auto product = [&](std::int64_t i) __attribute__((always_inline)) {
      return load_lanes<kRepeats>(x + i * x_step, lanes) * load(dy + i * outputs + o);
    };
    std::int64_t i = 0;
    for (; i + 4 <= count; i += 4) {
      s0 += product(i);
      s1 += product(i + 1);
      s2 += product(i + 2);
      s3 += product(i + 3);
    }
    for (; i < count; ++i) s0 += product(i);
    store(to + o, load(to + o) + ((s0 + s1) + (s2 + s3)));
  }
  for (; o < outputs; ++o) {
    float sum = 0.0f;
    for (std::int64_t i = 0; i < count; ++i) {
      sum += x[i * x_step + o / d.multiplier] * dy[i * outputs + o];
    }
    to[o] += sum;
  }
}

// Calls f(tap, places, pixel) for the taps of kernel row r: the places along a row of y whose tap
// lies in pixels [first, last) of the image, and the pixel that the first of them reads.
template <class F>
[[gnu::always_inline]] inline void for_each_tap(const Depthwise& d, std::int64_t r,
                                                std::int64_t first, std::int64_t last, const F& f) {
  for (std::int64_t s = 0; s < d.kernel_w; ++s) {
    const std::int64_t offset = s * d.dilation_w - d.before_w;
    const Range places = places_inside(offset - first, d.stride_w, last - first, d.q);
    if (places.begin >= places.end) continue;
    f((r * d.kernel_w + s) * d.channels * d.multiplier, places, places.begin * d.stride_w + offset);
  }
}

// The row of dy that kernel row r has multiplied with row h of the image; negative if none.
[[gnu::always_inline]] inline std::int64_t row_over(const Depthwise& d, std::int64_t h,
                                                    std::int64_t r) {
  const std::int64_t reached = h + d.before_h - r * d.dilation_h;
  if (reached < 0 || reached % d.stride_h != 0 || reached / d.stride_h >= d.p) return -1;
  return reached / d.stride_h;
}

// Adds to a row of dx what several kernels of each channel give. The sums over the taps are those
// of output channels, and are added up for the channels of x at the end.
void add_data_of_several(const Depthwise& d, const float* dy, const float* kernel, float* dx,
                         std::int64_t h) {
  constexpr std::int64_t kPixels = 64;
  float sums[kPixels * kWidth];
  const std::int64_t outputs = d.channels * d.multiplier;
  for (std::int64_t first = 0; first < d.w; first += kPixels) {
    const std::int64_t last = first + kPixels < d.w ? first + kPixels : d.w;
    for (std::int64_t o = 0; o < outputs; o += kWidth) {
      const std::int64_t width = o + kWidth <= outputs ? kWidth : outputs - o;
      const auto load_outputs = [&](const float* from) __attribute__((always_inline)) {
        return width == kWidth ? load(from) : load_some(from, width, 0.0f);
      };
      for (std::int64_t i = 0; i < last - first; ++i) store(sums + i * kWidth, Floats{});
      for (std::int64_t r = 0; r < d.kernel_h; ++r) {
        const std::int64_t p = row_over(d, h, r);
        if (p < 0) continue;
        for_each_tap(d, r, first, last, [&](std::int64_t tap, Range places, std::int64_t pixel) {
          const Floats k = load_outputs(kernel + tap + o);
          float* into = sums + (pixel - first) * kWidth;
          for (std::int64_t q = places.begin; q < places.end; ++q) {
            store(into, load(into) + load_outputs(dy + (p * d.q + q) * outputs + o) * k);
            into += d.stride_w * kWidth;
          }
        });
      }
      std::int64_t channels[kWidth];
      for (std::int64_t i = 0; i < width; ++i) channels[i] = (o + i) / d.multiplier;
      for (std::int64_t w = first; w < last; ++w) {
        float* to = dx + w * d.channels;
        const float* from = sums + (w - first) * kWidth;
        for (std::int64_t i = 0; i < width; ++i) to[channels[i]] += from[i];
      }
    }
  }
}

template <bool kRepeats>
void forward_rows(const Depthwise& d, const float* x, const float* kernel, const float* bias,
                  bool with_relu, float* y, std::int64_t begin, std::int64_t end) {
  const std::int64_t c = d.channels, outputs = c * d.multiplier;
  for (std::int64_t row = begin; row < end; ++row) {
    const std::int64_t image = row / d.p, p = row % d.p;
    float* to = y + row * d.q * outputs;
    for (std::int64_t q = 0; q < d.q; ++q) {
      for (std::int64_t o = 0; o < outputs; ++o) {
        to[q * outputs + o] = bias != nullptr ? bias[o] : 0.0f;
      }
    }
    for (std::int64_t r = 0; r < d.kernel_h; ++r) {
      const std::int64_t h = p * d.stride_h - d.before_h + r * d.dilation_h;
      if (h < 0 || h >= d.h) continue;
      const float* from = x + (image * d.h + h) * d.w * c;
      for_each_tap(d, r, 0, d.w, [&](std::int64_t tap, Range places, std::int64_t pixel) {
        add_products<kRepeats>(d, to + places.begin * outputs, outputs, from + pixel * c,
                               d.stride_w * c, kernel + tap, places.end - places.begin);
      });
    }
    if (!with_relu) continue;
    for (std::int64_t i = 0; i < d.q * outputs; ++i) to[i] = to[i] < 0.0f ? 0.0f : to[i];
  }
}

template <bool kRepeats>
void add_rows_to_weights(const Depthwise& d, const float* x, const float* dy, float* dkernel,
                         std::int64_t begin, std::int64_t end) {
  const std::int64_t c = d.channels, outputs = c * d.multiplier;
  for (std::int64_t row = begin; row < end; ++row) {
    const std::int64_t image = row / d.p, p = row % d.p;
    const float* slopes = dy + row * d.q * outputs;
    for (std::int64_t r = 0; r < d.kernel_h; ++r) {
      const std::int64_t h = p * d.stride_h - d.before_h + r * d.dilation_h;
      if (h < 0 || h >= d.h) continue;
      const float* from = x + (image * d.h + h) * d.w * c;
      for_each_tap(d, r, 0, d.w, [&](std::int64_t tap, Range places, std::int64_t pixel) {
        add_dot_products<kRepeats>(d, dkernel + tap, from + pixel * c, d.stride_w * c,
                                   slopes + places.begin * outputs, places.end - places.begin);
      });
    }
  }
}

}  // namespace

void depthwise(const Depthwise& d, const float* x, const float* kernel, const float* bias,
               bool with_relu, float* y, std::int64_t begin, std::int64_t end) {
  if (d.multiplier > 1) {
    forward_rows<true>(d, x, kernel, bias, with_relu, y, begin, end);
  } else {
    forward_rows<false>(d, x, kernel, bias, with_relu, y, begin, end);
  }
}

void depthwise_data(const Depthwise& d, const float* dy, const float* kernel, float* dx,
                    std::int64_t begin, std::int64_t end) {
  const std::int64_t c = d.channels;
  for (std::int64_t row = begin; row < end; ++row) {
    const std::int64_t image = row / d.h, h = row % d.h;
    const float* slopes = dy + image * d.p * d.q * c * d.multiplier;
    float* to = dx + row * d.w * c;
    for (std::int64_t i = 0; i < d.w * c; ++i) to[i] = 0.0f;
    if (d.multiplier > 1) {
      add_data_of_several(d, slopes, kernel, to, h);
      continue;
    }
    for (std::int64_t r = 0; r < d.kernel_h; ++r) {
      const std::int64_t p = row_over(d, h, r);
      if (p < 0) continue;
      for_each_tap(d, r, 0, d.w, [&](std::int64_t tap, Range places, std::int64_t pixel) {
        add_products<false>(d, to + pixel * c, d.stride_w * c,
                            slopes + (p * d.q + places.begin) * c, c, kernel + tap,
                            places.end - places.begin);
      });
    }
  }
}

void depthwise_weights(const Depthwise& d, const float* x, const float* dy, float* dkernel,
                       float* dbias, std::int64_t begin, std::int64_t end) {
  const std::int64_t outputs = d.channels * d.multiplier;
  for (std::int64_t i = 0; i < d.kernel_h * d.kernel_w * outputs; ++i) dkernel[i] = 0.0f;
  if (dbias != nullptr) {
    for (std::int64_t i = 0; i < outputs; ++i) dbias[i] = 0.0f;
    reduce_rows(Reduction::sum, dbias, dy + begin * d.q * outputs, (end - begin) * d.q, outputs);
  }
  if (d.multiplier > 1) {
    add_rows_to_weights<true>(d, x, dy, dkernel, begin, end);
  } else {
    add_rows_to_weights<false>(d, x, dy, dkernel, begin, end);
  }
}

}  // namespace stoker::backend::cpu::STOKER_ISA
