// What `stoker` says, and by which code it ends, where something is not as it should be.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "io/zip.h"
#include "support/source_folder.h"
#include "support/temporary_folder.h"
#include "tools/command.h"

namespace stoker::test {
namespace {

class ExitCodes : public ::testing::Test {
 protected:
  ExitCodes() {
    Sequential model({Input({3}, {.name = "in"}), Dense(1)}, {.seed = 3});
    model.save(folder / "not_compiled.keras");
    model.compile({.optimizer = SGD(), .loss = "mse"});
    model.save(folder / "m.keras");
    write_npy(folder / "x.npy", Tensor({4, 3}));
    write_npy(folder / "y.npy", Tensor({4, 1}));
  }
  // Fails unless the command ends by that code with one line on standard error that has the text.
  void expect(int code, const std::vector<std::string>& arguments, const std::string& text) {
    const Result result = command(arguments);
    SCOPED_TRACE(result.errors);
    EXPECT_EQ(result.code, code);
    EXPECT_EQ(std::ranges::count(result.errors, '\n'), 1);
    EXPECT_TRUE(result.errors.starts_with("stoker: "));
    EXPECT_NE(result.errors.find(text), std::string::npos) << text;
    EXPECT_EQ(result.out, "");
  }
  std::vector<std::string> predict(const std::string& file, const std::string& input = "x.npy",
                                   const std::string& output = "out.npy") {
    return {"predict", folder / file, "--input", folder / input, "--output", folder / output};
  }
  std::vector<std::string> fit(const std::string& file, std::vector<std::string> more = {}) {
    std::vector<std::string> all{"fit",       folder / file,
                                 "--x",       folder / "x.npy",
                                 "--y",       folder / "y.npy",
                                 "--output",  folder / "out.keras",
                                 "--verbose", "0"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  TemporaryFolder folder;
};

TEST_F(ExitCodes, are_2_for_command_lines_that_make_no_sense) {
  expect(2, {}, "subcommand is required");
  expect(2, {"predicts", "m.keras"}, "there is no command or option \"predicts\"");
  expect(2, {"predict"}, "See stoker predict --help");
  expect(2, {"predict", "m.keras", "--input", "x.npy"}, "--output");
  expect(2, {"predict", "m.keras", "--input", "x.npy", "--output", "y.npy", "--batch-size", "0"},
         "--batch-size");
  expect(2, {"predict", "m.keras", "--inputs", "x.npy", "--output", "y.npy"}, "--input");
  expect(2, {"fit", "m.keras", "--output", "o.keras"}, "--images");
  expect(2, {"fit", "m.keras", "--x", "x.npy", "--output", "o.keras"}, "--y");
  expect(2, {"fit", "m.keras", "--csv", "t.csv", "--output", "o.keras"}, "--target");
  expect(2, {"fit", "m.keras", "--images", "d", "--x", "x", "--y", "y", "--output", "o.keras"},
         "--images");
  expect(2, fit("m.keras", {"--epochs", "many"}), "--epochs");
  expect(2, fit("m.keras", {"--validation-split", "1"}), "--validation-split");
  expect(2, fit("m.keras", {"--shuffle", "perhaps"}), "--shuffle");
  expect(2, {"summary", "a.keras", "b.keras"}, "b.keras");
  expect(2, {"plot", "m.keras"}, "OUT");
  expect(2, {"plot", "m.keras", "m.dot", "--rankdir", "up"}, "--rankdir");
}

TEST_F(ExitCodes, are_1_for_files_that_are_missing_or_no_models) {
  expect(1, {"summary", folder / "missing.keras"}, "missing.keras");
  expect(1, {"summary", folder / "x.npy"}, ".keras");
  folder.write("damaged.keras", "PK\x03\x04 nothing more");
  expect(1, {"summary", folder / "damaged.keras"}, "damaged.keras");
  folder.write("damaged.h5", "no HDF5");
  expect(1, {"summary", folder / "damaged.h5"}, "damaged.h5");
  std::filesystem::create_directory(folder / "folder.keras");
  expect(1, {"summary", folder / "folder.keras"}, "folder.keras");
}

TEST_F(ExitCodes, are_1_for_layers_that_are_unknown) {
  const io::ZipReader original(folder / "m.keras", 16);
  std::string bytes;
  io::ZipWriter changed([&](std::span<const std::byte> piece) {
    bytes.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  });
  for (const io::ZipMember& member : original.members()) {
    std::string contents(original.read(member, 1 << 20).text());
    if (const std::size_t at = contents.find("\"Dense\""); at != std::string::npos) {
      contents.replace(at, 7, "\"Tense\"");
    }
    changed.member(member.name, contents);
  }
  changed.close();
  folder.write("unknown.keras", bytes);
  expect(1, {"summary", folder / "unknown.keras"}, "Tense");
}

TEST_F(ExitCodes, are_1_for_arrays_that_do_not_fit) {
  expect(1, predict("m.keras", "missing.npy"), "missing.npy");
  folder.write("damaged.npy", "\x93NUMPY");
  expect(1, predict("m.keras", "damaged.npy"), "damaged.npy");
  write_npy(folder / "wide.npy", Tensor({4, 5}));
  expect(1, predict("m.keras", "wide.npy"), "expected batches of (None, 3), received (None, 5)");
  write_npz(folder / "two.npz", {{"x0", Tensor({4, 3})}, {"x1", Tensor({4, 3})}});
  expect(1, predict("m.keras", "two.npz"), "2");
  write_npz(folder / "named.npz", {{"inn", Tensor({4, 3})}});
  expect(1, predict("m.keras", "named.npz"), "inn");
  write_npz(folder / "none.npz", {});
  expect(1, predict("m.keras", "none.npz"), "none.npz");
  std::string header = "{'descr': '<c8', 'fortran_order': False, 'shape': (0, 3), }\n";
  folder.write("complex.npy", std::string("\x93NUMPY\x01", 7) + '\0' +
                                  static_cast<char>(header.size()) + '\0' + header);
  expect(1, predict("m.keras", "complex.npy"), "<c8");
  expect(1, predict("m.keras", "x.npy", "out.txt"), ".npy");
  expect(1, predict("m.keras", "x.npy", "missing/out.npy"), "missing/out.npy");
  EXPECT_FALSE(std::filesystem::exists(folder / "out.npy"));
}

TEST_F(ExitCodes, are_1_for_models_that_were_not_compiled) {
  expect(1, fit("not_compiled.keras"), "compile");
  expect(
      1,
      {"evaluate", folder / "not_compiled.keras", "--x", folder / "x.npy", "--y", folder / "y.npy"},
      "compile");
  EXPECT_FALSE(std::filesystem::exists(folder / "out.keras"));
}

TEST_F(ExitCodes, are_1_for_data_that_do_not_fit) {
  folder.write("t.csv", "a,b,c,d\n1,2,3,4\n5,six,7,8\n");
  const auto table = [&](const std::string& target) {
    return std::vector<std::string>{"fit",       folder / "m.keras",
                                    "--csv",     folder / "t.csv",
                                    "--target",  target,
                                    "--output",  folder / "out.keras",
                                    "--verbose", "0"};
  };
  expect(1, table("e"), "\"e\"");
  expect(1, table("d"), "six");
  expect(1, {"fit", folder / "m.keras", "--images", folder.path(), "--output", folder / "o.keras"},
         "--images");
  write_npy(folder / "y.npy", Tensor({3, 1}));
  expect(1, fit("m.keras"), "(3, 1)");
  expect(1, {"fit", folder / "m.keras", "--x", "x", "--y", "y", "--output", "out.h5"}, ".keras");
}

TEST_F(ExitCodes, are_1_for_conversions_that_are_not_offered) {
  expect(1, {"convert", folder / "m.keras", folder / "m.pt"}, ".weights.h5");
}

TEST_F(ExitCodes, are_75_where_the_device_was_lost) {
  int lost = 0;
  for (std::int64_t call = 10; call < 200; call += 10) {
    const Result result =
        command(fit("m.keras"), [&] { return Device::simulated({.lose_at_call = call}); });
    if (result.code == 0) break;
    ++lost;
    EXPECT_EQ(result.code, 75) << result.errors;
    EXPECT_NE(result.errors.find("lost"), std::string::npos) << result.errors;
  }
  EXPECT_GT(lost, 2);
}

TEST_F(ExitCodes, are_1_where_the_device_has_too_little_memory) {
  const Result result =
      command(fit("m.keras"), [] { return Device::simulated({.memory_bytes = 100}); });
  EXPECT_EQ(result.code, 1) << result.errors;
}

TEST_F(ExitCodes, of_the_program_are_those_of_the_command) {
  EXPECT_EQ(program(predict("m.keras")).code, 0);
  EXPECT_EQ(program({"summary", folder / "missing.keras"}).code, 1);
  EXPECT_EQ(program({"summary"}).code, 2);
  const Result help = program({"fit", "--help"});
  EXPECT_EQ(help.code, 0);
  EXPECT_NE(help.out.find("Example:\n  stoker fit "), std::string::npos) << help.out;
  EXPECT_EQ(program({"--version"}).out.substr(0, 7), "stoker ");
}

TEST_F(ExitCodes, are_130_after_an_interruption) {
  write_npy(folder / "x.npy", Tensor({4000, 3}));
  write_npy(folder / "y.npy", Tensor({4000, 1}));
  std::vector<std::string> arguments = fit("m.keras", {"--epochs", "1000000"});
  arguments[9] = "2";
  const Program fitting(arguments);
  // The first epoch's line says that training is under way.
  while (fitting.out().empty()) std::this_thread::yield();
  fitting.interrupt();
  const Result result = fitting.wait();
  EXPECT_EQ(result.code, 130) << result.errors;
  EXPECT_EQ(std::ranges::count(result.errors, '\n'), 1) << result.errors;
  EXPECT_FALSE(std::filesystem::exists(folder / "out.keras"));
}

// ---- The manual page and the completion know every option ----
std::vector<std::string> options_of(const std::string& command_name) {
  std::vector<std::string> options;
  const std::string help = command({command_name, "--help"}).out;
  for (std::size_t at = 0; (at = help.find("--", at)) != std::string::npos;) {
    const std::size_t end = help.find_first_not_of("abcdefghijklmnopqrstuvwxyz-", at);
    options.push_back(help.substr(at, end - at));
    at = end;
  }
  return options;
}

TEST(Documentation, names_every_command_and_option) {
  std::string page = read_all((source_folder() / "tools/stoker.1").string());
  page.erase(std::remove(page.begin(), page.end(), '\\'), page.end());
  const std::string completion = read_all((source_folder() / "tools/completion/stoker").string());
  const std::string guide = read_all((source_folder() / "docs/command.md").string());
  for (const char* name : {"summary", "predict", "evaluate", "fit", "convert", "plot", "doctor"}) {
    EXPECT_FALSE(options_of(name).empty());
    for (const std::string& word : options_of(name)) {
      EXPECT_NE(page.find(word), std::string::npos) << name << ' ' << word;
      EXPECT_NE(completion.find(word), std::string::npos) << name << ' ' << word;
    }
    EXPECT_NE(page.find(name), std::string::npos) << name;
    EXPECT_NE(completion.find(name), std::string::npos) << name;
    EXPECT_NE(guide.find("stoker " + std::string(name)), std::string::npos) << name;
  }
}

}  // namespace
}  // namespace stoker::test
