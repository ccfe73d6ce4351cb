// Everything that reads a file into a model, while each of its system calls fails in turn: the
// model stays as it was, and an error names the file. Reads that were interrupted or came back
// short are made again.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/format.h"
#include "faults/failing_calls.h"
#include "support/contains.h"
#include "support/temporary_folder.h"

namespace stoker {
namespace {

using test::Call;
using test::FailingCalls;
using test::Fault;

Sequential trained_model(std::int64_t epochs) {
  Sequential model({Input({3}), Dense(4, {.activation = "relu"}), BatchNormalization(), Dense(2)},
                   {.seed = 5, .threads = 1, .device = Device::cpu()});
  model.compile({.optimizer = Adam(), .loss = "mse"});
  model.fit(Tensor::full({4, 3}, 0.25f), Tensor::full({4, 2}, 0.5f),
            {.epochs = epochs, .verbose = 0, .batch_size = 2});
  return model;
}

// Weights, slots and counters.
std::string state_of(const Model& model, const test::TemporaryFolder& folder) {
  model.save_weights(folder / "state.weights.h5");
  return test::read_all(folder / "state.weights.h5");
}

struct Reader {
  std::string name;
  std::string file;
  void (*write)(const Model& model, const std::string& path);
  void (*read)(Model& model, const std::string& path);
};

const Reader kReaders[] = {
    {"weights_h5", "m.weights.h5", [](const Model& m, auto& path) { m.save_weights(path); },
     [](Model& m, auto& path) { m.load_weights(path); }},
    {"safetensors", "m.safetensors", [](const Model& m, auto& path) { m.save_weights(path); },
     [](Model& m, auto& path) { m.load_weights(path); }},
    {"keras", "m.keras", [](const Model& m, auto& path) { m.save(path); },
     [](Model& m, auto& path) { m.load_weights(path); }},
    {"checkpoint", "checkpoint", [](const Model& m, auto& path) { m.save_checkpoint(path); },
     [](Model& m, auto& path) { m.restore_checkpoint(path); }},
    {"load", "m.keras", [](const Model& m, auto& path) { m.save(path); },
     [](Model& m, auto& path) { m = Model::load(path, {.threads = 1, .device = Device::cpu()}); }},
};

struct Case {
  Reader reader;
  Call call;
  Fault fault;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const Reader& reader : kReaders) {
    for (const Fault fault : {Fault::io_error, Fault::interrupted, Fault::short_count}) {
      all.push_back({reader, Call::read, fault});
    }
    all.push_back({reader, Call::open, Fault::io_error});
    all.push_back({reader, Call::map, Fault::io_error});
    all.push_back({reader, Call::close, Fault::io_error});
  }
  return all;
}

class Readers : public testing::TestWithParam<Case> {};

TEST_P(Readers, ChangeAllOrNothing) {
  const auto& [reader, call, fault] = GetParam();
  const test::TemporaryFolder folder, elsewhere;
  const std::string path = folder / reader.file;
  const Sequential source = trained_model(3);
  reader.write(source, path);
  Sequential target = trained_model(1);
  const std::string old = state_of(target, elsewhere);
  const std::string wanted = [&] {
    Model other = trained_model(1);
    reader.read(other, path);
    return state_of(other, elsewhere);
  }();
  ASSERT_NE(old, wanted);
  std::uint64_t n = 1;
  for (bool was_reached = true; was_reached; ++n) {
    SCOPED_TRACE(n);
    ASSERT_LT(n, 1000u);
    Model model = trained_model(1);
    std::string message;
    {
      const FailingCalls failing(folder.path(), call, fault, n);
      try {
        reader.read(model, path);
      } catch (const IoError& error) {
        message = error.what();
      }
      was_reached = failing.has_failed();
    }
    // What fails after the last byte does no harm.
    EXPECT_EQ(state_of(model, elsewhere), message.empty() ? wanted : old);
    if (!message.empty()) {
      EXPECT_TRUE(test::contains(message, path)) << message;
    }
    // libzip gives up where a read is interrupted, as only network file systems do it.
    const bool gives_up = fault == Fault::interrupted && reader.file == "m.keras";
    if (gives_up && !message.empty()) continue;
    const bool is_harmless = !was_reached || fault != Fault::io_error || call == Call::close;
    if (is_harmless) {
      EXPECT_EQ(message, "");
    } else if (call == Call::open) {
      EXPECT_NE(message, "");
    }
  }
  if (call == Call::read) {
    EXPECT_GT(n, 2u);  // The reads were seen at all.
  }
}

INSTANTIATE_TEST_SUITE_P(Of, Readers, testing::ValuesIn(cases()), [](const auto& info) {
  return format(info.param.reader.name, '_', test::name_of(info.param.call), '_',
                test::name_of(info.param.fault));
});

}  // namespace
}  // namespace stoker
