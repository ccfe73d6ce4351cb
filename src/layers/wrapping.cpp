#include "layers/wrapping.h"

namespace stoker::layers {

Child wrapped(const std::shared_ptr<LayerBase>& layer) {
  const std::string& own = layer->name();
  return {own.empty() ? snake_case(layer->class_name()) : own, layer, "layer"};
}

Config config_of(const Child& part) {
  const Config all = part.layer->config();
  Config own = all.at("config");
  own.set("name", part.name);
  return Config(all).set("config", std::move(own));
}

}  // namespace stoker::layers
