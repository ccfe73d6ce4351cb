// Random numbers by other laws than the uniform one, and random orders, all made on the device.
#pragma once

#include <cstdint>

#include "layers/preprocessing/random_images.h"

namespace stoker::layers {

// The logarithm of a number from Gamma(alpha, 1), where alpha, a positive number, may be as small
// as float32 has them: the number itself would be 0 then. Takes kGammaDraws draws from `index` on.
inline constexpr std::uint32_t kGammaDraws = 19;
graph::Expr log_gamma(ImageDraws& draws, graph::Expression& expression, std::uint32_t index,
                      graph::Expr alpha);

// A number from Beta(alpha, alpha). Takes twice as many draws.
graph::Expr beta(ImageDraws& draws, graph::Expression& expression, std::uint32_t index,
                 graph::Expr alpha);

// The numbers of the rows of x in a random order, float32 (batch). Takes the draws `index` and the
// one behind it.
graph::Value random_order(ImageDraws& draws, std::uint32_t index, graph::Value x);

// The rows of x, whose first axis is the batch, in that order; float32.
graph::Value in_order(graph::Value x, graph::Value order);

// Which pixels of images lie in a rectangle of each, 1 or 0, (batch, height, width, 1), and the
// rectangle's area as a share of the image's, (batch, 1, 1, 1). Each of the sides of images
// is in proportion to `of_height` or `of_width`, (batch, 1, 1, 1). Takes the draws `index` and the
// one behind it.
struct Rectangles {
  graph::Value inside, share;
};
Rectangles random_rectangles(ImageDraws& draws, std::uint32_t index, graph::Value images,
                             graph::Value of_height, graph::Value of_width);

}  // namespace stoker::layers
