// dlib's side of the benchmark suite `peers`; built by peers/native.py against Debian's libdlib.
//
//   side_dlib WORKLOAD BATCH
//
// Reads lines "steps N" from standard input, answers "seconds S loss L".

#include <dlib/dnn.h>
#ifdef __SSE2__
#include <immintrin.h>
#endif

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

using namespace dlib;

namespace {

constexpr std::size_t kBatches = 16;  // in memory, used again and again

using Image = matrix<float>;
// dlib's own `con` pads at stride 1; Keras's and PyTorch's convolutions don't.
template <long filters, typename Below>
using Conv3x3 = add_layer<con_<filters, 3, 3, 1, 1, 0, 0>, Below>;
template <long filters, typename Below>
using Block = max_pool<2, 2, 2, 2, relu<Conv3x3<filters, Below>>>;

using Mlp = loss_multiclass_log<fc<10, relu<fc<128, input<Image>>>>>;
using Cnn = loss_multiclass_log<fc<10, dropout<Block<64, Block<32, input<Image>>>>>>;
using Tiny = loss_mean_squared_multioutput<fc<4, input<Image>>>;

Image random_image(dlib::rand& random, long rows, long columns) {
  Image image(rows, columns);
  for (float& pixel : image) pixel = random.get_random_float();
  return image;
}

template <typename Net, typename Solver, typename MakeImage, typename MakeLabel>
int run(std::int64_t batch, const Solver& solver, double learning_rate, MakeImage make_image,
        MakeLabel make_label) {
  Net net;
  // What dnn_trainer does for each step, without its thread, which would wait for the next step's
  // data: ours is in tensors already.
  std::vector<Solver> solvers(Net::num_computational_layers, solver);
  std::vector<resizable_tensor> xs(kBatches);
  std::vector<std::vector<typename Net::training_label_type>> ys(kBatches);
  for (std::size_t i = 0; i < kBatches; ++i) {
    std::vector<Image> images(static_cast<std::size_t>(batch));
    std::generate(images.begin(), images.end(), make_image);
    net.to_tensor(images.begin(), images.end(), xs[i]);
    ys[i].resize(images.size());
    std::generate(ys[i].begin(), ys[i].end(), make_label);
  }

  std::size_t steps = 0;
  for (std::string word; std::cin >> word >> steps && word == "steps";) {
    double loss = 0;
    const auto start = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < steps; ++i) {
      loss = net.compute_parameter_gradients(xs[i % kBatches], ys[i % kBatches].begin());
      net.update_parameters(make_sstack(solvers), learning_rate);
    }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    std::cout << "seconds " << seconds.count() << " loss " << loss << std::endl;
  }
  return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: side_dlib WORKLOAD BATCH\n";
    return EXIT_FAILURE;
  }
#ifdef __SSE2__
  _MM_SET_FLUSH_ZERO_MODE(_MM_FLUSH_ZERO_ON);  // why: side_torch.py
  _MM_SET_DENORMALS_ZERO_MODE(_MM_DENORMALS_ZERO_ON);
#endif
  const std::string workload = argv[1];
  const std::int64_t batch = std::atoll(argv[2]);
  dlib::rand random;
  const auto image = [&] { return random_image(random, 28, 28); };
  const auto label = [&] { return static_cast<unsigned long>(random.get_integer(10)); };
  const adam no_decay(0, 0.9f, 0.999f);
  if (workload == "mlp") return run<Mlp>(batch, no_decay, 1e-3, image, label);
  if (workload == "cnn") return run<Cnn>(batch, no_decay, 1e-3, image, label);
  if (workload != "tiny") {
    std::cerr << "this side has no " << workload << '\n';
    return EXIT_FAILURE;
  }
  const auto four = [&] { return random_image(random, 4, 1); };
  return run<Tiny>(batch, sgd(0, 0), 0.01, four, four);
}
