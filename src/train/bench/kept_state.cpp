#include "train/bench/kept_state.h"

#include "stoker/error.h"

namespace stoker::train {

KeptState::KeptState(Model::Impl& model) : model_(model), fits_begun_(model.fits_begun) {
  take_snapshot(model_, nullptr, snapshot_);
}

KeptState::~KeptState() {
  model_.fits_begun = fits_begun_;
  try {
    put_back(model_, snapshot_);
  } catch (const DeviceError&) {
    // A device that is broken has lost the state anyway, and the error is on its way already.
  }
}

}  // namespace stoker::train
