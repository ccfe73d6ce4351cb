#include "backend/cuda/plan/launch_plan.h"

#include "core/format.h"

namespace stoker::backend::cuda {

namespace {

std::string text_of(const Grid& grid) {
  std::string text = format(grid.blocks, " x ", grid.threads);
  if (grid.shared_bytes > 0) text += format(" (", grid.shared_bytes, " B shared)");
  return text;
}

std::string text_of(const KernelLaunch& launch) {
  return format(launch.kernel->name, ' ', text_of(launch.grid));
}
std::string text_of(const GeneratedLaunch& launch) {
  return format(launch.name, ' ', text_of(launch.grid));
}
std::string text_of(const DnnLaunch& launch) { return launch.spec.text(); }
std::string text_of(const ZeroLaunch& launch) { return format("zero ", launch.bytes, " B"); }

}  // namespace

std::string LaunchPlan::text() const {
  std::string text;
  for (std::size_t i = 0; i < launches.size(); ++i) {
    const std::string what =
        std::visit([](const auto& launch) { return text_of(launch); }, launches[i].what);
    text += format(i, ": ", launches[i].label, "  [", what, "]\n");
  }
  return text;
}

}  // namespace stoker::backend::cuda
