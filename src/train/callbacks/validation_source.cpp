#include "train/callbacks/validation_source.h"

#include "data/array_source.h"
#include "stoker/error.h"

namespace stoker::train {

std::shared_ptr<Source> validation_source(const Model::Impl& impl, const Validation& validation,
                                          Arrays& arrays) {
  std::shared_ptr<Source> source;
  if (validation.source()) {
    source = validation.source()->source();
  } else {
    const ValidationData& data = *validation.data();
    arrays = impl.arrays(data.x, data.y, {}, "Report");
    source = borrow_arrays(arrays.inputs, arrays.targets, {}, {.batch_size = 128});
  }
  if (source->device_filler() != nullptr) {
    throw ValueError("a source that fills the device's memory itself can't be looked at");
  }
  return source;
}

}  // namespace stoker::train
