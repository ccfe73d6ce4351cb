#include "stoker/cifar.h"

#include <algorithm>
#include <filesystem>
#include <vector>

#include "core/foreign.h"
#include "core/format.h"
#include "data/byte_source.h"
#include "data/limits.h"
#include "stoker/error.h"

namespace stoker {
namespace {

constexpr std::size_t kSide = 32;
constexpr std::size_t kChannels = 3;
constexpr std::size_t kPlane = kSide * kSide;
constexpr std::size_t kImage = kPlane * kChannels;

struct Records {
  std::vector<std::uint8_t> pixels;
  std::vector<std::int32_t> labels;
};

struct Format {
  std::size_t label_bytes;  // label bytes before the image
  std::size_t label;        // which of the label bytes counts
  int classes;
};

std::filesystem::path existing(const std::filesystem::path& path) {
  std::filesystem::path zipped = path;
  zipped += ".gz";
  std::error_code unknown;  // ignored, since opening the file will fail too and says why
  const bool is_zipped =
      !std::filesystem::exists(path, unknown) && std::filesystem::exists(zipped, unknown);
  return is_zipped ? zipped : path;
}

void append(Records& records, const std::filesystem::path& plain, const Format& kind,
            const ReadLimits& limits) {
  const std::filesystem::path path = existing(plain);
  data::ByteSource source(path);
  const data::MemoryLimit limit(path.native(), limits, source.file_bytes());
  std::vector<std::byte> record(kind.label_bytes + kImage);
  for (std::size_t number = 0;; ++number) {
    const std::size_t read = source.read(record);
    if (read == 0 && number > 0) return;
    limit.check((number + 1) * std::uint64_t{kImage + sizeof(std::int32_t)});
    if (read != record.size()) {
      throw IoError(format(path.native(), ": expected whole records of ", record.size(),
                           " bytes, received ", read, " in record ", number));
    }
    const int label = std::to_integer<int>(record[kind.label]);
    if (label >= kind.classes) {
      throw IoError(format(path.native(), ": expected labels below ", kind.classes, ", received ",
                           label, " in record ", number));
    }
    records.labels.push_back(label);
    // The file has a plane for each colour, the tensor three colours for each pixel.
    const std::byte* planes = record.data() + kind.label_bytes;
    for (std::size_t i = 0; i < kPlane; ++i) {
      for (std::size_t c = 0; c < kChannels; ++c) {
        records.pixels.push_back(std::to_integer<std::uint8_t>(planes[c * kPlane + i]));
      }
    }
  }
}

Tensor images_of(const Records& records) {
  const auto count = static_cast<std::int64_t>(records.labels.size());
  return Tensor::from<std::uint8_t>({count, kSide, kSide, kChannels}, records.pixels);
}
Tensor labels_of(const Records& records) {
  return Tensor::from<std::int32_t>({static_cast<std::int64_t>(records.labels.size())},
                                    records.labels);
}

ImageDataset load(const std::filesystem::path& folder, const std::vector<std::string>& training,
                  const std::string& test, const Format& kind, const ReadLimits& limits) {
  return with_own_errors(folder.native(), [&]() -> ImageDataset {
    Records train;
    Records held_out;
    for (const std::string& name : training) append(train, folder / name, kind, limits);
    append(held_out, folder / test, kind, limits);
    return {images_of(train), labels_of(train), images_of(held_out), labels_of(held_out)};
  });
}

}  // namespace

ImageDataset load_cifar10(const std::string& folder, const ReadLimits& limits) {
  ImageDataset data = load(folder,
                           {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                            "data_batch_4.bin", "data_batch_5.bin"},
                           "test_batch.bin", {1, 0, 10}, limits);
  data.class_names = {"airplane", "automobile", "bird",  "cat",  "deer",
                      "dog",      "frog",       "horse", "ship", "truck"};
  return data;
}

ImageDataset load_cifar100(const std::string& folder, CifarLabels labels,
                           const ReadLimits& limits) {
  const bool fine = labels == CifarLabels::fine;
  return load(folder, {"train.bin"}, "test.bin",
              {2, fine ? std::size_t{1} : std::size_t{0}, fine ? 100 : 20}, limits);
}

}  // namespace stoker
