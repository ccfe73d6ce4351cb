// docs/keras-coverage.md is what this test finds: the names of Keras that are there, with the
// number of golden cases of each. STOKER_WRITE_PAGES=1 writes the page.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "core/format.h"
#include "layers/registry.h"
#include "stoker/stoker.h"
#include "support/golden.h"
#include "support/source_folder.h"

namespace stoker::test {
namespace {

// What is not counted, and why.
const std::map<std::string, std::string>& left_out() {
  static const std::string base = "a base class", framework = "runs another framework's model";
  static const std::map<std::string, std::string> names{
      {"layers Layer", base},
      {"layers Wrapper", base},
      {"layers InputSpec", "no layer"},
      {"layers Pipeline", "a Sequential does it"},
      {"layers FlaxLayer", framework},
      {"layers JaxLayer", framework},
      {"layers TFSMLayer", framework},
      {"layers TorchModuleWrapper", framework},
      {"layers MaxNumBoundingBoxes", "there are no boxes"},
      {"losses Loss", base},
      {"metrics Metric", base},
      {"metrics MeanMetricWrapper", base},
      {"metrics Mean", "of a value, which `compile()` does not give"},
      {"metrics Sum", "of a value, which `compile()` does not give"},
      {"optimizers Optimizer", base},
      {"optimizers OptimizerMap", "a part of MultiOptimizer"},
      {"schedules LearningRateSchedule", base},
      {"initializers Initializer", base},
      {"regularizers Regularizer", base},
      {"constraints Constraint", base},
      {"callbacks Callback", base},
      {"callbacks CallbackList", "the model's own"},
      {"callbacks History", "`fit()` returns it"},
      {"callbacks LambdaCallback", "hooks are options of `fit()`: `.on_epoch_end`"},
      {"callbacks OrbaxCheckpoint", "JAX's"}};
  return names;
}

// Layers of Keras that are classes of stoker/text.h, since no tensor of a model holds texts.
bool stands_before_models(const std::string& module, const std::string& name) {
  if (module != "layers") return false;
  std::ostringstream text;
  text << std::ifstream(source_folder() / "include/stoker/text.h").rdbuf();
  return text.str().find("\nclass " + name + " {") != std::string::npos;
}

template <class F>
bool is_known(const F& make) {
  try {
    make();
  } catch (const ValueError& error) {
    return std::string(error.what()).find("there is no") == std::string::npos;
  }
  return true;
}

Config object_named(const std::string& name) {
  return Config::map({{"class_name", name}, {"config", Config::map()}});
}

bool is_there(const std::string& module, const std::string& name) {
  static const std::set<std::string> listed{
#define STOKER_LOSS(name, text, short_name) "losses " #name,
#include "losses/losses.def"
#undef STOKER_LOSS
#define STOKER_METRIC(name, text, short_name) "metrics " #name,
#include "metrics/metrics.def"
#undef STOKER_METRIC
#define STOKER_OPTIMIZER(name, text) "optimizers " #name,
#include "optimizers/optimizers.def"
#undef STOKER_OPTIMIZER
#define STOKER_SCHEDULE(name) "schedules " #name,
#include "optimizers/schedules.def"
#undef STOKER_SCHEDULE
  };
  if (listed.contains(module + " " + name)) return true;
  if (module == "layers") {
    return stands_before_models(module, name) ||
           std::ranges::any_of(layers::layer_classes(),
                               [&](const auto& one) { return one.name == name; });
  }
  if (module == "initializers") {
    return is_known([&] { initializer_from_config(object_named(name)); });
  }
  if (module == "regularizers") {
    return is_known([&] { regularizer_from_config(object_named(name)); });
  }
  if (module == "constraints") {
    return is_known([&] { constraint_from_config(object_named(name)); });
  }
  if (module == "activations") return is_known([&] { ActivationFunction{name}; });
  if (module == "callbacks") {
    std::ostringstream text;
    for (const char* header : {"callbacks.h", "tensorboard.h", "checkpoint.h"}) {
      text << std::ifstream(source_folder() / "include/stoker" / header).rdbuf();
    }
    return text.str().find(" " + name + "(") != std::string::npos ||
           text.str().find("class " + name + " ") != std::string::npos;
  }
  return false;
}

std::size_t cases_of(const std::string& module, const std::string& name) {
  static const std::set<std::string> kinds{"layers", "losses", "metrics", "optimizers",
                                           "schedules"};
  if (!kinds.contains(module)) return 0;
  const std::vector<std::string> all = golden_names(module);
  return static_cast<std::size_t>(std::ranges::count_if(
      all, [&](const std::string& one) { return one.starts_with(name + "-"); }));
}

struct Module {
  std::vector<std::string> done, missing, left_out;
  std::size_t counted() const { return done.size() + missing.size(); }
};

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

std::string page() {
  std::ifstream file(source_folder() / "tests/golden/keras_names.txt");
  std::string line;
  std::getline(file, line);
  const std::string version = line.substr(2, line.find(':') - 2);
  std::vector<std::string> order;
  std::map<std::string, Module> modules;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string module, name;
    words >> module >> name;
    if (!modules.contains(module)) order.push_back(module);
    Module& own = modules[module];
    const auto reason = left_out().find(module + " " + name);
    // Some classes are known by another name than their own.
    const std::string own_name = name;
    for (std::string other; !is_there(module, name) && words >> other;) name = other;
    if (!is_there(module, name)) name = own_name;
    if (is_there(module, name)) {
      const std::size_t cases = cases_of(module, name);
      const bool is_before = stands_before_models(module, name);
      own.done.push_back(is_before   ? format(name, " (before the model)")
                         : cases > 0 ? format(name, " (", cases, ")")
                                     : name);
    } else if (reason != left_out().end()) {
      own.left_out.push_back(format(name, " (", reason->second, ")"));
    } else {
      own.missing.push_back(name);
    }
  }
  std::string text = format(
      "# What of Keras is here\n\nEvery public class of ", version,
      ", and every activation function. A test writes this page: a name is here if this build "
      "knows "
      "it, and the number behind it is that of its golden cases, which the same build computes as "
      "Keras does ([tests/golden](../tests/golden/README.md)). Layers of texts stand before the "
      "model, as classes of `stoker/text.h`, and are compared with Keras in `tests/layers`. Where "
      "an option of a class that is here is not offered, a model that uses it is refused, with the "
      "option's name "
      "([models-as-json.md](models-as-json.md)).\n\n| | here | of | |\n|---|---|---|---|\n");
  for (const std::string& name : order) {
    const Module& own = modules[name];
    text += format("| ", name, " | ", own.done.size(), " | ", own.counted(), " | ",
                   own.done.size() * 100 / own.counted(), " % |\n");
  }
  for (const std::string& name : order) {
    const Module& own = modules[name];
    text += format("\n## ", name, "\n", listed(own.done), ".\n");
    if (!own.missing.empty()) text += format("\nNot yet: ", listed(own.missing), ".\n");
    if (!own.left_out.empty()) text += format("\nNot counted: ", listed(own.left_out), ".\n");
  }
  return text;
}

TEST(KerasCoverage, IsWhatThePageSays) {
  const auto path = source_folder() / "docs/keras-coverage.md";
  const std::string found = page();
  const char* writes = std::getenv("STOKER_WRITE_PAGES");
  if (writes != nullptr && std::string(writes) == "1") std::ofstream(path) << found;
  std::ostringstream written;
  written << std::ifstream(path).rdbuf();
  EXPECT_EQ(written.str(), found)
      << "Run this test with STOKER_WRITE_PAGES=1, which writes the page anew.";
}

}  // namespace
}  // namespace stoker::test
