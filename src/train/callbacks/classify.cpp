#include "train/callbacks/classify.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "core/format.h"
#include "core/timeline.h"
#include "feed/feed.h"
#include "stoker/config.h"
#include "stoker/error.h"
#include "train/callbacks/row_view.h"
#include "train/callbacks/validation_source.h"
#include "train/model_access.h"

namespace stoker::train {
namespace {

constexpr std::int64_t kRowsOfEndless = 10'000;
// The time, in nanoseconds, after which the rows so far have to do.
constexpr std::int64_t kLongest = 30'000'000'000;

enum class Labels : std::uint8_t { numbers, one_hot, truth_value };

// One output, and what is known of it so far.
class Judge {
 public:
  // Returns nothing for an output that is no classifier.
  static std::optional<Judge> of(const CompiledOutput& output, std::size_t index,
                                 std::optional<std::size_t> target, std::size_t worst) {
    if (!output.loss || !target) return std::nullopt;
    const Config config = output.loss.config();
    const std::string& name = config["class_name"].string();
    Judge judge(index, *target, worst);
    if (name == "SparseCategoricalCrossentropy") {
      judge.labels_ = Labels::numbers;
    } else if (name == "CategoricalCrossentropy") {
      judge.labels_ = Labels::one_hot;
    } else if (name == "BinaryCrossentropy") {
      judge.labels_ = Labels::truth_value;
    } else {
      return std::nullopt;
    }
    judge.from_logits_ = config["config"]["from_logits"].boolean();
    if (const Config* ignored = config["config"].find("ignore_class");
        ignored != nullptr && !ignored->is_null()) {
      judge.ignored_ = ignored->integer();
    }
    return judge;
  }

  // Takes the rows of a batch; the first is row `first` of the data.
  void take(const std::vector<Tensor>& predictions, const BatchView& batch, std::int64_t first) {
    const Tensor& predicted = predictions[output_];
    const std::span<const float> values = predicted.data<float>();
    const std::int64_t width = predicted.shape().rank() > 1 ? predicted.shape().back() : 1;
    const std::int64_t a_row = predicted.size() / std::max<std::int64_t>(predicted.shape()[0], 1);
    if (labels_ == Labels::truth_value && a_row != 1) return;
    if (labels_ != Labels::truth_value && width < 2) return;
    const std::int64_t a_position = labels_ == Labels::truth_value ? 1 : width;
    classes_ = labels_ == Labels::truth_value ? 2 : width;
    const std::int64_t positions = a_row / a_position;
    const FieldView labels = batch.target(target_);
    const std::int64_t expected = labels_ == Labels::numbers ? positions : a_row;
    if (labels.row_elements() != expected) {
      throw ShapeError(
          format("expected ", expected, " labels a row, received ", labels.row_elements()));
    }
    for (std::int64_t row = 0; row < batch.rows(); ++row) {
      for (std::int64_t position = 0; position < positions; ++position) {
        const auto at = static_cast<std::size_t>(row * a_row + position * a_position);
        judge(values.subspan(at, static_cast<std::size_t>(a_position)), labels, row, position,
              first + row, positions == 1 ? &batch : nullptr);
      }
    }
  }

  std::optional<report::Classification> result(const std::vector<std::string>& names) && {
    if (total_ == 0) return std::nullopt;
    report::Classification result;
    for (std::int64_t i = 0; i < classes_; ++i) {
      const auto at = static_cast<std::size_t>(i);
      result.classes.push_back(at < names.size() ? names[at] : std::to_string(i));
    }
    result.total = total_;
    for (const auto& [place, count] : counts_) {
      result.cells.push_back({place.first, place.second, count});
    }
    std::ranges::sort(mistakes_, worse);
    result.mistakes = std::move(mistakes_);
    return result;
  }

 private:
  Judge(std::size_t output, std::size_t target, std::size_t worst)
      : output_(output), target_(target), worst_(worst) {}

  // The loss of a mistake is the greater the less the truth was thought probable.
  static bool worse(const report::Mistake& a, const report::Mistake& b) {
    return std::pair(a.p_truth, -a.p_guess) < std::pair(b.p_truth, -b.p_guess);
  }

  std::int64_t truth_of(const FieldView& labels, std::int64_t row, std::int64_t position) const {
    if (labels_ == Labels::numbers) return std::llround(labels.at(row, position));
    if (labels_ == Labels::truth_value) return labels.at(row, position) >= 0.5 ? 1 : 0;
    std::int64_t best = 0;
    for (std::int64_t i = 1; i < classes_; ++i) {
      const std::int64_t from = position * classes_;
      if (labels.at(row, from + i) > labels.at(row, from + best)) best = i;
    }
    return best;
  }

  // The probabilities of two classes, where `scores` are those of a position.
  std::pair<double, double> probabilities(std::span<const float> scores, std::int64_t guess,
                                          std::int64_t truth) const {
    const auto finite = [](double p) { return std::isfinite(p) ? p : 0.0; };
    if (labels_ == Labels::truth_value) {
      const double p = from_logits_ ? 1.0 / (1.0 + std::exp(-double{scores[0]})) : scores[0];
      return {finite(guess == 1 ? p : 1.0 - p), finite(truth == 1 ? p : 1.0 - p)};
    }
    const double of_guess = scores[static_cast<std::size_t>(guess)];
    const double of_truth = scores[static_cast<std::size_t>(truth)];
    if (!from_logits_) return {finite(of_guess), finite(of_truth)};
    double sum = 0.0;
    for (const float score : scores) sum += std::exp(score - of_guess);
    return {finite(1.0 / sum), finite(std::exp(of_truth - of_guess) / sum)};
  }

  // `batch` is given where a mistake is one of a whole row, which can be shown.
  void judge(std::span<const float> scores, const FieldView& labels, std::int64_t row,
             std::int64_t position, std::int64_t number, const BatchView* batch) {
    const std::int64_t truth = truth_of(labels, row, position);
    if (truth == ignored_ || truth < 0 || truth >= classes_) return;
    const float half = from_logits_ ? 0.0f : 0.5f;
    const std::int64_t guess = labels_ == Labels::truth_value
                                   ? (scores[0] >= half ? 1 : 0)
                                   : std::ranges::max_element(scores) - scores.begin();
    ++total_;
    ++counts_[{truth, guess}];
    if (truth == guess || batch == nullptr || worst_ == 0) return;
    report::Mistake mistake{.row = number, .truth = truth, .guess = guess};
    std::tie(mistake.p_guess, mistake.p_truth) = probabilities(scores, guess, truth);
    if (mistakes_.size() == worst_) {
      if (!worse(mistake, mistakes_.front())) return;
      std::ranges::pop_heap(mistakes_, worse);
      mistakes_.pop_back();
    }
    mistake.picture = picture_of(batch->input(0), row);
    if (!mistake.picture) mistake.text = text_of(batch->input(0), row);
    mistakes_.push_back(std::move(mistake));
    std::ranges::push_heap(mistakes_, worse);
  }

  std::size_t output_;
  std::size_t target_;
  std::size_t worst_;
  Labels labels_ = Labels::numbers;
  bool from_logits_ = false;
  std::int64_t ignored_ = -1;
  std::int64_t classes_ = 0;
  std::int64_t total_ = 0;
  std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> counts_;
  std::vector<report::Mistake> mistakes_;  // A heap whose front is the least bad.
};

}  // namespace

std::vector<report::Classification> classify(Model& model, const Validation& validation,
                                             const std::vector<std::string>& class_names,
                                             std::int64_t worst) {
  Model::Impl& impl = detail::ModelAccess::impl(model, "Report");
  Arrays arrays;
  const std::shared_ptr<Source> source = validation_source(impl, validation, arrays);
  const BatchSpec& spec = source->spec();
  const std::vector<OutputFields> fields = fields_of_outputs(*impl.compiled, spec);
  std::vector<Judge> judges;
  std::vector<std::string> outputs;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const CompiledOutput& output = impl.compiled->outputs[i];
    auto judge = Judge::of(output, i, fields[i].target, static_cast<std::size_t>(worst));
    if (!judge) continue;
    judges.push_back(std::move(*judge));
    outputs.push_back(fields.size() > 1 ? output.name : "");
  }
  std::vector<report::Classification> results;
  if (judges.empty()) return results;

  std::optional<std::int64_t> steps;
  if (source->endless()) steps = (kRowsOfEndless - 1) / spec.batch_size() + 1;
  feed::Feed feed(source, {.epochs = 1, .saves_state = false, .steps_per_epoch = steps},
                  impl.state.device());
  const std::int64_t begin = now_ns();
  std::int64_t rows = 0;
  std::string note;
  while (const auto batch = feed.next()) {
    const BatchView view(spec, feed.layout(), batch->block, batch->rows);
    const std::vector<Tensor> predicted = model.predict_on_batch_outputs(view.inputs());
    for (Judge& judge : judges) judge.take(predicted, view, rows);
    rows += batch->rows;
    feed.release(*batch);
    if (now_ns() - begin < kLongest) continue;
    note = format("These are the first ", rows, " rows; the others would have taken too long.");
    break;
  }
  for (std::size_t i = 0; i < judges.size(); ++i) {
    auto result = std::move(judges[i]).result(class_names);
    if (!result) continue;
    result->output = outputs[i];
    result->note = note;
    results.push_back(std::move(*result));
  }
  return results;
}

}  // namespace stoker::train
