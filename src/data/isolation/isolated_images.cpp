#include "stoker/isolated_images.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

#include "core/check.h"
#include "core/foreign.h"
#include "core/format.h"
#include "core/input_file.h"
#include "data/image_codec.h"
#include "data/image_size.h"
#include "data/isolation/helper_process.h"
#include "data/limits.h"

namespace stoker {
namespace {

using isolation::Answer;
using isolation::HelperProcess;
using isolation::Reply;
using isolation::Request;

constexpr std::uint64_t kAlignment = 64;

// What a helper has decoded; the pixels lie in its memory.
struct Decoded {
  ImageSize size;
  std::span<const std::byte> pixels;
};

[[noreturn]] void refuse_answer() {
  throw IoError("the process that decoded it gave an answer that makes no sense, and was ended");
}

// Returns the size that the helper states, if an image may have it.
ImageSize stated_size(const Reply& reply, const Request& request) {
  const auto most = static_cast<std::int64_t>(
      std::min<std::uint64_t>(request.max_pixels, std::uint64_t{1} << 60));
  const ImageSize size{reply.height, reply.width, reply.channels};
  if (size.channels != request.channels || size.height < 1 || size.width < 1) refuse_answer();
  if (request.height > 0) {
    if (size.height != request.height || size.width != request.width) refuse_answer();
  } else if (size.height > most / size.width) {
    refuse_answer();
  }
  return size;
}

}  // namespace

// The helpers that nobody uses at the moment.
class IsolatedImageReader::Pool {
 public:
  explicit Pool(const IsolationOptions& options)
      : limits_(options.limits),
        // poll() counts milliseconds in 32 bits.
        patience_(static_cast<std::int64_t>(std::clamp(options.time_limit * 1000.0, 1.0, 2e9))),
        program_(isolation::find_helper(options.helper)) {}

  // Calls take(decoded) with the image in its own size, or in the one that is wanted.
  template <class F>
  void read(std::span<const std::byte> file, const std::string& path, const ImageSize& wanted,
            F take) {
    with_own_errors(path, [&] {
      std::unique_ptr<HelperProcess> helper = idle();
      std::string refusal;
      try {
        if (helper == nullptr) {
          helper = std::make_unique<HelperProcess>(program_, limits_.max_pixels, patience_);
        }
        const Decoded decoded = decode(*helper, file, wanted, refusal);
        if (refusal.empty()) take(decoded);
      } catch (const IoError& error) {
        throw IoError(format(path, ": ", error.what()));
      }
      give_back(std::move(helper));
      if (!refusal.empty()) image::fail(path, refusal);
    });
  }

 private:
  std::unique_ptr<HelperProcess> idle() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return nullptr;
    std::unique_ptr<HelperProcess> helper = std::move(idle_.back());
    idle_.pop_back();
    return helper;
  }
  void give_back(std::unique_ptr<HelperProcess> helper) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(helper));
  }

  Decoded decode(HelperProcess& helper, std::span<const std::byte> file, const ImageSize& wanted,
                 std::string& refusal) const {
    Request request{.file_bytes = file.size(),
                    .pixels_at = (file.size() + kAlignment - 1) / kAlignment * kAlignment,
                    .max_pixels = limits_.max_pixels,
                    .max_scans = limits_.max_scans,
                    .height = wanted.height,
                    .width = wanted.width,
                    .channels = wanted.channels};
    std::uint64_t room = wanted.elements();
    // A second time with room for the size that the first one has found.
    for (int attempt = 0; attempt < 2; ++attempt) {
      helper.memory().grow(request.pixels_at + room);
      const std::span<std::byte> memory = helper.memory().bytes();
      request.memory_bytes = memory.size();
      if (attempt == 0) std::ranges::copy(file, memory.begin());
      const Reply reply = helper.ask(request);
      if (reply.answer == Answer::refused) {
        refusal = reply.message[0] == '\0' ? "refused" : reply.message;
        return {};
      }
      const ImageSize size = stated_size(reply, request);
      room = size.elements();
      if (reply.answer == Answer::pixels) {
        if (room > memory.size() - request.pixels_at) refuse_answer();
        return {size, memory.subspan(request.pixels_at, room)};
      }
      if (reply.answer != Answer::no_room) refuse_answer();
    }
    refuse_answer();
  }

  ImageLimits limits_;
  std::chrono::milliseconds patience_;
  std::string program_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<HelperProcess>> idle_;
};

IsolatedImageReader::IsolatedImageReader(const IsolationOptions& options) {
  data::check_limits(options.limits);
  check::require("IsolatedImageReader", "time_limit", options.time_limit, check::above(0.0));
  pool_ = std::make_shared<Pool>(options);
}

Tensor IsolatedImageReader::read_image(const std::string& path, int channels) const {
  thread_local std::vector<std::byte> memory;
  return decode_image(image::read_bytes(path, memory), path, channels);
}

Tensor IsolatedImageReader::decode_image(std::span<const std::byte> file, const std::string& name,
                                         int channels) const {
  image::check_channels(name, channels);
  Tensor image;
  pool_->read(file, name, {0, 0, channels}, [&](const Decoded& decoded) {
    const ImageSize& size = decoded.size;
    image = Tensor(Shape{size.height, size.width, size.channels}, DType::uint8);
    std::memcpy(image.data<std::uint8_t>().data(), decoded.pixels.data(), decoded.pixels.size());
  });
  return image;
}

void IsolatedImageReader::read_image_into(const std::string& path, std::span<std::uint8_t> to,
                                          const ImageSize& size) const {
  thread_local std::vector<std::byte> memory;
  decode_image_into(image::read_bytes(path, memory), path, to, size);
}

void IsolatedImageReader::decode_image_into(std::span<const std::byte> file,
                                            const std::string& name, std::span<std::uint8_t> to,
                                            const ImageSize& size) const {
  image::check_channels(name, std::clamp<std::int64_t>(size.channels, 0, 5));
  data::require(to, size, "resize, to");
  if (to.empty()) {
    decode_image(file, name, static_cast<int>(size.channels));
    return;
  }
  pool_->read(file, name, size, [&](const Decoded& decoded) {
    std::memcpy(to.data(), decoded.pixels.data(), decoded.pixels.size());
  });
}

}  // namespace stoker
