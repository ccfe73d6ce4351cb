#include "backend/cuda/runtime/code_cache.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "core/fnv.h"

namespace stoker::backend::cuda {

namespace fs = std::filesystem;

namespace {

constexpr char kMagic[8] = {'s', 't', 'o', 'k', 'e', 'r', 'K', '1'};
constexpr std::string_view kSuffix = ".kernels";

std::string_view text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The header of a file; the key and then the code follow it.
struct Header {
  char magic[8];
  std::uint64_t key_bytes;
  std::uint64_t code_bytes;
  std::uint64_t code_hash;
};

class Descriptor {
 public:
  explicit Descriptor(int descriptor) : descriptor_(descriptor) {}
  Descriptor(Descriptor&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  explicit operator bool() const { return descriptor_ >= 0; }
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

// Opens a file whose code will run in this process. It must therefore be a file that only this user
// could write, and not another name of a file that was written for something else. A pipe or a
// device in its place must not make the opening wait.
Descriptor open_trusted(const std::string& path) {
  Descriptor file(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  struct stat found {};
  const bool is_trusted = file && fstat(file.get(), &found) == 0 && S_ISREG(found.st_mode) &&
                          found.st_uid == geteuid() && found.st_nlink == 1 &&
                          (found.st_mode & (S_IWGRP | S_IWOTH)) == 0;
  return is_trusted ? std::move(file) : Descriptor(-1);
}

bool read_all(int descriptor, void* to, std::size_t bytes) {
  auto* next = static_cast<char*>(to);
  while (bytes > 0) {
    const ssize_t count = read(descriptor, next, bytes);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    next += count;
    bytes -= static_cast<std::size_t>(count);
  }
  return true;
}

bool write_all(int descriptor, const void* from, std::size_t bytes) {
  const auto* next = static_cast<const char*>(from);
  while (bytes > 0) {
    const ssize_t count = write(descriptor, next, bytes);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    next += count;
    bytes -= static_cast<std::size_t>(count);
  }
  return true;
}

// Makes the missing folders of the path, for this user alone, whatever the umask is.
bool make_private_folders(const fs::path& path) {
  std::error_code failed;
  if (fs::is_directory(path, failed)) return true;
  if (path.has_parent_path() && path.parent_path() != path &&
      !make_private_folders(path.parent_path())) {
    return false;
  }
  return mkdir(path.c_str(), S_IRWXU) == 0 || fs::is_directory(path, failed);
}

}  // namespace

std::string code_key(const std::string& compiler, const std::string& source,
                     std::span<const DeviceHeader> headers) {
  std::string key = compiler + '\n';
  for (const DeviceHeader& header : headers) {
    key += std::string(header.name) + '\n' + header.text + '\f';
  }
  return key + source;
}

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
  const std::uint64_t hash = fnv1a_64(key);
  for (int i = 0; i < 16; ++i) name[i] = "0123456789abcdef"[(hash >> (60 - 4 * i)) & 15];
  name[16] = '\0';
  return fs::path(folder_) / (std::string(name) + std::string(kSuffix));
}

std::optional<std::vector<std::byte>> CodeCache::find(const std::string& key) const {
  if (folder_.empty()) return std::nullopt;
  const Descriptor file = open_trusted(path_of(key));
  if (!file) return std::nullopt;
  struct stat found {};
  Header header;
  if (fstat(file.get(), &found) != 0 || found.st_size < static_cast<off_t>(sizeof(header))) {
    return std::nullopt;
  }
  const std::uint64_t rest = static_cast<std::uint64_t>(found.st_size) - sizeof(header);
  if (rest > limit_ || rest < key.size() || !read_all(file.get(), &header, sizeof(header)) ||
      std::memcmp(header.magic, kMagic, sizeof(kMagic)) != 0 || header.key_bytes != key.size() ||
      header.code_bytes != rest - key.size()) {
    return std::nullopt;
  }
  std::string stored(key.size(), '\0');
  std::vector<std::byte> code(header.code_bytes);
  if (!read_all(file.get(), stored.data(), stored.size()) ||
      !read_all(file.get(), code.data(), code.size()) || stored != key ||
      fnv1a_64(text_of(code)) != header.code_hash) {
    return std::nullopt;
  }
  futimens(file.get(), nullptr);  // trim() goes by the time of the last use
  return code;
}

void CodeCache::store(const std::string& key, const std::vector<std::byte>& code) const {
  if (folder_.empty() || !make_private_folders(folder_)) return;
  Header header{{}, key.size(), code.size(), fnv1a_64(text_of(code))};
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  const std::string path = path_of(key);
  std::string temporary = path + ".XXXXXX";
  bool is_whole = false;
  {
    // mkostemp() chooses a new name and mode 0600, whatever the umask is.
    const Descriptor file(mkostemp(temporary.data(), O_CLOEXEC));
    if (!file) return;
    is_whole = write_all(file.get(), &header, sizeof(header)) &&
               write_all(file.get(), key.data(), key.size()) &&
               write_all(file.get(), code.data(), code.size());
  }
  // Nothing is synced, because a file that a crash of the machine cut short fails its checksum.
  if (!is_whole || rename(temporary.c_str(), path.c_str()) != 0) {
    unlink(temporary.c_str());  // the disk is full, say, and the code is compiled again next time
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
    // The search also finds files that a crash has left half written, whose names go on after the
    // suffix.
    if (entry.path().filename().string().find(kSuffix) == std::string::npos) continue;
    if (!fs::is_regular_file(entry.symlink_status(failed))) continue;
    const auto bytes = entry.file_size(failed);
    if (failed) continue;  // another process has dropped it
    const auto used = entry.last_write_time(failed);
    if (failed) continue;
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
