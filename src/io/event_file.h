// TensorBoard's event files: records in TFRecord's framing, each of them an Event protocol buffer
// with one summary. Sources: tensorflow/core/util/event.proto, summary.proto and tensor.proto;
// tensorflow/core/lib/io/record_writer.cc; tensorboard/plugins/*/metadata.py and summary_v2.py.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace stoker::io {

class ProtoWriter;

// An event file that is being written. Bytes that are no UTF-8 in tags and texts are replaced,
// because readers refuse the event otherwise. Failures throw IoError, and the file then ends with
// its last whole record.
class EventFile {
 public:
  // Makes the folder, where it is not there, and a new file in it with TensorFlow's kind of name:
  // events.out.tfevents.<seconds>.<host>.<process>.<number>.v2. Throws IoError.
  explicit EventFile(const std::filesystem::path& folder);
  // Writes what has not been written yet; a failure is ignored here.
  ~EventFile();
  EventFile(const EventFile&) = delete;
  EventFile& operator=(const EventFile&) = delete;

  const std::filesystem::path& path() const { return path_; }

  // Each of these adds an event at this step, which is in memory until there are many or flush()
  // is called.
  void scalar(std::int64_t step, std::string_view tag, double value);
  // Counts the values in 30 buckets of one width. Values that are not finite are left out.
  void histogram(std::int64_t step, std::string_view tag, std::span<const float> values);
  // The images are PNGs of one size.
  void images(std::int64_t step, std::string_view tag, std::int64_t width, std::int64_t height,
              std::span<const std::string> pngs);
  // The text is Markdown.
  void text(std::int64_t step, std::string_view tag, std::string_view markdown);
  // The JSON of a Keras model, of which TensorBoard makes a graph of layers.
  void keras_model(std::int64_t step, std::string_view tag, std::string_view json);

  // Hands everything to the operating system, which keeps it when this process dies.
  void flush();

 private:
  void add_summary(std::int64_t step, std::string_view tag, const ProtoWriter& metadata,
                   const ProtoWriter& tensor);
  void add_record(std::string_view bytes);
  [[noreturn]] void fail(const char* action) const;

  std::filesystem::path path_;
  int descriptor_ = -1;
  std::string buffer_;
  std::int64_t written_ = 0;  // The bytes of the whole records in the file.
};

// The row of a histogram: how many values lie in [left, right).
struct Bucket {
  double left = 0.0;
  double right = 0.0;
  double count = 0.0;
};
// Returns the buckets that EventFile::histogram() writes, which are those of TensorFlow: the last
// one holds the largest value too. Where all values are the same, all counts but the last are 0.
std::vector<Bucket> buckets_of(std::span<const float> values);

}  // namespace stoker::io
