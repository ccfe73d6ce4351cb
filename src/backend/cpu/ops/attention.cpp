// Op attention and its gradient, by blocks of queries and keys (backend/cpu/kernels/attention.cpp).
#include <algorithm>

#include "backend/cpu/ops/kernel.h"
#include "backend/cpu/runtime/dispatch.h"
#include "backend/cpu/runtime/parallel.h"

namespace stoker::backend::cpu {
namespace {

constexpr std::int64_t blocks_of(std::int64_t steps) {
  return (steps + kAttentionBlock - 1) / kAttentionBlock;
}

// What both passes have in common.
class AttentionBase : public Kernel {
 public:
  AttentionBase(const KernelRequest& request, std::size_t first_mask)
      : node_(request.node),
        attributes_(ops::attributes_of<ops::AttentionAttributes>(request.node)),
        sizes_(ops::attention_sizes(request.graph, request.node)),
        threads_(request.threads),
        first_mask_(first_mask),
        scratch_(attention_scratch(sizes_.key_dim, sizes_.value_dim)) {}

  std::size_t workspace_bytes() const override {
    return static_cast<std::size_t>(threads_) * static_cast<std::size_t>(scratch_) * sizeof(float);
  }

 protected:
  Attention arguments(const Run& run) const {
    std::size_t mask = first_mask_;
    const auto next = [&](bool is_given) -> const float* {
      return is_given ? run.floats(node_.inputs[mask++]) : nullptr;
    };
    Attention a{};
    a.batch = sizes_.batch;
    a.queries = sizes_.queries;
    a.keys = sizes_.keys;
    a.heads = sizes_.heads;
    a.key_heads = sizes_.key_heads;
    a.key_dim = sizes_.key_dim;
    a.value_dim = sizes_.value_dim;
    a.scale = attributes_.scale;
    a.causal = attributes_.causal;
    a.window = attributes_.window;
    a.blind_is_mean = attributes_.blind != ops::BlindQuery::zeros;
    a.blind_scores_have_gradient = attributes_.blind == ops::BlindQuery::mean_with_gradient;
    a.dropout = attributes_.dropout;
    a.stream = attributes_.stream;
    a.step = run.scalars->step;
    a.seed = run.scalars->seed;
    a.query = run.floats(node_.inputs[0]);
    a.key = run.floats(node_.inputs[1]);
    a.value = run.floats(node_.inputs[2]);
    a.query_mask = next(attributes_.has_query_mask);
    a.key_mask = next(attributes_.has_key_mask);
    return a;
  }

  using Pass = void (*)(const Attention&, std::int64_t begin, std::int64_t end, float* scratch);
  // Runs a pass over blocks of `own` steps, each of which meets all `other` steps.
  void run_pass(const Run& run, Pass pass, const Attention& a, std::int64_t heads, std::int64_t own,
                std::int64_t other) const {
    auto* scratch = reinterpret_cast<float*>(run.workspace);
    const std::int64_t count = sizes_.batch * heads * blocks_of(own);
    if (threads_ == 1) return pass(a, 0, count, scratch);
    // A multiply-add takes about as long as a byte.
    const std::int64_t work =
        std::min(own, kAttentionBlock) * other * (sizes_.key_dim + sizes_.value_dim) / 4;
    parallel_for(count, grain_for(work), [&](std::int64_t begin, std::int64_t end) {
      pass(a, begin, end, scratch + std::min(thread_number(), threads_ - 1) * scratch_);
    });
  }

  const graph::Node& node_;
  const ops::AttentionAttributes& attributes_;
  const ops::AttentionSizes sizes_;
  const KernelTable& table_ = kernels();

 private:
  const int threads_;
  const std::size_t first_mask_;
  const std::int64_t scratch_;  // of a thread, in floats
};

class AttentionKernel final : public AttentionBase {
 public:
  explicit AttentionKernel(const KernelRequest& request) : AttentionBase(request, 3) {}

  void run(const Run& run) override {
    Attention a = arguments(run);
    a.y = run.floats(node_.outputs[0]);
    a.logarithms = run.floats(node_.outputs[1]);
    run_pass(run, table_.attention, a, sizes_.heads, sizes_.queries, sizes_.keys);
  }
};

class AttentionBackwardKernel final : public AttentionBase {
 public:
  explicit AttentionBackwardKernel(const KernelRequest& request) : AttentionBase(request, 6) {}

  void run(const Run& run) override {
    Attention a = arguments(run);
    a.dy = run.floats(node_.inputs[3]);
    a.y = run.floats(node_.inputs[4]);
    a.logarithms = run.floats(node_.inputs[5]);
    a.dquery = run.floats(node_.outputs[0]);
    a.dkey = run.floats(node_.outputs[1]);
    a.dvalue = run.floats(node_.outputs[2]);
    run_pass(run, table_.attention_keys, a, sizes_.key_heads, sizes_.keys,
             sizes_.queries * (sizes_.heads / sizes_.key_heads));
    // Where all keys are in one block, that pass has computed the queries' gradient too.
    if (sizes_.keys <= kAttentionBlock) return;
    run_pass(run, table_.attention_queries, a, sizes_.heads, sizes_.queries, sizes_.keys);
  }
};

}  // namespace

const CpuOp attention_on_cpu{&make<AttentionKernel>, &never_in_bfloat16};
const CpuOp attention_backward_on_cpu{&make<AttentionBackwardKernel>, &never_in_bfloat16};

}  // namespace stoker::backend::cpu
