// Batches that are made on the device: no upload but the header, and the same training.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <cstring>
#include <future>
#include <map>
#include <stdexcept>
#include <utility>
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

// Batches whose labels are 1, 2 and 3, and never 0.
template <class Source>
double loss_of(const Source& source, const Device& device, std::map<std::int64_t, double> weights) {
  Sequential model({Input({8}), Dense(4)}, {.seed = 3, .threads = 1, .device = device});
  model.compile({.optimizer = SGD({.learning_rate = 0.1}),
                 .loss = SparseCategoricalCrossentropy({.from_logits = true})});
  return model
      .fit(source,
           {.steps_per_epoch = 20, .epochs = 2, .verbose = 0, .class_weight = std::move(weights)})
      .history.at("loss")
      .back();
}

void fill_classes(BatchContext& batch, std::span<float> x, std::span<std::int32_t> y) {
  batch.random.fill_uniform(x);
  for (auto& label : y) label = static_cast<std::int32_t>(1 + batch.random.integer(0, 3));
}

TEST(DeviceGenerator, has_class_weights_and_casts_as_one_whose_batches_are_uploaded) {
  const BatchShapes shapes{.x = {16, 8}, .y = {16}};
  const std::map<std::int64_t, double> weights{{1, 0.5}, {2, 3.0}};
  const auto on_device = [&] {
    return device_generator<float, std::int32_t>(
        shapes, [](BatchContext& batch, DeviceQueue, std::span<float> x,
                   std::span<std::int32_t> y) { fill_classes(batch, x, y); });
  };
  const auto uploaded = [&] { return generator<float, std::int32_t>(shapes, fill_classes); };
  const double plain = loss_of(uploaded(), Device::cpu(), {});
  const double weighted = loss_of(uploaded(), Device::cpu(), weights);
  EXPECT_NE(plain, weighted);
  for (const Device& device :
       {Device::cpu(), Device::simulated(), Device::simulated({.step_seconds = 1e-3})}) {
    EXPECT_EQ(loss_of(on_device(), device, weights), weighted) << device.name();
    EXPECT_EQ(loss_of(cast<float>(on_device()), device, {}), plain) << device.name();
    EXPECT_EQ(loss_of(cast<float>(on_device()), device, weights), weighted) << device.name();
  }
}

TEST(DeviceGenerator, of_elements_that_no_slot_holds_cannot_be_cast) {
  const auto doubles = device_generator<double>(
      {.x = {16, 8}}, [](BatchContext&, DeviceQueue, std::span<double>) {});
  EXPECT_THROW(cast<float>(doubles), ValueError);
}

TEST(DeviceGenerator, is_evaluated_and_validated_on_as_one_whose_batches_are_uploaded) {
  const BatchShapes shapes{.x = {8, 4}, .y = {8, 1}};
  const auto on_device = [&] {
    return device_generator<float, float>(
        shapes, [](BatchContext& batch, DeviceQueue, std::span<float> x, std::span<float> y) {
          fill(batch, x, y);
        });
  };
  for (const Device& device : {Device::cpu(), Device::simulated()}) {
    const auto losses = [&](const SourceHandle& source, const SourceHandle& validation) {
      Sequential model = regressor(device);
      const History history = model.fit(source, {.steps_per_epoch = 5,
                                                 .verbose = 0,
                                                 .validation_generator = validation,
                                                 .validation_steps = 3});
      return std::pair(history["val_loss"],
                       model.evaluate(source, {.steps = 4, .verbose = 0}).loss());
    };
    EXPECT_EQ(losses(cast<float>(on_device()), cast<float>(on_device())),
              losses(generator<float, float>(shapes, fill), generator<float, float>(shapes, fill)))
        << device.name();
  }
}

TEST(DeviceGenerator, that_throws_is_a_DataError_with_the_batch_and_the_original) {
  for (const Device& device : {Device::cpu(), Device::simulated()}) {
    Sequential model = regressor(device);
    const auto source = device_generator<float, float>(
        {.x = {8, 4}, .y = {8, 1}},
        [](BatchContext& batch, DeviceQueue, std::span<float> x, std::span<float> y) {
          if (batch.index == 2) throw std::out_of_range("no row 7");
          fill(batch, x, y);
        });
    try {
      model.fit(source, {.steps_per_epoch = 5, .epochs = 2, .verbose = 0});
      FAIL() << "nothing was thrown";
    } catch (const DataError& error) {
      EXPECT_STREQ(error.what(), "batch 3 (epoch 1, batch 3 of it): no row 7");
      EXPECT_THROW(std::rethrow_if_nested(error), std::out_of_range);
    }
    const auto odd = device_generator<float, float>(
        {.x = {8, 4}, .y = {8, 1}},
        [](BatchContext&, DeviceQueue, std::span<float>, std::span<float>) { throw 5; });
    EXPECT_THROW(model.fit(odd, {.steps_per_epoch = 5, .verbose = 0}), DataError);
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

TEST(CacheOnDevice, serves_fits_on_several_devices_at_a_time) {
  const Data data;
  const SourceHandle cached = cache_on_device(data.x, data.y, {.batch_size = 16});
  const auto train = [&](const Device& device) {
    Sequential model = regressor(device);
    model.fit(cached, {.epochs = 4, .verbose = 0});
    return weights_of(model);
  };
  const std::vector<float> expected = train(Device::cpu());
  const Device shared = Device::simulated({.upload_bytes_per_second = 1e8});
  std::vector<std::future<std::vector<float>>> fits;
  for (const Device& device : {shared, shared, Device::simulated(), Device::cpu()}) {
    fits.push_back(std::async(std::launch::async, train, device));
  }
  for (auto& fit : fits) EXPECT_EQ(fit.get(), expected);
}

TEST(CacheOnDevice, validates_on_what_it_trains_on) {
  const Data data;
  const SourceHandle cached = cache_on_device(data.x, data.y, {.batch_size = 16});
  for (const Device& device : {Device::cpu(), Device::simulated()}) {
    Sequential model = regressor(device);
    const History history =
        model.fit(cached, {.epochs = 3, .verbose = 0, .validation_generator = cached});
    EXPECT_EQ(history["val_loss"].back(), model.evaluate(cached, {.verbose = 0}).loss());
  }
}

TEST(CacheOnDevice, has_class_weights) {
  const Tensor x = Tensor::normal({64, 8}, 0, 1, 3);
  Tensor y({64}, DType::int32);
  for (int i = 0; i < 64; ++i) y.data<std::int32_t>()[static_cast<std::size_t>(i)] = 1 + i % 3;
  const std::map<std::int64_t, double> weights{{1, 0.5}, {2, 3.0}};
  const double expected = loss_of(array_source(x, y, {.batch_size = 16}), Device::cpu(), weights);
  for (const Device& device : {Device::cpu(), Device::simulated()}) {
    EXPECT_EQ(loss_of(cache_on_device(x, y, {.batch_size = 16}), device, weights), expected);
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
