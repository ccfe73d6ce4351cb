// Checkpoints, restored into a model outside of a fit and at the beginning of one.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "fuzz/input.h"
#include "fuzz/model.h"
#include "io/crc32c.h"
#include "io/safetensors.h"
#include "stoker/config.h"

namespace {

using namespace stoker;

std::string hex(std::span<const char> bytes) {
  char text[9];
  std::snprintf(text, sizeof text, "%08x", io::crc32c(std::as_bytes(bytes)));
  return text;
}

constexpr std::size_t kLength = sizeof(std::uint64_t);

std::string joined(const std::string& header, const std::string& tensors) {
  const std::uint64_t length = header.size();
  std::string file(kLength, '\0');
  std::memcpy(file.data(), &length, kLength);
  return file + header + tensors;
}

// Gives the tensors the checksums that they have. The header is written anew, as far as it can be
// read, and comes without its own checksum.
std::string with_tensors_sealed(const std::string& header, const std::string& tensors) {
  io::SafetensorsHeader parsed = io::parse_safetensors_header(header, tensors.size());
  Config checksums = Config::map();
  for (const io::SafetensorsEntry& entry : parsed.entries) {
    checksums.set(entry.name, hex(std::span(tensors).subspan(entry.begin, entry.bytes())));
  }
  const Config description = Config::from_json(parsed.metadata["stoker"]);
  Config sealed = Config::map();
  for (const auto& [key, value] : description.members()) sealed.set(key, value);
  sealed.set("checksums", std::move(checksums));
  sealed.set("header_crc32c", std::string(8, '0'));
  parsed.metadata["stoker"] = sealed.to_json();
  return io::write_safetensors_header(parsed);
}

void seal_header(std::string& header) {
  constexpr std::string_view kKey = R"(\"header_crc32c\": \")";
  const std::size_t key = header.find(kKey);
  if (key == std::string::npos || key + kKey.size() + 8 > header.size()) return;
  const std::size_t digits = key + kKey.size();
  header.replace(digits, 8, 8, '0');
  header.replace(digits, 8, hex(header));
}

// No fuzzer would find checksums.
std::string sealed(const std::string& file, bool seals_tensors) {
  std::uint64_t length = 0;
  if (file.size() < kLength) return file;
  std::memcpy(&length, file.data(), kLength);
  if (length > file.size() - kLength) return file;
  std::string header = file.substr(kLength, length);
  const std::string tensors = file.substr(kLength + length);
  if (seals_tensors) {
    fuzz::only_own_errors([&] { header = with_tensors_sealed(header, tensors); });
  }
  seal_header(header);
  return joined(header, tensors);
}

std::string bits_of(const Model& model) {
  std::string bits;
  for (const Tensor& weight : model.get_weights()) {
    bits.append(static_cast<const char*>(weight.raw()), weight.bytes());
  }
  return bits + std::to_string(model.iterations());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Choice choice(data, size);
  std::string file(choice.bytes.begin(), choice.bytes.end());
  if (choice.bit(0)) file = sealed(file, choice.bit(1));
  const std::string& path =
      fuzz::input().holding({reinterpret_cast<const std::uint8_t*>(file.data()), file.size()});
  static Sequential model = fuzz::small_model();
  fuzz::only_own_errors([&] { read_checkpoint_info(path); });
  if (choice.bit(2)) {
    FitOptions options = fuzz::small_fit();
    options.on_train_begin = [&] { model.restore_checkpoint(path); };
    fuzz::only_own_errors([&] { fuzz::fit(model, std::move(options)); });
    return 0;
  }
  const std::string before = bits_of(model);
  bool is_restored = false;
  fuzz::only_own_errors([&] {
    model.restore_checkpoint(path);
    is_restored = true;
  });
  if (!is_restored && bits_of(model) != before) std::abort();
  return 0;
}
