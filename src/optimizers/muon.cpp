// Muon (Jordan et al. 2024): the momentum of each matrix, brought near the closest orthogonal
// matrix by Newton-Schulz iterations. All other weights, and embeddings, are updated by AdamW. The
// scale of a matrix's step is that of Liu et al., "Muon is scalable for LLM training" (2025), so
// that both may have one learning rate.
#include <algorithm>
#include <cctype>
#include <cmath>
#include <regex>

#include "optimizers/adam.h"
#include "stoker/error.h"

namespace stoker {

void describe(Fields& fields, MuonOptions& options) {
  optimizers::describe_common(fields, "muon", options);
  fields("adam_beta_1", options.adam_beta_1);
  fields("adam_beta_2", options.adam_beta_2);
  fields("epsilon", options.epsilon);
  fields("exclude_layers", options.exclude_layers);
  fields("muon_a", options.muon_a);
  fields("muon_b", options.muon_b);
  fields("muon_c", options.muon_c);
  fields("adam_lr_ratio", options.adam_lr_ratio);
  fields("momentum", options.momentum);
  fields("ns_steps", options.ns_steps);
  fields("nesterov", options.nesterov);
  fields("exclude_embeddings", options.exclude_embeddings);
  fields("adam_weight_decay", options.adam_weight_decay);
  fields("rms_rate", options.rms_rate);
}

namespace {

using graph::Expr;
using graph::Value;
using optimizers::Common;
using optimizers::OptimizerBase;

// The rule of Muon's matrices, or of its other weights. Its fields are Muon's.
class PartOfMuon : public OptimizerBase {
 public:
  PartOfMuon(const Common& common, const MuonOptions& options)
      : OptimizerBase("Muon", "muon", common), options_(options) {}
  void write_fields(Fields& fields) const override {
    MuonOptions copy = options_;
    describe(fields, copy);
  }

 protected:
  const MuonOptions options_;
};

class MatrixRule final : public PartOfMuon {
 public:
  using PartOfMuon::PartOfMuon;

  std::vector<std::string> own_slot_names() const override { return {"momentum"}; }
  std::vector<std::size_t> own_slot_groups() const override { return {1}; }
  bool has_direction() const override { return true; }

  void prepare(optimizers::Update& update) const override {
    const auto keep = static_cast<float>(options_.momentum);
    const auto less = static_cast<float>(options_.momentum - 1.0);
    const Expr gradient = update.gradient();
    const Expr momentum = update.slot(0) + (gradient + update.slot(0) * less);
    update.set_slot(0, momentum);
    update.set_direction(options_.nesterov ? gradient + momentum * keep : momentum);
  }

  // Each iteration takes x to a x + (b x x' + c (x x')^2) x, for a wide matrix; that of a tall one
  // is the same from the other side.
  Value direction(const optimizers::WholeWeight& weight) const override {
    const Shape& shape = weight.shape;
    const bool is_tall = shape[0] > shape[1];
    const Value matrix = ops::reshape(weight.direction, shape);
    const Value squares = ops::reduce(ops::ReduceKind::sum, matrix, graph::square, {0, 1}, true);
    Value x = ops::map(matrix, squares,
                       [](Expr element, Expr sum) { return element / (sqrt(sum) + 1e-7f); });
    const auto a = static_cast<float>(options_.muon_a), b = static_cast<float>(options_.muon_b),
               c = static_cast<float>(options_.muon_c);
    for (std::int64_t step = 0; step < options_.ns_steps; ++step) {
      const Value gram = ops::matmul(x, x, is_tall, !is_tall);
      const Value mixed = ops::map(gram, ops::matmul(gram, gram),
                                   [=](Expr g, Expr squared) { return g * b + squared * c; });
      const Value product = is_tall ? ops::matmul(x, mixed) : ops::matmul(mixed, x);
      x = ops::map(x, product, [=](Expr old, Expr added) { return old * a + added; });
    }
    x = ops::reshape(x, weight.direction.shape());
    if (!options_.rms_rate) return x;
    const auto scale = static_cast<float>(
        std::sqrt(static_cast<double>(std::max(shape[0], shape[1]))) * *options_.rms_rate);
    return ops::map(x, [scale](Expr element) { return element * scale; });
  }

  void step(optimizers::Update& update, Expr parameter) const override {
    update.set_parameter(parameter - update.learning_rate() * update.gradient());
  }
};

class OtherRule final : public PartOfMuon {
 public:
  using PartOfMuon::PartOfMuon;

  std::vector<std::string> own_slot_names() const override { return {"momentum", "velocity"}; }
  std::vector<std::size_t> own_slot_groups() const override { return {2}; }
  bool keeps_zero() const override { return optimizers::is_normal(options_.epsilon); }
  void step(optimizers::Update& update, Expr parameter) const override {
    optimizers::append_adam(update, parameter,
                            {options_.adam_beta_1, options_.adam_beta_2, options_.epsilon, false,
                             options_.adam_lr_ratio});
  }
};

Common common_of_others(const MuonOptions& options) {
  Common common = optimizers::common_of(options);
  common.weight_decay = options.adam_weight_decay;
  return common;
}

class MuonRule final : public Described<OptimizerBase, MuonOptions> {
 public:
  explicit MuonRule(const MuonOptions& options)
      : Described(options, "Muon", "muon", optimizers::common_of(options)),
        of_matrices_(optimizers::common_of(options), options),
        of_others_(common_of_others(options), options) {
    require("adam_beta_1", options_.adam_beta_1, check::half_open(0, 1));
    require("adam_beta_2", options_.adam_beta_2, check::half_open(0, 1));
    require("epsilon", options_.epsilon, check::at_least(0));
    require("adam_lr_ratio", options_.adam_lr_ratio, check::at_least(0));
    require("momentum", options_.momentum, check::closed(0, 1));
    check::require("muon", "ns_steps", options_.ns_steps, check::closed(0, 100));
    for (const auto& [name, number] :
         {std::pair{"muon_a", options_.muon_a}, std::pair{"muon_b", options_.muon_b},
          std::pair{"muon_c", options_.muon_c}}) {
      require(name, number, check::finite());
    }
    if (options_.rms_rate) require("rms_rate", *options_.rms_rate, check::at_least(0));
    for (const std::string& pattern : options_.exclude_layers) {
      excluded_.push_back(optimizers::pattern_of("muon: exclude_layers", pattern));
    }
  }

  std::vector<std::string> own_slot_names() const override { return of_others_.own_slot_names(); }
  std::vector<std::size_t> own_slot_groups() const override { return {2}; }
  const OptimizerBase& rule_for(const optimizers::UpdatedWeight& weight) const override {
    const bool is_matrix = weight.shape.rank() == 2 && !is_excluded(weight.path);
    if (is_matrix) return of_matrices_;
    return of_others_;
  }
  void step(optimizers::Update& update, Expr parameter) const override {
    of_others_.step(update, parameter);
  }

 private:
  bool is_excluded(std::string_view path) const {
    std::string lower(path);
    std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
    if (options_.exclude_embeddings && lower.find("embedding") != std::string::npos) return true;
    return std::ranges::any_of(excluded_, [&](const std::regex& pattern) {
      return std::regex_search(path.begin(), path.end(), pattern);
    });
  }

  const MatrixRule of_matrices_;
  const OtherRule of_others_;
  std::vector<std::regex> excluded_;
};

}  // namespace

Optimizer Muon(MuonOptions options) { return Optimizer(std::make_shared<const MuonRule>(options)); }

Optimizer optimizers::make_Muon(Fields& fields) { return stoker::Muon(fields.all<MuonOptions>()); }

}  // namespace stoker
