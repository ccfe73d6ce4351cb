// Models that look up vectors by id.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "support/message.h"

namespace stoker {
namespace {

constexpr std::int64_t kWords = 300;  // more than bfloat16 tells apart

struct Texts {
  Tensor x;
  Tensor y;
};

bool same_bits(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Tensor& x, const Tensor& y) {
    return std::memcmp(x.raw(), y.raw(), x.bytes()) == 0;
  });
}

// Sentences of four words; the class is whether the first is of the upper half.
Texts texts(DType dtype = DType::int32) {
  Texts texts{Tensor({60, 4}, dtype), Tensor({60}, DType::int32)};
  for (std::size_t i = 0; i < 240; ++i) {
    const auto word = static_cast<std::int32_t>(i * i * 7 % kWords);
    if (dtype == DType::int32) {
      texts.x.data<std::int32_t>()[i] = word;
    } else {
      texts.x.data<float>()[i] = static_cast<float>(word);
    }
    if (i % 4 == 0) texts.y.data<std::int32_t>()[i / 4] = word < kWords / 2 ? 0 : 1;
  }
  return texts;
}

Sequential reader(const std::string& dtype = "int32", const std::string& policy = "float32",
                  Device device = Device::best()) {
  Sequential model({Input({4}, {.dtype = dtype}), Embedding(kWords, 6), Flatten(), Dense(2)},
                   {.seed = 3, .device = std::move(device), .dtype_policy = policy});
  model.compile({.optimizer = Adam({.learning_rate = 0.02}),
                 .loss = SparseCategoricalCrossentropy({.from_logits = true}),
                 .metrics = {"accuracy"}});
  return model;
}

TEST(EmbeddingModels, learn_what_words_mean) {
  const Texts data = texts();
  Sequential model = reader();
  const auto history = model.fit(data.x, data.y, {.epochs = 20, .verbose = 0});
  EXPECT_GT(history["accuracy"].back(), 0.95);
  EXPECT_EQ(model.predict(data.x).shape(), (Shape{60, 2}));
}

TEST(EmbeddingModels, take_ids_of_float32_as_those_of_int32) {
  Sequential whole = reader();
  Sequential floating = reader("float32");
  whole.fit(texts().x, texts().y, {.epochs = 2, .verbose = 0});
  floating.fit(texts(DType::float32).x, texts().y, {.epochs = 2, .verbose = 0});
  EXPECT_TRUE(same_bits(whole.get_weights(), floating.get_weights()));
}

// In bfloat16 there is no 257: the ids are not cast.
TEST(EmbeddingModels, of_16_bits_know_all_their_words) {
  Sequential model = reader("float32", "mixed_bfloat16");
  const Texts data = texts(DType::float32);
  const auto history = model.fit(data.x, data.y, {.epochs = 20, .verbose = 0});
  EXPECT_GT(history["accuracy"].back(), 0.95);
  Sequential same = reader("int32", "mixed_bfloat16");
  same.fit(texts().x, texts().y, {.epochs = 20, .verbose = 0});
  EXPECT_TRUE(same_bits(model.get_weights(), same.get_weights()));
}

TEST(EmbeddingModels, name_an_id_that_is_none_and_keep_their_weights) {
  for (const bool is_simulated : {false, true}) {
    Texts data = texts();
    data.x.data<std::int32_t>()[2 * 4 + 1] = kWords;
    Sequential model =
        reader("int32", "float32", is_simulated ? Device::simulated() : Device::best());
    const auto before = model.get_weights();
    EXPECT_EQ(test::message_of<DataError>([&] { model.train_on_batch(data.x, data.y); }),
              "Embedding \"embedding\": id 300 at (2, 1) of its input (60, 4) is outside [0, 300), "
              "in step 1 of epoch 1; the step was not applied. input_dim is the largest id + 1");
    EXPECT_TRUE(same_bits(model.get_weights(), before));
    EXPECT_THROW(model.predict(data.x), DataError);
    model.train_on_batch(texts().x, texts().y);
    EXPECT_FALSE(same_bits(model.get_weights(), before));
  }
}

}  // namespace
}  // namespace stoker
