// Our kernels of depthwise convolutions, for those that oneDNN would compute as a product of
// matrices for each channel: of several kernels a channel, dilated ones, and gradients of wide
// kernels.
#pragma once

#include <memory>

#include "backend/cpu/ops/kernel.h"

namespace stoker::backend::cpu {

// Whether each channel of a conv2d, or of a gradient of one, has kernels of its own, all values are
// float32, and the result has at least eight channels: with fewer, most lanes of a vector are idle.
bool is_depthwise(const graph::Graph& graph, const graph::Node& node);

// These take such nodes only.
std::unique_ptr<Kernel> make_depthwise(const KernelRequest& request);
std::unique_ptr<Kernel> make_depthwise_backward_data(const KernelRequest& request);
std::unique_ptr<Kernel> make_depthwise_backward_weights(const KernelRequest& request);

}  // namespace stoker::backend::cpu
