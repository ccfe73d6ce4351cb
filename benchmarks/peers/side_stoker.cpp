// Stoker's side of the benchmark suite `peers`: trains a workload on data in memory, some steps at
// a time, as peers/bench.py asks.
//
//   side_stoker WORKLOAD BATCH
//
// Reads lines "steps N" from standard input, answers "seconds S loss L", the mean loss.

#include <stoker/stoker.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string>

#include "../../tests/support/networks.h"

using namespace stoker;

namespace {

constexpr std::int64_t kBatches = 16;  // in memory, used again and again

Model build(const std::string& workload) {
  if (workload == "resnet20") return test::network(test::resnet20, {32, 32, 3});
  if (workload == "lstm") return test::network(test::lstm, {28, 28});
  if (workload == "gru") return test::network(test::gru, {28, 28});
  if (workload == "mlp") return test::network(test::mlp);
  if (workload == "cnn") return test::network(test::cnn);
  if (workload == "tiny") return Sequential({Input({4}), Dense(4)});
  if (workload == "transformer") {
    const Value tokens = Input({64}, {.dtype = "int32"});
    return Model(tokens, test::transformer(tokens));
  }
  throw ValueError("unknown workload " + workload);
}

int run(const std::string& workload, std::int64_t batch) {
  Model model = build(workload);
  const bool is_tiny = workload == "tiny";
  const std::int64_t rows = kBatches * batch;
  const bool has_tokens = workload == "transformer";
  const bool is_recurrent = workload == "lstm" || workload == "gru";
  const Shape sample = is_tiny                  ? Shape{4}
                       : has_tokens             ? Shape{64}
                       : workload == "resnet20" ? Shape{32, 32, 3}
                       : is_recurrent           ? Shape{28, 28}
                                                : Shape{28, 28, 1};
  Tensor x = has_tokens ? Tensor(sample.with_batch(rows), DType::int32)
                        : Tensor::uniform(sample.with_batch(rows));
  if (has_tokens) {
    Random random(2);
    for (auto& token : x.data<std::int32_t>()) {
      token = static_cast<std::int32_t>(random.integer(0, 1000));
    }
  }
  Tensor y = is_tiny ? Tensor::uniform({rows, 4}) : Tensor(Shape{rows}, DType::int32);
  if (is_tiny) {
    model.compile({.optimizer = SGD(), .loss = "mse"});
  } else {
    Random random(1);
    for (auto& label : y.data<std::int32_t>()) {
      label = static_cast<std::int32_t>(random.integer(0, 10));
    }
    model.compile({.optimizer = Adam({.learning_rate = 1e-3}),
                   .loss = SparseCategoricalCrossentropy({.from_logits = true})});
  }
  // Endless, so that a call trains exactly as many steps as it is asked for.
  const auto row = static_cast<std::size_t>(x.size() / rows);
  const auto labels_of = [&](auto* all, auto labels, std::int64_t sequence) {
    const auto begin = static_cast<std::size_t>(sequence % kBatches) * labels.size();
    std::copy_n(all + begin, labels.size(), labels.data());
  };
  const auto fill = [&](BatchContext& batch_context, auto to, auto labels) {
    const auto begin = static_cast<std::size_t>((batch_context.sequence % kBatches) * batch) * row;
    using Element = typename decltype(to)::value_type;
    std::copy_n(x.data<Element>().data() + begin, to.size(), to.data());
    using Label = typename decltype(labels)::value_type;
    labels_of(y.data<Label>().data(), labels, batch_context.sequence);
  };
  const auto train = [&](auto& source, std::int64_t steps) {
    return model.fit_generator(source, {.steps_per_epoch = steps, .verbose = 0})["loss"].back();
  };
  auto classes =
      generator<float, std::int32_t>({.x = sample.with_batch(batch), .y = {batch}}, fill);
  auto tokens =
      generator<std::int32_t, std::int32_t>({.x = sample.with_batch(batch), .y = {batch}}, fill);
  auto values = generator<float, float>({.x = {batch, 4}, .y = {batch, 4}}, fill);

  for (std::string word; std::cin >> word && word == "steps";) {
    std::int64_t steps = 0;
    std::cin >> steps;
    const auto start = std::chrono::steady_clock::now();
    const double loss = is_tiny      ? train(values, steps)
                        : has_tokens ? train(tokens, steps)
                                     : train(classes, steps);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    std::cout << "seconds " << seconds.count() << " loss " << loss << std::endl;
  }
  return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: side_stoker WORKLOAD BATCH\n";
    return EXIT_FAILURE;
  }
  return run(argv[1], std::atoll(argv[2]));
}
