// This generator makes its batches where they are used. On a GPU the function enqueues kernels on
// the stream that it gets, and only a header of 256 bytes is uploaded. On other devices it writes
// the memory itself, as here.
#include <stoker/stoker.h>

int main() {
  using namespace stoker;

  Sequential model({Input({28, 28, 1}), Flatten(), Dense(64, {.activation = "relu"}), Dense(10)});
  model.compile({.optimizer = Adam({.learning_rate = 1e-3}),
                 .loss = SparseCategoricalCrossentropy({.from_logits = true})});

  auto noise = device_generator<float, std::int32_t>(
      {.x = {32, 28, 28, 1}, .y = {32}},
      [](BatchContext& batch, DeviceQueue queue, std::span<float> x, std::span<std::int32_t> y) {
        if (queue.cuda_stream != nullptr) {
          // my_kernel<<<blocks, threads, 0, static_cast<cudaStream_t>(queue.cuda_stream)>>>(...);
          throw Error("this example has no kernel: run it with STOKER_DEVICE=cpu or simulated");
        }
        batch.random.fill_uniform(x);
        for (auto& label : y) label = static_cast<std::int32_t>(batch.random.integer(0, 10));
      });

  const History history = model.fit_generator(noise, {.steps_per_epoch = 500, .epochs = 2});
  std::cout << history.feed.verdict();
}
