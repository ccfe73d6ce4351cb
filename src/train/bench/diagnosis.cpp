#include "train/bench/diagnosis.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/format.h"
#include "report/chart.h"
#include "report/text.h"
#include "stoker/config.h"

namespace stoker {
namespace {

using report::padded;
using report::ratio;

Config json_of(const FeedBench& bench) {
  Config rows = Config(Config::List{});
  for (const BenchResult& row : bench.rows) {
    rows.append(Config::map({{"row", row.name()},
                             {"seconds_per_batch", row.seconds_per_batch},
                             {"samples_per_second", row.samples_per_second()},
                             {"note", row.note},
                             {"report", Config::from_json(row.report.to_json())}}));
  }
  return Config::map({{"device", bench.device},
                      {"batch_size", bench.batch_size},
                      {"batch_bytes", bench.batch_bytes},
                      {"rows", std::move(rows)}});
}

// What to know of a row beside its time.
std::string remark(const BenchResult& row) {
  if (row.row == BenchRow::pulling_alone || row.row == BenchRow::step_alone) return row.note;
  const FeedReport& report = row.report;
  std::string text = report.name_of(report.classify());
  if (row.row == BenchRow::autotune) {
    text += format(", ", report.workers, report.workers == 1 ? " worker" : " workers",
                   ", a queue of ", report.queue_size);
  }
  return row.note.empty() ? text : format(text, " (", row.note, ")");
}

const char* workers_text(int workers) { return workers == 1 ? " worker" : " workers"; }

// The roofs, by what was measured.
std::vector<Roof> roofs_of(const FeedBench& bench) {
  std::vector<Roof> roofs;
  const auto add = [&](std::string name, double seconds) {
    if (seconds > 0.0) roofs.push_back({std::move(name), 1.0 / seconds});
  };
  if (const BenchResult* pulled = bench.find(BenchRow::pulling_alone)) {
    add("generator, 1 worker", pulled->seconds_per_batch);
  }
  const BenchResult* tuned = bench.find(BenchRow::autotune);
  if (tuned != nullptr && tuned->report.workers > 1) {
    const int workers = tuned->report.workers;
    add(format("generator, ", workers, workers_text(workers)),
        tuned->report.generate.mean() / workers);
  }
  if (const BenchResult* fed = bench.find(BenchRow::one_worker)) {
    add("upload", fed->report.upload.mean());
    add("launch", fed->report.launch.mean());
  }
  if (const BenchResult* step = bench.find(BenchRow::step_alone)) {
    add("step", step->seconds_per_batch);
  }
  return roofs;
}

std::string times(double faster) { return report::number(faster) + " times as fast"; }

// Returns what was carried out beside the fit with one worker, and what came of it.
std::string carried_out(const FeedBench& bench) {
  const BenchResult* fed = bench.find(BenchRow::one_worker);
  if (fed == nullptr) return "";
  const auto gain = [&](const BenchResult& row) {
    return ratio(fed->seconds_per_batch, row.seconds_per_batch);
  };
  std::string text;
  const BenchResult* tuned = bench.find(BenchRow::autotune);
  if (tuned != nullptr && tuned->note.empty()) {
    text += format("- AUTOTUNE: ", report::duration(tuned->seconds_per_batch), " a step, ",
                   times(gain(*tuned)), ", with ", tuned->report.workers,
                   workers_text(tuned->report.workers), " and a queue of ",
                   tuned->report.queue_size, ".\n");
  }
  if (const BenchResult* cached = bench.find(BenchRow::cached)) {
    text +=
        format("- batches that are ready in memory: ", report::duration(cached->seconds_per_batch),
               " a step, ", times(gain(*cached)), ".\n");
  }
  if (const BenchResult* step = bench.find(BenchRow::step_alone)) {
    text +=
        format("- no batches at all, the step alone: ", report::duration(step->seconds_per_batch),
               " a step, ", times(gain(*step)), ".\n");
  }
  return text.empty() ? text : "Carried out here:\n" + text;
}

}  // namespace

const char* name_of(BenchRow row) {
  switch (row) {
    case BenchRow::pulling_alone:
      return "pulling alone";
    case BenchRow::step_alone:
      return "step alone";
    case BenchRow::one_worker:
      return "fit, 1 worker";
    case BenchRow::autotune:
      return "fit, AUTOTUNE";
    case BenchRow::cached:
      return "fit, cached batches";
  }
  return "unknown";
}

double BenchResult::samples_per_second() const {
  return ratio(static_cast<double>(report.samples),
               seconds_per_batch * static_cast<double>(report.batches));
}

const BenchResult* FeedBench::find(BenchRow row) const {
  const auto found =
      std::ranges::find_if(rows, [row](const BenchResult& one) { return one.row == row; });
  return found == rows.end() ? nullptr : &*found;
}

std::string FeedBench::text() const {
  std::string text = format(
      "Batches of ", batch_size, " rows, ", report::byte_size(static_cast<double>(batch_bytes)),
      ", on ", device, "\n", padded("", 22), padded("a batch", 12), padded("samples/s", 14), "\n");
  for (const BenchResult& row : rows) {
    std::string line =
        format(padded(row.name(), 22), padded(report::duration(row.seconds_per_batch), 12),
               padded(report::rate(row.samples_per_second()), 14), remark(row));
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

std::string FeedBench::to_json() const { return json_of(*this).to_json(); }

std::string Diagnosis::text(int columns) const {
  std::vector<report::Bar> bars;
  for (const Roof& roof : roofs) bars.push_back({roof.name, roof.batches_per_second});
  for (const BenchRow row : {BenchRow::one_worker, BenchRow::autotune, BenchRow::cached}) {
    const BenchResult* reached = bench.find(row);
    if (reached != nullptr) bars.push_back({reached->name(), 1.0 / reached->seconds_per_batch});
  }
  const std::string carried = carried_out(bench);
  return format(
      "Batches a second that each part allows by itself, and what fits reached (log scale):\n",
      report::bar_chart(bars, columns), "\n", report.verdict(), carried.empty() ? "" : "\n",
      carried);
}

std::string Diagnosis::to_json() const {
  Config all = Config(Config::List{});
  for (const Roof& roof : roofs) {
    all.append(Config::map({{"name", roof.name}, {"batches_per_second", roof.batches_per_second}}));
  }
  return Config::map({{"roofs", std::move(all)},
                      {"report", Config::from_json(report.to_json())},
                      {"bench", json_of(bench)}})
      .to_json();
}

namespace train {

Diagnosis diagnosis_of(FeedBench bench) {
  Diagnosis diagnosis;
  diagnosis.roofs = roofs_of(bench);
  if (const BenchResult* fed = bench.find(BenchRow::one_worker)) diagnosis.report = fed->report;
  diagnosis.bench = std::move(bench);
  return diagnosis;
}

}  // namespace train
}  // namespace stoker
