#include "fuzz/input.h"
#include "stoker/cifar.h"

namespace {

// A folder whose files all are the input.
std::string make_folder() {
  namespace fs = std::filesystem;
  const fs::path folder =
      fs::temp_directory_path() / ("stoker-fuzz-cifar-" + std::to_string(getpid()));
  fs::create_directories(folder);
  for (const char* name : {"train.bin", "test.bin"}) {
    fs::remove(folder / name);
    fs::create_symlink(stoker::fuzz::input().path(), folder / name);
  }
  return folder.string();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stoker;
  static const std::string folder = make_folder();
  const fuzz::Choice choice(data, size);
  fuzz::input().holding(choice.bytes);
  const CifarLabels labels = choice.bit(0) ? CifarLabels::fine : CifarLabels::coarse;
  fuzz::only_own_errors(
      [&] { load_cifar100(folder, labels, {.max_bytes = std::uint64_t{1} << 16}); });
  return 0;
}
