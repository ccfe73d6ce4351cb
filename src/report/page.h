// The report of a training as one page of HTML that needs nothing else: no network, no other file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "report/batch_log.h"
#include "stoker/report.h"

namespace stoker::report {

// The values of a metric; an epoch that has none is left out. Epochs count from 1.
struct Curve {
  std::string name{};
  std::vector<std::int64_t> epochs{};
  std::vector<double> values{};
  std::optional<bool> larger_is_better{};  // Empty where that is not known.
};

// The mean of a metric since its epoch began, at some steps of the fit.
struct Progress {
  std::vector<std::int64_t> steps{};
  std::vector<std::pair<std::string, std::vector<double>>> curves{};
};

struct FactGroup {
  std::string name{};
  std::vector<std::pair<std::string, std::string>> rows{};
};

struct PageModel {
  struct Layer {
    std::string name{}, class_name{}, shape{};
    std::int64_t parameters = 0;
    // The share of its units, if they are relus, that were 0 for all of the validation data.
    std::optional<double> silent{};
  };
  std::string name{};
  std::int64_t parameters = 0;
  std::vector<Layer> layers{};
  std::vector<std::pair<std::string, std::int64_t>> totals{};
};

// Sizes are in bytes.
struct PageMemory {
  struct Layer {
    std::string name{};
    std::int64_t weights = 0, gradients = 0, optimizer_slots = 0, activations = 0;
  };
  struct Plan {
    std::string mode{};
    std::int64_t rows = 0, arena = 0;
  };
  std::string device{};
  std::vector<std::pair<std::string, std::int64_t>> purposes{};
  std::vector<Layer> layers{};
  std::vector<Plan> plans{};
};

// Pixels are bytes by rows, of one or three channels.
struct Picture {
  std::int64_t width = 0, height = 0, channels = 0;
  std::vector<std::uint8_t> pixels{};
};

// A row that the model was wrong about, with the probabilities that it gave to its guess and to the
// truth.
struct Mistake {
  std::int64_t row = 0, truth = 0, guess = 0;
  double p_guess = 0.0, p_truth = 0.0;
  std::optional<Picture> picture{};
  std::string text{};  // The row, where it is no picture.
};

// How an output of a classifier did on validation data.
struct Classification {
  struct Cell {
    std::int64_t truth = 0, guess = 0, count = 0;
  };
  std::string output{};  // Empty where the model has one output.
  std::vector<std::string> classes{};
  std::int64_t total = 0;           // rows
  std::vector<Cell> cells{};        // Those with a count, by truth and guess.
  std::vector<Mistake> mistakes{};  // The worst first.
  std::string note{};               // What the reader should know of it.
};

struct PageTimeline {
  std::vector<std::string> tracks{};
  std::vector<BatchStamps> first{}, last{}, slowest{};
  std::uint64_t batches = 0;
};

// A change and what a step would take then.
struct PageWhatIf {
  std::string change{};
  Outcome outcome{};
};

struct Page {
  enum class Status : std::uint8_t { done, stopped, failed, running };

  std::string title{};
  Status status = Status::done;
  std::string status_text{};  // The message of the failure.
  std::string device{};
  std::string written{};               // when, for people
  std::vector<std::int64_t> epochs{};  // Those that were run, from 1.
  std::vector<Curve> curves{};
  Progress progress{};
  std::optional<FeedReport> feed{};
  std::vector<FeedReport> feed_by_epoch{};
  std::vector<PageWhatIf> what_if{};  // Of `feed`.
  std::optional<PageTimeline> timeline{};
  std::optional<PageModel> model{};
  std::optional<PageMemory> memory{};
  std::vector<FactGroup> settings{};
  std::vector<Classification> classification{};
};

// Returns what a step would take with a few other devices, workers and batches; nothing where that
// can't be told.
std::vector<PageWhatIf> page_what_if(const FeedReport& report);

// Returns the page. What there is too much of is thinned out: a page has at most about 2 MB.
std::string html_of(const Page& page);
// Returns the data that it has, as JSON.
std::string json_of(const Page& page);
// Puts the data into the template.
std::string html_around(std::string_view json);

}  // namespace stoker::report
