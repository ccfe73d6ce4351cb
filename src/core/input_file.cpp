#include "core/input_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "core/format.h"
#include "stoker/error.h"

namespace stoker {
namespace {

// Linux reads at most this many bytes in one call.
constexpr std::size_t kMostAtOnce = 0x7ffff000;

std::string system_reason() { return std::generic_category().message(errno); }

const char* kind_of(mode_t mode) {
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return "a directory or a device";
}

[[noreturn]] void refuse(const std::string& path, const std::string& what) {
  throw IoError(format(path, ": ", what));
}

}  // namespace

std::optional<InputFile> InputFile::open_existing(const std::filesystem::path& path) {
  const std::string& name = path.native();
  // With O_NONBLOCK a pipe opens at once, whether or not it has a writer, and is refused below.
  int descriptor = -1;
  do {
    descriptor = ::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  } while (descriptor < 0 && errno == EINTR);
  if (descriptor < 0 && errno == ENOENT) return std::nullopt;
  if (descriptor < 0 && errno == ENXIO) {
    refuse(name, "expected a regular file, received a socket or a device");
  }
  if (descriptor < 0) refuse(name, format("could not open it: ", system_reason()));
  struct stat found {};
  const bool is_known = fstat(descriptor, &found) == 0;
  const std::string why = is_known ? "" : system_reason();
  InputFile file(name, descriptor, is_known ? static_cast<std::uint64_t>(found.st_size) : 0);
  if (!is_known) refuse(name, format("could not look at it: ", why));
  if (!S_ISREG(found.st_mode)) {
    refuse(name, format("expected a regular file, received ", kind_of(found.st_mode)));
  }
  return file;
}

InputFile::InputFile(const std::filesystem::path& path)
    : InputFile([&] {
        std::optional<InputFile> file = open_existing(path);
        if (!file) {
          refuse(path.native(),
                 format("expected a file, received: ", std::generic_category().message(ENOENT)));
        }
        return std::move(*file);
      }()) {}

InputFile::InputFile(InputFile&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      size_(other.size_) {}

InputFile::~InputFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

std::size_t InputFile::read(std::span<std::byte> bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count =
        ::read(descriptor_, bytes.data() + done, std::min(bytes.size() - done, kMostAtOnce));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail(format("could not read it: ", system_reason()));
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  return done;
}

std::size_t InputFile::read_at(std::uint64_t offset, std::span<std::byte> bytes) const {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count =
        ::pread(descriptor_, bytes.data() + done, std::min(bytes.size() - done, kMostAtOnce),
                static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail(format("could not read its byte ", offset + done, ": ", system_reason()));
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  return done;
}

void InputFile::seek(std::uint64_t offset) {
  if (offset > size_ || lseek(descriptor_, static_cast<off_t>(offset), SEEK_SET) < 0) {
    fail(format("could not go to its byte ", offset, ": ", system_reason()));
  }
}

std::shared_ptr<const std::byte> InputFile::map() const {
  const auto size = static_cast<std::size_t>(size_);
  if (size == 0) return nullptr;
  void* memory = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor_, 0);
  if (memory == MAP_FAILED) fail(format("could not map it: ", system_reason()));
  madvise(memory, size, MADV_SEQUENTIAL);  // reads further ahead
  return {static_cast<const std::byte*>(memory),
          [size](const std::byte* mapped) { munmap(const_cast<std::byte*>(mapped), size); }};
}

void InputFile::fail(const std::string& what) const { refuse(path_, what); }

std::span<const std::byte> read_whole_file(const std::filesystem::path& path, std::uint64_t most,
                                           std::vector<std::byte>& memory) {
  InputFile file(path);
  const auto check = [&](std::uint64_t size) {
    if (size <= most) return;
    refuse(path.native(), format("expected a file of at most ", most, " bytes, received ",
                                 size == file.size() ? "" : "at least ", size));
  };
  check(file.size());
  // Asking for one byte more than the stated size shows where the file ends; some system files
  // state 0.
  std::size_t wanted = static_cast<std::size_t>(file.size()) + 1;
  std::size_t filled = 0;
  for (;;) {
    if (memory.size() < wanted) memory.resize(wanted);
    filled += file.read(std::span(memory).subspan(filled));
    check(filled);
    if (filled < memory.size()) return std::span<const std::byte>(memory).first(filled);
    wanted = filled + filled / 2 + 4096;
  }
}

}  // namespace stoker
