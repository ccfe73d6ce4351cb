// Everything that writes files, while each of its system calls fails in turn: what was there before
// stays as it was, nothing else is left, and an error names the file. Calls that were interrupted
// or came back short are made again.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "backend/cuda/runtime/code_cache.h"
#include "core/format.h"
#include "core/timeline.h"
#include "faults/failing_calls.h"
#include "report/trace.h"
#include "support/contains.h"
#include "support/temporary_folder.h"

namespace stoker {
namespace {

namespace fs = std::filesystem;
using test::Call;
using test::FailingCalls;
using test::Fault;

constexpr int kOld = 0;
constexpr int kNew = 1;

// ---- What writes files ----

struct Writer {
  std::string name;
  std::string file;
  std::function<void(const std::string& path, int version)> write;
  // What the file says, where its bytes hold a time or such; otherwise its bytes.
  std::function<std::string(const std::string& path)> read = test::read_all;
  bool replaces = true;  // Whether a new version takes the place of an old one.
  bool throws = true;    // Whether failures are told at all.
};

Sequential small_model() {
  Sequential model({Input({3}), Dense(2)}, {.seed = 5, .threads = 1, .device = Device::cpu()});
  model.compile({.optimizer = SGD({.learning_rate = 0.0}), .loss = "mse"});
  return model;
}

Sequential& model_of(int version) {
  static Sequential model = small_model();
  std::vector<Tensor> weights = model.get_weights();
  for (Tensor& weight : weights) {
    std::ranges::fill(weight.data<float>(), 0.5f + static_cast<float>(version));
  }
  model.set_weights(weights);
  return model;
}

std::string text_of(const Model& model) {
  std::string text;
  for (const Tensor& weight : model.get_weights()) {
    for (const float value : weight.data<float>()) text += format(value, ' ');
  }
  return text;
}

void fit(Model& model, std::vector<CallbackHandle> callbacks, std::int64_t epochs = 1) {
  model.fit(Tensor::full({4, 3}, 0.25f), Tensor::full({4, 2}, 0.5f),
            {.epochs = epochs, .verbose = 0, .batch_size = 2, .callbacks = std::move(callbacks)});
}

void write_stamps(const std::string& path, int version) {
  Timeline timeline(2, 100);
  for (std::int64_t i = 0; i < 100; ++i) {
    timeline.track(0).stamp(Stage::generate, static_cast<std::uint64_t>(i), 1000 * i,
                            1000 * i + 500 + version);
  }
  report::write_trace(timeline, 1, path);
}

void write_cache(const std::string& path, int version) {
  range(8)
      .map<float>({Shape{4}},
                  [version](std::span<const std::int32_t> number, std::span<float> x) {
                    std::ranges::fill(x, static_cast<float>(number[0] + version));
                  })
      .cache(path)
      .for_each([](std::span<const float>) {});
}

// A line for each version.
void write_line(const std::string& path, int version) {
  CSVLogger logger(path, {.append = version == kNew});
  logger.on_train_begin();
  Logs logs;
  logs.set("loss", 0.5);
  logger.on_epoch_end(version, logs);
}

void write_code(const std::string& path, int version) {
  const std::vector<std::byte> code(10000, static_cast<std::byte>(version + 1));
  backend::cuda::CodeCache(fs::path(path).parent_path().string()).store("key", code);
}

std::vector<Writer> writers() {
  const auto weights_of = [](const std::string& path) { return text_of(Model::load(path)); };
  std::vector<Writer> all{
      {"save", "m.keras", [](auto& path, int version) { model_of(version).save(path); },
       weights_of},
      {"save_weights_h5", "m.weights.h5",
       [](auto& path, int version) { model_of(version).save_weights(path); }},
      {"save_weights_safetensors", "m.safetensors",
       [](auto& path, int version) { model_of(version).save_weights(path); }},
      {"save_checkpoint", "checkpoint",
       [](auto& path, int version) { model_of(version).save_checkpoint(path); }},
      {"ModelCheckpoint", "m.keras",
       [](auto& path, int version) { fit(model_of(version), {ModelCheckpoint(path)}); },
       weights_of},
      {"ModelCheckpoint_weights", "m.safetensors",
       [](auto& path, int version) {
         fit(model_of(version), {ModelCheckpoint(path, {.save_weights_only = true})});
       }},
      {"export_onnx", "m.onnx",
       [](auto& path, int version) { model_of(version).export_onnx(path); }},
      {"write_npy", "a.npy",
       [](auto& path, int version) {
         write_npy(path, Tensor::full({30}, static_cast<float>(version)));
       }},
      {"write_npz", "a.npz",
       [](auto& path, int version) {
         const Tensor tensor = Tensor::full({30}, static_cast<float>(version));
         write_npz(path, {{"a", tensor}, {"b", tensor}});
       }},
      {"write_png", "a.png",
       [](auto& path, int version) {
         const std::vector<std::uint8_t> pixels(12, static_cast<std::uint8_t>(version));
         write_png(path, pixels, {2, 2, 3});
       }},
      {"CSVLogger", "log.csv", write_line},
      {"trace", "trace.json", write_stamps},
      {"cache", "cache", write_cache, test::read_all, false},
      {"code_cache", "", write_code, test::read_all, true, false}};
  return all;
}

// ---- Each call of each kind ----

struct Case {
  Writer writer;
  Call call;
  Fault fault;
};

std::string name_of(const Case& one) {
  return format(one.writer.name, '_', test::name_of(one.call), '_', test::name_of(one.fault));
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const Writer& writer : writers()) {
    for (const Call call :
         {Call::open, Call::read, Call::write, Call::sync, Call::close, Call::rename,
          Call::truncate, Call::mode, Call::remove, Call::make_folder}) {
      for (const Fault fault :
           {Fault::no_space, Fault::io_error, Fault::interrupted, Fault::short_count}) {
        if (test::can_end_so(call, fault)) all.push_back({writer, call, fault});
      }
    }
  }
  return all;
}

std::set<std::string> files_in(const std::string& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    names.insert(entry.path().filename().string());
  }
  return names;
}

class Writers : public testing::TestWithParam<Case> {
 protected:
  const Writer& writer() const { return GetParam().writer; }
  // A folder in which nothing or the old version is, and the path of the file.
  std::string prepare(const std::string& old) {
    fs::remove_all(folder_ / "own");
    fs::create_directories(folder_ / "own");
    if (!old.empty()) folder_.write("own/" + file_, old);
    return folder_ / ("own/" + file_);
  }
  // The bytes and the contents of a version.
  void write_whole(int version, std::string& bytes, std::string& contents) {
    const std::string path = prepare("");
    if (writer().name == "CSVLogger") write_line(path, kOld);
    writer().write(file_.empty() ? folder_ / "own/x" : path, version);
    file_ = *files_in(folder_ / "own").begin();
    bytes = test::read_all(folder_ / ("own/" + file_));
    contents = writer().read(folder_ / ("own/" + file_));
  }

  test::TemporaryFolder folder_;
  std::string file_ = GetParam().writer.file;
};

TEST_P(Writers, LeaveTheOldFileOrTheNewOne) {
  const auto& [writer, call, fault] = GetParam();
  const bool is_harmless = fault == Fault::interrupted || fault == Fault::short_count;
  std::string old_bytes, old_contents, new_bytes, new_contents;
  write_whole(kOld, old_bytes, old_contents);
  write_whole(kNew, new_bytes, new_contents);
  ASSERT_NE(old_contents, new_contents);
  if (!writer.replaces) old_bytes.clear();
  std::uint64_t n = 1;
  for (bool was_reached = true; was_reached; ++n) {
    SCOPED_TRACE(n);
    ASSERT_LT(n, 1000u);
    const std::string path = prepare(old_bytes);
    std::string message, failed_on;
    {
      const FailingCalls failing(folder_ / "own", call, fault, n);
      try {
        writer.write(path, kNew);
      } catch (const CallbackError& error) {
        message = error.what();
        EXPECT_THROW(std::rethrow_if_nested(error), IoError);
      } catch (const IoError& error) {
        message = error.what();
      }
      was_reached = failing.has_failed();
      failed_on = failing.path();
    }
    const bool is_there = fs::exists(path);
    EXPECT_EQ(files_in(folder_ / "own"),
              is_there ? std::set<std::string>{file_} : std::set<std::string>{});
    if (!was_reached || is_harmless) {
      EXPECT_EQ(message, "");
      ASSERT_TRUE(is_there);
      EXPECT_EQ(writer.read(path), new_contents);
      continue;
    }
    // Only after the file has its name its folder is synced, which then comes too late for it.
    const bool is_too_late = call == Call::sync && failed_on == folder_ / "own";
    const bool is_new =
        is_too_late || (call != Call::write && call != Call::rename && message.empty());
    if (is_new) {
      ASSERT_TRUE(is_there);
      EXPECT_EQ(writer.read(path), new_contents) << failed_on;
    } else {
      ASSERT_EQ(is_there, !old_bytes.empty());
      EXPECT_EQ(is_there ? test::read_all(path) : "", old_bytes) << failed_on;
    }
    const bool must_tell = call == Call::write || call == Call::sync || call == Call::rename;
    if (!message.empty() || (must_tell && writer.throws)) {
      EXPECT_TRUE(test::contains(message, path)) << message;
      EXPECT_TRUE(test::contains(
          message, fault == Fault::io_error ? "Input/output error" : "No space left on device"))
          << message;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Of, Writers, testing::ValuesIn(cases()),
                         [](const auto& info) { return name_of(info.param); });

}  // namespace
}  // namespace stoker
