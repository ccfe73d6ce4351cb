// A .keras file: a zip archive of the model's configuration, its weights and a note of who wrote
// it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "io/hdf5.h"
#include "io/hdf5_writer.h"
#include "io/zip.h"
#include "stoker/config.h"

namespace stoker::train {

class KerasArchive {
 public:
  // Throws IoError, with the name of the member, for members that Keras's files do not have.
  explicit KerasArchive(const std::filesystem::path& path);

  Config config() const;
  // The weights, which are in memory until this object goes.
  const io::Hdf5File& weights();

 private:
  const io::ZipMember& member(const char* name) const;

  std::string name_;
  io::ZipReader zip_;
  io::ZipContents contents_;
  std::optional<io::Hdf5File> weights_;
};

// Writes the members. The writer's description is closed.
void write_keras_archive(const io::ZipWriter::Sink& sink, const std::string& config,
                         const io::Hdf5Writer& weights, std::uint64_t weights_bytes);

}  // namespace stoker::train
