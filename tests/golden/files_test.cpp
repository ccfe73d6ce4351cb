// Files that Keras saved: what the model predicts after loading, and how it trains on.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "io/hdf5.h"
#include "support/device_under_test.h"
#include "support/golden.h"
#include "support/source_folder.h"
#include "support/temporary_folder.h"

namespace stoker::test {
namespace {

std::filesystem::path file_of(const std::string& name) {
  return source_folder() / "tests/golden/cases/files" / name;
}

Tensor batch(const Tensor& batches, std::int64_t i) {
  const Shape shape = batches.shape().without_batch();
  Tensor one(shape, batches.dtype());
  const std::size_t bytes = one.bytes();
  std::memcpy(one.raw(), static_cast<const std::byte*>(batches.raw()) + bytes * i, bytes);
  return one;
}

void compare_weights(const Model& model, GoldenComparison& comparison) {
  const std::vector<Tensor> weights = model.get_weights();
  for (std::size_t i = 0; i < weights.size(); ++i) {
    comparison.expect("saved/" + model.weight_names()[i], weights[i].data<float>());
  }
}

// The optimizer's state has no names in the API, so it is read from what the model saves. Keras's
// order is that of the expected tensors.
void compare_optimizer(const Model& model, const GoldenCase& golden, GoldenComparison& comparison) {
  const TemporaryFolder folder;
  const std::string path = folder / "again.weights.h5";
  model.save_weights(path);
  const io::Hdf5File file(path);
  std::size_t number = 0;
  for (const auto& [name, shape] : golden.info["expected"].members()) {
    if (!name.starts_with("optimizer/")) continue;
    const auto dataset = file.dataset("optimizer/vars/" + std::to_string(number++));
    ASSERT_TRUE(dataset) << name;
    std::vector<float> values(static_cast<std::size_t>(dataset->shape.elements()));
    if (dataset->type == io::Hdf5Type::integer) {
      std::int32_t count = 0;
      file.read(*dataset, DType::int32, std::as_writable_bytes(std::span(&count, 1)));
      values[0] = static_cast<float>(count);
    } else {
      file.read(*dataset, DType::float32, std::as_writable_bytes(std::span(values)));
    }
    comparison.expect(name, values);
  }
}

void compare(Model& model, const GoldenCase& golden) {
  GoldenComparison comparison(golden);
  const Tensor &x = golden.tensor("x"), &y = golden.tensor("y");
  compare_weights(model, comparison);
  compare_optimizer(model, golden, comparison);
  comparison.expect("prediction", model.predict(batch(x, 0)).data<float>());
  std::vector<float> losses;
  for (std::int64_t i = 3; i < 6; ++i) {
    losses.push_back(static_cast<float>(model.train_on_batch(batch(x, i), batch(y, i))["loss"]));
  }
  comparison.expect("next_loss", losses);
}

class GoldenFiles : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenFiles, predict_and_train_on) {
  const GoldenCase golden = load_golden("files", GetParam());
  for (const char* extension : {".keras", ".h5"}) {
    SCOPED_TRACE(extension);
    const auto path = file_of(GetParam() + extension);
    Model model = Model::load(path, {.device = Device(device_under_test().device)});
    compare(model, golden);
  }
  Model model = Model::from_config(golden.object().set("compile_config", golden.info["compile"]),
                                   {.seed = 7, .device = Device(device_under_test().device)});
  model.load_weights(file_of(GetParam() + ".weights.h5"));
  compare(model, golden);
}

INSTANTIATE_TEST_SUITE_P(all, GoldenFiles, ::testing::ValuesIn(golden_names("files")),
                         golden_test_name);

TEST(GoldenFilesWithoutCompile, give_the_weights_and_leave_compile_to_the_caller) {
  const GoldenCase golden = load_golden("files", "residual");
  for (const char* extension : {".keras", ".h5"}) {
    Model model = Model::load(file_of(std::string("residual") + extension), {}, false);
    const std::vector<Tensor> weights = model.get_weights();
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const Tensor& expected = golden.tensor("saved/" + model.weight_names()[i]);
      EXPECT_TRUE(std::ranges::equal(weights[i].data<float>(), expected.data<float>()));
    }
  }
}

}  // namespace
}  // namespace stoker::test
