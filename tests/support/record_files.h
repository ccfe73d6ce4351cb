// Bytes of record files for tests: TFRecord, tf.train.Example, tar archives, gzip.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/protobuf.h"

namespace stoker::test {

std::string tf_record(std::string_view data);

// A feature's message.
std::string float_list(const std::vector<float>& values);
std::string int64_list(const std::vector<std::int64_t>& values);
std::string bytes_list(std::string_view value);
std::string example(const std::vector<std::pair<std::string, std::string>>& features);

// A member with its header and padding; `type` is that of the header. tar_end() ends an archive.
std::string tar_member(const std::string& name, std::string_view data, char type = '0');
std::string tar_end();

std::string gzipped(std::string_view text);

}  // namespace stoker::test
