#include "train/callbacks/silent_units.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "feed/feed.h"
#include "stoker/config.h"
#include "train/callbacks/row_view.h"
#include "train/callbacks/validation_source.h"
#include "train/model_access.h"

namespace stoker::train {
namespace {

constexpr std::int64_t kRows = 1024;

bool is_relu(const Config& activation) {
  if (activation.is_string())
    return activation.string() == "relu" || activation.string() == "relu6";
  if (!activation.is_map()) return false;
  const Config* name = activation.find("config");
  return name != nullptr && is_relu(*name);
}

bool ends_in_relu(const Layer& layer) {
  const Config config = layer.config();
  if (config["class_name"] == Config("ReLU")) return true;
  const Config* activation = config["config"].find("activation");
  return activation != nullptr && is_relu(*activation);
}

// The units of a layer that have been above 0.
class Units {
 public:
  explicit Units(std::string layer) : layer_(std::move(layer)) {}

  const std::string& layer() const { return layer_; }
  void take(const Tensor& output) {
    const auto units = static_cast<std::size_t>(output.shape().back());
    has_spoken_.resize(units, false);
    const std::span<const float> values = output.data<float>();
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (values[i] > 0.0f) has_spoken_[i % units] = true;
    }
  }
  double silent() const {
    const auto silent = std::ranges::count(has_spoken_, false);
    return static_cast<double>(silent) /
           static_cast<double>(std::max<std::size_t>(has_spoken_.size(), 1));
  }

 private:
  std::string layer_;
  std::vector<bool> has_spoken_;
};

}  // namespace

std::map<std::string, double> silent_units(Model& model, const Validation& validation) {
  std::vector<Units> units;
  std::vector<Value> outputs;
  for (const Layer& layer : model.layers()) {
    if (!ends_in_relu(layer)) continue;
    units.emplace_back(layer.name());
    outputs.push_back(model.layer_output(layer.name()));
  }
  std::map<std::string, double> shares;
  if (units.empty()) return shares;
  Model::Impl& impl = detail::ModelAccess::impl(model, "Report");
  Model probe(model.inputs(), outputs, impl.options);
  Arrays arrays;
  const std::shared_ptr<Source> source = validation_source(impl, validation, arrays);
  const BatchSpec& spec = source->spec();
  const std::int64_t steps = (kRows - 1) / spec.batch_size() + 1;
  feed::Feed feed(source, {.epochs = 1, .saves_state = false, .steps_per_epoch = steps},
                  impl.state.device());
  while (const auto batch = feed.next()) {
    const BatchView view(spec, feed.layout(), batch->block, batch->rows);
    const std::vector<Tensor> values = probe.predict_on_batch_outputs(view.inputs());
    for (std::size_t i = 0; i < units.size(); ++i) units[i].take(values[i]);
    feed.release(*batch);
  }
  for (const Units& layer : units) shares[layer.layer()] = layer.silent();
  return shares;
}

}  // namespace stoker::train
