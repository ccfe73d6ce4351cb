// The stage that reads the files of images, apart from the one that decodes them.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "data/image_codec.h"
#include "stoker/dataset.h"

namespace stoker::data {

// Makes an element of the bytes of a file and its number, for each number of a file.
class FileStage final : public detail::MapBase<std::uint8_t, std::int32_t> {
 public:
  using Files = std::shared_ptr<const std::vector<std::string>>;
  using Elements = detail::Sinks<std::uint8_t, std::int32_t>;

  FileStage(detail::StagePtr<std::int32_t> input, Files files, int workers,
            detail::ErrorPolicy policy)
      : MapBase({Shape{Shape::kUnknown}, Shape{}}, *input, workers, policy, "read"),
        input_(std::move(input)),
        files_(std::move(files)) {}
  bool may_be_short() const override { return true; }
  // It doesn't count among the stages that random numbers are keyed by, so that these are the same
  // with it and without it.
  std::uint32_t depth_behind() const override { return input_->depth_behind(); }

 protected:
  void do_get(const detail::Pass& pass, std::int64_t index, Elements& out) const override {
    const detail::Lease<detail::Sinks<std::int32_t>> number;
    input_->get(pass, index, *number);
    make(pass, index, *number, out);
  }
  std::unique_ptr<detail::Cursor<std::uint8_t, std::int32_t>> stream(
      const detail::Pass& pass, std::int64_t first) const override {
    return std::make_unique<detail::IndexCursor<std::uint8_t, std::int32_t>>(*this, pass, first);
  }

 private:
  void make(const detail::Pass& pass, std::int64_t index, detail::Sinks<std::int32_t>& number,
            Elements& out) const {
    if (!policy_.skips()) return read(index, number, out);
    detail::make_or_replace(
        pass, *this, policy_, index,
        [&](std::int64_t other) { input_->get(detail::of_substitutes(pass), other, number); },
        [&](std::int64_t other) { read(other, number, out); });
  }
  void read(std::int64_t ordinal, const detail::Sinks<std::int32_t>& number, Elements& out) const {
    try {
      thread_local std::vector<std::byte> memory;
      const std::int32_t file = std::get<0>(number).values()[0];
      const auto bytes = image::read_bytes((*files_)[static_cast<std::size_t>(file)], memory);
      auto& to = std::get<0>(out);
      to.reset();
      const auto place = to.take(Shape{static_cast<std::int64_t>(bytes.size())});
      if (!bytes.empty()) std::memcpy(place.data(), bytes.data(), bytes.size());
      auto& label = std::get<1>(out);
      label.reset();
      label.take(Shape{})[0] = file;
    } catch (...) {
      detail::throw_in_stage(name(), ordinal);
    }
  }

  const detail::StagePtr<std::int32_t> input_;
  const Files files_;
};

}  // namespace stoker::data
