// Recurrent layers where no golden case shows it: what one way to compute gives is what the others
// give, masks, states, dropout, and what the layers say to mistakes.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "support/contains.h"
#include "support/message.h"

namespace stoker {
namespace {

using test::contains;
using test::message_of;
using Numbers = std::vector<float>;

Numbers values_of(const Tensor& x) { return {x.data<float>().begin(), x.data<float>().end()}; }

void expect_near(const Numbers& got, const Numbers& expected, float tolerance = 2e-5f) {
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], expected[i], tolerance) << i;
}

// A model that leaves steps out: those of sample 0 at either end and one in the middle, all of
// sample 1, and none of sample 2.
Tensor sequences() {
  Tensor x = Tensor::normal({3, 6, 4}, 0.0f, 1.0f, 5);
  const auto leave_out = [&](std::int64_t sample, std::int64_t step) {
    for (std::int64_t k = 0; k < 4; ++k) {
      x.data<float>()[static_cast<std::size_t>((sample * 6 + step) * 4 + k)] = 0.0f;
    }
  };
  for (const std::int64_t step : {0, 2, 5}) leave_out(0, step);
  for (std::int64_t step = 0; step < 6; ++step) leave_out(1, step);
  return x;
}

Model masked_model(const Layer& layer, const std::string& dtype = "float32",
                   Device device = Device::cpu()) {
  Sequential model({Input({6, 4}), Masking(), layer, Dense(2)},
                   {.device = device, .dtype_policy = dtype});
  model.compile({.optimizer = SGD({.learning_rate = 0.1}), .loss = "mse"});
  return model;
}

// What three steps of training make of the weights, and what the model then predicts.
Numbers trained(Model model, std::int64_t batch = 3) {
  const Tensor x = sequences().rows(0, batch);
  const Tensor y = Tensor::normal(model.predict(x).shape(), 0.0f, 1.0f, 9);
  for (int step = 0; step < 3; ++step) model.train_on_batch(x, y);
  Numbers all = values_of(model.predict(x));
  for (const Tensor& weight : model.get_weights()) {
    const Numbers own = values_of(weight);
    all.insert(all.end(), own.begin(), own.end());
  }
  all.push_back(static_cast<float>(model.test_on_batch(x, y).loss()));
  return all;
}

// Each layer in two ways: with an activation that the op of all steps knows, and with the same
// function under another name, which is computed step by step.
struct TwoWays {
  const char* name;
  std::function<Layer(ActivationFunction)> layer;
};

std::vector<TwoWays> two_ways() {
  using F = ActivationFunction;
  return {
      {"simple", [](F f) { return SimpleRNN(5, {.activation = f, .return_sequences = true}); }},
      {"lstm", [](F f) { return LSTM(5, {.activation = f}); }},
      {"lstm backwards",
       [](F f) {
         return LSTM(5, {.activation = f, .return_sequences = true, .go_backwards = true});
       }},
      {"gru", [](F f) { return GRU(5, {.activation = f, .return_sequences = true}); }},
      {"gru with zeros",
       [](F f) {
         return GRU(5, {.activation = f,
                        .return_sequences = true,
                        .go_backwards = true,
                        .zero_output_for_mask = true});
       }},
      {"gru, reset before", [](F f) { return GRU(5, {.activation = f, .reset_after = false}); }},
      {"both directions",
       [](F f) {
         return Bidirectional(LSTM(4, {.activation = f, .return_sequences = true}),
                              {.merge_mode = "mul"});
       }},
      {"stacked",
       [](F f) {
         return RNN({LSTMCell(4, {.activation = f, .name = "a"}),
                     GRUCell(3, {.activation = f, .name = "b"}),
                     SimpleRNNCell(5, {.activation = f, .name = "c"})},
                    {.return_sequences = true});
       }},
  };
}

TEST(Recurrent, gives_the_same_step_by_step) {
  for (const TwoWays& both : two_ways()) {
    SCOPED_TRACE(both.name);
    const ActivationFunction same("relu", {0.0});
    for (const std::int64_t batch : {1, 3}) {
      expect_near(trained(masked_model(both.layer("relu")), batch),
                  trained(masked_model(both.layer(same)), batch));
    }
  }
}

TEST(Recurrent, trains_alike_on_a_device_and_roughly_in_bfloat16) {
  for (const TwoWays& both : two_ways()) {
    SCOPED_TRACE(both.name);
    const Layer layer = both.layer("tanh");
    const Numbers exact = trained(masked_model(both.layer("tanh")));
    EXPECT_EQ(trained(masked_model(both.layer("tanh"), "float32", Device::simulated())), exact);
    expect_near(trained(masked_model(both.layer("tanh"), "mixed_bfloat16")), exact, 0.1f);
    expect_near(trained(masked_model(both.layer("softsign"), "mixed_bfloat16")),
                trained(masked_model(both.layer("softsign"))), 0.1f);
  }
}

TEST(Recurrent, a_sample_that_is_left_out_as_a_whole_gives_zeros) {
  Sequential model({Input({6, 4}), Masking(), LSTM(3)}, {.device = Device::cpu()});
  const Numbers y = values_of(model.predict(sequences()));
  EXPECT_EQ(Numbers(y.begin() + 3, y.begin() + 6), (Numbers{0, 0, 0}));
  EXPECT_NE(y[0], 0.0f);
}

TEST(Recurrent, states_lead_from_one_layer_to_the_next) {
  const Value x = Input({6, 4});
  const std::vector<Value> encoded =
      LSTM(3, {.return_sequences = true, .return_state = true, .name = "encoder"}).call({x});
  ASSERT_EQ(encoded.size(), 3u);
  EXPECT_EQ(encoded[0].shape(), Shape({Shape::kUnknown, 6, 3}));
  EXPECT_EQ(encoded[2].shape(), Shape({Shape::kUnknown, 3}));
  const Value y = LSTM(3, {.name = "decoder"})({x, encoded[1], encoded[2]});
  Model model(x, std::vector<Value>{encoded[0], encoded[1], y}, {.device = Device::cpu()});
  const Tensor given = Tensor::normal({2, 6, 4}, 0.0f, 1.0f, 1);
  const std::vector<Tensor> outputs = model.predict_outputs(given);
  const Numbers all = values_of(outputs[0]), last = values_of(outputs[1]);
  EXPECT_EQ(Numbers(all.begin() + 15, all.begin() + 18), Numbers(last.begin(), last.begin() + 3));

  // By way of JSON the states stay connected.
  Model again = Model::from_json(model.to_json(), {.device = Device::cpu()});
  EXPECT_EQ(again.to_json(), model.to_json());
  EXPECT_TRUE(contains(model.to_json(), "\"initial_state\""));
  again.set_weights(model.get_weights());
  EXPECT_EQ(values_of(again.predict_outputs(given)[2]), values_of(outputs[2]));
}

TEST(Recurrent, a_sequence_is_its_parts_one_after_the_other) {
  Layer gru = GRU(5, {.return_state = true, .name = "gru"});
  const Value x = Input({6, 4}), first = Input({2, 4}), rest = Input({4, 4});
  Model whole(x, gru.call({x}), {.device = Device::cpu()});
  Model parts({first, rest}, gru.call({rest, gru.call({first})[1]}), {.device = Device::cpu()});
  const Tensor given = Tensor::normal({1, 6, 4}, 0.0f, 1.0f, 1);
  const Numbers all = values_of(given);
  const Tensor two = Tensor::from<float>({1, 2, 4}, {all.begin(), all.begin() + 8});
  const Tensor four = Tensor::from<float>({1, 4, 4}, {all.begin() + 8, all.end()});
  EXPECT_EQ(values_of(parts.predict_outputs({two, four})[0]),
            values_of(whole.predict_outputs(given)[0]));
}

TEST(Recurrent, cells_are_layers_of_one_step) {
  const Value x = Input({4}), h = Input({3}), c = Input({3});
  const std::vector<Value> step = LSTMCell(3, {.name = "cell"}).call({x, h, c});
  ASSERT_EQ(step.size(), 3u);
  Model cell({x, h, c}, step, {.device = Device::cpu()});
  Sequential layer({Input({1, 4}), RNN(LSTMCell(3))}, {.device = Device::cpu()});
  layer.set_weights(cell.get_weights());
  const Tensor given = Tensor::normal({2, 4}, 0.0f, 1.0f, 1);
  const Tensor zeros({2, 3});
  expect_near(values_of(cell.predict_outputs({given, zeros, zeros})[0]),
              values_of(layer.predict(given.reshaped({2, 1, 4}))));
}

TEST(Recurrent, forget_bias_begins_with_ones) {
  Sequential model({Input({6, 4}), LSTM(2), Dense(1)}, {.device = Device::cpu()});
  EXPECT_EQ(model.weight_names()[2], "lstm/lstm_cell/bias");
  EXPECT_EQ(values_of(model.get_weights()[2]), (Numbers{0, 0, 1, 1, 0, 0, 0, 0}));
  Sequential without({Input({6, 4}), LSTM(2, {.unit_forget_bias = false})},
                     {.device = Device::cpu()});
  EXPECT_EQ(values_of(without.get_weights()[2]), Numbers(8, 0.0f));
}

TEST(Recurrent, dropout_is_for_training_and_repeats_itself) {
  const auto run = [](double dropout, double recurrent, std::uint64_t seed) {
    return trained(masked_model(GRU(5, {.dropout = dropout,
                                        .recurrent_dropout = recurrent,
                                        .seed = seed,
                                        .return_sequences = true})));
  };
  for (const auto& [dropout, recurrent] :
       std::vector<std::pair<double, double>>{{0.5, 0.0}, {0.0, 0.5}}) {
    EXPECT_EQ(run(dropout, recurrent, 1), run(dropout, recurrent, 1));
    EXPECT_NE(run(dropout, recurrent, 1), run(dropout, recurrent, 2));
    EXPECT_NE(run(dropout, recurrent, 1), run(0.0, 0.0, 1));
  }
  Sequential model({Input({6, 4}), LSTM(3, {.dropout = 0.5, .recurrent_dropout = 0.5})});
  Sequential plain({Input({6, 4}), LSTM(3)});
  plain.set_weights(model.get_weights());
  EXPECT_EQ(values_of(model.predict(sequences())), values_of(plain.predict(sequences())));
}

// With an identity for a kernel the outputs are the inputs, less what is dropped; which features
// are dropped is the same in all steps.
TEST(Recurrent, dropout_drops_the_same_in_all_steps) {
  Sequential model({Input({50, 8}), SimpleRNN(8, {.activation = "linear",
                                                  .use_bias = false,
                                                  .kernel_initializer = "identity",
                                                  .recurrent_initializer = "zeros",
                                                  .dropout = 0.5,
                                                  .return_sequences = true})},
                   {.device = Device::cpu()});
  model.compile({.optimizer = SGD({.learning_rate = 1.0}), .loss = "mae"});
  // The gradient of a kernel's row is 0 exactly where its feature is dropped in all steps.
  Tensor x({1, 50, 8});
  for (float& value : x.data<float>()) value = 1.0f;
  const Numbers before = values_of(model.get_weights()[0]);
  Tensor y({1, 50, 8});
  for (float& value : y.data<float>()) value = -1.0f;
  model.train_on_batch(x, y);
  const Numbers after = values_of(model.get_weights()[0]);
  int dropped = 0;
  for (std::size_t row = 0; row < 8; ++row) {
    const bool is_dropped = after[row * 8] == before[row * 8];
    dropped += is_dropped ? 1 : 0;
    for (std::size_t k = 1; k < 8; ++k) {
      EXPECT_EQ(after[row * 8 + k] == before[row * 8 + k], is_dropped);
    }
  }
  EXPECT_GT(dropped, 0);
  EXPECT_LT(dropped, 8);
}

TEST(Recurrent, bidirectional_merges_both_directions) {
  const Value x = Input({6, 4});
  const auto merged = [&](std::optional<std::string> mode) {
    return Bidirectional(LSTM(3, {.return_sequences = true, .return_state = true, .name = "own"}),
                         {.merge_mode = std::move(mode), .name = "both"})
        .call({x});
  };
  const std::vector<Value> apart = merged({});
  ASSERT_EQ(apart.size(), 6u);
  Model separate(x, apart, {.device = Device::cpu()});
  EXPECT_EQ(separate.weight_names()[0], "both/forward_own/lstm_cell/kernel");
  EXPECT_EQ(separate.weight_names()[3], "both/backward_own/lstm_cell/kernel");
  const Tensor given = Tensor::normal({2, 6, 4}, 0.0f, 1.0f, 1);
  const std::vector<Tensor> both = separate.predict_outputs(given);
  const Numbers a = values_of(both[0]), b = values_of(both[1]);
  const auto check = [&](const char* mode, const std::function<float(float, float)>& f) {
    SCOPED_TRACE(mode);
    const std::vector<Value> outputs = merged(mode);
    ASSERT_EQ(outputs.size(), 5u);
    Model model(x, outputs, {.device = Device::cpu()});
    model.set_weights(separate.get_weights());
    const Numbers y = values_of(model.predict_outputs(given)[0]);
    for (std::size_t i = 0; i < y.size(); ++i) ASSERT_EQ(y[i], f(a[i], b[i]));
  };
  check("sum", [](float p, float q) { return p + q; });
  check("mul", [](float p, float q) { return p * q; });
  check("ave", [](float p, float q) { return (p + q) * 0.5f; });
}

TEST(Recurrent, stateful_goes_on_where_the_last_batch_ended) {
  const auto model_of = [](std::int64_t steps, bool stateful) {
    Sequential model({Input({steps, 4}, {.batch_size = 2}),
                      LSTM(3, {.stateful = stateful, .name = "lstm"}), Dense(1)},
                     {.device = Device::cpu()});
    model.compile({.optimizer = SGD({.learning_rate = 0.1}), .loss = "mse"});
    return model;
  };
  Sequential whole = model_of(6, false), parts = model_of(3, true);
  parts.set_weights(whole.get_weights());
  EXPECT_EQ(parts.weight_names(), whole.weight_names());
  EXPECT_EQ(parts.count_params(), whole.count_params());
  const Tensor x = Tensor::normal({2, 6, 4}, 0.0f, 1.0f, 1);
  Tensor first({2, 3, 4}), second({2, 3, 4});
  for (std::size_t sample = 0; sample < 2; ++sample) {
    const auto from = x.data<float>().begin() + static_cast<std::ptrdiff_t>(sample * 24);
    std::copy_n(from, 12, first.data<float>().begin() + static_cast<std::ptrdiff_t>(sample * 12));
    std::copy_n(from + 12, 12,
                second.data<float>().begin() + static_cast<std::ptrdiff_t>(sample * 12));
  }
  const Numbers expected = values_of(whole.predict(x));
  const Numbers alone = values_of(parts.predict(first));
  EXPECT_EQ(values_of(parts.predict(second)), expected);
  parts.reset_states();
  EXPECT_EQ(values_of(parts.predict(first)), alone);
  EXPECT_NE(values_of(parts.predict(first)), alone);

  // Evaluation and training go on from there too, and leave what follows its place.
  const Tensor y({2, 1});
  parts.reset_states();
  parts.test_on_batch(first, y);
  EXPECT_EQ(values_of(parts.predict(second)), expected);
  parts.reset_states();
  parts.train_on_batch(first, y);
  const Numbers trained_once = values_of(parts.predict(second));
  parts.reset_states();
  EXPECT_NE(values_of(parts.predict(second)), trained_once);
}

TEST(Recurrent, stateful_needs_batches_of_one_size) {
  EXPECT_TRUE(contains(
      message_of<ShapeError>([] {
        LSTM(3, {.stateful = true, .name = "l"})(Input({6, 4}));
      }),
      "LSTM \"l\": expected batches of one size, since the layer is stateful, received (None, 6, "
      "4). Give the Input a batch_size"));
  Sequential model({Input({6, 4}, {.batch_size = 2}), GRU(3, {.stateful = true})},
                   {.device = Device::cpu()});
  EXPECT_TRUE(contains(message_of<ShapeError>([&] {
                         model.predict(Tensor({3, 6, 4}));
                       }),
                       "expected batches of 2 samples, its batch_size, received "));
  const std::string json = model.to_json();
  EXPECT_EQ(Model::from_json(json).to_json(), json);
}

// With a kernel of one pixel each pixel is an LSTM of its own.
TEST(Recurrent, conv_lstm_is_an_lstm_of_pixels) {
  Sequential images({Input({4, 2, 3, 5}), ConvLSTM2D(6, 1, {.return_sequences = true})},
                    {.device = Device::cpu()});
  Sequential pixels({Input({4, 5}), LSTM(6, {.return_sequences = true})},
                    {.device = Device::cpu()});
  EXPECT_EQ(images.weight_names()[0], "conv_lstm2d/conv_lstm_cell/kernel");
  std::vector<Tensor> weights = images.get_weights();
  images.set_weights(weights);
  weights[0] = weights[0].reshaped({5, 24});
  weights[1] = weights[1].reshaped({6, 24});
  pixels.set_weights(weights);
  const Tensor x = Tensor::normal({1, 4, 2, 3, 5}, 0.0f, 1.0f, 1);
  const Numbers all = values_of(x), y = values_of(images.predict(x));
  for (std::size_t pixel = 0; pixel < 6; ++pixel) {
    Tensor one({1, 4, 5});
    for (std::size_t step = 0; step < 4; ++step) {
      std::copy_n(all.begin() + static_cast<std::ptrdiff_t>((step * 6 + pixel) * 5), 5,
                  one.data<float>().begin() + static_cast<std::ptrdiff_t>(step * 5));
    }
    const Numbers expected = values_of(pixels.predict(one));
    for (std::size_t step = 0; step < 4; ++step) {
      for (std::size_t k = 0; k < 6; ++k) {
        ASSERT_NEAR(y[(step * 6 + pixel) * 6 + k], expected[step * 6 + k], 1e-5f);
      }
    }
  }
}

TEST(TimeDistributed, applies_a_layer_with_statistics_step_by_step) {
  Sequential model({Input({3, 4}), TimeDistributed(BatchNormalization({.momentum = 0.0}))},
                   {.device = Device::cpu()});
  model.compile({.optimizer = SGD({.learning_rate = 0.0}), .loss = "mse"});
  Tensor x = Tensor::normal({16, 3, 4}, 0.0f, 1.0f, 1);
  model.train_on_batch(x, x);
  // What is left of a momentum of 0 is the mean of the last step alone.
  Numbers mean(4, 0.0f);
  for (std::int64_t sample = 0; sample < 16; ++sample) {
    for (std::size_t k = 0; k < 4; ++k) {
      mean[k] += x.data<float>()[static_cast<std::size_t>(sample * 3 + 2) * 4 + k] / 16.0f;
    }
  }
  expect_near(values_of(model.get_weights()[2]), mean);
}

TEST(TimeDistributed, applies_a_model_to_each_step_and_comes_back_from_json) {
  const auto image = [] {
    return Sequential({Input({5, 5, 1}), Conv2D(2, 3), Flatten(), Dense(3)}, {.name = "image"});
  };
  Sequential model({Input({4, 5, 5, 1}), TimeDistributed(image(), {.name = "each"}), LSTM(2)},
                   {.device = Device::cpu()});
  EXPECT_EQ(model.weight_names()[0], "each/image/conv2d/kernel");
  const Tensor x = Tensor::normal({2, 4, 5, 5, 1}, 0.0f, 1.0f, 1);
  Model again = Model::from_json(model.to_json(), {.device = Device::cpu()});
  EXPECT_EQ(again.to_json(), model.to_json());
  again.set_weights(model.get_weights());
  EXPECT_EQ(values_of(again.predict(x)), values_of(model.predict(x)));
}

TEST(Recurrent, says_what_does_not_fit) {
  const Value x = Input({6, 4});
  const auto shape_error = [](const std::function<void()>& f) { return message_of<ShapeError>(f); };
  const auto value_error = [](const std::function<void()>& f) { return message_of<ValueError>(f); };
  EXPECT_EQ(shape_error([] {
              LSTM(3, {.name = "l"})
              (Input({4}));
            }),
            "LSTM \"l\": expected a sequence (batch, steps, features), received (None, 4)");
  EXPECT_EQ(shape_error([&] {
              LSTM(3, {.name = "l"})({x, Input({3})});
            }),
            "LSTM \"l\": expected a sequence, or a sequence and 2 states, received 2 values");
  EXPECT_TRUE(contains(shape_error([&] {
                         GRU(3, {.name = "g"})({x, Input({4})});
                       }),
                       "GRUCell \"gru_cell\": recurrence: expected a state of (None, 3), received "
                       "(None, 4)"));
  EXPECT_EQ(shape_error([] {
              LSTMCell(3, {.name = "c"}).call({Input({4}), Input({3})});
            }),
            "LSTMCell \"c\": expected an input and 2 states, received 2 values");
  EXPECT_EQ(value_error([] { LSTM(0, {.name = "l"}); }),
            "LSTM \"l\": expected units of 1 or more, received 0");
  EXPECT_TRUE(contains(value_error([] { GRU(3, {.dropout = 1.0, .name = "g"}); }),
                       "expected a dropout in [0, 1), received 1"));
  EXPECT_EQ(value_error([] { RNN(Dense(3, {.name = "d"})); }),
            "RNN: expected a cell, such as LSTMCell, received Dense \"d\"");
  EXPECT_EQ(value_error([] { Bidirectional(Dense(3)); }),
            "Bidirectional: expected a recurrent layer, such as LSTM, received Dense");
  EXPECT_EQ(
      value_error([] { Bidirectional(LSTM(3), {.merge_mode = "summ", .name = "b"}); }),
      "Bidirectional \"b\": expected a merge_mode of \"concat\", \"sum\", \"mul\", \"ave\" or "
      "none, received \"summ\"; did you mean \"sum\"?");
  EXPECT_EQ(value_error([] { Bidirectional(LSTM(3), {.backward_layer = LSTM(3)}); }),
            "Bidirectional: expected layers whose go_backwards differ, received false for both");
  EXPECT_EQ(value_error([] {
              Bidirectional(LSTM(3), {.backward_layer = LSTM(
                                          3, {.return_sequences = true, .go_backwards = true})});
            }),
            "Bidirectional: expected the same return_sequences for both layers, received false and "
            "true");
  EXPECT_EQ(shape_error([] { TimeDistributed(Dense(3), {.name = "t"})(Input({4})); }),
            "TimeDistributed \"t\": expected a sequence (batch, steps, ...) of rank 3 or more, "
            "received (None, 4)");
}

}  // namespace
}  // namespace stoker
