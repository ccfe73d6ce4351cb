// stoker-decode, for tests: what a file says after its first bytes goes wrong when it is decoded.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <string_view>

#include "data/isolation/protocol.h"
#include "serve.h"
#include "stoker/error.h"

namespace {

using stoker::isolation::Answer;
using stoker::isolation::Reply;
using stoker::isolation::Request;

void go_wrong(const Request& request, std::span<const std::byte> file) {
  const auto send_reply = [&](Reply reply) {
    reply.number = request.number;
    (void)!send(stoker::isolation::kSocket, &reply, sizeof reply, MSG_NOSIGNAL);
  };
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  const auto says = [&](std::string_view what) { return text == what; };
  if (says("abort")) std::abort();
  if (says("segfault")) {
    std::signal(SIGSEGV, SIG_DFL);  // where a sanitizer has a handler of its own
    std::raise(SIGSEGV);
  }
  if (says("exit")) _exit(7);
  if (says("hang")) {
    for (;;) pause();
  }
  if (says("spin")) {
    for (const volatile int zero = 0; zero == 0;) {
    }
  }
  if (says("short answer")) (void)!send(stoker::isolation::kSocket, "x", 1, MSG_NOSIGNAL);
  if (says("other magic")) send_reply({.magic = 1});
  if (says("unknown answer")) {
    send_reply({.answer = Answer{77}, .height = 1, .width = 1, .channels = 3});
  }
  if (says("large size")) {
    send_reply({.answer = Answer::pixels,
                .height = std::int64_t{1} << 40,
                .width = std::int64_t{1} << 40,
                .channels = 3});
  }
  if (says("other channels")) {
    send_reply({.answer = Answer::pixels, .height = 1, .width = 1, .channels = 4});
  }
  if (says("more than there is")) {
    send_reply({.answer = Answer::pixels, .height = 4000, .width = 4000, .channels = 3});
  }
  if (says("no end of the message")) {
    Reply reply{.answer = Answer::refused};
    std::ranges::fill(reply.message, '\n');
    send_reply(reply);  // and another answer follows
  }
  if (says("shrink")) {
    if (ftruncate(stoker::isolation::kMemory, 0) == 0) std::abort();
  }
  if (says("open a file") && open("/etc/passwd", O_RDONLY) < 0) {
    throw stoker::IoError("no file could be opened");
  }
}

}  // namespace

int main(int count, char** arguments) { return stoker::decode::run(count, arguments, go_wrong); }
