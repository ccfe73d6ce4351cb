// Deep Q-learning (Mnih et al.: "Human-level control through deep reinforcement learning", 2015) on
// the cart with a pole (Barto, Sutton, Anderson, 1983; the equations and limits of Gymnasium's
// CartPole-v1): a generator that plays and samples from its memory, a training step of our own with
// a target network, and the loop that puts them together. Double Q-learning (van Hasselt et al.,
// 2016) chooses the next action by the online network.
//
//   cartpole [--seed N] [--episodes N] [--verbose 0|1] [--quick]
//
// --quick plays sixty episodes and checks nothing.
// It ends when the greedy policy keeps the pole up for 475 of 500 steps, on the mean of 100
// episodes.
#include <stoker/stoker.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <numbers>
#include <string>

using namespace stoker;

namespace {

using State = std::array<float, 4>;  // position, speed, angle and its speed, in m, s and radians
constexpr std::int64_t kSteps = 500;

// One cart, moved by a force of 10 N to the left or right for 0.02 s a step (Euler's method).
class Cart {
 public:
  explicit Cart(Random& random) {
    for (float& value : state_) value = random.uniform(-0.05f, 0.05f);
  }

  // Returns whether the pole has fallen, by 12 degrees, or the cart has left the track of 4.8 m.
  bool push(int action) {
    constexpr float kGravity = 9.8f, kMass = 1.1f, kPole = 0.1f, kLength = 0.5f, kTime = 0.02f;
    auto& [x, speed, angle, turn] = state_;
    const float force = action == 1 ? 10.0f : -10.0f, cosine = std::cos(angle),
                sine = std::sin(angle);
    const float pushed = (force + kPole * kLength * turn * turn * sine) / kMass;
    const float angular = (kGravity * sine - cosine * pushed) /
                          (kLength * (4.0f / 3.0f - kPole * cosine * cosine / kMass));
    const float linear = pushed - kPole * kLength * angular * cosine / kMass;
    x += kTime * speed;
    speed += kTime * linear;
    angle += kTime * turn;
    turn += kTime * angular;
    ++steps_;
    return std::abs(x) > 2.4f || std::abs(angle) > 12.0f * std::numbers::pi_v<float> / 180.0f;
  }
  const State& state() const { return state_; }
  std::int64_t steps() const { return steps_; }

 private:
  State state_{};
  std::int64_t steps_ = 0;
};

// What has been played last, from which batches are drawn.
class Memory {
 public:
  struct Move {
    State before, after;
    std::int32_t action;
    float goes_on;  // 0 where the pole fell
  };

  void add(const Move& move) {
    if (moves_.size() < kMost) {
      moves_.push_back(move);
    } else {
      moves_[next_ % kMost] = move;
    }
    ++next_;
  }
  std::size_t size() const { return moves_.size(); }

  // The batch of a training step: states, actions, next states, and whether they go on.
  Tensors batch(Random& random, std::size_t rows, std::array<Tensor, 4>& into) const {
    for (std::size_t row = 0; row < rows; ++row) {
      const Move& move =
          moves_[static_cast<std::size_t>(random.integer(0, static_cast<std::int64_t>(size())))];
      std::ranges::copy(move.before, into[0].data<float>().subspan(4 * row).begin());
      into[1].data<std::int32_t>()[row] = move.action;
      std::ranges::copy(move.after, into[2].data<float>().subspan(4 * row).begin());
      into[3].data<float>()[row] = move.goes_on;
    }
    return {into[0], into[1], into[2], into[3]};
  }

 private:
  static constexpr std::size_t kMost = 50000;
  std::vector<Move> moves_;
  std::size_t next_ = 0;
};

Sequential network(const std::string& name, std::uint64_t seed) {
  return Sequential({Input({4}), Dense(128, {.activation = "relu"}),
                     Dense(128, {.activation = "relu"}), Dense(2)},
                    {.name = name, .seed = seed});
}

int best_of(Predictor& values, const State& state, Tensor& one) {
  std::ranges::copy(state, one.data<float>().begin());
  const Tensor q = values.predict(one);
  return q.data<float>()[1] > q.data<float>()[0] ? 1 : 0;
}

// The mean number of steps that the greedy policy keeps the pole up. All carts move side by side.
double play(Model& online, std::uint64_t seed, std::int64_t episodes) {
  Random random(seed, 9, 0);
  std::vector<Cart> carts;
  std::vector<bool> has_fallen(static_cast<std::size_t>(episodes), false);
  for (std::int64_t i = 0; i < episodes; ++i) carts.emplace_back(random);
  Tensor states({episodes, 4});
  std::int64_t steps = 0;
  for (std::int64_t step = 0; step < kSteps; ++step) {
    for (std::size_t i = 0; i < carts.size(); ++i) {
      std::ranges::copy(carts[i].state(), states.data<float>().subspan(4 * i).begin());
    }
    const Tensor q = online.predict_on_batch(states);
    for (std::size_t i = 0; i < carts.size(); ++i) {
      if (has_fallen[i]) continue;
      ++steps;
      has_fallen[i] = carts[i].push(q.data<float>()[2 * i + 1] > q.data<float>()[2 * i] ? 1 : 0);
    }
  }
  return static_cast<double>(steps) / static_cast<double>(episodes);
}

int run(std::uint64_t seed, std::int64_t most_episodes, bool is_verbose, bool is_quick) {
  constexpr std::int64_t kRows = 128;
  Model online = network("online", seed), target = network("target", seed);
  target.set_weights(online.get_weights());

  // One program: the values of both networks, the loss, the update, and the target's soft update.
  Trainer learner({Input({4}), Input({}, {.dtype = "int32"}), Input({4}), Input({})}, {},
                  [&](TrainingStep& step) {
                    const Value taken = ops::one_hot(step.x(1), 2);
                    const Value q = ops::sum(online(step.x(0)) * taken, -1);
                    const Value next = online(step.x(2));
                    const Value chosen = ops::one_hot(ops::argmax(next), 2);
                    const Value worth = ops::sum(target(step.x(2)) * chosen, -1);
                    const Value wanted = ops::stop_gradient(1.0 + 0.99 * step.x(3) * worth);
                    step.minimize(Huber()(ops::expand_dims(wanted, -1), ops::expand_dims(q, -1)),
                                  {online}, Adam({.learning_rate = 5e-4, .clipnorm = 10.0}));
                    step.move_towards(target, online, 0.01);
                    step.add_metric("q", q);
                    return q;
                  });

  Memory memory;
  Random random(seed, 1, 0);
  std::array<Tensor, 4> batch{Tensor({kRows, 4}), Tensor({kRows}, DType::int32), Tensor({kRows, 4}),
                              Tensor({kRows})};
  Predictor values = online.predictor();
  Tensor one({1, 4});
  std::int64_t steps = 0;
  double recent = 0.0;
  for (std::int64_t episode = 1; episode <= most_episodes; ++episode) {
    Cart cart(random);
    for (bool has_fallen = false; !has_fallen && cart.steps() < kSteps; ++steps) {
      // At first all moves are random, and later one in fifty.
      const double exploring = std::max(0.02, 1.0 - static_cast<double>(steps) / 5000.0);
      const State before = cart.state();
      const int action = random.uniform(0.0f, 1.0f) < static_cast<float>(exploring)
                             ? static_cast<int>(random.integer(0, 2))
                             : best_of(values, before, one);
      has_fallen = cart.push(action);
      memory.add({before, cart.state(), action, has_fallen ? 0.0f : 1.0f});
      if (memory.size() >= 1000) learner.train_on_batch(memory.batch(random, kRows, batch), {});
    }
    recent += (static_cast<double>(cart.steps()) - recent) * 0.05;
    if (episode % 25 != 0) continue;
    const double mean = play(online, seed + 1000, 20);
    if (is_verbose) {
      std::printf("episode %4lld, %6lld steps: %5.1f while learning, %5.1f without exploring\n",
                  static_cast<long long>(episode), static_cast<long long>(steps), recent, mean);
    }
    if (mean < 475.0) continue;
    const double all = play(online, seed + 2000, 100);
    if (is_verbose) std::printf("mean of 100 episodes: %.1f\n", all);
    if (all < 475.0) continue;
    std::printf("solved after %lld episodes: %.1f of %lld steps on the mean of 100\n",
                static_cast<long long>(episode), all, static_cast<long long>(kSteps));
    return EXIT_SUCCESS;
  }
  std::printf("not solved in %lld episodes\n", static_cast<long long>(most_episodes));
  return is_quick ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    std::uint64_t seed = 1;
    std::int64_t episodes = 1500;
    bool is_verbose = true, is_quick = false;
    for (int i = 1; i < argc; ++i) {
      const std::string name = argv[i];
      if (name == "--quick") is_quick = true;
      if (name == "--seed" && i + 1 < argc) seed = std::stoull(argv[++i]);
      if (name == "--episodes" && i + 1 < argc) episodes = std::stoll(argv[++i]);
      if (name == "--verbose" && i + 1 < argc) is_verbose = std::string(argv[++i]) != "0";
    }
    return run(seed, is_quick ? 60 : episodes, is_verbose, is_quick);
  } catch (const std::exception& error) {
    std::cerr << "cartpole: " << error.what() << '\n';
    return EXIT_FAILURE;
  }
}
