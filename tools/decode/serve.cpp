#include "serve.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <span>
#include <string>

#include "core/confinement.h"
#include "core/foreign.h"
#include "data/image_codec.h"
#include "data/isolation/protocol.h"

namespace stoker::decode {
namespace {

using isolation::Answer;
using isolation::Reply;
using isolation::Request;

void say(const Reply& reply) {
  while (send(isolation::kSocket, &reply, sizeof reply, MSG_NOSIGNAL) < 0 && errno == EINTR) {
  }
}

Reply with_message(Answer answer, const std::string& message) {
  Reply reply{.answer = answer};
  message.copy(reply.message, sizeof reply.message - 1);
  return reply;
}

class Memory {
 public:
  std::span<std::byte> of(std::uint64_t bytes) {
    if (bytes != bytes_.size()) {
      if (!bytes_.empty()) munmap(bytes_.data(), bytes_.size());
      bytes_ = {};
      void* mapped =
          mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, isolation::kMemory, 0);
      if (mapped == MAP_FAILED) throw std::bad_alloc();
      bytes_ = {static_cast<std::byte*>(mapped), bytes};
    }
    return bytes_;
  }

 private:
  std::span<std::byte> bytes_;
};

Reply answer(const Request& request, Memory& memory, image::Target& target,
             BeforeDecoding before_decoding) {
  const std::span<std::byte> bytes = memory.of(request.memory_bytes);
  const std::span<const std::byte> file = bytes.first(request.file_bytes);
  before_decoding(request, file);
  const std::string name;
  const ImageLimits limits{.max_pixels = request.max_pixels, .max_scans = request.max_scans};
  image::decode(file, {static_cast<int>(request.channels), name, limits}, target);
  const bool is_resized = request.height > 0;
  const ImageSize size =
      is_resized ? ImageSize{request.height, request.width, request.channels} : target.size;
  Reply reply{.answer = Answer::pixels,
              .height = size.height,
              .width = size.width,
              .channels = size.channels};
  if (size.elements() > bytes.size() - request.pixels_at) {
    reply.answer = Answer::no_room;
    return reply;
  }
  const std::span<std::uint8_t> pixels(
      reinterpret_cast<std::uint8_t*>(bytes.data()) + request.pixels_at, size.elements());
  if (is_resized) {
    resize(std::span<const std::uint8_t>(target.pixels), target.size, pixels, size);
  } else {
    std::ranges::copy(target.pixels, pixels.begin());
  }
  return reply;
}

// Messages begin with the name of the file, which is empty here.
std::string without_name(const std::string& message) {
  return message.starts_with(": ") ? message.substr(2) : message;
}

void confine(std::uint64_t max_pixels) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 50;
  confinement::limit(RLIMIT_CORE, 0);
  // A pixel has 8 bytes at most as it is stored, 4 when it is decoded, and 4 in the memory that is
  // shared; the file has 2^30 at most, which may have to be put together from its chunks.
  confinement::limit_memory(20 * std::min(max_pixels, kMost) + (std::uint64_t{4} << 30));
  confinement::limit_files({});
  confinement::limit_calls();
}

void serve(unsigned seconds, BeforeDecoding before_decoding) {
  Memory memory;
  image::Target target;
  for (;;) {
    Request request;
    const ssize_t got = recv(isolation::kSocket, &request, sizeof request, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got != sizeof request || request.magic != isolation::kMagic) return;
    alarm(seconds);  // A reader that is gone cannot end a decoder that hangs.
    Reply reply;
    try {
      with_own_errors("", [&] { reply = answer(request, memory, target, before_decoding); });
    } catch (const std::exception& error) {
      reply = with_message(Answer::refused, without_name(error.what()));
    }
    alarm(0);
    reply.number = request.number;
    say(reply);
  }
}

}  // namespace

int run(int count, char** arguments, BeforeDecoding before_decoding) {
  if (count != 3) return 2;
  try {
    confine(std::strtoull(arguments[1], nullptr, 10));
    say({});
  } catch (const std::exception& error) {
    say(with_message(Answer::not_ready, error.what()));
    return 1;
  }
  serve(static_cast<unsigned>(std::strtoul(arguments[2], nullptr, 10)), before_decoding);
  _exit(0);  // Nothing here is worth destroying.
}

}  // namespace stoker::decode
