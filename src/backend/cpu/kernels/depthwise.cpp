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

// A vector of output channels, and the channels of x from which it is computed. With one kernel a
// channel they are the same; otherwise a channel of x stands in several lanes.
struct Lanes {
  std::int64_t output, width;   // The first output channel, and how many there are.
  std::int64_t channel, count;  // The first channel of x, and how many there are.
  Ints from;                    // The lane of a vector of channels that each output takes.
};
template <bool kRepeats>
[[gnu::always_inline]] inline Lanes lanes_of(const Depthwise& d, std::int64_t output) {
  const std::int64_t outputs = d.channels * d.multiplier;
  const std::int64_t width = outputs - output < kWidth ? outputs - output : kWidth;
  if constexpr (!kRepeats) return {output, width, output, width, Ints{}};
  const std::int64_t channel = output / d.multiplier;
  const std::int64_t left = d.channels - channel;
  // The number of a kernel among those of its channel, and the channel. To count is faster than to
  // divide.
  std::int64_t number = output - channel * d.multiplier;
  std::int32_t lane = 0;
  std::int32_t from[kWidth];
  for (int i = 0; i < kWidth; ++i) {
    from[i] = lane;
    if (++number == d.multiplier) {
      number = 0;
      ++lane;
    }
  }
  Lanes lanes{output, width, channel, left < kWidth ? left : kWidth, Ints{}};
  __builtin_memcpy(&lanes.from, from, sizeof from);
  return lanes;
}

// Loads what a pixel of x has for these outputs. A vector that would leave the pixel is cut.
template <bool kRepeats>
[[gnu::always_inline]] inline Floats load_pixel(const float* pixel, const Lanes& lanes) {
  const Floats x = lanes.count == kWidth ? load(pixel + lanes.channel)
                                         : load_first(pixel + lanes.channel, lanes.count);
  if constexpr (!kRepeats) return x;
  return permute(x, lanes.from);
}
[[gnu::always_inline]] inline Floats load_outputs(const float* pixel, const Lanes& lanes) {
  return lanes.width == kWidth ? load(pixel + lanes.output)
                               : load_first(pixel + lanes.output, lanes.width);
}
[[gnu::always_inline]] inline void store_outputs(float* pixel, Floats x, const Lanes& lanes) {
  if (lanes.width == kWidth) {
    store(pixel + lanes.output, x);
  } else {
    store_first(pixel + lanes.output, x, lanes.width);
  }
}

// Adds x[i, o / multiplier] * kernel[o] to to[i, o]. Steps are in floats.
template <bool kRepeats>
void add_products(const Depthwise& d, float* to, std::int64_t to_step, const float* x,
                  std::int64_t x_step, const float* kernel, std::int64_t count) {
  for (std::int64_t o = 0; o < d.channels * d.multiplier; o += kWidth) {
    const Lanes lanes = lanes_of<kRepeats>(d, o);
    const Floats k = load_outputs(kernel, lanes);
    for (std::int64_t i = 0; i < count; ++i) {
      float* into = to + i * to_step;
      const Floats product = load_pixel<kRepeats>(x + i * x_step, lanes) * k;
      store_outputs(into, load_outputs(into, lanes) + product, lanes);
    }
  }
}

// Adds the sum over i of x[i, o / multiplier] * dy[i, o] to to[o].
template <bool kRepeats>
void add_dot_products(const Depthwise& d, float* to, const float* x, std::int64_t x_step,
                      const float* dy, std::int64_t count) {
  const std::int64_t outputs = d.channels * d.multiplier;
  for (std::int64_t o = 0; o < outputs; o += kWidth) {
    const Lanes lanes = lanes_of<kRepeats>(d, o);
    // Four sums, so that the additions do not wait for each other.
    Floats s0{}, s1{}, s2{}, s3{};
    const auto product = [&](std::int64_t i) __attribute__((always_inline)) {
      return load_pixel<kRepeats>(x + i * x_step, lanes) * load_outputs(dy + i * outputs, lanes);
    };
    std::int64_t i = 0;
    for (; i + 4 <= count; i += 4) {
      s0 += product(i);
      s1 += product(i + 1);
      s2 += product(i + 2);
      s3 += product(i + 3);
    }
    for (; i < count; ++i) s0 += product(i);
    store_outputs(to, load_outputs(to, lanes) + ((s0 + s1) + (s2 + s3)), lanes);
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
      const Lanes lanes = lanes_of<true>(d, o);
      for (std::int64_t i = 0; i < last - first; ++i) store(sums + i * kWidth, Floats{});
      for (std::int64_t r = 0; r < d.kernel_h; ++r) {
        const std::int64_t p = row_over(d, h, r);
        if (p < 0) continue;
        for_each_tap(d, r, first, last, [&](std::int64_t tap, Range places, std::int64_t pixel) {
          const Floats k = load_outputs(kernel + tap, lanes);
          float* into = sums + (pixel - first) * kWidth;
          for (std::int64_t q = places.begin; q < places.end; ++q) {
            store(into, load(into) + load_outputs(dy + (p * d.q + q) * outputs, lanes) * k);
            into += d.stride_w * kWidth;
          }
        });
      }
      for (std::int64_t w = first; w < last; ++w) {
        float* to = dx + w * d.channels + lanes.channel;
        const float* from = sums + (w - first) * kWidth;
        for (std::int64_t i = 0; i < lanes.width; ++i) to[lanes.from[i]] += from[i];
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
