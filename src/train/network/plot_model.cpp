// Has Graphviz make pictures. Its program gets the text in a file without a name, and gives the
// picture and its messages in others, so that neither side waits for the other.
#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "core/atomic_file.h"
#include "core/format.h"
#include "stoker/error.h"
#include "stoker/plot_model.h"

extern char** environ;

namespace stoker {
namespace {

[[noreturn]] void fail(const std::string& what, int reason) {
  throw IoError(format("plot_model: ", what, ": ", std::generic_category().message(reason)));
}

// A file in memory that has no name.
class MemoryFile {
 public:
  explicit MemoryFile(const char* name) : descriptor_(memfd_create(name, MFD_CLOEXEC)) {
    if (descriptor_ < 0) fail("could not make a file in memory", errno);
  }
  ~MemoryFile() { close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  int descriptor() const { return descriptor_; }
  void write(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t written = ::write(descriptor_, text.data(), text.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) fail("could not write into memory", errno);
      text.remove_prefix(static_cast<std::size_t>(written));
    }
    lseek(descriptor_, 0, SEEK_SET);
  }
  std::string contents() const {
    lseek(descriptor_, 0, SEEK_SET);
    std::string all;
    std::array<char, 65536> part{};
    for (;;) {
      const ssize_t count = read(descriptor_, part.data(), part.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) fail("could not read from memory", errno);
      if (count == 0) return all;
      all.append(part.data(), static_cast<std::size_t>(count));
    }
  }

 private:
  const int descriptor_;
};

struct Ended {
  std::string output;
  std::string messages;
  bool has_failed = false;
};

Ended run_dot(const std::string& text, const std::string& format_name) {
  const MemoryFile input("dot"), output("picture"), messages("messages");
  input.write(text);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input.descriptor(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output.descriptor(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, messages.descriptor(), STDERR_FILENO);
  std::string program = "dot";
  std::string option = "-T" + format_name;
  std::array<char*, 3> arguments{program.data(), option.data(), nullptr};
  pid_t process = 0;
  const int error =
      posix_spawnp(&process, program.c_str(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error == ENOENT) {
    throw IoError(format("plot_model: expected Graphviz's program dot, which makes .", format_name,
                         " files, received none in PATH. Install it (Debian: apt install ",
                         "graphviz), or give a file that ends in .dot, which needs nothing"));
  }
  if (error != 0) fail("could not start Graphviz's program dot", error);
  int status = 0;
  pid_t waited = 0;
  do {
    waited = waitpid(process, &status, 0);
  } while (waited < 0 && errno == EINTR);
  // A program that ignores SIGCHLD is not told the status; the picture then tells.
  Ended ended{.output = output.contents(), .messages = messages.contents()};
  ended.messages.resize(ended.messages.find_last_not_of(" \n") + 1);
  const bool is_told = waited == process;
  ended.has_failed =
      ended.output.empty() || (is_told && (!WIFEXITED(status) || WEXITSTATUS(status) != 0));
  return ended;
}

}  // namespace

void plot_model(const Model& model, const std::string& to_file, PlotModelOptions options) {
  const std::string ending = std::filesystem::path(to_file).extension().string();
  constexpr std::array<std::string_view, 5> kEndings{".dot", ".png", ".svg", ".pdf", ""};
  if (to_file.empty() || std::ranges::find(kEndings, ending) == kEndings.end()) {
    throw ValueError(format("plot_model: expected a file that ends in .dot, .png, .svg or .pdf, ",
                            "received \"", to_file, "\""));
  }
  const std::string text =
      model_to_dot(model, {.show_shapes = options.show_shapes,
                           .show_dtype = options.show_dtype,
                           .show_layer_names = options.show_layer_names,
                           .rankdir = std::move(options.rankdir),
                           .expand_nested = options.expand_nested,
                           .dpi = options.dpi,
                           .show_layer_activations = options.show_layer_activations,
                           .show_trainable = options.show_trainable,
                           .splines = std::move(options.splines)});
  if (ending == ".dot") return write_file(to_file, text);
  const Ended ended = run_dot(text, ending.empty() ? "png" : ending.substr(1));
  if (ended.has_failed) {
    throw IoError(format("plot_model: ", to_file, ": Graphviz's program dot failed: ",
                         ended.messages.empty() ? "it said nothing" : ended.messages));
  }
  write_file(to_file, ended.output);
}

}  // namespace stoker
