// libtorch's side of the benchmark suite `peers`; built by peers/native.py against PyTorch's wheel.
//
//   side_libtorch WORKLOAD BATCH [--threads N]
//
// Reads lines "steps N" from standard input, answers "seconds S loss L".

#include <torch/torch.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace nn = torch::nn;

constexpr std::size_t kBatches = 16;  // in memory, used again and again

nn::Sequential build(const std::string& workload) {
  if (workload == "tiny") return nn::Sequential(nn::Linear(4, 4));
  if (workload == "mlp") {
    return nn::Sequential(nn::Flatten(), nn::Linear(784, 128), nn::ReLU(), nn::Linear(128, 10));
  }
  if (workload != "cnn") throw std::invalid_argument("this side has no " + workload);
  return nn::Sequential(
      nn::Conv2d(nn::Conv2dOptions(1, 32, 3)), nn::ReLU(), nn::MaxPool2d(nn::MaxPool2dOptions(2)),
      nn::Conv2d(nn::Conv2dOptions(32, 64, 3)), nn::ReLU(), nn::MaxPool2d(nn::MaxPool2dOptions(2)),
      nn::Flatten(), nn::Dropout(0.5), nn::Linear(1600, 10));
}

int run(const std::string& workload, std::int64_t batch) {
  const bool is_tiny = workload == "tiny";
  // The faster layout for oneDNN's convolutions, as in side_torch.py.
  const auto layout =
      workload == "cnn" ? torch::MemoryFormat::ChannelsLast : torch::MemoryFormat::Contiguous;
  nn::Sequential model = build(workload);
  for (auto& parameter : model->parameters()) {
    if (parameter.dim() == 4) parameter.set_data(parameter.contiguous(layout));
  }
  std::unique_ptr<torch::optim::Optimizer> optimizer;
  if (is_tiny) {
    optimizer = std::make_unique<torch::optim::SGD>(model->parameters(), 0.01);
  } else {
    optimizer = std::make_unique<torch::optim::Adam>(model->parameters(), 1e-3);
  }
  std::vector<torch::Tensor> xs, ys;
  for (std::size_t i = 0; i < kBatches; ++i) {
    xs.push_back(is_tiny ? torch::rand({batch, 4})
                         : torch::rand({batch, 1, 28, 28}).contiguous(layout));
    ys.push_back(is_tiny ? torch::rand({batch, 4}) : torch::randint(10, {batch}, torch::kInt64));
  }

  std::size_t steps = 0;
  for (std::string word; std::cin >> word >> steps && word == "steps";) {
    torch::Tensor loss;
    const auto start = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < steps; ++i) {
      const torch::Tensor &x = xs[i % kBatches], &y = ys[i % kBatches];
      optimizer->zero_grad();
      loss = is_tiny ? nn::functional::mse_loss(model->forward(x), y)
                     : nn::functional::cross_entropy(model->forward(x), y);
      loss.backward();
      optimizer->step();
    }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    std::cout << "seconds " << seconds.count() << " loss " << loss.item<float>() << std::endl;
  }
  return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  at::globalContext().setFlushDenormal(true);  // why: side_torch.py
  if (argc == 5 && std::string_view(argv[3]) == "--threads") {
    torch::set_num_threads(std::atoi(argv[4]));
  } else if (argc != 3) {
    std::cerr << "usage: side_libtorch WORKLOAD BATCH [--threads N]\n";
    return EXIT_FAILURE;
  }
  try {
    return run(argv[1], std::atoll(argv[2]));
  } catch (const std::invalid_argument& error) {
    std::cerr << error.what() << '\n';
    return EXIT_FAILURE;
  }
}
