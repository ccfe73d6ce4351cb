// Random numbers for layers that act while training. They are part of the expression: the backward
// pass draws them again from the same counters, so they are never stored.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "layers/layer.h"

namespace stoker::layers {

// Returns the stream of a layer's place in the model. A layer with a seed of its own takes its
// stream from the seed, wherever it is. `purpose` distinguishes several streams of one call.
std::uint32_t noise_stream(BuildContext& context, const std::optional<std::uint64_t>& seed,
                           std::uint32_t purpose = 0);

// A number in [0, 1) for each element.
graph::Expr uniform(graph::Expression* expression, std::uint32_t stream);

// A standard normal number for each element, of two streams of uniform ones.
graph::Expr standard_normal(graph::Expression* expression, std::uint32_t radius_stream,
                            std::uint32_t angle_stream);

// Gives each element of x a standard normal number: f(x, noise).
graph::Value with_normal_noise(BuildContext& context, const std::optional<std::uint64_t>& seed,
                               graph::Value x,
                               const std::function<graph::Expr(graph::Expr, graph::Expr)>& f);

// The shape of a mask for x: noise_shape with x's extents where it has -1. Empty means x's shape.
// Throws ShapeError where it does not fit.
Shape mask_shape(const Shape& noise_shape, graph::Value x);

// Gives each element of x the mask value of its place in `shape`, whose extents of 1 are shared:
// f(x, mask). `mask` makes the value of a uniform number.
graph::Value with_mask(graph::Value x, const Shape& shape, std::uint32_t stream,
                       const std::function<graph::Expr(graph::Expr)>& mask,
                       const std::function<graph::Expr(graph::Expr, graph::Expr)>& f);

// Makes dropout's mask of a uniform number: 0 in a share `rate`, and 1 / (1 - rate) elsewhere.
graph::Expr dropout_mask(graph::Expr uniform, double rate);

}  // namespace stoker::layers
