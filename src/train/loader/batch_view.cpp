#include "core/format.h"
#include "stoker/error.h"
#include "stoker/loader.h"
#include "train/loader/current_batch.h"

namespace stoker {

const detail::CurrentBatch& BatchView::current() const {
  if (batch_ && batch_->turn == turn_) return *batch_;
  throw ValueError(
      "BatchView: expected the batch of the loop's present turn, received one that was kept beyond "
      "its own. Its slot holds another batch by now: copy what is needed for longer");
}

const BatchSpec& BatchView::spec() const { return current().spec; }
std::int64_t BatchView::rows() const { return current().rows; }
std::int64_t BatchView::epoch() const { return current().epoch; }
std::int64_t BatchView::index() const { return current().index; }
std::int64_t BatchView::sequence() const { return current().sequence; }
void* BatchView::cuda_stream() const { return current().stream->native(); }

BatchView::Memory BatchView::memory(std::size_t field, DType type, Place place) const {
  const detail::CurrentBatch& batch = current();
  const Field& wanted = batch.spec.field(field);
  if (wanted.dtype != type) {
    throw DTypeError(format("BatchView: field ", wanted.name, " holds ", wanted.dtype,
                            ", which was asked for as ", type));
  }
  std::byte* const block = place == Place::host ? batch.host : batch.device;
  if (block == nullptr) {
    throw ValueError(format("BatchView: field ", wanted.name,
                            " is in the device's memory alone, where its source makes it: ask for "
                            "device_x() and its like"));
  }
  const auto row = static_cast<std::size_t>(wanted.shape.elements() / wanted.shape[0]);
  return {block + batch.layout.offsets[field], row * static_cast<std::size_t>(batch.rows)};
}

}  // namespace stoker
