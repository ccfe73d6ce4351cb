// The data of a page as JSON: what there is too much of is thinned out here.
#include <algorithm>
#include <cmath>
#include <map>
#include <span>

#include "report/json_writer.h"
#include "report/page.h"
#include "report/text.h"

namespace stoker::report {
namespace {

// The most of each that a page has.
constexpr std::size_t kCurves = 4000;
constexpr std::size_t kNumbers = 60'000;  // of all curves
constexpr std::size_t kBars = 250;
constexpr std::size_t kLayers = 1000;
constexpr std::size_t kClasses = 1000;
constexpr std::size_t kMatrix = 100;  // Classes of a matrix that is drawn.
constexpr std::size_t kConfusions = 200;
constexpr std::size_t kPixels = 500'000;  // Bytes of all pictures.
constexpr std::size_t kMistakes = 200;
constexpr std::size_t kNameBytes = 200;

std::string_view clipped(std::string_view text, std::size_t most = kNameBytes) {
  return text.substr(0, most);
}

// Returns which of the points to keep, at most about `most`: every so many, the last, and both ends
// of each run of values that are not finite.
std::vector<std::size_t> kept_of(std::span<const double> values, std::size_t most) {
  std::vector<std::size_t> kept;
  const std::size_t count = values.size();
  const std::size_t every = std::max<std::size_t>(1, (count + most - 1) / most);
  std::size_t extra = 0;
  const auto is_finite = [&](std::size_t i) { return std::isfinite(values[i]); };
  for (std::size_t i = 0; i < count; ++i) {
    const bool is_end_of_run =
        !is_finite(i) && (i == 0 || i + 1 == count || is_finite(i - 1) || is_finite(i + 1));
    const bool is_told = is_end_of_run && extra < most;
    if (i % every == 0 || i + 1 == count || is_told) {
      kept.push_back(i);
    }
    if (is_told) ++extra;
  }
  return kept;
}

template <class T>
std::vector<T> picked(std::span<const T> values, const std::vector<std::size_t>& indices) {
  std::vector<T> result;
  for (const std::size_t i : indices) result.push_back(values[i]);
  return result;
}

template <class T>
void list(JsonWriter& json, std::string_view name, const std::vector<T>& values) {
  json.key(name).begin_list();
  for (const auto& value : values) json.value(value);
  json.end_list();
}

void write_curves(JsonWriter& json, const Page& page) {
  const std::size_t shown = std::min(page.curves.size(), kCurves);
  const std::size_t most =
      std::clamp<std::size_t>(kNumbers / std::max<std::size_t>(shown, 1), 12, 1000);
  const std::vector<double> all(page.epochs.size(), 0.0);
  const auto epochs = picked(std::span(page.epochs), kept_of(all, most));
  list(json, "epochs", epochs);
  json.member("epochs_run", page.epochs.size());
  json.key("curves").begin_list();
  for (std::size_t i = 0; i < shown; ++i) {
    const Curve& curve = page.curves[i];
    const std::vector<std::size_t> kept = kept_of(curve.values, most);
    json.begin_object().member("name", clipped(curve.name));
    if (curve.larger_is_better) json.member("larger_is_better", *curve.larger_is_better);
    const auto x = picked(std::span(curve.epochs), kept);
    if (x != epochs) list(json, "x", x);
    list(json, "y", picked(std::span(curve.values), kept));
    json.end_object();
  }
  json.end_list();
  if (page.curves.size() > shown) json.member("left_out_curves", page.curves.size() - shown);
}

void write_progress(JsonWriter& json, const Progress& progress) {
  if (progress.steps.size() < 2) return;
  json.key("progress").begin_object();
  list(json, "steps", progress.steps);
  json.key("curves").begin_list();
  for (const auto& [name, values] : progress.curves) {
    json.begin_object().member("name", clipped(name));
    list(json, "y", values);
    json.end_object();
  }
  json.end_list().end_object();
}

std::array<double, 5> parts_of(const FeedReport& report) {
  return {report.computed, report.waited_for_generator, report.waited_for_upload,
          report.waited_for_launch, report.other};
}

void write_parts(JsonWriter& json, const std::array<double, 5>& parts) {
  json.begin_list();
  for (const double part : parts) json.value(std::isfinite(part) ? std::max(part, 0.0) : 0.0);
  json.end_list();
}

void write_stage(JsonWriter& json, const char* name, const DurationHistogram& durations) {
  json.begin_object().member("name", name).member("count", durations.count());
  json.member("mean", durations.mean()).member("p50", durations.quantile(0.5));
  json.member("p90", durations.quantile(0.9)).member("p99", durations.quantile(0.99));
  json.member("max", durations.quantile(1.0)).end_object();
}

void write_feed(JsonWriter& json, const FeedReport& report, std::span<const PageWhatIf> what_if) {
  json.key("feed").begin_object();
  json.member("class", FeedReport::name_of(report.classify()));
  json.member("verdict", report.verdict());
  json.key("parts");
  write_parts(json, parts_of(report));
  json.member("batches", report.batches).member("samples", report.samples);
  json.member("seconds_per_batch", report.seconds_per_batch());
  json.key("advice").begin_list();
  for (const Advice& one : report.advice()) {
    json.begin_object().member("change", one.change).member("condition", one.condition);
    json.member("reason", one.reason).member("seconds_per_batch", one.seconds_per_batch);
    json.member("predicted", one.predicted).member("speedup", one.speedup()).end_object();
  }
  json.end_list().key("what_if").begin_list();
  for (const PageWhatIf& one : what_if) {
    json.begin_object().member("change", one.change).member("predicted", one.outcome.predicted);
    json.member("speedup", one.outcome.speedup()).member("limit", one.outcome.limit).end_object();
  }
  json.end_list().key("stages").begin_list();
  write_stage(json, "Generate", report.generate);
  write_stage(json, "of it: convert", report.convert);
  write_stage(json, "Wait for the generator", report.wait_for_generator);
  write_stage(json, "Upload", report.upload);
  write_stage(json, "Step", report.step);
  json.end_list().key("source_stages").begin_list();
  for (const StageReport& one : report.stages) {
    json.begin_object().member("name", one.name).member("elements", one.elements);
    json.member("bytes", one.bytes).member("workers", one.workers);
    json.member("busy", one.busy).member("waited_for_input", one.waited_for_input);
    json.member("waited_for_room", one.waited_for_room);
    json.member("occupancy", one.occupancy()).end_object();
  }
  json.end_list().end_object();
}

// A bar for each epoch, or for as many as make no more than kBars.
void write_bars(JsonWriter& json, const Page& page) {
  const auto& reports = page.feed_by_epoch;
  const std::size_t group = std::max<std::size_t>(1, (reports.size() + kBars - 1) / kBars);
  const auto epoch = [&](std::size_t i) {
    return i < page.epochs.size() ? page.epochs[i] : static_cast<std::int64_t>(i) + 1;
  };
  json.key("feed_by_epoch").begin_list();
  for (std::size_t i = 0; i < reports.size(); i += group) {
    const std::size_t end = std::min(i + group, reports.size());
    std::array<double, 5> sums{};
    for (std::size_t k = i; k < end; ++k) {
      const auto parts = parts_of(reports[k]);
      for (std::size_t part = 0; part < sums.size(); ++part) sums[part] += parts[part];
    }
    std::string label = std::to_string(epoch(i));
    if (end - i > 1) label += "–" + std::to_string(epoch(end - 1));
    json.begin_list().value(label);
    write_parts(json, sums);
    json.end_list();
  }
  json.end_list();
}

void write_stamps(JsonWriter& json, const BatchStamps& batch, std::int64_t from_ns) {
  for (const Stamp& stamp : batch.all()) {
    json.begin_list().value(stamp.worker).value(static_cast<int>(stamp.stage));
    json.value(stamp.sequence).value(stamp.begin_ns - from_ns);
    json.value(std::max<std::int64_t>(0, stamp.end_ns - stamp.begin_ns)).end_list();
  }
}

void write_part(JsonWriter& json, std::string_view name, std::span<const BatchStamps> batches) {
  if (batches.empty()) return;
  std::int64_t from_ns = std::numeric_limits<std::int64_t>::max();
  for (const BatchStamps& batch : batches) {
    for (const Stamp& stamp : batch.all()) from_ns = std::min(from_ns, stamp.begin_ns);
  }
  json.begin_object().member("name", name).member("batches", batches.size());
  json.key("stamps").begin_list();
  for (const BatchStamps& batch : batches) write_stamps(json, batch, from_ns);
  json.end_list().end_object();
}

void write_timeline(JsonWriter& json, const PageTimeline& timeline) {
  if (timeline.first.empty()) return;
  json.key("timeline").begin_object();
  list(json, "tracks", timeline.tracks);
  json.key("stages").begin_list();
  for (std::size_t i = 0; i < kStages; ++i) json.value(name_of(static_cast<Stage>(i)));
  json.end_list().key("parts").begin_list();
  const bool is_all = timeline.last.empty();
  write_part(json, is_all ? "Batches, one by one" : "The first batches", timeline.first);
  write_part(json, "The last batches", timeline.last);
  json.end_list().key("slowest").begin_list();
  for (const BatchStamps& batch : timeline.slowest) {
    json.begin_object().member("batch", batch.sequence).member("length", batch.length_ns());
    json.key("stamps").begin_list();
    write_stamps(json, batch, batch.begin_ns);
    json.end_list().end_object();
  }
  json.end_list().end_object();
}

void write_pairs(JsonWriter& json, std::string_view name,
                 const std::vector<std::pair<std::string, std::int64_t>>& pairs) {
  json.key(name).begin_list();
  for (const auto& [key, value] : pairs) {
    json.begin_list().value(clipped(key)).value(value).end_list();
  }
  json.end_list();
}

void write_model(JsonWriter& json, const PageModel& model) {
  json.key("model").begin_object().member("name", clipped(model.name));
  json.member("parameters", model.parameters).key("layers").begin_list();
  const std::size_t shown = std::min(model.layers.size(), kLayers);
  for (const PageModel::Layer& layer : std::span(model.layers).first(shown)) {
    json.begin_list().value(clipped(layer.name)).value(layer.class_name);
    json.value(clipped(layer.shape)).value(layer.parameters);
    if (layer.silent) json.value(*layer.silent);
    json.end_list();
  }
  json.end_list();
  if (model.layers.size() > shown) json.member("left_out", model.layers.size() - shown);
  write_pairs(json, "totals", model.totals);
  json.end_object();
}

void write_memory(JsonWriter& json, const PageMemory& memory) {
  json.key("memory").begin_object().member("device", clipped(memory.device));
  write_pairs(json, "purposes", memory.purposes);
  json.key("plans").begin_list();
  for (const PageMemory::Plan& plan : memory.plans) {
    json.begin_list().value(plan.mode).value(plan.rows).value(plan.arena).end_list();
  }
  json.end_list().key("layers").begin_list();
  const std::size_t shown = std::min(memory.layers.size(), kLayers);
  for (const PageMemory::Layer& layer : std::span(memory.layers).first(shown)) {
    json.begin_list().value(clipped(layer.name)).value(layer.weights).value(layer.gradients);
    json.value(layer.optimizer_slots).value(layer.activations).end_list();
  }
  json.end_list().end_object();
}

void write_settings(JsonWriter& json, std::span<const FactGroup> settings) {
  json.key("settings").begin_list();
  for (const FactGroup& group : settings) {
    json.begin_object().member("name", clipped(group.name)).key("rows").begin_list();
    for (const auto& [name, value] :
         std::span(group.rows).first(std::min<std::size_t>(group.rows.size(), 100))) {
      json.begin_list().value(clipped(name)).value(clipped(value, 400)).end_list();
    }
    json.end_list().end_object();
  }
  json.end_list();
}

std::string base64(std::span<const std::uint8_t> bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t word = std::uint32_t{bytes[i]} << 16;
    if (i + 1 < bytes.size()) word |= std::uint32_t{bytes[i + 1]} << 8;
    if (i + 2 < bytes.size()) word |= bytes[i + 2];
    text += kDigits[word >> 18];
    text += kDigits[word >> 12 & 63];
    text += i + 1 < bytes.size() ? kDigits[word >> 6 & 63] : '=';
    text += i + 2 < bytes.size() ? kDigits[word & 63] : '=';
  }
  return text;
}

void write_mistake(JsonWriter& json, const Mistake& mistake) {
  json.begin_object().member("row", mistake.row);
  json.member("truth", mistake.truth).member("guess", mistake.guess);
  json.member("p_truth", mistake.p_truth).member("p_guess", mistake.p_guess);
  if (const auto& picture = mistake.picture) {
    json.key("image").begin_object().member("width", picture->width);
    json.member("height", picture->height).member("channels", picture->channels);
    json.member("data", base64(picture->pixels)).end_object();
  } else {
    json.member("text", clipped(mistake.text, 400));
  }
  json.end_object();
}

void write_cells(JsonWriter& json, const Classification& one) {
  std::vector<Classification::Cell> cells = one.cells;
  if (one.classes.size() > kMatrix) {
    const auto is_right = [](const auto& cell) { return cell.truth == cell.guess; };
    std::erase_if(cells, is_right);
    std::ranges::sort(cells, std::ranges::greater(), &Classification::Cell::count);
    cells.resize(std::min(cells.size(), kConfusions));
  }
  json.key("cells").begin_list();
  for (const auto& cell : cells) {
    json.begin_list().value(cell.truth).value(cell.guess).value(cell.count).end_list();
  }
  json.end_list();
}

// `pixels` are the bytes that pictures may still take.
void write_classification(JsonWriter& json, const Classification& one, std::size_t& pixels) {
  std::map<std::int64_t, std::array<std::int64_t, 3>> classes;  // Rows, times said, times right.
  std::int64_t correct = 0;
  for (const auto& cell : one.cells) {
    classes[cell.truth][0] += cell.count;
    classes[cell.guess][1] += cell.count;
    if (cell.truth != cell.guess) continue;
    classes[cell.truth][2] += cell.count;
    correct += cell.count;
  }
  json.begin_object().member("output", clipped(one.output)).member("note", one.note);
  json.member("total", one.total).member("correct", correct);
  json.member("count", one.classes.size()).key("classes").begin_list();
  const std::size_t shown = std::min(one.classes.size(), kClasses);
  for (std::size_t i = 0; i < shown; ++i) json.value(clipped(one.classes[i], 80));
  json.end_list().key("by_class").begin_list();
  for (std::size_t i = 0; i < shown; ++i) {
    json.begin_list();
    for (const std::int64_t count : classes[static_cast<std::int64_t>(i)]) json.value(count);
    json.end_list();
  }
  json.end_list();
  write_cells(json, one);
  json.key("mistakes").begin_list();
  std::size_t shown_mistakes = 0;
  for (const Mistake& mistake : one.mistakes) {
    const std::size_t bytes = mistake.picture ? mistake.picture->pixels.size() : 0;
    if (++shown_mistakes > kMistakes || bytes > pixels) break;
    pixels -= bytes;
    write_mistake(json, mistake);
  }
  json.end_list().end_object();
}

const char* name_of(Page::Status status) {
  switch (status) {
    case Page::Status::done:
      return "done";
    case Page::Status::stopped:
      return "stopped";
    case Page::Status::failed:
      return "failed";
    case Page::Status::running:
      return "running";
  }
  return "done";
}

}  // namespace

std::string json_of(const Page& page) {
  JsonWriter json;
  json.begin_object().member("title", clipped(page.title, 400)).member("version", STOKER_VERSION);
  json.member("device", clipped(page.device)).member("written", page.written);
  json.key("status").begin_object().member("kind", name_of(page.status));
  json.member("text", clipped(page.status_text, 4000)).end_object();
  write_curves(json, page);
  write_progress(json, page.progress);
  if (page.feed) write_feed(json, *page.feed, page.what_if);
  write_bars(json, page);
  if (page.timeline) write_timeline(json, *page.timeline);
  if (page.model) write_model(json, *page.model);
  if (page.memory) write_memory(json, *page.memory);
  write_settings(json, page.settings);
  json.key("classification").begin_list();
  std::size_t pixels = kPixels;
  for (const Classification& one : page.classification) write_classification(json, one, pixels);
  json.end_list().end_object();
  return json.text();
}

}  // namespace stoker::report
