// Batches that are made on the device: no upload but the header, and the same training.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <cstring>
#include <vector>

#include "device/device.h"

namespace stoker {
namespace {

Sequential regressor(const Device& device) {
  Sequential model({Input({4}), Dense(8, {.activation = "tanh"}), Dense(1)},
                   {.seed = 3, .threads = 1, .device = device});
  model.compile({.optimizer = Adam(), .loss = "mse"});
  return model;
}

std::vector<float> weights_of(const Model& model) {
  std::vector<float> all;
  for (const Tensor& weight : model.get_weights()) {
    const auto values = weight.data<float>();
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

void fill(BatchContext& batch, std::span<float> x, std::span<float> y) {
  batch.random.fill_uniform(x);
  for (std::size_t row = 0; row < y.size(); ++row) y[row] = x[4 * row] - x[4 * row + 1];
}

TEST(DeviceGenerator, trains_as_one_whose_batches_are_uploaded) {
  const BatchShapes shapes{.x = {8, 4}, .y = {8, 1}};
  Sequential uploaded = regressor(Device::cpu());
  auto host = generator<float, float>(shapes, fill);
  uploaded.fit_generator(host, {.steps_per_epoch = 30, .epochs = 3, .verbose = 0});
  for (const Device& device :
       {Device::cpu(), Device::simulated(), Device::simulated({.step_seconds = 1e-3})}) {
    Sequential model = regressor(device);
    auto source = device_generator<float, float>(
        shapes, [](BatchContext& batch, DeviceQueue queue, std::span<float> x, std::span<float> y) {
          EXPECT_EQ(queue.cuda_stream, nullptr);
          fill(batch, x, y);
        });
    model.fit_generator(source, {.steps_per_epoch = 30, .epochs = 3, .verbose = 0});
    EXPECT_EQ(weights_of(model), weights_of(uploaded)) << device.name();
  }
}

struct Data {
  Tensor x = Tensor::normal({100, 4}, 0, 1, 1);
  Tensor y = Tensor::normal({100, 1}, 0, 1, 2);
};

TEST(CacheOnDevice, gives_the_batches_of_an_array_source) {
  const Data data;
  for (const bool shuffle : {false, true}) {
    const ArrayOptions options{.batch_size = 16, .shuffle = shuffle, .seed = 9};
    Sequential reference = regressor(Device::cpu());
    reference.fit(array_source(data.x, data.y, options), {.epochs = 4, .verbose = 0});
    for (const Device& device : {Device::cpu(), Device::simulated()}) {
      Sequential model = regressor(device);
      SourceHandle cached = cache_on_device(data.x, data.y, options);
      model.fit(cached, {.epochs = 2, .verbose = 0});
      model.fit(cached, {.epochs = 4, .verbose = 0, .initial_epoch = 2, .workers = 3});
      EXPECT_EQ(weights_of(model), weights_of(reference)) << device.name() << shuffle;
    }
  }
}

TEST(CacheOnDevice, uploads_the_data_once_and_then_headers_only) {
  // At this speed a batch would take 40 ms to upload, its header 0.25 ms.
  const Tensor x = Tensor::normal({64, 2500}, 0, 1, 1);
  const Tensor y = Tensor::normal({64, 1}, 0, 1, 2);
  Sequential model({Input({2500}), Dense(1)},
                   {.threads = 1, .device = Device::simulated({.upload_bytes_per_second = 4e6})});
  model.compile({.optimizer = "sgd", .loss = "mse"});
  SourceHandle cached = cache_on_device(x, y, {.batch_size = 16});
  const History history = model.fit(cached, {.epochs = 5, .verbose = 0});
  EXPECT_EQ(history.feed.batches, 20);
  EXPECT_EQ(history.feed.bytes, 0U);
  EXPECT_LT(history.feed.upload.mean(), 0.01);
}

TEST(CacheOnDevice, what_does_not_fit_is_an_error_that_says_how_much_there_is) {
  const Tensor x = Tensor::normal({4096, 64}, 0, 1, 1);
  const Tensor y = Tensor::normal({4096, 1}, 0, 1, 2);
  Sequential model({Input({64}), Dense(1)},
                   {.threads = 1, .device = Device::simulated({.memory_bytes = 1 << 20})});
  model.compile({.optimizer = "sgd", .loss = "mse"});
  SourceHandle cached = cache_on_device(x, y, {.batch_size = 16});
  EXPECT_THROW(model.fit(cached, {.verbose = 0}), DeviceError);
  model.fit(array_source(x, y, {.batch_size = 16}), {.verbose = 0});
}

}  // namespace
}  // namespace stoker
