// cuDNN's plans, made once. A plan costs up to a second, so all models of the process share them,
// and what cuDNN lets be serialised is kept on disk for the next process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "backend/cuda/runtime/code_cache.h"
#include "backend/cuda/runtime/cudnn_plan.h"

namespace stoker::backend::cuda {

// For several threads: one makes a plan while the others wait.
class PlanCache {
 public:
  // More than this many plans and refusals are not kept, but for those that somebody holds.
  static constexpr std::size_t kDefaultLimit = 1024;

  explicit PlanCache(CodeCache disk, std::size_t limit = kDefaultLimit)
      : disk_(std::move(disk)), limit_(limit) {}

  struct Found {
    std::shared_ptr<const DnnPlan> plan;  // null where cuDNN refuses the spec
    std::string refusal;                  // why
  };
  // By the target's place and model, the options and the spec.
  Found find(const DnnSpec& spec, const DnnTarget& target, const DnnOptions& options);

  // Plans and refusals that this cache has made, and plans that it has read from disk.
  std::int64_t made() const;
  std::int64_t loaded() const;
  std::size_t size() const;

 private:
  struct Entry {
    Found found;
    std::uint64_t last_use = 0;
  };
  Found make(const DnnSpec& spec, const DnnTarget& target, const DnnOptions& options);
  void trim();

  mutable std::mutex mutex_;
  const CodeCache disk_;
  const std::size_t limit_;
  std::map<std::string, Entry> entries_;
  std::uint64_t uses_ = 0;
  std::int64_t made_ = 0;
  std::int64_t loaded_ = 0;
};

// The process's, on CodeCache::standard(). It is never destroyed: plans may not outlive cuDNN, and
// nothing orders that when a process ends.
PlanCache& plans_of_process();

// What lowering asks, answered by a cache.
class CudnnCompiler final : public DnnCompiler {
 public:
  explicit CudnnCompiler(DnnTarget target, DnnOptions options = {},
                         PlanCache& cache = plans_of_process())
      : target_(std::move(target)), options_(options), cache_(cache) {}

  std::optional<std::size_t> workspace_of(const DnnSpec& spec) override;
  // Null where cuDNN refuses the spec.
  std::shared_ptr<const DnnPlan> plan(const DnnSpec& spec);
  // Why it does; empty where it does not.
  std::string refusal(const DnnSpec& spec);

 private:
  DnnTarget target_;
  DnnOptions options_;
  PlanCache& cache_;
};

}  // namespace stoker::backend::cuda
