#include "train/saving/keras_archive.h"

#include <array>
#include <ctime>
#include <limits>
#include <string_view>

#include "core/fields.h"
#include "core/format.h"
#include "stoker/error.h"

namespace stoker::train {

namespace {

constexpr const char* kConfig = "config.json";
constexpr const char* kMetadata = "metadata.json";
constexpr const char* kWeights = "model.weights.h5";
constexpr std::uint64_t kMostConfigBytes = std::uint64_t{1} << 26;
constexpr std::size_t kMostMembers = 1 << 10;
// The release of Keras whose format this is.
constexpr const char* kKerasVersion = "3.15.1";

std::string metadata() {
  const std::time_t now = std::time(nullptr);
  std::tm fields{};
  localtime_r(&now, &fields);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d@%H:%M:%S", &fields);
  return Config::map({{"keras_version", kKerasVersion}, {"date_saved", text.data()}}).to_json();
}

}  // namespace

KerasArchive::KerasArchive(const std::filesystem::path& path)
    : name_(path.native()), zip_(path, kMostMembers) {
  for (const io::ZipMember& member : zip_.members()) {
    const std::string& name = member.name;
    if (name == kConfig || name == kMetadata || name == kWeights) continue;
    throw IoError(
        format(name_, ": expected the members ", kMetadata, ", ", kConfig, " and ", kWeights,
               ", received \"", name.substr(0, 200),
               "\". Weights in NumPy's format are not offered. A vocabulary (assets/.../",
               "vocabulary.txt) belongs to a layer of texts or of a lookup: unpacked, it is ",
               "read by read_vocabulary(), for the set_vocabulary() of stoker/text.h, and ",
               "Keras can save the model of the layers behind that one"));
  }
}

const io::ZipMember& KerasArchive::member(const char* name) const {
  if (const io::ZipMember* found = zip_.find(name)) return *found;
  throw IoError(format(name_, ": expected a member ", name,
                       ", received none. It is no .keras file, or not a whole one"));
}

Config KerasArchive::config() const {
  const io::ZipContents contents = zip_.read(member(kConfig), kMostConfigBytes);
  try {
    return Config::from_json(contents.text());
  } catch (const ValueError& error) {
    throw IoError(format(name_, ": ", kConfig, ": ", error.what()));
  }
}

const io::Hdf5File& KerasArchive::weights() {
  if (!weights_) {
    contents_ = zip_.map(member(kWeights), std::numeric_limits<std::int64_t>::max());
    weights_.emplace(format(name_, ": ", kWeights), contents_.bytes());
  }
  return *weights_;
}

void write_keras_archive(const io::ZipWriter::Sink& sink, const std::string& config,
                         const io::Hdf5Writer& weights, std::uint64_t weights_bytes) {
  io::ZipWriter zip(sink);
  zip.member(kMetadata, metadata());
  zip.member(kConfig, config);
  zip.member(kWeights, weights_bytes,
             [&](const io::ZipWriter::Sink& member) { weights.write(member); });
  zip.close();
}

}  // namespace stoker::train
