// A feed of files that goes on anywhere gives the batches that one from the beginning gives, for
// any number of workers.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "stoker/error.h"
#include "stoker/tar_samples.h"
#include "stoker/text_lines.h"
#include "stoker/tfrecord.h"
#include "stoker/timeseries.h"
#include "support/record_files.h"
#include "support/resume.h"
#include "support/temporary_folder.h"

namespace stoker::test {
namespace {

class SourceResume : public ::testing::Test {
 protected:
  // Three shards of records; in the second one, one record has a wrong checksum.
  SourceResume() {
    for (int shard = 0; shard < 3; ++shard) {
      std::string records, members, lines;
      for (int i = 7 * shard; i < 7 * shard + 7; ++i) {
        std::string record = tf_record(example({{"y", int64_list({i})}}));
        if (i == 9) record.back() = static_cast<char>(record.back() ^ 1);
        records += record;
        members += tar_member(std::to_string(i) + ".cls", i == 9 ? "x" : std::to_string(i));
        lines += std::to_string(i) + "\n";
      }
      const std::string name = std::to_string(shard);
      folder_.write(name + ".record", records);
      folder_.write(name + ".record.gz", gzipped(records));
      folder_.write(name + ".tar", members + tar_end());
      folder_.write(name + ".tar.gz", gzipped(members + tar_end()));
      folder_.write(name + ".txt", lines);
      folder_.write(name + ".txt.gz", gzipped(lines));
    }
  }
  static void expect_resumes(const MakeSource& make, const std::string& what) {
    expect_resumes_everywhere(make, {.epochs = 3, .warn = [](auto&) {}}, what);
  }
  const TemporaryFolder folder_;
  const RecordOptions options_{.shuffle_shards = true, .seed = 5, .on_error = OnError::skip};
};

TEST_F(SourceResume, records_of_every_kind) {
  for (const char* suffix : {"", ".gz"}) {
    const std::string end = suffix;
    expect_resumes(
        [&] {
          return tfrecord_examples<std::int32_t>({folder_ / ("{0..2}.record" + end)}, {{{"y", {}}}},
                                                 options_)
              .batch(4)
              .source();
        },
        "tfrecord" + end);
    expect_resumes(
        [&] {
          return tar_samples<std::int32_t>({folder_ / ("{0..2}.tar" + end)}, {{{"cls", {}}}},
                                           options_)
              .shuffle(5, 2)
              .batch(4)
              .source();
        },
        "tar" + end);
    expect_resumes(
        [&] {
          return text_lines({folder_ / ("{0..2}.txt" + end)}, options_)
              .padded_batch(4, {Shape{3}})
              .source();
        },
        "lines" + end);
  }
}

TEST_F(SourceResume, windows_of_a_series) {
  expect_resumes(
      [] {
        return timeseries_dataset_from_array<float>(
                   Tensor::uniform({30}),
                   {.sequence_length = 3, .batch_size = 4, .shuffle = true, .seed = 2})
            .source();
      },
      "timeseries");
}

}  // namespace
}  // namespace stoker::test
