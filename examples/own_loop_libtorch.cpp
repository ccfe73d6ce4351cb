// Batches for a consumer that is no model of Stoker's: libtorch's tensors lie over the slots,
// without a copy. It is built where CMake finds libtorch (-DCMAKE_PREFIX_PATH=<its folder>).
#include <stoker/stoker.h>
#include <torch/torch.h>

#include <iostream>

int main() {
  const auto source = stoker::generator<float, std::int32_t>(
      {.x = {64, 20}, .y = {64}},
      stoker::pure([](stoker::BatchContext& batch, std::span<float> x, std::span<std::int32_t> y) {
        batch.random.fill_uniform(x, -1.0f, 1.0f);
        for (std::size_t i = 0; i < y.size(); ++i) y[i] = x[20 * i] > 0.0f ? 1 : 0;
      }));

  torch::nn::Sequential net(torch::nn::Linear(20, 32), torch::nn::ReLU(), torch::nn::Linear(32, 2));
  torch::optim::Adam optimizer(net->parameters(), 1e-2);
  stoker::Loader loader = stream(source, {.steps_per_epoch = 100, .epochs = 3, .workers = 2});
  while (!loader.is_done()) {
    double loss_of_epoch = 0.0;
    for (const stoker::BatchView& batch : loader.epoch()) {
      // The tensors are views of the slot, and are gone before the loop's next turn.
      const auto x = torch::from_blob(batch.x<float>().data(), {batch.rows(), 20});
      const auto y =
          torch::from_blob(batch.y<std::int32_t>().data(), {batch.rows()}, torch::kInt32);
      optimizer.zero_grad();
      const auto loss = torch::cross_entropy_loss(net->forward(x), y.to(torch::kInt64));
      loss.backward();
      optimizer.step();
      loss_of_epoch += loss.item<double>();
    }
    std::cout << "loss " << loss_of_epoch / 100 << '\n';
  }
  std::cout << loader.verdict();
}
