// What Keras's functions beside its layers make: padded sequences, classes, windows of a series.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "stoker/pad_sequences.h"
#include "stoker/timeseries.h"
#include "support/golden.h"

namespace stoker::test {
namespace {

std::int64_t option(const GoldenCase& golden, const char* name, std::int64_t otherwise) {
  const Config* found = golden.config().find(name);
  return found == nullptr ? otherwise : found->integer();
}

std::vector<float> padded(const GoldenCase& golden) {
  std::vector<std::vector<std::int32_t>> sequences;
  auto values = golden.tensor("values").data<std::int32_t>();
  for (const std::int32_t length : golden.tensor("lengths").data<std::int32_t>()) {
    const auto part = values.first(static_cast<std::size_t>(length));
    sequences.emplace_back(part.begin(), part.end());
    values = values.subspan(part.size());
  }
  PadSequencesOptions options;
  const auto side = [&](const char* name) {
    const Config* found = golden.config().find(name);
    return found != nullptr && found->string() == "post" ? PadSide::post : PadSide::pre;
  };
  options.padding = side("padding");
  options.truncating = side("truncating");
  if (golden.config().find("maxlen") != nullptr) options.maxlen = option(golden, "maxlen", 0);
  options.value = static_cast<float>(option(golden, "value", 0));
  const Tensor y = pad_sequences(sequences, options);
  return {y.data<std::int32_t>().begin(), y.data<std::int32_t>().end()};
}

void compare_windows(const GoldenCase& golden, GoldenComparison& comparison) {
  TimeseriesOptions options{.sequence_length = option(golden, "sequence_length", 0),
                            .sequence_stride = option(golden, "sequence_stride", 1),
                            .sampling_rate = option(golden, "sampling_rate", 1),
                            .batch_size = option(golden, "batch_size", 128)};
  const auto batches = timeseries_dataset_from_array<float, float>(
      golden.tensor("x"), golden.tensor("targets"), options);
  std::vector<float> windows, targets;
  for (const auto& [x, y] : batches) {
    windows.insert(windows.end(), x.begin(), x.end());
    targets.insert(targets.end(), y.begin(), y.end());
  }
  comparison.expect("y", windows);
  comparison.expect("window_targets", targets);
}

class GoldenFunctions : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenFunctions, MakeWhatKerasMakes) {
  const GoldenCase golden = load_golden("functions", GetParam());
  GoldenComparison comparison(golden);
  const std::string& function = golden.info["function"].string();
  if (function == "pad_sequences") {
    comparison.expect("y", padded(golden));
  } else if (function == "to_categorical") {
    const Tensor y = to_categorical(golden.tensor("x"), option(golden, "num_classes", 0));
    comparison.expect("y", y.data<float>());
  } else {
    ASSERT_EQ(function, "timeseries_dataset_from_array");
    compare_windows(golden, comparison);
  }
}

INSTANTIATE_TEST_SUITE_P(Keras, GoldenFunctions, ::testing::ValuesIn(golden_names("functions")),
                         golden_test_name);

}  // namespace
}  // namespace stoker::test
