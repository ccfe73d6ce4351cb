// The commands of `stoker`, and what they do with input that is as it should be.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <algorithm>
#include <string>
#include <vector>

#include "support/golden.h"
#include "support/temporary_folder.h"
#include "tools/command.h"

namespace stoker::test {
namespace {

Tensor first_batch(const Tensor& batches) {
  return batches.rows(0, 1).reshaped(batches.shape().without_batch());
}

std::vector<float> floats(const Tensor& tensor) {
  const auto data = tensor.data<float>();
  return {data.begin(), data.end()};
}

// A compiled model that has trained, so that its optimizer has a state.
Sequential small_model() {
  Sequential model({Input({3}, {.name = "in"}), Dense(4, {.activation = "relu"}), Dense(1)},
                   {.seed = 3});
  model.compile({.optimizer = Adam(), .loss = "mse", .metrics = {"mae"}});
  model.train_on_batch(Tensor::normal({8, 3}, 0, 1, 1), Tensor::normal({8, 1}, 0, 1, 2));
  return model;
}

Model model_of_two() {
  const Value a = Input({2}, {.name = "a"});
  const Value b = Input({3}, {.name = "b"});
  const Value both = Concatenate()({a, b});
  return Model({a, b}, {Dense(1, {.name = "price"})(both), Dense(2, {.name = "kind"})(both)});
}

class Command : public ::testing::Test {
 protected:
  void expect_success(const std::vector<std::string>& arguments) {
    result = command(arguments);
    EXPECT_EQ(result.code, 0) << result.errors;
    EXPECT_EQ(result.errors, "");
  }
  TemporaryFolder folder;
  Result result;
};

TEST_F(Command, summary_prints_what_the_model_prints) {
  expect_success({"summary", golden_file("cnn.keras")});
  std::ostringstream expected;
  Model::load(golden_file("cnn.keras")).summary(expected);
  EXPECT_EQ(result.out, expected.str());
}

TEST_F(Command, summary_shows_a_model_whose_compile_is_not_offered) {
  expect_success({"summary", golden_file("residual.keras")});
  EXPECT_NE(result.out.find("Total params"), std::string::npos);
}

TEST_F(Command, predict_gives_what_keras_predicted) {
  for (const char* name : {"cnn", "mlp"}) {
    const GoldenCase golden = load_golden("files", name);
    write_npy(folder / "x.npy", first_batch(golden.tensor("x")));
    for (const char* extension : {".keras", ".h5"}) {
      expect_success({"predict", golden_file(std::string(name) + extension), "--input",
                      folder / "x.npy", "--output", folder / "y.npy", "--batch-size", "2"});
      const Tensor y = read_npy(folder / "y.npy");
      const Tensor& expected = golden.tensor("prediction");
      ASSERT_EQ(y.shape(), expected.shape());
      for (std::size_t i = 0; i < floats(y).size(); ++i) {
        EXPECT_NEAR(floats(y)[i], floats(expected)[i], 1e-5f);
      }
    }
  }
}

TEST_F(Command, predict_takes_several_inputs_by_number_or_name_and_gives_outputs_by_name) {
  Model model = model_of_two();
  model.save(folder / "m.keras");
  const Tensor a = Tensor::normal({5, 2}, 0, 1, 1), b = Tensor::normal({5, 3}, 0, 1, 2);
  const std::vector<Tensor> expected = model.predict_outputs({a, b});
  write_npz(folder / "numbers.npz", {{"x0", a}, {"x1", b}});
  write_npz(folder / "numpys.npz", {{"arr_0", a}, {"arr_1", b}});
  write_npz(folder / "names.npz", {{"b", b}, {"a", a}});
  for (const char* input : {"numbers.npz", "numpys.npz", "names.npz"}) {
    expect_success(
        {"predict", folder / "m.keras", "--input", folder / input, "--output", folder / "y.npz"});
    const auto y = read_npz(folder / "y.npz");
    ASSERT_EQ(y.size(), 2U);
    EXPECT_EQ(floats(y.at("price")), floats(expected[0]));
    EXPECT_EQ(floats(y.at("kind")), floats(expected[1]));
  }
}

// A .npy as NumPy writes it, of a type that no Tensor has.
template <class T>
void write_raw(const std::string& path, const std::string& descr, const std::string& shape,
               const std::vector<T>& values) {
  std::string header =
      "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }";
  header += '\n';
  std::string text = "\x93NUMPY";
  text += {1, 0, static_cast<char>(header.size()), 0};
  text += header;
  text.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
  std::ofstream(path, std::ios::binary) << text;
}

TEST_F(Command, predict_converts_numbers_as_keras_does) {
  Sequential model = small_model();
  model.save(folder / "m.keras");
  const std::vector<float> whole = {1, -2, 3, 0, 5, 4};
  const std::vector<float> expected = floats(model.predict(Tensor::from<float>({2, 3}, whole)));
  write_raw<double>(folder / "f8.npy", "<f8", "(2, 3)", {1, -2, 3, 0, 5, 4});
  write_raw<std::int64_t>(folder / "i8.npy", "<i8", "(2, 3)", {1, -2, 3, 0, 5, 4});
  write_raw<std::int32_t>(folder / "i4.npy", "<i4", "(2, 3)", {1, -2, 3, 0, 5, 4});
  for (const char* input : {"f8.npy", "i8.npy", "i4.npy"}) {
    expect_success(
        {"predict", folder / "m.keras", "--input", folder / input, "--output", folder / "y.npy"});
    EXPECT_EQ(floats(read_npy(folder / "y.npy")), expected) << input;
  }
}

TEST_F(Command, predict_gives_an_embedding_whole_numbers) {
  Sequential model({Input({2}, {.dtype = "int32"}), Embedding(10, 3), Flatten()}, {.seed = 1});
  model.save(folder / "m.keras");
  const auto expected = floats(model.predict(Tensor::from<std::int32_t>({1, 2}, {7, 2})));
  write_raw<double>(folder / "f8.npy", "<f8", "(1, 2)", {7.9, 2});
  write_raw<std::int64_t>(folder / "i8.npy", "<i8", "(1, 2)", {7, 2});
  for (const char* input : {"f8.npy", "i8.npy"}) {
    expect_success(
        {"predict", folder / "m.keras", "--input", folder / input, "--output", folder / "y.npy"});
    EXPECT_EQ(floats(read_npy(folder / "y.npy")), expected) << input;
  }
  write_raw<double>(folder / "large.npy", "<f8", "(1, 2)", {3e9, 2});
  result = command({"predict", folder / "m.keras", "--input", folder / "large.npy", "--output",
                    folder / "y.npy"});
  EXPECT_EQ(result.code, 1);
  EXPECT_NE(result.errors.find("does not fit int32"), std::string::npos) << result.errors;
}

TEST_F(Command, evaluate_prints_loss_and_metrics_in_lines_or_as_json) {
  Sequential model = small_model();
  model.save(folder / "m.keras");
  const Tensor x = Tensor::normal({50, 3}, 0, 1, 4), y = Tensor::normal({50, 1}, 0, 1, 5);
  write_npy(folder / "x.npy", x);
  write_npy(folder / "y.npy", y);
  const Logs expected = model.evaluate(x, y, {.verbose = 0});
  expect_success(
      {"evaluate", folder / "m.keras", "--x", folder / "x.npy", "--y", folder / "y.npy", "--json"});
  EXPECT_EQ(std::ranges::count(result.out, '\n'), 1);
  const Config json = Config::from_json(result.out);
  for (const auto& [name, value] : expected) EXPECT_EQ(json.at(name).number(), value) << name;
  expect_success(
      {"evaluate", folder / "m.keras", "--x", folder / "x.npy", "--y", folder / "y.npy"});
  EXPECT_TRUE(result.out.starts_with("loss: ")) << result.out;
  EXPECT_NE(result.out.find("\nmae: "), std::string::npos) << result.out;
}

TEST_F(Command, fit_trains_on_with_the_files_settings_and_state) {
  Sequential model = small_model();
  model.save(folder / "m.keras");
  const Tensor x = Tensor::normal({50, 3}, 0, 1, 4), y = Tensor::normal({50, 1}, 0, 1, 5);
  write_npy(folder / "x.npy", x);
  write_npy(folder / "y.npy", y);
  expect_success({"fit",
                  folder / "m.keras",
                  "--x",
                  folder / "x.npy",
                  "--y",
                  folder / "y.npy",
                  "--epochs",
                  "3",
                  "--batch-size",
                  "16",
                  "--shuffle",
                  "0",
                  "--validation-split",
                  "0.2",
                  "--output",
                  folder / "out.keras",
                  "--history",
                  folder / "h.json",
                  "--verbose",
                  "0"});
  const History history = model.fit(
      x, y,
      {.epochs = 3, .verbose = 0, .batch_size = 16, .validation_split = 0.2, .shuffle = false});
  const Model trained = Model::load(folder / "out.keras");
  EXPECT_EQ(trained.iterations(), model.iterations());
  for (std::size_t i = 0; i < model.get_weights().size(); ++i) {
    EXPECT_EQ(floats(trained.get_weights()[i]), floats(model.get_weights()[i]));
  }
  const Config json = Config::from_json(read_all(folder / "h.json"));
  EXPECT_EQ(json.at("epoch").size(), 3U);
  for (const char* name : {"loss", "mae", "val_loss", "val_mae"}) {
    const Config& values = json.at("history").at(name);
    ASSERT_EQ(values.size(), 3U);
    EXPECT_EQ(values.at(std::size_t{2}).number(), history[name][2]) << name;
  }
}

// The tests' output is no terminal.
TEST_F(Command, fit_prints_a_line_an_epoch_where_there_is_no_terminal_for_a_live_view) {
  small_model().save(folder / "m.keras");
  write_npy(folder / "x.npy", Tensor::normal({50, 3}, 0, 1, 4));
  write_npy(folder / "y.npy", Tensor::normal({50, 1}, 0, 1, 5));
  const Result live =
      program({"fit", folder / "m.keras", "--x", folder / "x.npy", "--y", folder / "y.npy",
               "--epochs", "2", "--output", folder / "out.keras", "--verbose", "3"});
  EXPECT_EQ(live.code, 0) << live.errors;
  EXPECT_TRUE(live.out.starts_with("Epoch 1/2\n2/2 - ")) << live.out;
  EXPECT_NE(live.out.find("\nEpoch 2/2\n2/2 - "), std::string::npos) << live.out;
  EXPECT_EQ(live.out.find('\x1b'), std::string::npos);
}

TEST_F(Command, fit_takes_a_table) {
  small_model().save(folder / "m.keras");
  std::string table = "a,b,price,c\n";
  for (int i = 0; i < 20; ++i) {
    table += std::to_string(i % 5) + ',' + std::to_string(i % 3) + ',' + std::to_string(i) + ",1\n";
  }
  folder.write("t.csv", table);
  expect_success({"fit", folder / "m.keras", "--csv", folder / "t.csv", "--target", "price",
                  "--epochs", "2", "--output", folder / "out.keras", "--verbose", "0"});
  EXPECT_EQ(Model::load(folder / "out.keras").iterations(), 3);
}

TEST_F(Command, fit_takes_a_folder_of_images) {
  Sequential model({Input({4, 6, 1}), Flatten(), Dense(2)}, {.seed = 3});
  model.compile({.optimizer = SGD(),
                 .loss = SparseCategoricalCrossentropy({.from_logits = true}),
                 .metrics = {"accuracy"}});
  model.save(folder / "m.keras");
  for (int i = 0; i < 10; ++i) {
    const std::vector<std::uint8_t> pixels(64, static_cast<std::uint8_t>(20 * i));
    const std::string name = (i % 2 == 0 ? "images/even/" : "images/odd/") + std::to_string(i);
    write_png(folder.write(name + ".png", ""), pixels, {8, 8, 1});
  }
  expect_success({"fit", folder / "m.keras", "--images", folder / "images", "--epochs", "2",
                  "--batch-size", "4", "--validation-split", "0.2", "--output",
                  folder / "out.keras", "--history", folder / "h.json", "--verbose", "0"});
  EXPECT_EQ(Model::load(folder / "out.keras").iterations(), 4);
  const Config json = Config::from_json(read_all(folder / "h.json"));
  EXPECT_EQ(json.at("history").at("val_accuracy").size(), 2U);
  EXPECT_EQ(json.at("feed_by_epoch").size(), 2U);
}

TEST_F(Command, plot_draws_what_the_library_draws) {
  expect_success({"plot", golden_file("cnn.keras"), folder / "m.dot"});
  const Model model = Model::load(golden_file("cnn.keras"));
  EXPECT_EQ(read_all(folder / "m.dot"), model_to_dot(model, {.show_layer_names = false}));
  expect_success({"plot", golden_file("cnn.keras"), folder / "m.dot", "--show-shapes",
                  "--show-dtype", "--show-layer-names", "--show-layer-activations",
                  "--show-trainable", "--expand-nested", "--rankdir", "LR", "--dpi", "96"});
  EXPECT_EQ(read_all(folder / "m.dot"), model_to_dot(model, {.show_shapes = true,
                                                             .show_dtype = true,
                                                             .rankdir = "LR",
                                                             .expand_nested = true,
                                                             .dpi = 96,
                                                             .show_layer_activations = true,
                                                             .show_trainable = true}));
}

TEST_F(Command, plot_draws_a_model_whose_compile_is_not_offered) {
  expect_success({"plot", golden_file("residual.keras"), folder / "m.dot"});
}

TEST_F(Command, convert_writes_the_format_that_the_path_ends_in) {
  expect_success({"convert", golden_file("mlp.h5"), folder / "mlp.keras"});
  const Model converted = Model::load(folder / "mlp.keras");
  const Model original = Model::load(golden_file("mlp.h5"));
  ASSERT_EQ(converted.weight_names(), original.weight_names());
  EXPECT_EQ(converted.iterations(), original.iterations());
  for (std::size_t i = 0; i < original.get_weights().size(); ++i) {
    EXPECT_EQ(floats(converted.get_weights()[i]), floats(original.get_weights()[i]));
  }
  for (const char* name : {"mlp.weights.h5", "mlp.safetensors"}) {
    expect_success({"convert", golden_file("mlp.keras"), folder / name});
    Model third = Model::from_json(original.to_json());
    third.load_weights(folder / name);
    EXPECT_EQ(floats(third.get_weights()[0]), floats(original.get_weights()[0])) << name;
  }
  expect_success({"convert", golden_file("mlp.keras"), folder / "mlp.onnx"});
  original.export_onnx(folder / "expected.onnx");
  EXPECT_TRUE(read_all(folder / "mlp.onnx") == read_all(folder / "expected.onnx"));
}

TEST_F(Command, what_if_says_what_the_report_says) {
  Sequential model = small_model();
  const FeedReport report =
      model
          .fit(Tensor::normal({64, 3}, 0, 1, 1), Tensor::normal({64, 1}, 0, 1, 2),
               {.verbose = 0, .batch_size = 4})
          .feed;
  const std::string json = report.to_json();
  folder.write("report.json", json);
  folder.write("history.json", "{\"epoch\": [0], \"feed\": " + json + "}");
  const Outcome expected = report.what_if({.device_speed = 2, .workers = 3});
  for (const char* name : {"report.json", "history.json"}) {
    expect_success({"what-if", folder / name, "--device-speed", "2", "--workers", "3"});
    EXPECT_EQ(result.out, "It was " + report.headline() + ".\nThen " + expected.text() + ".\n");
    expect_success({"what-if", folder / name, "--device-speed", "2", "--workers", "3", "--json"});
    EXPECT_EQ(result.out, expected.to_json() + "\n");
  }
}

TEST_F(Command, what_if_refuses_files_and_numbers_that_make_no_sense) {
  folder.write("other.json", "{\"feed\": {\"wall\": 1}}");
  for (const std::string& file :
       {std::string(folder / "other.json"), std::string(folder / "none.json"),
        std::string(folder.path()), golden_file("mlp.keras")}) {
    result = command({"what-if", file, "--workers", "2"});
    EXPECT_EQ(result.code, 1) << file;
    EXPECT_NE(result.errors.find(file), std::string::npos) << result.errors;
    EXPECT_EQ(std::ranges::count(result.errors, '\n'), 1) << result.errors;
  }
  for (const char* option : {"--device-speed", "--workers", "--queue", "--cores"}) {
    EXPECT_EQ(command({"what-if", folder / "other.json", option, "0"}).code, 2) << option;
  }
}

TEST_F(Command, doctor_says_what_it_found) {
  expect_success({"doctor"});
  for (const char* name : {"version", "processor", "cuda", "device", "training", "files"}) {
    EXPECT_NE(("\n" + result.out).find("\n" + std::string(name) + " "), std::string::npos) << name;
  }
  EXPECT_TRUE(result.out.ends_with("all is well\n")) << result.out;
}

TEST_F(Command, doctor_fails_on_a_device_that_cannot_be_used) {
  result = command({"doctor"}, []() -> Device { throw DeviceError("there is none"); });
  EXPECT_EQ(result.code, 1);
  EXPECT_NE(result.out.find("FAILED: there is none"), std::string::npos) << result.out;
}

}  // namespace
}  // namespace stoker::test
