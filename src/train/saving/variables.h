// Everything of a model that files hold: weights, slots and counters of its optimizer, each with
// the name that Keras gives it. All formats save and load by this list, one variable at a time, so
// that none needs a copy of the whole model.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "optimizers/optimizer.h"
#include "stoker/dtype.h"
#include "stoker/shape.h"
#include "train/model_impl.h"
#include "train/network/network.h"

namespace stoker::train {

enum class VariableKind : std::uint8_t {
  weight,
  slot,           // one of the optimizer's numbers for each element of a weight
  iterations,     // the number of updates
  learning_rate,  // the present one
  fixed_rate,     // of a member of a MultiOptimizer: what is written to it is not kept
  step_counter,   // the steps since the scale of a LossScaleOptimizer last changed
  dynamic_scale,  // the present scale of a LossScaleOptimizer
  // OptimizerBase::momentum_product(), which follows from the iterations: what is written to it is
  // not kept.
  momentum_product,
};

struct SavedVariable {
  VariableKind kind = VariableKind::weight;
  // Keras's path: "encoder/dense/kernel", "adam/encoder_dense_kernel_momentum", "adam/iteration".
  std::string path;
  Shape shape;
  DType dtype = DType::float32;  // int32 for what counts
  std::size_t weight = 0;        // The index in Network::weights(), of a weight or a slot.
  std::size_t slot = 0;          // The index in OptimizerBase::slot_names().
  // The place among OptimizerBase::members() of the one whose variable it is, if it is one's.
  std::optional<std::size_t> member{};
  bool is_kept_state = false;  // Whether a recurrent layer keeps it from batch to batch.

  bool is_optimizers() const { return kind != VariableKind::weight; }
  std::uint64_t bytes() const {
    return static_cast<std::uint64_t>(shape.elements()) * size_of(dtype);
  }
};

// Returns the weights in Keras's order, followed by the variables of the optimizer in its order
// there. Without an optimizer there are only weights. Layers that are `frozen` have no slots.
std::vector<SavedVariable> variables_of(const Network& network,
                                        const optimizers::OptimizerBase* optimizer,
                                        const std::set<const layers::LayerBase*>& frozen);
// The variables of a model, with those of its optimizer where it is compiled.
std::vector<SavedVariable> variables_of(const Model::Impl& model);

// Copies values of variables between the model's device and memory of the host. The caller holds
// the model by an InUse: Access::read for reading and Access::write for writing.
class VariableAccess {
 public:
  explicit VariableAccess(Model::Impl& model) : model_(model) {}

  // Copies the bytes of the value from `offset` on. They lie as in memory: C order, little-endian.
  void read(const SavedVariable& variable, std::span<std::byte> bytes,
            std::uint64_t offset = 0) const;
  // Replaces the whole value. The bytes are aligned as their elements are. Counters and scales that
  // no training could have reached are refused by a ValueError, before anything is written.
  void write(const SavedVariable& variable, std::span<const std::byte> bytes) const;
  // Returns the memory of a value that a write would only copy to, in which one may put it without
  // the copy between; empty where there is more to do.
  std::span<std::byte> memory_of(const SavedVariable& variable) const;
  // Throws the ValueError that write() would throw for this value.
  static void require_valid(const SavedVariable& variable, std::span<const std::byte> bytes);

 private:
  Model::Impl& model_;
};

}  // namespace stoker::train
