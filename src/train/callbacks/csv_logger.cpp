#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "core/csv_text.h"
#include "core/format.h"
#include "stoker/callbacks.h"
#include "stoker/error.h"

namespace stoker {
CSVLogger::CSVLogger(std::string filename, CSVLoggerOptions options)
    : filename_(std::move(filename)), options_(std::move(options)) {
  if (options_.separator.size() != 1) {
    throw ValueError(format("CSVLogger: expected a separator of one character, received \"",
                            options_.separator, "\""));
  }
}

void CSVLogger::write(const std::string& text) {
  errno = 0;
  std::ofstream file(filename_, std::ios::binary | std::ios::app);
  file << text << std::flush;
  if (!file) {
    throw IoError(format("CSVLogger: ", filename_,
                         ": expected a file to write to, received: ", std::strerror(errno)));
  }
}

void CSVLogger::on_train_begin() {
  keys_.reset();
  writes_names_ = true;
  if (options_.append) {
    std::ifstream before(filename_, std::ios::binary);
    writes_names_ = !before || before.peek() == std::ifstream::traits_type::eof();
  } else {
    std::ofstream(filename_, std::ios::binary | std::ios::trunc);
  }
  write("");
}

// As in Keras the names are those of the first epoch; where it was not validated, columns for the
// validation stand ready.
void CSVLogger::on_epoch_end(std::int64_t epoch, Logs& logs) {
  std::string text;
  const std::string& separator = options_.separator;
  if (!keys_) {
    std::vector<std::string> keys;
    for (const auto& entry : logs) keys.push_back(entry.first);
    std::ranges::sort(keys);
    const bool validated =
        std::ranges::any_of(keys, [](const auto& key) { return key.starts_with("val_"); });
    const std::size_t trained = validated ? 0 : keys.size();
    for (std::size_t i = 0; i < trained; ++i) keys.push_back("val_" + keys[i]);
    if (writes_names_) {
      text = "epoch";
      for (const std::string& key : keys) text += separator + csv::cell(key, separator);
      text += "\r\n";
    }
    keys_ = std::move(keys);
  }
  text += format(epoch);
  for (const std::string& key : *keys_) {
    text += separator + (logs.contains(key) ? csv::number(logs[key]) : "NA");
  }
  write(text + "\r\n");
}

void CSVLogger::on_train_end(const Logs&) { keys_.reset(); }

}  // namespace stoker
