// Learning-rate schedules, with Keras 3's names, argument order, defaults and formulas. A schedule
// is computed on the device from the number of updates before the step, so it costs nothing:
//   model.compile({.optimizer = Adam({.learning_rate = CosineDecay(1e-3, 10'000)}), .loss =
//   "mse"});
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace stoker {

class Config;

namespace optimizers {
class ScheduleBase;
}

// A learning rate: a number, or a schedule. Copies share the schedule.
class LearningRate {
 public:
  template <class T>
  requires std::convertible_to<T, double> LearningRate(T value)
      : value_(static_cast<double>(value)) {}
  explicit LearningRate(std::shared_ptr<const optimizers::ScheduleBase> schedule)
      : schedule_(std::move(schedule)) {}

  // Returns the rate after so many updates.
  double at(std::int64_t iterations) const;
  bool is_schedule() const { return schedule_ != nullptr; }
  const std::shared_ptr<const optimizers::ScheduleBase>& schedule() const { return schedule_; }

  // Returns the number, or {"class_name": "CosineDecay", "config": {...}, ...}, as Keras writes it.
  Config config() const;
  // Schedules are equal where their configurations are.
  friend bool operator==(const LearningRate& a, const LearningRate& b);

 private:
  double value_ = 0.0;
  std::shared_ptr<const optimizers::ScheduleBase> schedule_{};
};

// Reads what config() gives. Throws ValueError, with the nearest known name, for a class, a key or
// a value that is not known.
LearningRate learning_rate_from_config(const Config& config);

// All of these throw ValueError for rates below 0, counts of steps below 1, and numbers that are
// not finite.

struct StaircaseOptions {
  bool staircase = false;  // The rate changes only every decay_steps steps.
};
// initial_learning_rate * decay_rate ^ (step / decay_steps)
LearningRate ExponentialDecay(double initial_learning_rate, std::int64_t decay_steps,
                              double decay_rate, StaircaseOptions options = {});
// initial_learning_rate / (1 + decay_rate * step / decay_steps)
LearningRate InverseTimeDecay(double initial_learning_rate, std::int64_t decay_steps,
                              double decay_rate, StaircaseOptions options = {});

// values[0] up to and including step boundaries[0], values[1] up to boundaries[1], and so on. There
// is one value more than there are boundaries, which rise.
LearningRate PiecewiseConstantDecay(std::vector<std::int64_t> boundaries,
                                    std::vector<double> values);

struct PolynomialDecayOptions {
  double end_learning_rate = 0.0001;
  double power = 1.0;
  bool cycle = false;  // Begins anew, over twice, three times ... decay_steps, once it has ended.
};
LearningRate PolynomialDecay(double initial_learning_rate, std::int64_t decay_steps,
                             PolynomialDecayOptions options = {});

struct CosineDecayOptions {
  double alpha = 0.0;  // The share of the first rate that is left at the end.
  // With a target the rate rises from initial_learning_rate to it in warmup_steps steps, before the
  // decay_steps begin.
  std::optional<double> warmup_target{};
  std::int64_t warmup_steps = 0;
};
LearningRate CosineDecay(double initial_learning_rate, std::int64_t decay_steps,
                         CosineDecayOptions options = {});

struct CosineDecayRestartsOptions {
  double t_mul = 2.0;  // Each period is so many times as long as the one before.
  double m_mul = 1.0;  // It begins at so many times the rate of the one before.
  double alpha = 0.0;
};
LearningRate CosineDecayRestarts(double initial_learning_rate, std::int64_t first_decay_steps,
                                 CosineDecayRestartsOptions options = {});

}  // namespace stoker
