// A stranger's program that brings its own: a Dense whose kernel's largest singular value is 1, a
// contrastive loss, the sampling of a variational autoencoder with its divergence, a kernel, and a
// training step of two models. Each learns something that it is then asked for.
#include <stoker/eigen.h>
#include <stoker/stoker.h>

#include <Eigen/SVD>
#include <cmath>
#include <cstdio>
#include <cstdlib>

using namespace stoker;

namespace {

void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "own: %s\n", what);
  std::exit(EXIT_FAILURE);
}

class SpectralDense : public CustomLayer {
 public:
  explicit SpectralDense(std::int64_t units) : units_(units) {}
  std::string class_name() const override { return "SpectralDense"; }
  Value call(LayerContext& context, const Value& x) override {
    const Value kernel = context.weight("kernel", {x.shape().back(), units_});
    const Value u =
        context.weight("u", {1, units_}, {.initializer = "random_normal", .trainable = false});
    const Value v = ops::stop_gradient(ops::normalize(ops::matmul(u, ops::transpose(kernel))));
    const Value next = ops::stop_gradient(ops::normalize(ops::matmul(v, kernel)));
    context.assign("u", next);
    return ops::matmul(x, kernel / ops::sum(ops::matmul(v, kernel) * next));
  }
  Config config() const override { return Config::map({{"units", units_}}); }

 private:
  std::int64_t units_;
};

class Sampling : public CustomLayer {
 public:
  std::string class_name() const override { return "Sampling"; }
  std::vector<Value> call(LayerContext& context, const std::vector<Value>& inputs) override {
    const Value &mean = inputs[0], &log_variance = inputs[1];
    const Value divergence =
        -0.5 * ops::sum(1.0 + log_variance - ops::square(mean) - ops::exp(log_variance), -1);
    context.add_loss(0.01 * ops::mean(divergence));
    context.add_metric("kl", divergence);
    return {mean + ops::exp(0.5 * log_variance) * ops::random::normal(mean.shape())};
  }
};

// y = 3 x: learnt as far as a layer can whose largest singular value is 1.
void spectral_dense() {
  const Tensor x = Tensor::normal({256, 4}, 0.0f, 1.0f, 1);
  Tensor y = x;
  as_matrix(y) *= 3.0f;
  Sequential model({Input({4}), custom_layer<SpectralDense>(4)}, {.seed = 1});
  model.compile({.optimizer = Adam({.learning_rate = 0.02}), .loss = "mse"});
  model.fit(x, y, {.epochs = 40, .verbose = 0});
  // What becomes of the axes is the matrix itself.
  const Tensor matrix = model.predict(to_tensor(Eigen::MatrixXf::Identity(4, 4)));
  const Eigen::JacobiSVD<Eigen::MatrixXf> values(as_matrix(matrix));
  const float largest = values.singularValues()(0);
  // One step of the iteration in each training step follows a matrix that moves.
  require(largest > 0.8f && largest < 1.3f, "SpectralDense is not of a norm near 1");
}

// Pairs of points are to be near each other where their signs agree.
void contrastive() {
  const Loss loss = custom_loss("contrastive", [](const Value& same, const Value& apart) {
    return same * ops::square(apart) + (1.0 - same) * ops::square(ops::relu(1.0 - apart));
  });
  const Layer embed = Dense(2, {.activation = "tanh"});
  const Value a = Input({3}), b = Input({3});
  const Value apart = ops::norm(embed(a) - embed(b), -1, true);
  Model model({a, b}, apart, {.seed = 1});
  model.compile({.optimizer = Adam({.learning_rate = 0.02}), .loss = loss});
  const Tensor x = Tensor::normal({512, 3}, 0.0f, 1.0f, 1),
               z = Tensor::normal({512, 3}, 0.0f, 1.0f, 2);
  Tensor same({512, 1});
  for (Eigen::Index i = 0; i < 512; ++i) {
    as_matrix(same)(i, 0) =
        (as_matrix(x)(i, 0) > 0.0f) == (as_matrix(z)(i, 0) > 0.0f) ? 1.0f : 0.0f;
  }
  const History history = model.fit({x, z}, same, {.epochs = 60, .verbose = 0});
  require(history["loss"].back() < 0.6 * history["loss"].front(),
          "the contrastive loss learns nothing");
}

void autoencoder() {
  const Value x = Input({6});
  const Value h = Dense(16, {.activation = "relu"})(x);
  const Value code = custom_layer<Sampling>()({Dense(2)(h), Dense(2)(h)});
  const Value y = Dense(6)(Dense(16, {.activation = "relu"})(code));
  Model model(x, y, {.seed = 1});
  model.compile({.optimizer = Adam({.learning_rate = 0.01}), .loss = "mse"});
  // Six numbers that two make up.
  Tensor data({512, 6});
  const Tensor two = Tensor::normal({512, 2}, 0.0f, 1.0f, 3);
  as_matrix(data) = as_matrix(two) * Eigen::MatrixXf::Random(2, 6);
  const History history = model.fit(data, data, {.epochs = 60, .verbose = 0});
  require(history["loss"].back() < 0.5 * history["loss"].front(), "the autoencoder learns nothing");
  require(history["kl"].back() > 0.1, "the code holds nothing");
}

// A teacher's halves of a step, and a kernel for the cube of what it says.
void own_step() {
  const KernelDefinition cube{
      .name = "cube",
      .cpu =
          [](const KernelData& data, std::int64_t begin, std::int64_t end) {
            for (std::int64_t i = begin; i < end; ++i) {
              const auto at = static_cast<std::size_t>(i);
              data.outputs[0][at] = data.inputs[0][at] * data.inputs[0][at] * data.inputs[0][at];
            }
          },
      .gradient = [](const std::vector<Value>& in, const std::vector<Value>&,
                     const std::vector<Value>& dy) -> std::vector<Value> {
        return {3.0 * ops::square(in[0]) * dy[0]};
      }};
  Sequential first({Input({3}), Dense(1)}, {.name = "first", .seed = 1, .device = Device::cpu()});
  Sequential second({Input({1}), Dense(1)}, {.name = "second", .seed = 2, .device = Device::cpu()});
  const Loss mse = "mse";
  Trainer trainer(
      {Input({3})}, {Input({1})},
      [&](TrainingStep& step) {
        const Value h = first(step.x());
        const Value cubed = ops::kernel(cube, {h}, {h.shape()})[0];
        step.minimize(mse(step.y(), cubed), {first}, Adam({.learning_rate = 0.02}), "first_loss");
        const Value y = second(ops::stop_gradient(first(step.x())));
        step.minimize(mse(step.y(), y), {second}, SGD({.learning_rate = 0.05}), "second_loss");
        return y;
      },
      {.device = Device::cpu()});
  const Tensor x = Tensor::normal({256, 3}, 0.0f, 0.5f, 5);
  Tensor y({256, 1});
  as_matrix(y) = as_matrix(x).rowwise().sum().array().cube().matrix();
  const History history = trainer.fit(x, y, {.epochs = 80, .verbose = 0});
  require(history["first_loss"].back() < 0.1 * history["first_loss"].front(),
          "the step's first model learns nothing");
  require(std::isfinite(history["second_loss"].back()), "the step's second model fails");
}

}  // namespace

int main() {
  spectral_dense();
  contrastive();
  autoencoder();
  own_step();
  std::puts("own layers, losses, kernels and steps learn");
}
