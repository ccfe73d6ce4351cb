// Sound from WAV and FLAC files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "stoker/dataset.h"
#include "stoker/failures.h"
#include "stoker/read_limits.h"
#include "stoker/tensor.h"

namespace stoker {

struct Audio {
  Tensor samples;       // float32 (frames, channels); of integers in [-1, 1)
  int sample_rate = 0;  // frames a second
};

// Reads a WAV file of integers, floats, A-law or mu-law, or a FLAC file, recognised by its content.
// The file is not trusted: its samples are counted before memory is taken for them, and must all be
// there. Throws IoError, naming the file, if it is missing, damaged, cut off, larger than the
// limits or of another kind.
Audio read_audio(const std::string& path, const ReadLimits& limits = {});
// Reads sound from a file's bytes; `name` is for messages.
Audio decode_audio(std::span<const std::byte> bytes, const std::string& name = "audio",
                   const ReadLimits& limits = {});

struct AudioFolderOptions {
  // The frames of every element: longer files are cut, shorter ones get zeros at their end. Without
  // it elements have the lengths of their files, and padded_batch() puts them together.
  std::optional<std::int64_t> output_sequence_length{};
  // Channels of every element. Of files with several the mean becomes one; other numbers have to be
  // the files'.
  std::int64_t channels = 1;
  std::optional<int> sample_rate{};  // that all files must have
  bool shuffle = true;               // a new order in each epoch
  std::uint64_t seed = 0;
  std::optional<double> validation_split{};  // see ImageFolderOptions
  std::string subset{};
  ReadLimits limits{};  // of each file
  // Threads of its own, and files that can't be read: see MapOptions.
  std::optional<int> workers{};
  OnError on_error = OnError::stop;
  std::int64_t max_failures = kMaxFailures;
};

// The elements can be asked for by number, so that the feed's workers decode them.
//
//   AudioFolder words = audio_folder("commands", {.output_sequence_length = 16000});
//   model.fit(words.dataset.batch(32), {.epochs = 10, .workers = AUTOTUNE});
struct AudioFolder {
  Dataset<float, std::int32_t> dataset;  // (frames, channels), and a class number
  std::vector<std::string> class_names;  // by number, sorted; also of empty subfolders
  std::vector<std::string> files;        // sorted by class and name
  std::vector<std::int32_t> labels;      // of the files
};

// Finds sounds as Keras's audio_dataset_from_directory does, in files that end in wav or flac, in
// subfolders, one for each class. A file that can't be decoded, or has other channels or another
// rate, is an error of the batch that it is in, or is replaced by another one (OnError::skip).
// Throws IoError if the folder is missing or holds no class with a sound, ValueError for options
// that make no sense.
AudioFolder audio_folder(const std::string& path, const AudioFolderOptions& options = {});

}  // namespace stoker
