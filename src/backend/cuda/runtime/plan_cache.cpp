#include "backend/cuda/runtime/plan_cache.h"

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "core/format.h"

namespace stoker::backend::cuda {
namespace {

std::vector<std::byte> bytes_of(const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

std::string text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Returns the key of a plan on disk, which names everything that must be the same for a process to
// use it.
std::string key_on_disk(const DnnSpec& spec, const DnnTarget& target, const DnnOptions& options) {
  return format("cudnn plan\n", target.model(), '\n', options.text(), '\n', spec.text());
}

}  // namespace

PlanCache::Found PlanCache::find(const DnnSpec& spec, const DnnTarget& target,
                                 const DnnOptions& options) {
  const std::string key =
      format(target.place(), '\n', target.model(), '\n', options.text(), '\n', spec.text());
  const std::lock_guard lock(mutex_);
  auto at = entries_.find(key);
  if (at == entries_.end()) {
    Entry entry{.found = make(spec, target, options)};
    at = entries_.emplace(key, std::move(entry)).first;
  }
  at->second.last_use = ++uses_;
  Found found = at->second.found;
  trim();
  return found;
}

PlanCache::Found PlanCache::make(const DnnSpec& spec, const DnnTarget& target,
                                 const DnnOptions& options) {
  const std::string key = key_on_disk(spec, target, options);
  if (const auto stored = disk_.find(key)) {
    std::shared_ptr<const DnnPlan> plan = DnnPlan::from_text(text_of(*stored), spec, target);
    if (plan && plan->workspace_bytes() <= options.workspace_limit) {
      ++loaded_;
      return {.plan = std::move(plan), .refusal = {}};
    }
  }
  Found found;
  found.plan = DnnPlan::make(spec, target, options, &found.refusal);
  ++made_;
  // A refusal is not kept on disk, since it may not hold for another process, for example with a
  // newer cuDNN.
  if (found.plan) {
    found.refusal.clear();
    if (const std::string text = found.plan->serialized(); !text.empty()) {
      disk_.store(key, bytes_of(text));
    }
  }
  return found;
}

// Drops the entries that were not used for longest, except those that somebody holds.
void PlanCache::trim() {
  while (entries_.size() > limit_) {
    auto oldest = entries_.end();
    for (auto at = entries_.begin(); at != entries_.end(); ++at) {
      const bool is_held = at->second.found.plan.use_count() > 1;
      const bool is_newest = at->second.last_use == uses_;
      if (is_held || is_newest) continue;
      if (oldest == entries_.end() || at->second.last_use < oldest->second.last_use) oldest = at;
    }
    if (oldest == entries_.end()) return;
    entries_.erase(oldest);
  }
}

std::int64_t PlanCache::made() const {
  const std::lock_guard lock(mutex_);
  return made_;
}
std::int64_t PlanCache::loaded() const {
  const std::lock_guard lock(mutex_);
  return loaded_;
}
std::size_t PlanCache::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

PlanCache& plans_of_process() {
  static PlanCache& cache = *new PlanCache(CodeCache::standard());
  return cache;
}

std::optional<std::size_t> CudnnCompiler::workspace_of(const DnnSpec& spec) {
  const auto made = plan(spec);
  if (!made) return std::nullopt;
  return made->workspace_bytes();
}
std::shared_ptr<const DnnPlan> CudnnCompiler::plan(const DnnSpec& spec) {
  return cache_.find(spec, target_, options_).plan;
}
std::string CudnnCompiler::refusal(const DnnSpec& spec) {
  return cache_.find(spec, target_, options_).refusal;
}

}  // namespace stoker::backend::cuda
