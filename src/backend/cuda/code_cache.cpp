#include "backend/cuda/code_cache.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <system_error>

#include "core/atomic_file.h"
#include "stoker/error.h"

namespace stoker::backend::cuda {

namespace fs = std::filesystem;

namespace {

constexpr char kMagic[8] = {'s', 't', 'o', 'k', 'e', 'r', 'K', '1'};
constexpr std::string_view kSuffix = ".kernels";

// FNV-1a.
std::uint64_t hash_of(std::string_view bytes) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char byte : bytes) {
    hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3ULL;
  }
  return hash;
}

std::string_view text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// A file: this, then the key, then the code.
struct Header {
  char magic[8];
  std::uint64_t key_bytes;
  std::uint64_t code_bytes;
  std::uint64_t code_hash;
};

}  // namespace

CodeCache::CodeCache(std::string folder, std::uint64_t limit)
    : folder_(std::move(folder)), limit_(limit) {}

CodeCache CodeCache::standard() {
  if (const char* own = std::getenv("STOKER_CACHE_DIR")) return CodeCache(own);
  const char* home = std::getenv("XDG_CACHE_HOME");
  if (home != nullptr && *home != '\0') return CodeCache(fs::path(home) / "stoker");
  home = std::getenv("HOME");
  if (home == nullptr || *home == '\0') return CodeCache("");
  return CodeCache(fs::path(home) / ".cache" / "stoker");
}

std::string CodeCache::path_of(const std::string& key) const {
  char name[17];
  const std::uint64_t hash = hash_of(key);
  for (int i = 0; i < 16; ++i) name[i] = "0123456789abcdef"[(hash >> (60 - 4 * i)) & 15];
  name[16] = '\0';
  return fs::path(folder_) / (std::string(name) + std::string(kSuffix));
}

std::optional<std::vector<std::byte>> CodeCache::find(const std::string& key) const {
  if (folder_.empty()) return std::nullopt;
  const std::string path = path_of(key);
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return std::nullopt;
  const auto size = static_cast<std::uint64_t>(file.tellg());
  file.seekg(0);
  Header header;
  if (size < sizeof(header) || size > limit_) return std::nullopt;
  file.read(reinterpret_cast<char*>(&header), sizeof(header));
  if (!file || std::memcmp(header.magic, kMagic, sizeof(kMagic)) != 0 ||
      header.key_bytes != key.size() ||
      header.code_bytes != size - sizeof(header) - header.key_bytes) {
    return std::nullopt;
  }
  std::string found(key.size(), '\0');
  std::vector<std::byte> code(header.code_bytes);
  file.read(found.data(), static_cast<std::streamsize>(found.size()));
  file.read(reinterpret_cast<char*>(code.data()), static_cast<std::streamsize>(code.size()));
  if (!file || found != key || hash_of(text_of(code)) != header.code_hash) return std::nullopt;
  std::error_code ignored;  // the time of its last use, for trim()
  fs::last_write_time(path, fs::file_time_type::clock::now(), ignored);
  return code;
}

void CodeCache::store(const std::string& key, const std::vector<std::byte>& code) const {
  if (folder_.empty()) return;
  Header header{{}, key.size(), code.size(), hash_of(text_of(code))};
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  std::error_code failed;
  fs::create_directories(folder_, failed);
  if (failed) return;
  try {
    AtomicFile file(path_of(key));
    file.write(std::string_view(reinterpret_cast<const char*>(&header), sizeof(header)));
    file.write(key);
    file.write(code);
    file.commit();
  } catch (const IoError&) {  // a full disk, say: then it is compiled again next time
    return;
  }
  trim();
}

void CodeCache::trim() const {
  struct File {
    fs::path path;
    std::uint64_t bytes;
    fs::file_time_type used;
  };
  std::vector<File> files;
  std::uint64_t total = 0;
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(folder_, failed)) {
    if (entry.path().extension() != kSuffix) continue;
    const auto bytes = entry.file_size(failed);
    const auto used = entry.last_write_time(failed);
    if (failed) continue;  // another process has dropped it
    files.push_back({entry.path(), bytes, used});
    total += bytes;
  }
  std::sort(files.begin(), files.end(),
            [](const File& a, const File& b) { return a.used < b.used; });
  for (const File& file : files) {
    if (total <= limit_) break;
    fs::remove(file.path, failed);
    total -= file.bytes;
  }
}

}  // namespace stoker::backend::cuda
