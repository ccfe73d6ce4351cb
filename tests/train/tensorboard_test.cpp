// The TensorBoard callback: what it writes, when, and what becomes of a fit where it can't.
#include <gtest/gtest.h>
#include <stoker/stoker.h>
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "support/allocation_counter.h"
#include "support/contains.h"
#include "support/event_reader.h"
#include "support/message.h"
#include "support/sanitizer.h"
#include "support/temporary_folder.h"
#include "train/callbacks/weight_images.h"

namespace stoker {
namespace {

using test::Event;
using test::event_files;
using test::read_events;
using test::scalars_of;
using test::tags_of;

Sequential regressor() {
  Sequential model({Input({4}), Dense(3, {.activation = "relu"}), Dense(1)}, {.seed = 7});
  model.compile({.optimizer = SGD({.learning_rate = 0.5}), .loss = "mse", .metrics = {"mae"}});
  return model;
}

// Four steps an epoch.
History fit(Model& model, FitOptions options) {
  options.verbose = 0;
  options.batch_size = 8;
  return model.fit(Tensor::uniform({32, 4}), Tensor::uniform({32, 1}), std::move(options));
}

std::string error_output_of(const std::function<void()>& call) {
  testing::internal::CaptureStderr();
  call();
  return testing::internal::GetCapturedStderr();
}

class TensorBoardFiles : public testing::Test {
 protected:
  std::vector<Event> train_events() const { return read_events(folder / "logs/train"); }
  std::vector<Event> validation_events() const { return read_events(folder / "logs/validation"); }
  TensorBoard board(TensorBoardOptions options = {}) const {
    return TensorBoard(folder / "logs", options);
  }

  test::TemporaryFolder folder;
};

TEST_F(TensorBoardFiles, HaveTheTagsStepsAndValuesOfKeras) {
  Sequential model = regressor();
  const History history =
      fit(model, {.epochs = 2, .validation_split = 0.25, .callbacks = {board()}});
  const auto train = train_events(), validation = validation_events();
  EXPECT_EQ(tags_of(train), (std::map<std::string, int>{{"keras", 1},
                                                        {"epoch_loss", 2},
                                                        {"epoch_mae", 2},
                                                        {"epoch_learning_rate", 2},
                                                        {"feed/wall", 2},
                                                        {"feed/computed", 2},
                                                        {"feed/waited_for_generator", 2},
                                                        {"feed/waited_for_upload", 2},
                                                        {"feed/waited_for_launch", 2},
                                                        {"feed/other", 2},
                                                        {"feed/verdict", 2}}));
  EXPECT_EQ(tags_of(validation), (std::map<std::string, int>{{"epoch_loss", 2},
                                                             {"epoch_mae", 2},
                                                             {"evaluation_loss_vs_iterations", 2},
                                                             {"evaluation_mae_vs_iterations", 2}}));
  for (std::size_t epoch = 0; epoch < 2; ++epoch) {
    const auto number = static_cast<std::int64_t>(epoch);
    const auto is = [&](const std::vector<Event>& events, const char* tag, double value) {
      EXPECT_EQ(scalars_of(events, tag).at(epoch).first, number) << tag;
      EXPECT_EQ(scalars_of(events, tag).at(epoch).second, static_cast<float>(value)) << tag;
    };
    is(train, "epoch_loss", history["loss"][epoch]);
    is(train, "epoch_mae", history["mae"][epoch]);
    is(train, "epoch_learning_rate", 0.5);
    is(train, "feed/computed", history["feed_computed"][epoch]);
    is(validation, "epoch_loss", history["val_loss"][epoch]);
    const auto evaluations = scalars_of(validation, "evaluation_loss_vs_iterations");
    EXPECT_EQ(evaluations.at(epoch).first, 3 * (number + 1));
    EXPECT_EQ(evaluations.at(epoch).second, static_cast<float>(history["val_loss"][epoch]));
  }
}

TEST_F(TensorBoardFiles, HaveTheModelAsKerasWritesItAndTheVerdictAsText) {
  Sequential model = regressor();
  const std::string json = model.to_json();
  const History history = fit(model, {.callbacks = {board()}});
  const auto events = train_events();
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(events[0].tag, "keras");
  EXPECT_EQ(events[0].plugin, "graph_keras_model");
  EXPECT_EQ(events[0].strings, std::vector<std::string>{json});
  const auto verdict = std::ranges::find(events, "feed/verdict", &Event::tag);
  ASSERT_NE(verdict, events.end());
  EXPECT_EQ(verdict->plugin, "text");
  // Markdown takes a line for a paragraph where an empty one follows.
  const std::string text = history.feed_by_epoch[0].verdict();
  EXPECT_TRUE(verdict->strings.at(0).starts_with(text.substr(0, text.find(" of the time"))))
      << verdict->strings[0];
  EXPECT_TRUE(test::contains(verdict->strings[0], "\n\nA batch takes "));
}

TEST_F(TensorBoardFiles, LeaveOutWhatIsNotAskedFor) {
  Sequential model = regressor();
  fit(model, {.callbacks = {board({.write_graph = false})}});
  EXPECT_FALSE(tags_of(train_events()).contains("keras"));
  EXPECT_FALSE(std::filesystem::exists(folder / "logs/validation"));
}

TEST_F(TensorBoardFiles, HaveTheLogsOfEveryNthStep) {
  Sequential model = regressor();
  std::vector<double> losses;
  FitOptions options{.epochs = 3, .callbacks = {board({.update_freq = 5})}};
  options.on_train_batch_end = [&](std::int64_t, LogsView logs) { losses.push_back(logs.loss()); };
  fit(model, options);
  const auto logged = scalars_of(train_events(), "batch_loss");
  ASSERT_EQ(logged.size(), 2u);
  EXPECT_EQ(logged[0].first, 5);
  EXPECT_EQ(logged[1].first, 10);
  EXPECT_EQ(logged[0].second, static_cast<float>(losses[4]));
  EXPECT_EQ(logged[1].second, static_cast<float>(losses[9]));
  EXPECT_EQ(scalars_of(train_events(), "batch_mae").size(), 2u);
}

TEST_F(TensorBoardFiles, HaveStepsPerSecond) {
  Sequential model = regressor();
  fit(model, {.epochs = 2,
              .callbacks = {board({.write_steps_per_second = true, .update_freq = "batch"})}});
  const auto events = train_events();
  EXPECT_EQ(scalars_of(events, "batch_steps_per_second").size(), 8u);
  EXPECT_EQ(scalars_of(events, "epoch_steps_per_second").size(), 2u);
  for (const char* tag : {"batch_steps_per_second", "epoch_steps_per_second"}) {
    for (const auto& [step, rate] : scalars_of(events, tag)) {
      EXPECT_TRUE(std::isfinite(rate) && rate > 0.0) << tag;
    }
  }
}

TEST_F(TensorBoardFiles, HaveHistogramsAndImagesOfWeightsEverySoManyEpochs) {
  Sequential model = regressor();
  fit(model, {.epochs = 3, .callbacks = {board({.histogram_freq = 2, .write_images = true})}});
  const auto events = train_events();
  const auto tags = tags_of(events);
  for (const std::string& name : model.weight_names()) {
    ASSERT_TRUE(tags.contains(name + "/histogram")) << name;
    EXPECT_EQ(tags.contains(name + "/image"), name != "dense_1/bias") << name;
    EXPECT_EQ(tags.at(name + "/histogram"), 2) << name;
  }
  for (const Event& event : events) {
    if (event.tag != "dense/kernel/histogram") continue;
    EXPECT_EQ(event.step % 2, 0);
    double count = 0.0;
    for (std::size_t i = 2; i < event.numbers.size(); i += 3) count += event.numbers[i];
    EXPECT_EQ(count, 12.0);
  }
}

TEST_F(TensorBoardFiles, OfSeveralFitsStandBesideEachOtherAndStepsGoOn) {
  Sequential model = regressor();
  TensorBoard callback = board({.update_freq = 2});
  fit(model, {.epochs = 2, .callbacks = {callback}});
  fit(model, {.epochs = 4, .initial_epoch = 2, .callbacks = {callback}});
  EXPECT_EQ(event_files(folder / "logs/train").size(), 2u);
  std::vector<std::int64_t> epochs, steps;
  for (const auto& entry : scalars_of(train_events(), "epoch_loss")) epochs.push_back(entry.first);
  for (const auto& entry : scalars_of(train_events(), "batch_loss")) steps.push_back(entry.first);
  EXPECT_EQ(epochs, (std::vector<std::int64_t>{0, 1, 2, 3}));
  EXPECT_EQ(steps, (std::vector<std::int64_t>{2, 4, 6, 8, 10, 12, 14, 16}));
}

TEST_F(TensorBoardFiles, GoOnInTheMiddleOfAnEpochWithACheckpoint) {
  for (const std::int64_t stop : {3, 6}) {
    const std::string logs = folder / ("stop" + std::to_string(stop));
    const TensorBoardOptions every{.update_freq = "batch"};
    const auto options = [&](bool stops) {
      FitOptions options{.epochs = 3, .callbacks = {TensorBoard(logs, every)}};
      options.callbacks.emplace_back(BackupAndRestore(logs + ".backup", {.save_freq = 1}));
      options.on_train_batch_end = [&stop, stops, step = std::int64_t{0}](std::int64_t,
                                                                          LogsView) mutable {
        if (stops && ++step == stop) throw ValueError("the power is off");
      };
      return options;
    };
    Sequential first = regressor();
    EXPECT_THROW(fit(first, options(true)), CallbackError);
    Sequential second = regressor();
    fit(second, options(false));
    std::vector<std::int64_t> steps;
    for (const auto& entry : scalars_of(read_events(logs + "/train"), "batch_loss")) {
      steps.push_back(entry.first);
    }
    std::vector<std::int64_t> expected;
    for (std::int64_t step = 1; step <= 12; ++step) expected.push_back(step);
    EXPECT_EQ(steps, expected) << stop;
  }
}

TEST_F(TensorBoardFiles, OfASourceWithoutLengthGoOnByTheUpdatesOfTheModel) {
  const auto batches = [] {
    return generator<float, float>({.x = {8, 4}, .y = {8, 1}},
                                   [](BatchContext& batch, std::span<float> x, std::span<float> y) {
                                     if (batch.index == 3) return 0;
                                     batch.random.fill_uniform(x);
                                     batch.random.fill_uniform(y);
                                     return 8;
                                   });
  };
  Sequential model = regressor();
  for (const std::int64_t epoch : {0, 1}) {
    model.fit(batches(), {.epochs = epoch + 1,
                          .verbose = 0,
                          .initial_epoch = epoch,
                          .callbacks = {board({.update_freq = "batch"})}});
  }
  const auto logged = scalars_of(train_events(), "batch_loss");
  ASSERT_EQ(logged.size(), 6u);
  for (std::size_t i = 0; i < 6; ++i) EXPECT_EQ(logged[i].first, static_cast<std::int64_t>(i + 1));
}

TEST_F(TensorBoardFiles, AreCompleteAfterEachHook) {
  Sequential model = regressor();
  FitOptions options{.epochs = 2, .callbacks = {board({.update_freq = "batch"})}};
  std::vector<std::size_t> logged;
  options.on_train_batch_end = [&](std::int64_t, LogsView) {
    logged.push_back(scalars_of(train_events(), "batch_loss").size());
  };
  fit(model, options);
  EXPECT_EQ(logged, (std::vector<std::size_t>{1, 2, 3, 4, 5, 6, 7, 8}));
}

TEST_F(TensorBoardFiles, OfEvaluationsCountByTheUpdatesOfTheModel) {
  Sequential model = regressor();
  fit(model, {.epochs = 1});
  TensorBoard callback = board();
  for (int i = 0; i < 2; ++i) {
    model.evaluate(Tensor::uniform({8, 4}), Tensor::uniform({8, 1}),
                   {.verbose = 0, .callbacks = {callback}});
  }
  const auto events = validation_events();
  EXPECT_EQ(scalars_of(events, "evaluation_loss_vs_iterations").size(), 2u);
  EXPECT_EQ(scalars_of(events, "evaluation_mae_vs_iterations").at(0).first, 4);
  EXPECT_FALSE(std::filesystem::exists(folder / "logs/train"));
}

TEST_F(TensorBoardFiles, TakeOddNamesAndNumbersAndThousandsOfThem) {
  Sequential model = regressor();
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  const auto add = [&](std::int64_t, Logs& logs) {
    logs.set("a b/ü\xff", kNaN);
    logs.set("val_<|>", -std::numeric_limits<double>::infinity());
    logs.set("learning_rate", 7.0);
    for (int i = 0; i < 2000; ++i) logs.set("metric" + std::to_string(i), i);
  };
  fit(model, {.callbacks = {LambdaCallback{.on_epoch_end = add}, board()}});
  const auto train = train_events();
  EXPECT_TRUE(std::isnan(scalars_of(train, "epoch_a b/ü\ufffd").at(0).second));
  EXPECT_TRUE(std::isinf(scalars_of(validation_events(), "epoch_<|>").at(0).second));
  // The rate is the optimizer's, as in Keras, and stands there once.
  ASSERT_EQ(scalars_of(train, "epoch_learning_rate").size(), 1u);
  EXPECT_EQ(scalars_of(train, "epoch_learning_rate")[0].second, 0.5);
  EXPECT_EQ(scalars_of(train, "epoch_metric1999").at(0).second, 1999.0);
}

TEST_F(TensorBoardFiles, OfAFitThatFailsHaveWhatWasBefore) {
  Sequential model = regressor();
  FitOptions options{.epochs = 3, .callbacks = {board()}};
  options.on_epoch_begin = [](std::int64_t epoch) {
    if (epoch == 2) throw ValueError("enough");
  };
  EXPECT_THROW(fit(model, options), CallbackError);
  EXPECT_EQ(scalars_of(train_events(), "epoch_loss").size(), 2u);
}

// ---- Where it can't write ----

TEST_F(TensorBoardFiles, ThatCannotBeMadeCostOneWarning) {
  folder.write("logs", "a file");
  Sequential watched = regressor(), alone = regressor();
  History history;
  const std::string warning = error_output_of([&] {
    history = fit(watched, {.epochs = 2,
                            .validation_split = 0.25,
                            .callbacks = {board({.histogram_freq = 1, .update_freq = "batch"})}});
  });
  EXPECT_TRUE(test::contains(warning, "Warning: TensorBoard: Writing " + (folder / "logs/train") +
                                          ": could not make the folder: "));
  EXPECT_TRUE(warning.ends_with(". Nothing more is logged in this fit.\n")) << warning;
  EXPECT_EQ(std::ranges::count(warning, '\n'), 1);
  EXPECT_EQ(history["loss"], fit(alone, {.epochs = 2, .validation_split = 0.25})["loss"]);
}

// The limit on the size of files stands for a full disk.
TEST_F(TensorBoardFiles, OnAFullDiskEndWithAWholeRecordAndTheFitGoesOn) {
  Sequential model = regressor();
  rlimit limit{};
  getrlimit(RLIMIT_FSIZE, &limit);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  FitOptions options{.epochs = 4, .callbacks = {board({.update_freq = "batch"})}};
  std::size_t whole = 0;
  options.on_epoch_begin = [&](std::int64_t epoch) {
    if (epoch != 2) return;
    whole = train_events().size();
    const auto size = std::filesystem::file_size(event_files(folder / "logs/train").at(0));
    const rlimit low{size + 20, limit.rlim_max};
    setrlimit(RLIMIT_FSIZE, &low);
  };
  History history;
  testing::internal::CaptureStderr();
  try {
    history = fit(model, options);
  } catch (...) {
    setrlimit(RLIMIT_FSIZE, &limit);
    throw;
  }
  setrlimit(RLIMIT_FSIZE, &limit);
  std::signal(SIGXFSZ, handler);
  const std::string warning = testing::internal::GetCapturedStderr();
  EXPECT_EQ(history.epoch.size(), 4u);
  EXPECT_TRUE(test::contains(warning, "could not write it: File too large"));
  EXPECT_EQ(std::ranges::count(warning, '\n'), 1) << warning;
  EXPECT_EQ(train_events().size(), whole);
  // The next fit tries again.
  fit(model, options = {.callbacks = {board()}});
  EXPECT_EQ(event_files(folder / "logs/train").size(), 2u);
}

TEST(TensorBoardArguments, AreChecked) {
  EXPECT_TRUE(UpdateFrequency("epoch").is_epoch());
  EXPECT_EQ(UpdateFrequency("batch").steps(), 1);
  EXPECT_EQ(test::message_of<ValueError>([] { UpdateFrequency("step"); }),
            "update_freq: expected \"epoch\", \"batch\" or a number of steps, received \"step\"");
  EXPECT_THROW(UpdateFrequency(0), ValueError);
  EXPECT_THROW(TensorBoard("logs", {.histogram_freq = -1}), ValueError);
}

#if !STOKER_SANITIZED_MALLOC
TEST_F(TensorBoardFiles, CostNothingInAStepThatIsNotLogged) {
  Sequential model = regressor();
  // Of the thread that trains alone: when the feed's and the board's own threads start and stop is
  // up to the machine.
  const test::AllocationCounter counter;
  std::vector<std::uint64_t> counts;
  counts.reserve(64);
  FitOptions options{.epochs = 1, .callbacks = {board()}};
  fit(model, options);
  FitOptions alone = options;
  alone.callbacks.clear();
  for (FitOptions* each : {&options, &alone}) {
    each->epochs = 4;
    std::uint64_t before = 0, largest = 0;
    each->on_train_batch_begin = [&](std::int64_t) { before = counter.count_of_this_thread(); };
    each->on_train_batch_end = [&](std::int64_t step, LogsView) {
      if (step > 0) largest = std::max(largest, counter.count_of_this_thread() - before);
    };
    fit(model, *each);
    counts.push_back(largest);
  }
  EXPECT_EQ(counts[0], counts[1]);
}
#endif

// ---- Weights as images ----

struct Pixels {
  std::int64_t width, height;
  std::vector<std::vector<std::uint8_t>> images;
};

Pixels pixels_of(const Tensor& weight, int channels = 1) {
  const train::WeightImages images = train::images_of_weight(weight);
  Pixels pixels{images.width, images.height, {}};
  for (const std::string& png : images.pngs) {
    const Tensor image = decode_image(std::as_bytes(std::span(png.data(), png.size())), channels);
    EXPECT_EQ(image.shape(), (Shape{images.height, images.width, channels}));
    const auto data = image.data<std::uint8_t>();
    pixels.images.emplace_back(data.begin(), data.end());
  }
  return pixels;
}

TEST(WeightImages, AreCutAsKerasCutsThem) {
  // A vector is a column; numbers outside [0, 1] are cut off.
  const Pixels bias = pixels_of(Tensor::from<float>({4}, {-1.0f, 0.5f, 1.0f, 2.0f}));
  EXPECT_EQ(bias.width, 1);
  EXPECT_EQ(bias.images, (std::vector<std::vector<std::uint8_t>>{{0, 127, 255, 255}}));
  // A matrix lies on its longer side.
  const Tensor tall = Tensor::from<float>({3, 2}, {0.0f, 0.1f, 0.2f, 0.3f, 0.4f, 0.5f});
  const Pixels kernel = pixels_of(tall);
  EXPECT_EQ(kernel.width, 3);
  EXPECT_EQ(kernel.images, (std::vector<std::vector<std::uint8_t>>{{0, 51, 102, 25, 76, 127}}));
  EXPECT_EQ(pixels_of(tall.reshaped({1, 2, 3, 1})).images,
            (std::vector<std::vector<std::uint8_t>>{{0, 25, 51, 76, 102, 127}}));
  // Slices along the last of three axes, three at most.
  const Pixels slices = pixels_of(Tensor::uniform({2, 3, 5}));
  EXPECT_EQ(slices.width, 3);
  EXPECT_EQ(slices.images.size(), 3u);
  // Four axes are images in color, where the last has 3 or 4 extents.
  EXPECT_EQ(pixels_of(Tensor::uniform({2, 5, 6, 3}), 3).images.size(), 2u);
  EXPECT_TRUE(train::images_of_weight(Tensor::uniform({3, 3, 8, 16})).pngs.empty());
  EXPECT_TRUE(train::images_of_weight(Tensor::uniform({1})).pngs.empty());
  EXPECT_TRUE(train::images_of_weight(Tensor({0, 3})).pngs.empty());
  const Pixels nan = pixels_of(Tensor::full({2}, std::nanf("")));
  EXPECT_EQ(nan.images[0], (std::vector<std::uint8_t>{0, 0}));
}

}  // namespace
}  // namespace stoker
