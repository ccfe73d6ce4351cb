// Files that go to Keras and come back: stoker_keras_files write FOLDER, then files_with_keras.py
// FOLDER, then stoker_keras_files read FOLDER.
//
// For each model: <name>.keras after a few steps, its inputs and targets (<name>.input.0.npy,
// <name>.target.0.npy, ...), what it predicts (<name>.output.0.npy, ...), and the losses of the
// steps that follow (<name>.loss.0.npy). Keras answers in the same way under <name>.back, and with
// <name>.back.h5 and <name>.back.weights.h5.
#include <stoker/stoker.h>

#include <cmath>
#include <filesystem>
#include <iostream>

#include "keras/models.h"

using namespace stoker;  // NOLINT(google-build-using-namespace)

namespace {

namespace fs = std::filesystem;
using test::Exchanged;
using test::kRows;

constexpr int kSteps = 3;

std::string file_of(const fs::path& folder, const std::string& name, const std::string& what,
                    std::size_t number) {
  return (folder / (name + "." + what + "." + std::to_string(number) + ".npy")).string();
}

std::vector<Tensor> predicted(Model& model, const Exchanged& given) {
  return model.predict_outputs(array_source(given.inputs, {}, std::nullopt, {.batch_size = kRows}));
}

Tensor losses(Model& model, const Exchanged& given) {
  Tensor all({kSteps});
  for (float& loss : all.data<float>()) {
    loss = static_cast<float>(model.train_on_batch(given.inputs, given.targets)["loss"]);
  }
  return all;
}

void write(const fs::path& folder) {
  for (auto& [name, exchanged] : test::models()) {
    if (!exchanged.trains_alike) continue;
    Model& model = exchanged.model;
    const auto put = [&, &name = name](const std::string& what,
                                       const std::vector<Tensor>& tensors) {
      for (std::size_t i = 0; i < tensors.size(); ++i) {
        write_npy(file_of(folder, name, what, i), tensors[i]);
      }
    };
    losses(model, exchanged);
    model.save(folder / (name + ".keras"));
    put("input", exchanged.inputs);
    put("target", exchanged.targets);
    put("output", predicted(model, exchanged));
    if (!exchanged.has_dropout) put("loss", {losses(model, exchanged)});
  }
}

double difference(const Tensor& a, const Tensor& b) {
  double most = a.shape() == b.shape() ? 0.0 : HUGE_VAL;
  for (std::size_t i = 0; most < HUGE_VAL && i < a.data<float>().size(); ++i) {
    most = std::max(most, std::fabs(static_cast<double>(a.data<float>()[i]) - b.data<float>()[i]));
  }
  return most;
}

double tolerance_of(const std::string& name) {
  if (name.ends_with("mixed_bfloat16")) return 8 * 0x1p-8;
  return name.ends_with("mixed_float16") ? 8 * 0x1p-11 : 2e-5;
}

// What is wrong with a model that came back, or nothing.
std::string fault_of(const fs::path& folder, const std::string& name, Model& model,
                     const Exchanged& given) {
  const std::vector<Tensor> outputs = predicted(model, given);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const double off = difference(outputs[i], read_npy(file_of(folder, name, "back.output", i)));
    if (off > tolerance_of(name)) return "its predictions differ by " + std::to_string(off);
  }
  if (given.has_dropout) return "";
  const double off =
      difference(losses(model, given), read_npy(file_of(folder, name, "back.loss", 0)));
  return off > tolerance_of(name) ? "its next losses differ by " + std::to_string(off) : "";
}

int read(const fs::path& folder) {
  int faults = 0;
  for (auto& [name, given] : test::models()) {
    if (!given.trains_alike) continue;
    const auto check = [&, &name = name, &given = given](const char* what, Model& model) {
      const std::string fault = fault_of(folder, name, model, given);
      std::cout << name << what << ": " << (fault.empty() ? "goes on as in Keras" : fault) << '\n';
      faults += fault.empty() ? 0 : 1;
    };
    Model whole = Model::load(folder / (name + ".back.keras"));
    check(".back.keras", whole);
    Model older = Model::load(folder / (name + ".back.h5"));
    check(".back.h5", older);
    given.model.load_weights(folder / (name + ".back.weights.h5"));
    check(".back.weights.h5", given.model);
  }
  return faults == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc == 3 ? argv[1] : "";
  if (what != "write" && what != "read") {
    std::cerr << "usage: stoker_keras_files write|read FOLDER\n";
    return 2;
  }
  try {
    if (what == "read") return read(argv[2]);
    write(argv[2]);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "stoker_keras_files: " << error.what() << '\n';
    return 1;
  }
}
