// What a process that reads a stranger's file can do, and what its end leaves behind.
#include "restricted.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stoker/stoker.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "support/sanitizer.h"
#include "support/temporary_folder.h"
#include "tools/command.h"

namespace stoker::test {
namespace {

namespace fs = std::filesystem;

class Restricted : public ::testing::Test {
 protected:
  Restricted() {
    folder.write("in", "what is read");
    folder.write("secret", "what is not");
    folder.write("out", "as it was");
  }
  void run(const std::function<void(const fs::path&)>& work) {
    tool::run_restricted(folder / "in", folder / "out", work);
  }
  // Fails unless the work ends by a DataError with the text, and nothing has changed by it.
  void expect_failure(const std::string& text, const std::function<void(const fs::path&)>& work) {
    try {
      run(work);
      ADD_FAILURE() << "expected an error with: " << text;
    } catch (const DataError& error) {
      EXPECT_NE(std::string(error.what()).find(text), std::string::npos) << error.what();
    }
    expect_files("as it was");
  }
  void expect_files(const std::string& out) {
    EXPECT_EQ(read_all(folder / "out"), out);
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder.path())) {
      names.push_back(entry.path().filename().string());
    }
    std::ranges::sort(names);
    EXPECT_EQ(names, (std::vector<std::string>{"in", "out", "secret"}));
  }

  TemporaryFolder folder;
};

void write_file(const fs::path& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  if (!file.flush()) throw IoError("could not write " + path.string());
}

TEST_F(Restricted, what_was_written_takes_the_place_of_the_output) {
  run([&](const fs::path& out) { write_file(out, read_all(folder / "in") + ", and written"); });
  expect_files("what is read, and written");
}

// An attempt fails by the errno of what refused it.
struct Attempt {
  const char* what;
  std::function<bool()> succeeds;
};

TEST_F(Restricted, nothing_can_be_reached_but_the_input_and_the_outputs_folder) {
  const pid_t parent = getpid();
  const std::string secret = folder / "secret", beside = folder / "beside";
  run([&](const fs::path& out) {
    const auto opens = [](const std::string& path, int flags) {
      return open(path.c_str(), flags, 0600) >= 0;
    };
    const auto raises_limit = [] {
      const rlimit more{RLIM_INFINITY, RLIM_INFINITY};
      return setrlimit(RLIMIT_CORE, &more) == 0 || setrlimit(RLIMIT_CPU, &more) == 0;
    };
    const auto starts_program = [] {
      char name[] = "/bin/true";
      char* arguments[] = {name, nullptr};
      return execv(name, arguments) == 0;  // One that succeeds does not return, and writes nothing.
    };
    const Attempt attempts[] = {
        {"reading another file", [&] { return opens(secret, O_RDONLY); }},
        {"writing another file", [&] { return opens(secret, O_WRONLY); }},
        {"making a file beside the output", [&] { return opens(beside, O_WRONLY | O_CREAT); }},
        {"removing another file", [&] { return unlink(secret.c_str()) == 0; }},
        {"writing the input", [&] { return opens(folder / "in", O_RDWR); }},
        {"reading the users' names", [&] { return opens("/etc/passwd", O_RDONLY); }},
        {"a socket", [] { return socket(AF_INET, SOCK_STREAM, 0) >= 0; }},
        {"a local socket", [] { return socket(AF_UNIX, SOCK_STREAM, 0) >= 0; }},
        {"a terminal", [] { return isatty(0) != 0 || isatty(1) != 0 || isatty(2) != 0; }},
        {"a process", [] { return fork() >= 0; }},
        {"a program", starts_program},
        {"a signal to the parent", [=] { return kill(parent, 0) == 0; }},
        {"a higher limit", raises_limit},
        {"a link out of the folder",
         [&] { return symlink(secret.c_str(), (out.string() + ".link").c_str()) == 0; }},
    };
    std::string possible;
    for (const Attempt& attempt : attempts) {
      if (attempt.succeeds()) possible += std::string(attempt.what) + "; ";
    }
    if (!possible.empty()) throw DataError("possible: " + possible);
    bool ran = false;
    std::thread([&] { ran = true; }).join();
    write_file(out, ran ? "confined" : "without threads");
  });
  expect_files("confined");
}

TEST_F(Restricted, no_descriptor_of_the_parent_is_left) {
  const int secret = open((folder / "secret").c_str(), O_RDONLY);
  ASSERT_GE(secret, 0);
  run([&](const fs::path& out) {
    char byte;
    write_file(out, read(secret, &byte, 1) < 0 && errno == EBADF ? "closed" : "open");
  });
  EXPECT_EQ(fcntl(secret, F_GETFD), 0);
  close(secret);
  expect_files("closed");
}

TEST_F(Restricted, an_end_by_a_signal_is_an_error_that_names_it) {
  expect_failure("signal 9", [](const fs::path& out) {
    write_file(out, "half");
    raise(SIGKILL);
  });
  expect_failure("signal 11", [](const fs::path&) {
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
  });
}

TEST_F(Restricted, errors_are_passed_on_without_control_characters) {
  expect_failure("red  [31m text", [](const fs::path& out) {
    write_file(out, "half");
    throw DataError("red \x1b[31m text");
  });
  expect_failure("none of the library's", [](const fs::path&) { throw 3; });
  expect_failure(std::string(4096, 'a'),
                 [](const fs::path&) { throw DataError(std::string(100'000, 'a')); });
}

#if !STOKER_SANITIZED_MALLOC
TEST_F(Restricted, too_much_memory_is_an_error) {
  expect_failure("bad_alloc", [](const fs::path&) {
    std::vector<char> much(std::size_t{1} << 35);
    much.back() = 1;
  });
}
#endif

TEST_F(Restricted, an_end_without_a_file_is_an_error) {
  expect_failure("has not written", [](const fs::path&) {});
  expect_failure("has not written", [](const fs::path&) { _exit(0); });
}

TEST_F(Restricted, paths_that_do_not_exist_are_errors) {
  const auto nothing = [](const fs::path&) {};
  EXPECT_THROW(tool::run_restricted(folder / "missing", folder / "out", nothing), IoError);
  EXPECT_THROW(tool::run_restricted(folder.path(), folder / "out", nothing), IoError);
  EXPECT_THROW(tool::run_restricted(folder / "in", folder / "no/out", nothing), IoError);
  expect_files("as it was");
}

// ---- The command ----

TEST(ConvertRestricted, writes_what_convert_writes) {
  const TemporaryFolder folder;
  for (const char* name : {"a.safetensors", "a.onnx"}) {
    const std::string free = folder / (std::string("free_") + name);
    const std::string confined = folder / (std::string("confined_") + name);
    for (const char* file : {"mlp.keras", "cnn.h5"}) {
      SCOPED_TRACE(std::string(file) + " to " + name);
      ASSERT_EQ(command({"convert", golden_file(file), free}).code, 0);
      const Result result = program({"convert", "--restricted", golden_file(file), confined});
      ASSERT_EQ(result.code, 0) << result.errors;
      EXPECT_EQ(read_all(confined), read_all(free));
    }
  }
}

TEST(ConvertRestricted, says_in_one_line_what_is_wrong_with_a_file) {
  const TemporaryFolder folder;
  folder.write("damaged.h5", "no HDF5");
  const Result result =
      program({"convert", "--restricted", folder / "damaged.h5", folder / "damaged.safetensors"});
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(std::ranges::count(result.errors, '\n'), 1);
  EXPECT_TRUE(result.errors.starts_with("stoker: ")) << result.errors;
  EXPECT_NE(result.errors.find("damaged.h5"), std::string::npos) << result.errors;
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), {}), 1);
}

}  // namespace
}  // namespace stoker::test
