#include <algorithm>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "fuzz/model.h"
#include "fuzz/seeds.h"
#include "io/zip.h"
#include "support/source_folder.h"
#include "support/temporary_folder.h"

namespace stoker::fuzz {
namespace {

namespace fs = std::filesystem;

void write(const fs::path& folder, const std::string& name, int options, const std::string& bytes) {
  fs::create_directories(folder);
  std::ofstream(folder / name, std::ios::binary) << static_cast<char>(options) << bytes;
}

void checkpoints(const fs::path& folder) {
  const test::TemporaryFolder scratch;
  const std::string path = scratch / "checkpoint";
  Sequential model = small_model();
  model.save_checkpoint(path);
  write(folder, "of a model", 1, test::read_all(path));
  FitOptions options = small_fit();
  options.on_train_batch_end = [&](std::int64_t, LogsView) { model.save_checkpoint(path); };
  fit(model, std::move(options));
  const std::string bytes = test::read_all(path);
  write(folder, "whole", 0, bytes);
  write(folder, "of a fit", 1, bytes);
  write(folder, "in a fit", 5, bytes);
  write(folder, "sealed", 7, bytes);
}

void models(const fs::path& folder) {
  const test::TemporaryFolder scratch;
  const std::string path = scratch / "model.keras";
  small_model().save(path);
  write(folder, "own", 0, test::read_all(path));
  write(folder, "sealed", 2, test::read_all(path));
  const io::ZipReader zip(path, 3);
  const auto contents = [&](const char* name) {
    return std::string(zip.read(*zip.find(name), 1 << 20).text());
  };
  const std::string config = contents("config.json");
  std::string joined{static_cast<char>(config.size() & 0xff),
                     static_cast<char>(config.size() >> 8)};
  write(folder, "joined", 4, joined + config + contents("model.weights.h5"));
  const fs::path files = test::source_folder() / "tests/golden/cases/files";
  write(folder, "of keras", 2, test::read_all(files / "mlp.keras"));
  write(folder, "older", 1, test::read_all(files / "mlp.h5"));
}

}  // namespace

void write_model_seeds(const fs::path& folder) {
  checkpoints(folder / "checkpoint");
  models(folder / "keras");
}

}  // namespace stoker::fuzz
