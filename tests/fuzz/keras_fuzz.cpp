// Whole models: .keras, with its members as they are or put together here, and Keras's older .h5.
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "core/atomic_file.h"
#include "fuzz/hdf5_leaks.h"
#include "fuzz/input.h"
#include "fuzz/zip_seal.h"
#include "io/zip.h"
#include "stoker/model.h"
#include "support/temporary_folder.h"

namespace {

using namespace stoker;

// The fuzzer's file in memory, under names that end as a model's do.
struct Names {
  test::TemporaryFolder folder;
  std::string keras = folder / "m.keras";
  std::string older = folder / "m.h5";
  Names() {
    const std::string& target = fuzz::input().path();
    if (symlink(target.c_str(), keras.c_str()) != 0 ||
        symlink(target.c_str(), older.c_str()) != 0) {
      std::abort();
    }
  }
};

// An archive of a configuration, whose length stands in the first two bytes, and of weights.
std::vector<std::uint8_t> archive_of(std::span<const std::uint8_t> bytes) {
  if (bytes.size() < 2) return {};
  const std::size_t length = bytes[0] + 256u * bytes[1];
  bytes = bytes.subspan(2);
  const auto config = bytes.first(std::min(length, bytes.size()));
  const auto weights = bytes.subspan(config.size());
  std::vector<std::uint8_t> file;
  io::ZipWriter zip([&](std::span<const std::byte> piece) {
    const auto* begin = reinterpret_cast<const std::uint8_t*>(piece.data());
    file.insert(file.end(), begin, begin + piece.size());
  });
  zip.member("metadata.json", R"({"keras_version": "3.15.1"})");
  zip.member("config.json", {reinterpret_cast<const char*>(config.data()), config.size()});
  zip.member("model.weights.h5", weights.size(),
             [&](const io::ZipWriter::Sink& sink) { sink(std::as_bytes(weights)); });
  zip.close();
  return file;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Names names;
  const fuzz::Choice choice(data, size);
  const bool is_older = choice.bit(0);
  std::vector<std::uint8_t> file(choice.bytes.begin(), choice.bytes.end());
  if (!is_older && choice.bit(2)) file = archive_of(choice.bytes);
  if (!is_older && choice.bit(1)) fuzz::seal(file);
  fuzz::input().holding(file);
  fuzz::only_own_errors([&] {
    Model::load(is_older ? names.older : names.keras, {.threads = 1, .device = Device::cpu()},
                !choice.bit(3));
  });
  return 0;
}
