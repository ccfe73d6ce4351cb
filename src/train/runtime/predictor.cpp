// A predictor owns a model's inside without the public class. It has the same layers, so it uses
// the same store.
#include "stoker/predictor.h"

#include "core/check.h"
#include "core/foreign.h"
#include "core/format.h"
#include "stoker/error.h"
#include "train/model_impl.h"
#include "train/runtime/in_use.h"

namespace stoker {

using train::Access;

struct Predictor::Impl {
  Impl(std::string name, std::shared_ptr<const train::Topology> topology, ModelOptions options)
      : model(std::move(name), std::move(topology), std::move(options)) {}
  Model::Impl model;
};

Predictor::Predictor(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Predictor::Predictor(Predictor&&) noexcept = default;
Predictor& Predictor::operator=(Predictor&&) noexcept = default;
Predictor::~Predictor() = default;

Predictor Model::predictor(PredictorOptions options) const {
  return with_own_errors<DeviceError>("predictor", [&] {
    check::require("predictor", "a number of threads", options.threads, check::at_least(0));
    const train::InUse model(impl("predictor"), "predictor", Access::read);
    ModelOptions own = model->options;
    if (options.threads > 0) own.threads = options.threads;
    return Predictor(std::make_unique<Predictor::Impl>(
        model->name, model->network.shared_topology(), std::move(own)));
  });
}

std::vector<Tensor> Predictor::predict_outputs(const Tensors& x) {
  return with_own_errors<DeviceError>("Predictor", [&] {
    if (!impl_) {
      throw ValueError("Predictor: this one was moved from; use the one it went to");
    }
    const train::InUse model(impl_->model, "a predictor's predict", Access::compute);
    return model->predict_on_batch(x);
  });
}

Tensor Predictor::predict(const Tensors& x) {
  if (impl_) impl_->model.require_one_output("predict");
  return std::move(predict_outputs(x)[0]);
}

}  // namespace stoker
