// This file puts tensors that are given by name in order, and labels in the form that losses take.
#include "train/runtime/arrays.h"

#include <algorithm>
#include <cmath>

#include "core/format.h"
#include "losses/loss.h"
#include "stoker/error.h"
#include "train/model_impl.h"

namespace stoker {

using train::Arrays;

namespace {

bool is_named(const Tensors& tensors) {
  return std::any_of(tensors.entries().begin(), tensors.entries().end(),
                     [](const Tensors::Entry& entry) { return !entry.name.empty(); });
}

// Tensors that are given in order may be any number here, because the code that reads them says
// what it expected.
std::vector<const Tensor*> as_given(const Tensors& tensors) {
  std::vector<const Tensor*> result;
  for (const Tensors::Entry& entry : tensors.entries()) result.push_back(entry.tensor);
  return result;
}

// Converts class numbers of type uint8 or float32 to int32.
Tensor as_classes(const Tensor& y) {
  Tensor result(y.shape(), DType::int32);
  const std::span<std::int32_t> out = result.data<std::int32_t>();
  if (y.dtype() == DType::uint8) {
    std::ranges::copy(y.data<std::uint8_t>(), out.begin());
    return result;
  }
  if (y.dtype() != DType::float32) {
    throw DTypeError(format("expected labels of int32, uint8 or float32, received ", y.dtype()));
  }
  const auto in = y.data<float>();
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (!(std::fabs(in[i]) < 16777216.0f) || in[i] != std::floor(in[i])) {
      throw DataError(format("label ", in[i], " of row ", i, " is not a class number"));
    }
    out[i] = static_cast<std::int32_t>(in[i]);
  }
  return result;
}

std::vector<std::string> input_names(const train::Topology& topology) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < topology.inputs().size(); ++i) {
    names.push_back(topology.name_of(topology.input(i)));
  }
  return names;
}

void require_all(const std::vector<const Tensor*>& tensors, const std::vector<std::string>& names,
                 const std::string& what) {
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i] != nullptr) continue;
    throw ValueError(format(what, ": expected a tensor for \"", names[i], "\", received none"));
  }
}

// The outputs to which this many targets belong, in their order. Empty where the number is wrong.
std::vector<std::size_t> outputs_of(const std::optional<train::Compiled>& compiled,
                                    std::size_t targets) {
  std::vector<std::size_t> all, needed;
  if (!compiled) return {};
  for (std::size_t i = 0; i < compiled->outputs.size(); ++i) {
    all.push_back(i);
    if (compiled->outputs[i].needs_target()) needed.push_back(i);
  }
  if (targets == all.size()) return all;
  return targets == needed.size() ? needed : std::vector<std::size_t>{};
}

}  // namespace

Arrays Model::Impl::arrays(const Tensors& x, const Tensors& y, const Tensors& sample_weight,
                           const char* what) const {
  Arrays arrays;
  const train::Topology& topology = network.topology();
  arrays.inputs = as_given(x);
  if (is_named(x)) {
    const std::string place = format(what, ": x");
    const std::vector<std::string> names = input_names(topology);
    arrays.inputs = train::in_order(x, names, place.c_str());
    require_all(arrays.inputs, names, place);
  }

  std::vector<std::string> target_names = topology.output_names();
  arrays.targets = as_given(y);
  if (is_named(y)) {
    const std::string place = format(what, ": y");
    arrays.targets = train::in_order(y, target_names, place.c_str());
    for (std::size_t i = target_names.size(); i-- > 0;) {
      const bool is_needed = !compiled || compiled->outputs[i].needs_target();
      if (arrays.targets[i] != nullptr && is_needed) continue;
      if (is_needed) require_all({arrays.targets[i]}, {target_names[i]}, place);
      arrays.targets.erase(arrays.targets.begin() + static_cast<std::ptrdiff_t>(i));
      target_names.erase(target_names.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  const std::vector<std::size_t> outputs = outputs_of(compiled, arrays.targets.size());
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const Loss& loss = compiled->outputs[outputs[i]].loss;
    if (!loss || loss.base()->label_dtype() != DType::int32) continue;
    if (arrays.targets[i]->dtype() == DType::int32) continue;
    arrays.converted.push_back(as_classes(*arrays.targets[i]));
    arrays.targets[i] = &arrays.converted.back();
  }

  const bool is_none = sample_weight.empty() || (sample_weight.entries().size() == 1 &&
                                                 sample_weight.entries()[0].tensor->empty());
  if (is_none) return arrays;
  arrays.sample_weights = as_given(sample_weight);
  if (is_named(sample_weight)) {
    const std::string place = format(what, ": sample_weight");
    arrays.sample_weights = train::in_order(sample_weight, target_names, place.c_str());
    for (std::size_t i = 0; i < arrays.sample_weights.size(); ++i) {
      if (arrays.sample_weights[i] != nullptr) continue;
      const Shape& shape = arrays.targets[i]->shape();
      arrays.converted.push_back(Tensor::full({shape.rank() == 0 ? 0 : shape[0]}, 1.0f));
      arrays.sample_weights[i] = &arrays.converted.back();
    }
  }
  return arrays;
}

}  // namespace stoker
