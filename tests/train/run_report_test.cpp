// Report: the page that a fit leaves, what it costs, and what becomes of it where something fails.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/allocation_counter.h"
#include "support/contains.h"
#include "support/counting_device.h"
#include "support/message.h"
#include "support/sanitizer.h"
#include "support/temporary_folder.h"

namespace stoker {
namespace {

Sequential classifier(Device device = Device::cpu()) {
  Sequential model({Input({4}), Dense(8, {.activation = "relu"}), Dense(3)},
                   {.name = "own", .seed = 7, .device = std::move(device)});
  model.compile({.optimizer = SGD({.learning_rate = 0.1}),
                 .loss = SparseCategoricalCrossentropy({.from_logits = true}),
                 .metrics = {"accuracy"}});
  return model;
}

struct Data {
  Tensor x = Tensor::uniform({32, 4});
  Tensor y{{32}, DType::int32};
  Data() {
    for (std::size_t i = 0; i < 32; ++i) y.data<std::int32_t>()[i] = static_cast<int>(i % 3);
  }
};
const Data& data() {
  static const Data all;
  return all;
}

FitOptions quiet(std::int64_t epochs = 1) {
  return {.epochs = epochs, .verbose = 0, .batch_size = 8, .shuffle = false};
}

// The data of the page at `path`.
Config page_at(const std::string& path) {
  const std::string html = test::read_all(path);
  const std::string begin = "id=\"data\">";
  const std::size_t at = html.find(begin);
  if (at == std::string::npos) throw std::runtime_error(path + " is no page");
  const std::size_t from = at + begin.size();
  return Config::from_json(html.substr(from, html.find("</script>", from) - from));
}

std::string text_in(const Config& page, const std::string& group, const std::string& name) {
  for (const Config& one : page["settings"].list_items()) {
    if (one["name"].string() != group) continue;
    for (const Config& row : one["rows"].list_items()) {
      if (row[0].string() == name) return row[1].string();
    }
  }
  return "nothing";
}

const Config& curve_of(const Config& page, const std::string& name) {
  for (const Config& curve : page["curves"].list_items()) {
    if (curve["name"].string() == name) return curve;
  }
  throw std::runtime_error("there is no curve " + name);
}

class RunReport : public testing::TestWithParam<const char*> {
 protected:
  Device device() const {
    return std::string(GetParam()) == "cpu" ? Device::cpu() : Device::simulated();
  }
  test::TemporaryFolder folder_;
  std::string path_ = folder_ / "run.html";
};
INSTANTIATE_TEST_SUITE_P(On, RunReport, testing::Values("cpu", "simulated"),
                         [](const auto& info) { return std::string(info.param); });

// ---- What the page has ----

TEST_P(RunReport, HasTheCurvesOfTheHistory) {
  Sequential model = classifier(device());
  FitOptions options = quiet(4);
  options.validation_data = {data().x, data().y};
  options.validation_freq = 2;
  options.callbacks = {Report(path_)};
  const History history = model.fit(data().x, data().y, options);
  const Config page = page_at(path_);
  EXPECT_EQ(page["title"].string(), "own");
  EXPECT_EQ(page["status"]["kind"].string(), "done");
  EXPECT_EQ(page["epochs"].size(), 4u);
  for (const char* name : {"loss", "accuracy"}) {
    const Config& y = curve_of(page, name)["y"];
    for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(y[i].number(), history[name][i], 1e-4);
  }
  const Config& validation = curve_of(page, "val_loss");
  EXPECT_EQ(validation["x"].to_json(), "[2, 4]");
  EXPECT_NEAR(validation["y"][1].number(), history["val_loss"][1], 1e-4);
  EXPECT_NEAR(curve_of(page, "learning_rate")["y"][0].number(), 0.1, 1e-6);
  EXPECT_EQ(curve_of(page, "accuracy")["larger_is_better"].boolean(), true);
  EXPECT_EQ(curve_of(page, "val_loss")["larger_is_better"].boolean(), false);
}

TEST_P(RunReport, HasTheFeedTheModelAndTheSettings) {
  Sequential model = classifier(device());
  FitOptions options = quiet(2);
  options.callbacks = {Report(path_, {.title = "Mine"})};
  const History history = model.fit(data().x, data().y, options);
  const Config page = page_at(path_);
  EXPECT_EQ(page["title"].string(), "Mine");
  EXPECT_EQ(page["feed"]["batches"].integer(), 8);
  EXPECT_EQ(page["feed"]["verdict"].string(), history.feed.verdict());
  EXPECT_EQ(page["feed_by_epoch"].size(), 2u);
  EXPECT_EQ(page["model"]["parameters"].integer(), model.count_params());
  EXPECT_EQ(page["model"]["layers"][0].to_json(), R"x(["dense", "Dense", "(None, 8)", 40])x");
  EXPECT_EQ(page["memory"]["layers"].size() > 0, true);
  EXPECT_EQ(text_in(page, "Optimizer", "Class"), "SGD");
  EXPECT_EQ(text_in(page, "Loss and metrics", "Loss"), "SparseCategoricalCrossentropy");
  EXPECT_EQ(text_in(page, "Loss and metrics", "Metrics"), "accuracy");
  EXPECT_EQ(text_in(page, "Fit", "Epochs"), "2");
  EXPECT_EQ(text_in(page, "Fit", "Steps an epoch"), "4");
  EXPECT_EQ(text_in(page, "Fit", "Rows of a batch"), "8");
}

TEST_P(RunReport, ShowsEachBatchFromItsGeneratorToItsStep) {
  Sequential model = classifier(device());
  auto source = generator<float, std::int32_t>(
      {.x = {2, 4}, .y = {2}},
      pure([](BatchContext& batch, std::span<float> x, std::span<std::int32_t> y) {
        batch.random.fill_uniform(x);
        std::ranges::fill(y, 1);
      }));
  model.fit(source, {.steps_per_epoch = 1000,
                     .epochs = 3,
                     .verbose = 0,
                     .workers = 2,
                     .callbacks = {Report(path_)}});
  const Config page = page_at(path_);
  const Config& timeline = page["timeline"];
  ASSERT_EQ(timeline["parts"].size(), 2u);
  std::size_t stage_of_steps = 0, stage_of_fills = 0;
  for (std::size_t i = 0; i < timeline["stages"].size(); ++i) {
    if (timeline["stages"][i].string() == "compute") stage_of_steps = i;
    if (timeline["stages"][i].string() == "generate") stage_of_fills = i;
  }
  const std::int64_t begins[] = {0, 2800};
  for (std::size_t part = 0; part < 2; ++part) {
    std::vector<std::int64_t> steps, fills;
    for (const Config& stamp : timeline["parts"][part]["stamps"].list_items()) {
      const auto stage = static_cast<std::size_t>(stamp[1].integer());
      if (stage == stage_of_steps) steps.push_back(stamp[2].integer());
      if (stage == stage_of_fills) fills.push_back(stamp[2].integer());
      EXPECT_GE(stamp[3].integer(), 0);
      EXPECT_GE(stamp[4].integer(), 0);
    }
    ASSERT_EQ(steps.size(), 200u);
    EXPECT_EQ(steps.front(), begins[part]);
    EXPECT_EQ(steps.back(), begins[part] + 199);
    EXPECT_EQ(fills.size(), 200u);
  }
  EXPECT_EQ(timeline["slowest"].size(), 20u);
  EXPECT_EQ(timeline["tracks"][2].string(), "training loop");
}

// ---- Classifiers ----

TEST_P(RunReport, CountsWhatIsMistakenForWhat) {
  Sequential model = classifier(device());
  FitOptions options = quiet(1);
  options.callbacks = {
      Report(path_, {.validation = {data().x, data().y}, .class_names = {"a", "b"}, .worst = 5})};
  model.fit(data().x, data().y, options);
  const Tensor predicted = model.predict(data().x);
  std::int64_t expected[3][3] = {};
  for (std::size_t i = 0; i < 32; ++i) {
    const auto scores = predicted.data<float>().subspan(3 * i, 3);
    const auto guess = std::ranges::max_element(scores) - scores.begin();
    ++expected[i % 3][guess];
  }
  const Config page = page_at(path_);
  ASSERT_EQ(page["classification"].size(), 1u);
  const Config& found = page["classification"][0];
  EXPECT_EQ(found["total"].integer(), 32);
  EXPECT_EQ(found["classes"].to_json(), R"(["a", "b", "2"])");
  std::int64_t sum = 0;
  for (const Config& cell : found["cells"].list_items()) {
    EXPECT_EQ(cell[2].integer(), expected[cell[0].integer()][cell[1].integer()]);
    sum += cell[2].integer();
  }
  EXPECT_EQ(sum, 32);
  EXPECT_EQ(found["correct"].integer(), expected[0][0] + expected[1][1] + expected[2][2]);
  // The worst mistake is the one whose truth was thought least probable.
  ASSERT_EQ(found["mistakes"].size(), 5u);
  double before = 0.0;
  for (const Config& mistake : found["mistakes"].list_items()) {
    EXPECT_NE(mistake["truth"].integer(), mistake["guess"].integer());
    EXPECT_EQ(mistake["truth"].integer(), mistake["row"].integer() % 3);
    EXPECT_GE(mistake["p_truth"].number(), before);
    EXPECT_LT(mistake["p_truth"].number(), mistake["p_guess"].number());
    before = mistake["p_truth"].number();
    EXPECT_FALSE(mistake["text"].string().empty());
  }
}

TEST_P(RunReport, ShowsMistakesOfImagesAsPictures) {
  Sequential model({Input({100, 50, 3}), Flatten(), Dense(2, {.activation = "softmax"})},
                   {.device = device()});
  model.compile({.optimizer = SGD(), .loss = "categorical_crossentropy"});
  const Tensor x = Tensor::uniform({6, 100, 50, 3});
  Tensor y({6, 2});
  for (std::size_t i = 0; i < 6; ++i) y.data<float>()[2 * i + i % 2] = 1.0f;
  model.fit(x, y, {.verbose = 0, .callbacks = {Report(path_, {.validation = {x, y}})}});
  const Config page = page_at(path_);
  const Config& found = page["classification"][0];
  EXPECT_EQ(found["total"].integer(), 6);
  ASSERT_GT(found["mistakes"].size(), 0u);
  const Config& image = found["mistakes"][0]["image"];
  EXPECT_EQ(image["width"].integer(), 32);
  EXPECT_EQ(image["height"].integer(), 64);
  EXPECT_EQ(image["channels"].integer(), 3);
  EXPECT_EQ(image["data"].string().size(), 32u * 64u * 4u);
}

TEST_P(RunReport, JudgesBinaryClassifiersOnGenerators) {
  Sequential model({Input({2}), Dense(1, {.activation = "sigmoid"})}, {.device = device()});
  model.compile({.optimizer = SGD(), .loss = "binary_crossentropy"});
  const auto make = [] {
    return generator<float, float>({.x = {4, 2}, .y = {4, 1}},
                                   [](BatchContext& batch, std::span<float> x, std::span<float> y) {
                                     batch.random.fill_uniform(x);
                                     for (std::size_t i = 0; i < 4; ++i) y[i] = i % 2 ? 1.0f : 0.0f;
                                   });
  };
  auto training = make(), validation = make();
  model.fit(training, {.steps_per_epoch = 3,
                       .verbose = 0,
                       .callbacks = {Report(path_, {.validation = validation})}});
  const Config page = page_at(path_);
  const Config& found = page["classification"][0];
  EXPECT_EQ(found["total"].integer(), 10'000);
  EXPECT_EQ(found["by_class"][0][0].integer(), 5000);
  EXPECT_EQ(found["by_class"][1][0].integer(), 5000);
}

TEST_P(RunReport, OfARegressionHasNoClasses) {
  Sequential model({Input({4}), Dense(1)}, {.device = device()});
  model.compile({.optimizer = SGD(), .loss = "mse"});
  const Tensor y = Tensor::uniform({32, 1});
  model.fit(data().x, y,
            {.verbose = 0, .callbacks = {Report(path_, {.validation = {data().x, y}})}});
  EXPECT_EQ(page_at(path_)["classification"].size(), 0u);
}

TEST_P(RunReport, WarnsOfAValidationThatDoesNotFit) {
  Sequential model = classifier(device());
  FitOptions options = quiet();
  options.callbacks = {Report(path_, {.validation = {Tensor({5, 9}), Tensor({5}, DType::int32)}})};
  testing::internal::CaptureStderr();
  const History history = model.fit(data().x, data().y, options);
  EXPECT_TRUE(
      test::contains(testing::internal::GetCapturedStderr(), "Warning: Report: validation: "));
  EXPECT_EQ(history["loss"].size(), 1u);
  EXPECT_EQ(page_at(path_)["status"]["kind"].string(), "done");
}

// ---- What it leaves alone ----

TEST_P(RunReport, DoesNotChangeTheTraining) {
  Sequential alone = classifier(device());
  Sequential watched = classifier(device());
  FitOptions options = quiet(3);
  const History expected = alone.fit(data().x, data().y, options);
  options.callbacks = {Report(path_, {.validation = {data().x, data().y}})};
  const History history = watched.fit(data().x, data().y, options);
  EXPECT_EQ(history["loss"], expected["loss"]);
  const auto a = alone.get_weights(), b = watched.get_weights();
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_TRUE(std::ranges::equal(a[i].data<float>(), b[i].data<float>()));
  }
}

TEST(RunReportCost, IsNothingForTheDeviceInAStep) {
  const test::TemporaryFolder folder;
  const auto calls_with = [&](const std::vector<CallbackHandle>& callbacks) {
    test::HostCalls calls;
    const auto simulated = Device::simulated();
    Sequential model = classifier(Device(test::counting_device(simulated.base(), calls)));
    FitOptions options = quiet();
    options.batch_size = 1;
    options.callbacks = callbacks;
    const Tensor x = Tensor::uniform({300, 4});
    const Tensor y({300}, DType::int32);
    const auto begin = std::chrono::steady_clock::now();
    model.fit(x, y, options);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    const auto readbacks = static_cast<std::int64_t>(10.0 * took.count()) + 1;
    EXPECT_EQ(calls.launches, 300);
    EXPECT_LE(calls.copies_to_host, 2 * readbacks + 20);
    EXPECT_LE(calls.synchronizations, 40);
  };
  calls_with({});
  calls_with({Report(folder / "run.html")});
}

#if !STOKER_SANITIZED_MALLOC

TEST_P(RunReport, AllocatesNothingInAStep) {
  class Counts : public Callback {
   public:
    std::uint64_t steps = 0;
    void on_train_batch_end(std::int64_t step, LogsView) override {
      if (step == 40) counter_.emplace();
      if (step == 100) steps = counter_->count();
    }

   private:
    std::optional<test::AllocationCounter> counter_;
  };
  Sequential model = classifier(device());
  Counts counts;
  auto source = generator<float, std::int32_t>(
      {.x = {2, 4}, .y = {2}},
      [](BatchContext& batch, std::span<float> x, std::span<std::int32_t> y) {
        batch.random.fill_uniform(x);
        std::ranges::fill(y, 1);
      });
  model.fit(source, {.steps_per_epoch = 101, .verbose = 0, .callbacks = {Report(path_), counts}});
  EXPECT_EQ(counts.steps, 0u);
}

#endif

// ---- Failures ----

TEST_P(RunReport, OfAFitThatFailsTellsOfIt) {
  Sequential model = classifier(device());
  auto source = generator<float, std::int32_t>(
      {.x = {2, 4}, .y = {2}},
      [](BatchContext& batch, std::span<float> x, std::span<std::int32_t> y) {
        if (batch.sequence == 25) throw std::runtime_error("the disk <b>burns</b>");
        batch.random.fill_uniform(x);
        std::ranges::fill(y, 1);
      });
  EXPECT_THROW(
      model.fit(source,
                {.steps_per_epoch = 10, .epochs = 5, .verbose = 0, .callbacks = {Report(path_)}}),
      DataError);
  const Config page = page_at(path_);
  EXPECT_EQ(page["status"]["kind"].string(), "failed");
  EXPECT_TRUE(test::contains(page["status"]["text"].string(), "the disk <b>burns</b>"));
  EXPECT_EQ(page["epochs"].size(), 2u);
  EXPECT_EQ(page["timeline"]["parts"][0]["batches"].integer() >= 20, true);
}

TEST_P(RunReport, OfAFitThatFailsInItsFirstStepIsAPage) {
  Sequential model = classifier(device());
  Tensor x = Tensor::uniform({32, 4});
  x.data<float>()[0] = std::numeric_limits<float>::quiet_NaN();
  FitOptions options = quiet();
  options.nan_policy = NanPolicy::allow;
  options.callbacks = {Report(path_)};
  EXPECT_THROW(model.fit(x, data().y, options), NumericError);
  EXPECT_EQ(page_at(path_)["status"]["kind"].string(), "failed");
  EXPECT_EQ(page_at(path_)["epochs"].size(), 0u);
}

TEST_P(RunReport, OfAFitThatWasStoppedSaysSo) {
  Sequential model = classifier(device());
  FitOptions options = quiet(5);
  options.callbacks = {Report(path_)};
  options.on_epoch_end = [&](std::int64_t epoch, Logs&) {
    if (epoch == 1) model.stop_training();
  };
  model.fit(data().x, data().y, options);
  EXPECT_EQ(page_at(path_)["status"]["kind"].string(), "stopped");
  EXPECT_EQ(page_at(path_)["epochs"].size(), 2u);
}

TEST_P(RunReport, ThatCannotBeWrittenWarnsOnceAndTheTrainingGoesOn) {
  for (const std::string& path : {folder_ / "missing/run.html", std::string("/dev/full")}) {
    Sequential model = classifier(device());
    FitOptions options = quiet(3);
    options.callbacks = {Report(path)};
    testing::internal::CaptureStderr();
    const History history = model.fit(data().x, data().y, options);
    const std::string warning = testing::internal::GetCapturedStderr();
    EXPECT_TRUE(warning.starts_with("Warning: Report: ")) << warning;
    EXPECT_EQ(std::ranges::count(warning, '\n'), 1) << warning;
    EXPECT_EQ(history["loss"].size(), 3u);
  }
}

TEST_P(RunReport, ServesOneFitAfterAnother) {
  Sequential model = classifier(device());
  Report report(path_);
  FitOptions options = quiet(2);
  options.callbacks = {report};
  model.fit(data().x, data().y, options);
  model.fit(data().x, data().y, options);
  EXPECT_EQ(page_at(path_)["epochs"].to_json(), "[1, 2]");
  EXPECT_EQ(page_at(path_)["feed"]["batches"].integer(), 8);
}

TEST(RunReportOptions, AreChecked) {
  EXPECT_TRUE(test::contains(
      test::message_of<ValueError>([] { Report("run.html", {.worst = -1}); }), "worst"));
}

// Six of the eight relus are below 0 for every row, and do not learn.
TEST(RunReportUnits, ThatAreSilentAreTold) {
  const test::TemporaryFolder folder;
  Sequential model = classifier();
  std::vector<Tensor> weights = model.get_weights();
  std::ranges::fill(weights[0].data<float>(), 0.1f);
  for (std::size_t i = 0; i < 8; ++i) weights[1].data<float>()[i] = i < 6 ? -10.0f : 1.0f;
  model.set_weights(weights);
  FitOptions options = quiet();
  options.callbacks = {Report(folder / "run.html", {.validation = {data().x, data().y}})};
  model.fit(data().x, data().y, options);
  const Config layers = page_at(folder / "run.html")["model"]["layers"];
  ASSERT_EQ(layers.size(), 2U);
  EXPECT_EQ(layers[0][4].number(), 0.75);
  EXPECT_EQ(layers[1].size(), 4U);  // It has no relu.
}

}  // namespace
}  // namespace stoker
