// Batches with several targets and several sample weights on their way through slots.
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "device/device.h"
#include "feed/feed.h"
#include "feed/upload/class_weights.h"
#include "stoker/array_source.h"
#include "stoker/device_source.h"
#include "stoker/error.h"
#include "support/contains.h"
#include "support/message.h"
#include "support/slot_memory.h"

namespace stoker::feed {
namespace {

using test::contains;
using test::message_of;
using test::SlotMemory;

const BatchShapes kShapes{.x = {4, 2}, .targets = {{4}, {4, 40}}, .sample_weights = {{4}, {4, 40}}};

device::Device& cpu() {
  static const std::shared_ptr<device::Device> device = device::make_cpu_device();
  return *device;
}

TEST(SeveralFields, lie_in_the_slot_as_inputs_targets_and_weights) {
  const auto source =
      generator<float, std::int32_t, float, float, float>(kShapes, [](BatchContext&,
                                                                      std::span<float> x,
                                                                      std::span<std::int32_t> y0,
                                                                      std::span<float> y1,
                                                                      std::span<float> weight0,
                                                                      std::span<float> weight1) {
        std::ranges::fill(x, 1.0f);
        std::ranges::fill(y0, 2);
        std::ranges::fill(y1, 3.0f);
        std::ranges::fill(weight0, 4.0f);
        std::ranges::fill(weight1, 5.0f);
      }).source();
  Feed feed(source, {.steps_per_epoch = 3}, cpu());
  EXPECT_EQ(feed.layout().offsets, (std::vector<std::size_t>{256, 512, 768, 1536, 1792}));
  EXPECT_EQ(feed.layout().bytes, 2560U);
  while (const auto batch = feed.next()) {
    const auto first = [&](std::size_t field) {
      return reinterpret_cast<const float*>(batch->block + feed.layout().offsets[field])[0];
    };
    EXPECT_EQ(first(0), 1.0f);
    EXPECT_EQ(first(2), 3.0f);
    EXPECT_EQ(first(3), 4.0f);
    EXPECT_EQ(first(4), 5.0f);
    feed.release(*batch);
  }
}

TEST(SeveralFields, are_all_looked_at_for_NaNs) {
  const auto error = [](std::size_t bad) {
    const auto source =
        generator<float, std::int32_t, float, float, float>(
            kShapes,
            [bad](BatchContext&, std::span<float> x, std::span<std::int32_t> y0,
                  std::span<float> y1, std::span<float> weight0, std::span<float> weight1) {
              std::ranges::fill(y0, 0);
              for (const auto field : {x, y1, weight0, weight1}) std::ranges::fill(field, 1.0f);
              (bad == 1 ? y1 : weight1)[81] = std::numeric_limits<float>::quiet_NaN();
            })
            .source();
    return message_of<DataError>([&] {
      Feed feed(source, {.steps_per_epoch = 1}, cpu());
      (void)feed.next();
    });
  };
  EXPECT_TRUE(contains(error(1), "field y1 is NaN at row 2, element 1"));
  EXPECT_TRUE(contains(error(2), "field sample_weight1 is NaN at row 2, element 1"));
}

// A source of one's own says what its batches hold without any other check.
TEST(SeveralFields, of_which_weights_belong_to_no_target_are_refused) {
  class Weighted : public Source {
   public:
    const BatchSpec& spec() const override { return spec_; }
    std::int64_t fill(BatchContext&, const Slot&) override { return 4; }

   private:
    BatchSpec spec_{
        {{"x", DType::float32, {4}}},
        {{"y", DType::float32, {4}}},
        {{"sample_weight0", DType::float32, {4}}, {"sample_weight1", DType::float32, {4}}}};
  };
  EXPECT_TRUE(contains(message_of<ShapeError>([] {
                         Feed(std::make_shared<Weighted>(), {.steps_per_epoch = 1}, cpu());
                       }),
                       "source: expected one sample weight for all targets or one for each of the "
                       "1, received 2"));
}

// The fields of a batch that a source makes in a device's memory.
std::vector<std::vector<float>> made_on(device::Device& device, Source& source,
                                        const BatchContext& asked) {
  BatchContext batch = asked;
  const BatchSpec& spec = source.spec();
  DeviceFiller& filler = *source.device_filler();
  const auto stream = device.make_stream();
  const SlotLayout layout(spec);
  const auto slot_memory = device.allocate(layout.bytes);
  std::vector<std::byte*> fields;
  for (const std::size_t offset : layout.offsets) fields.push_back(slot_memory->data() + offset);
  const auto host = device::allocate_staging(device, SlotLayout::of_host(source).bytes);
  std::byte* host_field = host->data();

  filler.prepare(device, *stream);
  const std::int64_t rows = source.fill(batch, Slot(spec, &host_field));
  filler.fill_on_device(batch, rows, host_field, Slot(spec, fields.data()), *stream);
  std::vector<std::vector<float>> values;
  for (std::size_t i = 0; i < spec.field_count(); ++i) {
    const std::int64_t count = spec.field(i).shape.elements() / spec.batch_size() * rows;
    values.emplace_back(static_cast<std::size_t>(count));
    stream->copy_to_host(reinterpret_cast<std::byte*>(values.back().data()), fields[i],
                         values.back().size() * sizeof(float));
  }
  stream->synchronize();
  filler.finish(*stream);
  return values;
}

TEST(SeveralFields, are_made_on_the_device) {
  const auto source =
      device_generator<float, float, float, float, float>(
          kShapes,
          [](BatchContext& batch, DeviceQueue, std::span<float> x, std::span<float> y0,
             std::span<float> y1, std::span<float> weight0, std::span<float> weight1) {
            float value = static_cast<float>(batch.index);
            for (const auto field : {x, y0, y1, weight0, weight1}) {
              std::ranges::fill(field, ++value);
            }
          })
          .source();
  const auto fields = made_on(cpu(), *source, {.index = 10});
  ASSERT_EQ(fields.size(), 5U);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(fields[i].front(), static_cast<float>(11 + i));
    EXPECT_EQ(fields[i].back(), static_cast<float>(11 + i));
  }
}

TEST(SeveralFields, of_tensors_that_are_kept_on_the_device_are_those_of_an_array_source) {
  const std::vector<Tensor> x{Tensor::normal({10, 2}, 0, 1, 1)};
  const std::vector<Tensor> y{Tensor::normal({10}, 0, 1, 2), Tensor::normal({10, 3}, 0, 1, 3)};
  const std::vector<Tensor> weights{Tensor::normal({10}, 0, 1, 4), Tensor::normal({10}, 0, 1, 5)};
  const ArrayOptions options{.batch_size = 4, .shuffle = true, .seed = 6};
  const auto arrays = array_source(x, y, weights, options).source();
  const auto kept = cache_on_device(x, y, weights, options).source();
  ASSERT_EQ(kept->spec().sample_weights.size(), 2U);
  const auto simulated = device::make_simulated_device({});
  for (device::Device* device : {&cpu(), simulated.get()}) {
    for (std::int64_t index = 0; index < 3; ++index) {
      SlotMemory slot(arrays->spec());
      BatchContext batch{.epoch = 1, .index = index};
      const std::int64_t rows = arrays->fill(batch, slot.slot());
      const auto fields = made_on(*device, *kept, {.epoch = 1, .index = index});
      for (std::size_t i = 0; i < 5; ++i) {
        std::vector<float> expected = slot.values<float>(i);
        expected.resize(expected.size() / 4 * static_cast<std::size_t>(rows));
        EXPECT_EQ(fields[i], expected) << arrays->spec().field(i).name;
      }
    }
  }
}

TEST(SeveralFields, and_class_weights_do_not_go_together) {
  const Tensor x({4, 2}), y(Shape{4});
  for (const SourceHandle& source : {array_source({x}, {y, y}), cache_on_device({x}, {y, y}),
                                     array_source({x}, {y, y}, {y, y})}) {
    EXPECT_TRUE(contains(
        message_of<ValueError>([&] {
          (void)weigh_classes(source.source(), {{1, 2.0}});
        }),
        "class_weight: expected one target, since it is for models with a single output, the "
        "source gives 2"));
  }
}

}  // namespace
}  // namespace stoker::feed
