#include "feed/ring/slot_layout.h"

#include "core/align.h"
#include "core/format.h"
#include "data/fields.h"
#include "stoker/error.h"

namespace stoker::feed {
namespace {

static_assert(sizeof(SlotHeader) <= kHeaderBytes && kHeaderBytes % kAlignment == 0);

// Returns the bytes of a field of any source, even one that was not made by generator().
std::size_t bytes_of(const Field& field, std::int64_t batch_size) {
  const Shape& shape = field.shape;
  if (shape.rank() == 0 || shape.elements() <= 0 || shape[0] != batch_size) {
    throw ShapeError(
        format("source, field ", field.name,
               ": expected a known shape of at least one element with the batch size (", batch_size,
               ", of the first input) in front, received ", shape));
  }
  std::size_t bytes = 0;
  if (__builtin_mul_overflow(static_cast<std::size_t>(shape.elements()), size_of(field.dtype),
                             &bytes) ||
      bytes > std::size_t{1} << 62) {
    throw ShapeError(format("source, field ", field.name, ": a batch ", shape, " fits no memory"));
  }
  return bytes;
}

}  // namespace

SlotLayout::SlotLayout(const BatchSpec& spec) : bytes(kHeaderBytes) {
  if (spec.inputs.empty()) throw ShapeError("source: expected at least one input, received none");
  const Shape& first = spec.inputs[0].shape;
  const std::int64_t batch_size = first.rank() == 0 ? 0 : first[0];
  for (std::size_t i = 0; i < spec.field_count(); ++i) {
    const std::size_t field_bytes = bytes_of(spec.field(i), batch_size);
    offsets.push_back(bytes);
    bytes += aligned(field_bytes);
    row_bytes += field_bytes / static_cast<std::size_t>(batch_size);
    if (bytes > std::size_t{1} << 62) throw ShapeError("source: a batch fits no memory");
  }
  data::check_sample_weights("source", spec);
}

SlotLayout SlotLayout::of_host(Source& source) {
  const DeviceFiller* filler = source.device_filler();
  if (filler == nullptr) return SlotLayout(source.spec());
  SlotLayout layout;
  layout.offsets = {kHeaderBytes};
  layout.bytes = kHeaderBytes + filler->host_bytes();
  return layout;
}

}  // namespace stoker::feed
