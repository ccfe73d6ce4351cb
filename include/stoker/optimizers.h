// Optimizers, with Keras 3's names, argument order, defaults and formulas.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "stoker/schedules.h"

namespace stoker {

class Config;

namespace optimizers {
class OptimizerBase;
}

// A handle of an optimizer; copies share the configuration (a model keeps its own slots). Strings
// work where an Optimizer is taken: "sgd", "adam", "adamw", "rmsprop", "adadelta", "adagrad",
// "adamax", "ftrl", "nadam", "lion", "lamb", "schedulefreeadamw", "adafactor", "muon".
class Optimizer {
 public:
  Optimizer() : Optimizer("rmsprop") {}  // Keras's default in compile()
  Optimizer(const char* name);
  Optimizer(const std::string& name);
  explicit Optimizer(std::shared_ptr<const optimizers::OptimizerBase> base)
      : base_(std::move(base)) {}

  // Returns {"class_name": "Adam", "config": {...}, ...}, as Keras writes it.
  Config config() const;

  // Leaves weights out of the weight decay whose names hold one of these: "bias", "gamma". As in
  // Keras this has to come before compile(), and files do not keep it.
  void exclude_from_weight_decay(std::vector<std::string> var_names) {
    excluded_ = std::move(var_names);
  }
  const std::vector<std::string>& excluded_from_weight_decay() const { return excluded_; }

  const std::shared_ptr<const optimizers::OptimizerBase>& base() const { return base_; }

 private:
  std::shared_ptr<const optimizers::OptimizerBase> base_;
  std::vector<std::string> excluded_{};
};

// Makes an optimizer from such a map, or from a name. Throws ValueError, with the place and the
// nearest known name, for a class, a key or a value that is not known.
Optimizer optimizer_from_config(const Config& config);

// weight_decay is decoupled: w -= w * learning_rate * weight_decay before the step. At most one of
// the three clips may be set: clipnorm for each weight, global_clipnorm for all, clipvalue for each
// element.
//
// With use_ema the optimizer keeps a moving average of the weights, which takes their place when
// fit() ends, and after every ema_overwrite_frequency steps. With gradient_accumulation_steps it
// adds up the gradients of so many steps, and makes one update of their mean.
struct SGDOptions {
  LearningRate learning_rate = 0.01;  // A number, or a schedule (stoker/schedules.h).
  double momentum = 0.0;
  bool nesterov = false;
  std::optional<double> weight_decay{};
  std::optional<double> clipnorm{};
  std::optional<double> clipvalue{};
  std::optional<double> global_clipnorm{};
  bool use_ema = false;
  double ema_momentum = 0.99;
  std::optional<std::int64_t> ema_overwrite_frequency{};
  std::optional<std::int64_t> gradient_accumulation_steps{};
};
struct AdamOptions {
  LearningRate learning_rate = 0.001;
  double beta_1 = 0.9;
  double beta_2 = 0.999;
  double epsilon = 1e-7;
  bool amsgrad = false;
  std::optional<double> weight_decay{};
  std::optional<double> clipnorm{};
  std::optional<double> clipvalue{};
  std::optional<double> global_clipnorm{};
  bool use_ema = false;
  double ema_momentum = 0.99;
  std::optional<std::int64_t> ema_overwrite_frequency{};
  std::optional<std::int64_t> gradient_accumulation_steps{};
};
struct AdamWOptions {
  LearningRate learning_rate = 0.001;
  double weight_decay = 0.004;
  double beta_1 = 0.9;
  double beta_2 = 0.999;
  double epsilon = 1e-7;
  bool amsgrad = false;
  std::optional<double> clipnorm{};
  std::optional<double> clipvalue{};
  std::optional<double> global_clipnorm{};
  bool use_ema = false;
  double ema_momentum = 0.99;
  std::optional<std::int64_t> ema_overwrite_frequency{};
  std::optional<std::int64_t> gradient_accumulation_steps{};
};
struct RMSpropOptions {
  LearningRate learning_rate = 0.001;
  double rho = 0.9;
  double momentum = 0.0;
  double epsilon = 1e-7;
  bool centered = false;
  std::optional<double> weight_decay{};
  std::optional<double> clipnorm{};
  std::optional<double> clipvalue{};
  std::optional<double> global_clipnorm{};
  bool use_ema = false;
  double ema_momentum = 0.99;
  std::optional<std::int64_t> ema_overwrite_frequency{};
  std::optional<std::int64_t> gradient_accumulation_steps{};
};
struct AdadeltaOptions {
  LearningRate learning_rate = 0.001;
  double rho = 0.95;
  double epsilon = 1e-7;
  std::optional<double> weight_decay{};
  std::optional<double> clipnorm{};
  std::optional<double> clipvalue{};
  std::optional<double> global_clipnorm{};
  bool use_ema = false;
  double ema_momentum = 0.99;
  std::optional<std::int64_t> ema_overwrite_frequency{};
  std::optional<std::int64_t> gradient_accumulation_steps{};
};
struct AdagradOptions {
  LearningRate learning_rate = 0.001;
  double initial_accumulator_value = 0.1;
  double epsilon = 1e-7;
  std::optional<double> weight_decay{};
  std::optional<double> clipnorm{};
  std::optional<double> clipvalue{};
  std::optional<double> global_clipnorm{};
  bool use_ema = false;
  double ema_momentum = 0.99;
  std::optional<std::int64_t> ema_overwrite_frequency{};
  std::optional<std::int64_t> gradient_accumulation_steps{};
};
struct AdamaxOptions {
  LearningRate learning_rate = 0.001;
  double beta_1 = 0.9;
  double beta_2 = 0.999;
  double epsilon = 1e-7;
  std::optional<double> weight_decay{};
  std::optional<double> clipnorm{};
  std::optional<double> clipvalue{};
  std::optional<double> global_clipnorm{};
  bool use_ema = false;
  double ema_momentum = 0.99;
  std::optional<std::int64_t> ema_overwrite_frequency{};
  std::optional<std::int64_t> gradient_accumulation_steps{};
};
struct FtrlOptions {
  LearningRate learning_rate = 0.001;
  double learning_rate_power = -0.5;
  double initial_accumulator_value = 0.1;
  double l1_regularization_strength = 0.0;
  double l2_regularization_strength = 0.0;
  double l2_shrinkage_regularization_strength = 0.0;
  double beta = 0.0;
  std::optional<double> weight_decay{};
  std::optional<double> clipnorm{};
  std::optional<double> clipvalue{};
  std::optional<double> global_clipnorm{};
  bool use_ema = false;
  double ema_momentum = 0.99;
  std::optional<std::int64_t> ema_overwrite_frequency{};
  std::optional<std::int64_t> gradient_accumulation_steps{};
};
struct NadamOptions {
  LearningRate learning_rate = 0.001;
  double beta_1 = 0.9;
  double beta_2 = 0.999;
  double epsilon = 1e-7;
  std::optional<double> weight_decay{};
  std::optional<double> clipnorm{};
  std::optional<double> clipvalue{};
  std::optional<double> global_clipnorm{};
  bool use_ema = false;
  double ema_momentum = 0.99;
  std::optional<std::int64_t> ema_overwrite_frequency{};
  std::optional<std::int64_t> gradient_accumulation_steps{};
};
struct LionOptions {
  LearningRate learning_rate = 0.001;
  double beta_1 = 0.9;
  double beta_2 = 0.99;
  std::optional<double> weight_decay{};
  std::optional<double> clipnorm{};
  std::optional<double> clipvalue{};
  std::optional<double> global_clipnorm{};
  bool use_ema = false;
  double ema_momentum = 0.99;
  std::optional<std::int64_t> ema_overwrite_frequency{};
  std::optional<std::int64_t> gradient_accumulation_steps{};
};
struct LambOptions {
  LearningRate learning_rate = 0.001;
  double beta_1 = 0.9;
  double beta_2 = 0.999;
  double epsilon = 1e-7;
  std::optional<double> weight_decay{};
  std::optional<double> clipnorm{};
  std::optional<double> clipvalue{};
  std::optional<double> global_clipnorm{};
  bool use_ema = false;
  double ema_momentum = 0.99;
  std::optional<std::int64_t> ema_overwrite_frequency{};
  std::optional<std::int64_t> gradient_accumulation_steps{};
};
// The rate rises over the first warmup_steps updates, and needs no schedule after them. While a
// model trains its weights are those at which gradients are taken, as in Keras.
struct ScheduleFreeAdamWOptions {
  LearningRate learning_rate = 0.0025;
  double beta_1 = 0.9;
  double beta_2 = 0.999;
  double epsilon = 1e-8;
  std::int64_t warmup_steps = 0;
  std::optional<double> weight_decay{};
  std::optional<double> clipnorm{};
  std::optional<double> clipvalue{};
  std::optional<double> global_clipnorm{};
  bool use_ema = false;
  double ema_momentum = 0.99;
  std::optional<std::int64_t> ema_overwrite_frequency{};
  std::optional<std::int64_t> gradient_accumulation_steps{};
};
// The second moment is the product of averages over rows and columns, and a step is as large as the
// weight times the rate: epsilon_2 stands for the root mean square of weights below it. Steps whose
// root mean square is above clip_threshold are made smaller. The rate is at most one over the root
// of the number of updates; relative_step changes nothing beyond that, as in Keras.
struct AdafactorOptions {
  LearningRate learning_rate = 0.001;
  double beta_2_decay = -0.8;
  double epsilon_1 = 1e-30;
  double epsilon_2 = 1e-3;
  double clip_threshold = 1.0;
  bool relative_step = true;
  std::optional<double> weight_decay{};
  std::optional<double> clipnorm{};
  std::optional<double> clipvalue{};
  std::optional<double> global_clipnorm{};
  bool use_ema = false;
  double ema_momentum = 0.99;
  std::optional<std::int64_t> ema_overwrite_frequency{};
  std::optional<std::int64_t> gradient_accumulation_steps{};
};
// Matrices go by Muon's step, weights of other ranks by AdamW's: those of layers of embeddings too,
// unless exclude_embeddings is off, and those whose path (Model::weight_names) one of the regular
// expressions in exclude_layers is found in. With rms_rate, a matrix (n, m) takes steps of
// sqrt(max(n, m)) * rms_rate, so that one learning rate fits both; without, of 1.
struct MuonOptions {
  LearningRate learning_rate = 0.001;
  double adam_beta_1 = 0.9;
  double adam_beta_2 = 0.999;
  std::optional<double> adam_weight_decay = 0.004;
  double epsilon = 1e-7;
  std::optional<double> weight_decay = 0.004;  // Of the matrices.
  std::optional<double> clipnorm{};
  std::optional<double> clipvalue{};
  std::optional<double> global_clipnorm{};
  bool use_ema = false;
  double ema_momentum = 0.99;
  std::optional<std::int64_t> ema_overwrite_frequency{};
  std::optional<std::int64_t> gradient_accumulation_steps{};
  std::vector<std::string> exclude_layers{};
  bool exclude_embeddings = true;
  double muon_a = 3.4445;
  double muon_b = -4.7750;
  double muon_c = 2.0315;
  double adam_lr_ratio = 1.0;
  double momentum = 0.95;
  std::int64_t ns_steps = 5;
  bool nesterov = true;
  std::optional<double> rms_rate = 0.2;
};

Optimizer SGD(SGDOptions options = {});
Optimizer Adam(AdamOptions options = {});
Optimizer AdamW(AdamWOptions options = {});
Optimizer RMSprop(RMSpropOptions options = {});
Optimizer Adadelta(AdadeltaOptions options = {});
Optimizer Adagrad(AdagradOptions options = {});
Optimizer Adamax(AdamaxOptions options = {});
Optimizer Ftrl(FtrlOptions options = {});
Optimizer Nadam(NadamOptions options = {});
Optimizer Lion(LionOptions options = {});
Optimizer Lamb(LambOptions options = {});
Optimizer ScheduleFreeAdamW(ScheduleFreeAdamWOptions options = {});
Optimizer Adafactor(AdafactorOptions options = {});
Optimizer Muon(MuonOptions options = {});

// Updates each weight by the optimizer whose regular expression matches its whole path
// (Model::weight_names, with or without the model's name and "/" before it), and by the default one
// where none does. A pattern that is the path itself decides before others. Each optimizer has its
// own learning rate, clipping and weight decay; the model has no learning rate then, and
// learning_rate() and set_learning_rate() throw ValueError. compile() throws ValueError where two
// patterns match a weight; construction, for a pattern that is no regular expression, and for
// optimizers that scale the loss, keep an average or accumulate gradients, and for Nadam.
//   model.compile({.optimizer = MultiOptimizer(Adam(), {{"encoder/.*", SGD()}}), .loss = "mse"});
Optimizer MultiOptimizer(Optimizer default_optimizer,
                         std::vector<std::pair<std::string, Optimizer>> optimizers);

// Multiplies the loss by a scale, so that gradients are not lost below float16's smallest numbers,
// and the gradients by its inverse before `inner` sees them. A step with a gradient that is not
// finite updates nothing, is no iteration, and halves the scale; after dynamic_growth_steps finite
// steps in a row it is doubled. All of this happens on the device, and the host does not wait for
// it. In compile() a mixed_float16 model wraps its optimizer in this one by itself. Throws
// ValueError for an initial_scale that is not above 0, for dynamic_growth_steps below 1, and if
// `inner` is a LossScaleOptimizer already.
struct LossScaleOptions {
  double initial_scale = 32768.0;
  std::int64_t dynamic_growth_steps = 2000;
};
Optimizer LossScaleOptimizer(Optimizer inner, LossScaleOptions options = {});

}  // namespace stoker
