// Runs commands of `stoker` for tests: within this process, or as the program that users start.
#pragma once

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "commands.h"
#include "support/source_folder.h"
#include "support/temporary_folder.h"

namespace stoker::test {

// A model that Keras saved.
inline std::string golden_file(const std::string& name) {
  return (source_folder() / "tests/golden/cases/files" / name).string();
}

struct Result {
  int code = 0;
  std::string out;
  std::string errors;
};

inline Result command(const std::vector<std::string>& arguments,
                      const std::function<Device()>& device = Device::cpu) {
  std::vector<const char*> words{"stoker"};
  for (const std::string& argument : arguments) words.push_back(argument.c_str());
  std::ostringstream out, errors;
  const int code =
      tool::run_command(static_cast<int>(words.size()), words.data(), device, out, errors);
  return {code, out.str(), errors.str()};
}

// A program that was started. Its output goes to files.
class Program {
 public:
  explicit Program(const std::vector<std::string>& arguments) {
    std::vector<char*> words{const_cast<char*>(STOKER_PROGRAM)};
    for (const std::string& argument : arguments) {
      words.push_back(const_cast<char*>(argument.c_str()));
    }
    words.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    for (const int stream : {1, 2}) {
      posix_spawn_file_actions_addopen(&actions, stream, path(stream).c_str(),
                                       O_WRONLY | O_CREAT | O_TRUNC, 0600);
    }
    const int error = posix_spawn(&process_, words[0], &actions, nullptr, words.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) throw std::runtime_error(std::string("could not start ") + words[0]);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  std::string out() const { return read_all(path(1)); }
  void interrupt() const { kill(process_, SIGINT); }
  // Waits for the end. The code is -1 where a signal ended the program.
  Result wait() const {
    int status = 0;
    while (waitpid(process_, &status, 0) < 0) {
      if (errno != EINTR) throw std::runtime_error("waitpid failed");
    }
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, out(), read_all(path(2))};
  }

 private:
  std::string path(int stream) const { return folder_ / std::to_string(stream); }

  TemporaryFolder folder_;
  pid_t process_ = 0;
};

inline Result program(const std::vector<std::string>& arguments) {
  return Program(arguments).wait();
}

}  // namespace stoker::test
