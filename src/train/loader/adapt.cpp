// Normalization learns from the batches of a source.
#include <optional>
#include <utility>

#include "layers/preprocessing/normalization.h"
#include "stoker/loader.h"

namespace stoker {
namespace {

const void* elements_of(const BatchView& batch, DType dtype) {
  switch (dtype) {
    case DType::int32:
      return batch.x<std::int32_t>().data();
    case DType::uint8:
      return batch.x<std::uint8_t>().data();
    default:
      return batch.x<float>().data();
  }
}

}  // namespace

void adapt(const Layer& normalization, SourceHandle source, StreamOptions options) {
  Loader loader(std::move(source), std::move(options));
  layers::adapt(normalization, [&]() -> std::optional<layers::DataBatch> {
    const BatchView* batch = loader.next();
    if (batch == nullptr) return std::nullopt;
    const Field& field = batch->spec().inputs.at(0);
    return layers::DataBatch{elements_of(*batch, field.dtype), field.dtype,
                             field.shape.without_batch().with_batch(batch->rows())};
  });
}

}  // namespace stoker
