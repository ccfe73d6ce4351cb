// The memory that a model takes on its device, by purpose, by layer and by plan.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace stoker {

// All sizes are in bytes.

// The memory of a layer, or of "loss", "metrics" and "optimizer", which have activations only.
struct LayerMemory {
  std::string name{};
  std::string class_name{};  // "Dense"; empty for those three
  std::int64_t weights = 0;  // trained or not; each takes a multiple of 256
  std::int64_t gradients = 0;
  std::int64_t optimizer_slots = 0;
  // Results and workspaces of the layer's ops, forwards and backwards, in a step of the plan that
  // sizes the arena. Values that do not live at the same time share memory there, so that the
  // layers' activations add up to more than the arena.
  std::int64_t activations = 0;
};

// A step that has been compiled, for one mode and number of rows.
struct PlanMemory {
  std::string mode;  // "training", "evaluation", "prediction"
  std::int64_t rows = 0;
  std::int64_t arena = 0;  // the arena that it needs
};

struct MemoryReport {
  std::string model;  // the names of model and device
  std::string device;

  std::int64_t parameters = 0;
  std::int64_t copies = 0;  // 16-bit copies of the parameters, under a mixed dtype policy
  std::int64_t gradients = 0;
  std::int64_t optimizer_slots = 0;
  std::int64_t state = 0;  // weights that are not trained: moving statistics
  std::int64_t metrics = 0;
  std::int64_t scalars = 0;
  std::int64_t batches = 0;  // batches of train_on_batch(); a fit has some more while it runs
  std::int64_t arena = 0;    // one for all plans, as large as the largest needs

  std::vector<LayerMemory> layers;
  std::vector<PlanMemory> plans;

  // Returns the sum of all purposes. It does not include the backend's own memory, such as code and
  // libraries' handles.
  std::int64_t total() const;
  // Returns the plan that sizes the arena; null while there is none.
  const PlanMemory* largest_plan() const;
  // Returns a table for people to read.
  std::string text() const;
};

}  // namespace stoker
