// The moving averages that an optimizer keeps of the weights (use_ema). The model is held for
// writing, or by a fit.
#pragma once

#include "train/model_impl.h"

namespace stoker::train {

// Whether the model is compiled with an optimizer that keeps averages.
bool has_averages(const Model::Impl& model);

// These wait for the device. Without averages they do nothing.
void swap_averages(Model::Impl& model);            // Weights and averages change places.
void overwrite_with_averages(Model::Impl& model);  // Weights become their averages.
void overwrite_averages(Model::Impl& model);       // Averages become the weights.

}  // namespace stoker::train
