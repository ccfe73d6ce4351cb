// Weights in safetensors files, by their paths.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "io/safetensors.h"
#include "support/message.h"
#include "support/safetensors.h"
#include "support/temporary_folder.h"

namespace stoker {
namespace {

using test::message_of;
using test::TemporaryFolder;

Sequential make_model(std::uint64_t seed, std::int64_t units = 4) {
  Sequential model({Input({3}), Dense(units, {.name = "hidden"}),
                    BatchNormalization({.name = "norm"}), Dense(2, {.name = "head"})},
                   {.seed = seed});
  model.compile({.optimizer = Adam(), .loss = "mse"});
  return model;
}

std::vector<std::vector<float>> values(const Model& model) {
  std::vector<std::vector<float>> all;
  for (const Tensor& tensor : model.get_weights()) {
    all.emplace_back(tensor.data<float>().begin(), tensor.data<float>().end());
  }
  return all;
}

// Writes tensors that hold 1, 2, 3, ... in each of the types.
void write(const std::string& path, const std::vector<io::SafetensorsEntry>& entries) {
  io::SafetensorsWriter file(path, {.entries = entries});
  for (const io::SafetensorsEntry& entry : entries) {
    for (std::int64_t i = 1; i <= entry.shape.elements(); ++i) {
      const auto put = [&](auto value) { file.write(std::as_bytes(std::span(&value, 1))); };
      if (entry.dtype == "F32") put(static_cast<float>(i));
      if (entry.dtype == "F64") put(static_cast<double>(i));
      if (entry.dtype == "F16") put(float16(static_cast<float>(i)));
      if (entry.dtype == "BF16") put(bfloat16(static_cast<float>(i)));
      if (entry.dtype == "I32") put(static_cast<std::int32_t>(i));
    }
  }
  file.commit();
}

TEST(SafetensorsWeights, come_back_bit_by_bit) {
  const TemporaryFolder folder;
  Sequential model = make_model(1);
  model.train_on_batch(Tensor::normal({8, 3}, 0, 1, 1), Tensor::normal({8, 2}, 0, 1, 2));
  model.save_weights(folder / "w.safetensors");
  const test::Safetensors file = test::read_safetensors(folder / "w.safetensors");
  EXPECT_EQ(file.tensors.size(), model.weight_names().size());
  for (std::size_t i = 0; i < model.weight_names().size(); ++i) {
    const Tensor& tensor = file.tensors.at(model.weight_names()[i]);
    EXPECT_EQ(tensor.shape(), model.get_weights()[i].shape());
  }
  Sequential other = make_model(2);
  other.load_weights(folder / "w.safetensors");
  EXPECT_EQ(values(other), values(model));
  EXPECT_EQ(other.iterations(), 0);  // The optimizer's state is not in the file.
}

TEST(SafetensorsWeights, larger_than_a_piece_come_back_too) {
  const TemporaryFolder folder;
  const Sequential model({Input({300}), Dense(700)}, {.seed = 1});
  Sequential other({Input({300}), Dense(700)}, {.seed = 2});
  model.save_weights(folder / "w.safetensors");
  other.load_weights(folder / "w.safetensors");
  EXPECT_EQ(values(other), values(model));
}

TEST(SafetensorsWeights, of_other_types_are_converted) {
  const TemporaryFolder folder;
  for (const char* dtype : {"F32", "F64", "F16", "BF16"}) {
    Sequential model({Input({2}), Dense(3, {.name = "d"})}, {.seed = 1});
    write(folder / "w.safetensors", {{"d/bias", dtype, {3}}, {"d/kernel", dtype, {2, 3}}});
    model.load_weights(folder / "w.safetensors");
    EXPECT_EQ(values(model), (std::vector<std::vector<float>>{{1, 2, 3, 4, 5, 6}, {1, 2, 3}}))
        << dtype;
  }
}

TEST(SafetensorsWeights, that_do_not_fit_change_nothing) {
  const TemporaryFolder folder;
  const std::string path = folder / "w.safetensors";
  Sequential model({Input({2}), Dense(3, {.name = "d"})}, {.seed = 1});
  const auto before = values(model);
  const auto refusal = [&]<class E>(std::in_place_type_t<E>,
                                    const std::vector<io::SafetensorsEntry>& entries) {
    write(path, entries);
    const std::string message = message_of<E>([&] { model.load_weights(path); });
    EXPECT_EQ(values(model), before);
    EXPECT_TRUE(message.starts_with(path)) << message;
    return message.substr(path.size());
  };
  constexpr std::in_place_type_t<IoError> kIoError;
  EXPECT_TRUE(refusal(kIoError, {{"d/bias", "F32", {3}}})
                  .starts_with(": tensor \"d/kernel\": expected a tensor of shape (2, 3), "
                               "received nothing"));
  EXPECT_TRUE(
      refusal(std::in_place_type<ShapeError>, {{"d/bias", "F32", {3}}, {"d/kernel", "F32", {3, 2}}})
          .starts_with(": tensor \"d/kernel\": expected shape (2, 3), received (3, 2)"));
  EXPECT_TRUE(refusal(kIoError, {{"d/bias", "F32", {3}}, {"d/kernel", "I32", {2, 3}}})
                  .starts_with(": tensor \"d/kernel\": expected elements of F32, F64, F16 or BF16, "
                               "received I32"));
  EXPECT_TRUE(refusal(kIoError,
                      {{"d/bias", "F32", {3}}, {"d/kernel", "F32", {2, 3}}, {"e/bias", "F32", {3}}})
                  .starts_with(": tensor \"e/bias\": expected nothing"));
}

TEST(SafetensorsWeights, by_name_take_what_there_is) {
  const TemporaryFolder folder;
  const std::string path = folder / "w.safetensors";
  Sequential model({Input({2}), Dense(3, {.name = "d"})}, {.seed = 1});
  const auto before = values(model);
  write(path, {{"d/bias", "F32", {3}}, {"e/bias", "F32", {3}}});
  model.load_weights(path, {.by_name = true});
  EXPECT_EQ(values(model)[0], before[0]);
  EXPECT_EQ(values(model)[1], (std::vector<float>{1, 2, 3}));
}

TEST(SafetensorsWeights, with_skip_mismatch_leave_out_what_does_not_fit) {
  const TemporaryFolder folder;
  const std::string path = folder / "w.safetensors";
  Sequential model({Input({2}), Dense(3, {.name = "d"})}, {.seed = 1});
  const auto before = values(model);
  write(path, {{"d/bias", "F32", {3}}, {"d/kernel", "F32", {5, 2}}, {"e/bias", "F32", {3}}});
  testing::internal::CaptureStderr();
  model.load_weights(path, {.skip_mismatch = true});
  const std::string warnings = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::ranges::count(warnings, '\n'), 2) << warnings;
  EXPECT_EQ(values(model)[0], before[0]);
  EXPECT_EQ(values(model)[1], (std::vector<float>{1, 2, 3}));
}

TEST(SafetensorsWeights, are_no_whole_model) {
  const TemporaryFolder folder;
  const Sequential model = make_model(1);
  EXPECT_THROW(model.save(folder / "w.safetensors"), ValueError);
  model.save_weights(folder / "w.safetensors");
  EXPECT_THROW(Model::load(folder / "w.safetensors"), ValueError);
}

}  // namespace
}  // namespace stoker
