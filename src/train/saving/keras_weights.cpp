#include "train/saving/keras_weights.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>

#include "core/format.h"
#include "stoker/error.h"
#include "train/saving/staged_values.h"

namespace stoker::train {

namespace {

using io::Hdf5Dataset;
using io::Hdf5File;
using io::Hdf5Type;

constexpr const char* kRemedy =
    ". Load into a model of the same layers, or pass {.skip_mismatch = true}";
constexpr std::size_t kMostObjects = 1 << 20;  // that are looked at for surplus data
constexpr std::size_t kMostLevels = 48;

// Collects a plan: takes a dataset for a variable, or notes why not.
class Planner {
 public:
  Planner(const Hdf5File& file, const KerasModel& model,
          const std::vector<SavedVariable>& variables, const LoadWeightsOptions& options)
      : file_(file), model_(model), variables_(variables), options_(options) {}

  const Hdf5File& file() const { return file_; }
  const KerasModel& model() const { return model_; }
  const std::vector<SavedVariable>& variables() const { return variables_; }
  const LoadWeightsOptions& options() const { return options_; }

  std::string label(std::size_t variable) const {
    const SavedVariable& one = variables_[variable];
    if (one.kind != VariableKind::weight) return one.path;
    const Weight& weight = model_.network.weights()[one.weight];
    return format("the ", weight.spec.name, " of ", model_.network.label_of(*weight.layer));
  }

  template <class E = IoError>
  void mismatch(const std::string& place, const std::string& what) {
    const std::string text = format(file_.name(), ": \"", place, "\": ", what);
    if (!options_.skip_mismatch) throw E(text + kRemedy);
    plan_.warnings.push_back(text);
  }

  // Returns whether the dataset has been taken.
  bool take(std::size_t variable, const std::string& place) {
    const SavedVariable& one = variables_[variable];
    const std::optional<Hdf5Dataset> found = file_.dataset(place);
    if (!found) {
      mismatch(place,
               format("expected ", label(variable), " of shape ", one.shape, ", received nothing"));
      return false;
    }
    used_.insert(place);
    if (!(found->shape == one.shape)) {
      mismatch<ShapeError>(
          place, format(label(variable), ": expected ", one.shape, ", received ", found->shape));
      return false;
    }
    const bool counts = one.dtype == DType::int32;
    if (counts != (found->type == Hdf5Type::integer)) {
      mismatch(place, format(label(variable), ": expected ", counts ? "integers" : "floats",
                             ", received ", counts ? "floats" : "integers"));
      return false;
    }
    plan_.reads.push_back({variable, *found});
    return true;
  }

  void use(const std::string& place) { used_.insert(place); }
  void warn(std::string text) { plan_.warnings.push_back(std::move(text)); }

  // Refuses data below a group that no variable has asked for.
  void refuse_surplus(const std::string& group, std::size_t level = 0) {
    for (const std::string& name : file_.children(group)) {
      const std::string place = group.empty() ? name : format(group, "/", name);
      // Keras 3's first versions stored the state of random generators, which are others here.
      if (name == "seed_generator" || used_.contains(place)) continue;
      if (++looked_at_ > kMostObjects || level > kMostLevels) {
        throw IoError(format(file_.name(), ": expected a model's layers, received more objects ",
                             "or levels than any has"));
      }
      if (file_.has_group(place)) {
        refuse_surplus(place, level + 1);
      } else {
        mismatch(place, "expected nothing, received data that belongs to no layer of the model");
      }
    }
  }

  // Hard links could name one dataset many times, and so give a small file a large model.
  LoadPlan finish() {
    std::uint64_t stored = 0, packed = 0;
    std::set<std::size_t> counted;
    for (const PlannedRead& one : plan_.reads) {
      if (!counted.insert(one.variable).second) continue;
      const std::uint64_t elements = static_cast<std::uint64_t>(one.dataset.shape.elements());
      const std::uint64_t bytes = elements * one.dataset.element_bytes;
      std::uint64_t& sum = one.dataset.is_filtered ? packed : stored;
      if (__builtin_add_overflow(sum, bytes, &sum)) sum = std::uint64_t(-1);
    }
    if (stored > file_.bytes() || packed / 1032 > file_.bytes()) {
      throw IoError(format(file_.name(), ": the weights take ", stored, " bytes and ", packed,
                           " packed ones, which a file of ", file_.bytes(), " bytes can't hold"));
    }
    return std::move(plan_);
  }

 private:
  const Hdf5File& file_;
  const KerasModel& model_;
  const std::vector<SavedVariable>& variables_;
  const LoadWeightsOptions& options_;
  LoadPlan plan_;
  std::set<std::string> used_;
  std::size_t looked_at_ = 0;
};

// The first two components of "layers/sequential/layers/dense".
std::string top_of(const std::string& path) {
  const std::size_t first = path.find('/');
  return path.substr(0, first == std::string::npos ? first : path.find('/', first + 1));
}

// By the name of each layer of the file, its group.
std::map<std::string, std::string> groups_by_name(const Hdf5File& file) {
  std::map<std::string, std::string> groups;
  for (const std::string& child : file.children("layers")) {
    const std::string group = "layers/" + child;
    const auto name = file.text(group + "/vars", "name");
    if (name && !groups.emplace(*name, group).second) {
      throw IoError(format(file.name(), ": two layers are named \"", *name, "\""));
    }
  }
  return groups;
}

// Takes the optimizer's variables from the places in the file, or notes why not. As in Keras,
// another optimizer's are left out.
void plan_optimizer(Planner& planner, const KerasGroup& group,
                    const std::vector<std::string>& places) {
  const Hdf5File& file = planner.file();
  const auto kind_of = [&](std::size_t i) { return planner.variables()[*group.variables[i]].kind; };
  // Keras saves an optimizer that has not trained yet without its slots, which are 0 then.
  std::size_t counters = 0;
  for (std::size_t i = 0; i < group.variables.size(); ++i) {
    if (group.variables[i] && kind_of(i) != VariableKind::slot) ++counters;
  }
  const bool is_unused =
      places.size() == counters && group.variables[0] && kind_of(0) == VariableKind::iterations;
  if (places.size() != group.variables.size() && !is_unused) {
    planner.warn(format(file.name(), ": the optimizer keeps its state, because it has ",
                        group.variables.size(), " variables, and the one in the file ",
                        places.size()));
    return;
  }
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (group.variables[i]) planner.take(*group.variables[i], places[i]);
  }
}

}  // namespace

LoadPlan plan_weights_h5(const Hdf5File& file, const KerasModel& model,
                         const std::vector<SavedVariable>& variables,
                         const LoadWeightsOptions& options) {
  Planner planner(file, model, variables, options);
  std::map<std::string, std::string> by_name;
  if (options.by_name) by_name = groups_by_name(file);
  std::map<std::string, std::optional<std::string>> tops;  // From the model's group to the file's.
  for (const KerasGroup& group : keras_groups(model, variables)) {
    std::string vars = group.vars();
    if (group.is_optimizers()) {
      // The variables of an optimizer inside another one are listed with that one's.
      if (options.by_name || group.path != "optimizer" || !file.has_group(vars)) continue;
      std::vector<std::string> places;
      for (std::size_t i = 0; i < file.children(vars).size(); ++i) {
        places.push_back(format(vars, "/", i));
      }
      plan_optimizer(planner, group, places);
      continue;
    }
    if (options.by_name && !group.path.empty()) {
      const std::string top = top_of(group.path);
      if (group.path == top) {
        const auto found = by_name.find(group.name);
        tops[top] = found == by_name.end() ? std::nullopt : std::optional(found->second);
      }
      if (!tops[top]) continue;
      vars.replace(0, top.size(), *tops[top]);
    }
    for (std::size_t i = 0; i < group.variables.size(); ++i) {
      planner.take(*group.variables[i], format(vars, "/", i));
    }
  }
  if (!options.by_name) {
    planner.refuse_surplus("layers");
    planner.refuse_surplus("vars");
  }
  return planner.finish();
}

LoadPlan plan_older_h5(const Hdf5File& file, const KerasModel& model,
                       const std::vector<SavedVariable>& variables,
                       const LoadWeightsOptions& options) {
  Planner planner(file, model, variables, options);
  const std::string root = file.has_group("model_weights") ? "model_weights" : "";
  const auto list_of = [&](const std::string& group, const std::string& name) {
    if (auto found = file.texts(group, name)) return *found;
    // A list that is too long for one attribute is in several.
    std::vector<std::string> all;
    for (int i = 0;; ++i) {
      auto part = file.texts(group, format(name, i));
      if (!part) return all;
      all.insert(all.end(), part->begin(), part->end());
    }
  };
  struct Saved {
    std::string name, group;
    std::vector<std::string> weights;
  };
  std::vector<Saved> saved;
  for (const std::string& name : list_of(root, "layer_names")) {
    const std::string group = root.empty() ? name : format(root, "/", name);
    auto weights = list_of(group, "weight_names");
    if (!weights.empty()) saved.push_back({name, group, std::move(weights)});
  }
  const std::vector<KerasLayer> own = keras_layers(model);
  if (!options.by_name && saved.size() != own.size()) {
    throw IoError(format(file.name(), ": expected ", own.size(), " layers with weights, received ",
                         saved.size(),
                         ". Load into a model of the same layers, or pass {.by_name = true}"));
  }
  for (std::size_t i = 0; i < own.size(); ++i) {
    const auto found = options.by_name ? std::ranges::find(saved, own[i].name, &Saved::name)
                                       : saved.begin() + static_cast<std::ptrdiff_t>(i);
    if (found == saved.end()) continue;
    if (found->weights.size() != own[i].variables.size()) {
      planner.mismatch(found->group, format("expected ", own[i].variables.size(), " weights for \"",
                                            own[i].name, "\", received ", found->weights.size()));
      continue;
    }
    for (std::size_t k = 0; k < own[i].variables.size(); ++k) {
      planner.take(own[i].variables[k], format(found->group, "/", found->weights[k]));
    }
  }
  if (model.optimizer != nullptr && !options.by_name && file.has_group("optimizer_weights")) {
    std::vector<std::string> places;
    for (const std::string& name : list_of("optimizer_weights", "weight_names")) {
      places.push_back("optimizer_weights/" + name);
    }
    for (const KerasGroup& group : keras_groups(model, variables)) {
      if (group.path == "optimizer") plan_optimizer(planner, group, places);
    }
  }
  return planner.finish();
}

namespace {

class Loading {
 public:
  Loading(const LoadPlan& plan, const Hdf5File& file, const std::vector<SavedVariable>& variables,
          const VariableAccess& access)
      : plan_(plan), file_(file), variables_(variables), access_(access) {}

  // Reads everything into memory, and only then into the model.
  void load_staged(std::uint64_t bytes) const {
    StagedValues staging(bytes);
    std::vector<std::span<const std::byte>> values;
    for (const PlannedRead& one : plan_.reads) {
      const auto to = staging.take(variable_of(one).bytes());
      read(one, to);
      values.push_back(to);
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
      access_.write(variable_of(plan_.reads[i]), values[i]);
    }
  }

  // Reads one value after the other into the model. What could fail is read once before anything
  // is written: scalars may be out of range, and packed data damaged.
  void load_one_by_one(bool keeps_nothing) const {
    std::uint64_t most = 0;
    for (const PlannedRead& one : plan_.reads) {
      const bool needs_memory = !keeps_nothing || access_.memory_of(variable_of(one)).empty();
      if (needs_memory) most = std::max(most, variable_of(one).bytes());
    }
    StagedValues staging(most);
    const std::span<std::byte> memory = staging.take(most);
    const auto part = [&](const PlannedRead& one) {
      return memory.first(static_cast<std::size_t>(variable_of(one).bytes()));
    };
    bool reads_data = false;
    for (const PlannedRead& one : plan_.reads) {
      const VariableKind kind = variable_of(one).kind;
      const bool is_scalar = kind != VariableKind::weight && kind != VariableKind::slot;
      if (!is_scalar && (keeps_nothing || one.dataset.offset)) {
        reads_data = true;
      } else {
        read(one, part(one));
      }
    }
    if (reads_data && !keeps_nothing) file_.require_readable();
    for (const PlannedRead& one : plan_.reads) {
      const std::span<std::byte> own = access_.memory_of(variable_of(one));
      if (!own.empty()) {
        read(one, own);
        continue;
      }
      read(one, part(one));
      access_.write(variable_of(one), part(one));
    }
  }

 private:
  const SavedVariable& variable_of(const PlannedRead& one) const {
    return variables_[one.variable];
  }
  void read(const PlannedRead& one, std::span<std::byte> to) const {
    file_.read(one.dataset, variable_of(one).dtype, to);
    try {
      VariableAccess::require_valid(variable_of(one), to);
    } catch (const ValueError& error) {
      throw IoError(format(file_.name(), ": \"", one.dataset.path, "\": ", error.what()));
    }
  }

  const LoadPlan& plan_;
  const Hdf5File& file_;
  const std::vector<SavedVariable>& variables_;
  const VariableAccess& access_;
};

}  // namespace

void load_planned(const LoadPlan& plan, const Hdf5File& file,
                  const std::vector<SavedVariable>& variables, const VariableAccess& access,
                  bool keeps_nothing) {
  std::uint64_t bytes = 0;
  for (const PlannedRead& one : plan.reads) {
    bytes += StagedValues::padded(variables[one.variable].bytes());
  }
  const Loading loading(plan, file, variables, access);
  if (keeps_nothing || bytes > kMostStagedBytes) return loading.load_one_by_one(keeps_nothing);
  loading.load_staged(bytes);
}

std::size_t hdf5_objects(const KerasModel& model, const std::vector<SavedVariable>& variables) {
  std::size_t objects = 0;
  for (const KerasGroup& group : keras_groups(model, variables)) {
    objects += 2 + group.variables.size();
  }
  return objects;
}

void describe_weights_h5(io::Hdf5Writer& writer, const KerasModel& model,
                         const std::vector<SavedVariable>& variables,
                         const VariableAccess& access) {
  for (const KerasGroup& group : keras_groups(model, variables)) {
    const std::string vars = group.vars();
    writer.group(vars);
    writer.text(vars, "name", group.name);
    for (std::size_t i = 0; i < group.variables.size(); ++i) {
      const std::string place = format(vars, "/", i);
      const std::optional<std::size_t>& variable = group.variables[i];
      if (!variable) {
        // The counters that stay 0 are Keras's "iteration" and "learning_rate".
        writer.dataset(place, Shape{}, i == 0 ? DType::int32 : DType::float32,
                       [](std::uint64_t, std::span<std::byte> bytes) {
                         std::ranges::fill(bytes, std::byte{0});
                       });
        continue;
      }
      const SavedVariable& one = variables[*variable];
      writer.dataset(place, one.shape, one.dtype,
                     [&one, access](std::uint64_t offset, std::span<std::byte> bytes) {
                       access.read(one, bytes, offset);
                     });
    }
  }
}

}  // namespace stoker::train
