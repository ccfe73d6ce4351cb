// A cache of cuDNN's plans. Making a plan takes up to a second, so that all models of the process
// share plans, and those that cuDNN can serialise are kept on disk for the next process.
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

// Several threads may use the cache; one makes a plan while the others wait.
class PlanCache {
 public:
  // The cache keeps at most this many plans and refusals, unless somebody holds more of them.
  static constexpr std::size_t kDefaultLimit = 1024;

  explicit PlanCache(CodeCache disk, std::size_t limit = kDefaultLimit)
      : disk_(std::move(disk)), limit_(limit) {}

  struct Found {
    std::shared_ptr<const DnnPlan> plan;  // null if cuDNN refuses the spec
    std::string refusal;                  // why
  };
  // Finds a plan by the target's place and model, the options and the spec, or makes it.
  Found find(const DnnSpec& spec, const DnnTarget& target, const DnnOptions& options);

  // These count the plans and refusals that this cache has made, and the plans that it has read
  // from disk.
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

// Returns the process's cache, on CodeCache::standard(). It is never destroyed: plans must not
// outlive cuDNN, and at the end of a process nothing orders the two.
PlanCache& plans_of_process();

// Answers the questions of lowering from a cache of plans.
class CudnnCompiler final : public DnnCompiler {
 public:
  explicit CudnnCompiler(DnnTarget target, DnnOptions options = {},
                         PlanCache& cache = plans_of_process())
      : target_(std::move(target)), options_(options), cache_(cache) {}

  std::optional<std::size_t> workspace_of(const DnnSpec& spec) override;
  // Returns null if cuDNN refuses the spec.
  std::shared_ptr<const DnnPlan> plan(const DnnSpec& spec);
  // Returns why cuDNN refuses the spec; empty if it does not.
  std::string refusal(const DnnSpec& spec);

 private:
  DnnTarget target_;
  DnnOptions options_;
  PlanCache& cache_;
};

}  // namespace stoker::backend::cuda
