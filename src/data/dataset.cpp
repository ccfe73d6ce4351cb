// The parts of Dataset that do not depend on its element types.
#include <algorithm>
#include <exception>

#include "core/foreign.h"
#include "core/format.h"
#include "data/source_random.h"
#include "stoker/dataset.h"
#include "stoker/error.h"

namespace stoker {
namespace detail {
namespace {

class RangeStage final : public Stage<std::int32_t> {
 public:
  RangeStage(std::int32_t first, std::int32_t step, std::int64_t count)
      : Stage("range", {Shape{}}, {}), first_(first), step_(step), count_(count) {}
  std::int64_t cardinality() const override { return count_; }
  bool is_random_access() const override { return true; }
  std::unique_ptr<Cursor<std::int32_t>> do_begin(const Pass& pass,
                                                 std::int64_t first) const override {
    return by_number(pass, first);
  }
  void do_get(const Pass&, std::int64_t index, Sinks<std::int32_t>& out) const override {
    const std::int64_t number = element_number(first_, step_, index);
    if (number != static_cast<std::int32_t>(number)) throw_no_int32(number);
    std::get<0>(out).reset();
    std::get<0>(out).take(Shape{})[0] = static_cast<std::int32_t>(number);
  }

 private:
  [[noreturn]] static void throw_no_int32(std::int64_t number) {
    throw DataError("Dataset: expected numbers of elements that fit int32, received " +
                    std::to_string(number));
  }

  const std::int32_t first_;
  const std::int32_t step_;
  const std::int64_t count_;
};

}  // namespace

Random element_random(const Pass& pass, std::uint32_t stage, std::int64_t ordinal) {
  // The stage is a part of the seed, so that each stage has numbers of its own.
  const std::uint64_t seed = pass.seed ^ (std::uint64_t{stage} + 1) * 0x9e3779b97f4a7c15U;
  return data::source_random(seed, pass.epoch, data::RandomStage::element, ordinal);
}

void throw_wrong_shape(const Shape& expected, const Shape& received, const char* advice) {
  throw ShapeError(format(
      "Dataset: expected every element to have shape ", expected, ", received one of ", received,
      ". ", advice != nullptr ? advice : "padded_batch() takes elements of different shapes"));
}

void throw_not_taken(std::size_t component) {
  throw ValueError(
      format("Dataset: expected the function to take memory for every component of an "
             "element (VaryingOutput::take), received none for component ",
             component));
}

void throw_bad_argument(const char* what) { throw ValueError(format("Dataset::", what)); }

void require_known(std::span<const Shape> shapes, const char* where) {
  for (const Shape& shape : shapes) {
    if (!has_unknown(shape)) continue;
    throw ShapeError(
        format("Dataset::", where,
               ": expected elements of a shape of which every extent is known, received ", shape));
  }
}

void require_one_shape(std::span<const Shape> shapes) {
  for (const Shape& shape : shapes) {
    if (!has_unknown(shape)) continue;
    throw ShapeError(format("Dataset::batch: expected elements of one shape, received ", shape,
                            ". padded_batch() takes elements of different shapes"));
  }
}

void require_same_ranks(std::span<const Shape> padded, std::span<const Shape> elements) {
  for (std::size_t i = 0; i < padded.size(); ++i) {
    if (padded[i].rank() == elements[i].rank()) continue;
    throw ShapeError(
        format("Dataset::padded_batch: expected a shape of as many axes as that of the elements, ",
               elements[i], ", received ", padded[i]));
  }
}

void require_same_shapes(std::span<const Shape> expected, std::span<const Shape> received) {
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (received[i] == expected[i]) continue;
    throw_wrong_shape(expected[i], received[i],
                      "concatenate() joins data sets of one shape: map the elements of one of them "
                      "to that of the other first");
  }
}

std::int64_t common_rows(std::span<const Tensor> tensors) {
  const Shape& first = tensors[0].shape();
  for (const Tensor& tensor : tensors) {
    const Shape& shape = tensor.shape();
    if (shape.rank() != 0 && first.rank() != 0 && shape[0] == first[0]) continue;
    throw ShapeError(
        format("Dataset::from_tensor_slices: expected as many rows of each tensor, received ",
               first, " and ", shape));
  }
  return first[0];
}

int own_workers(std::optional<int> workers, const char* where) {
  constexpr int kMostWorkers = 1024;
  if (!workers) return 0;
  if ((*workers >= 1 && *workers <= kMostWorkers) || *workers == AUTOTUNE) return *workers;
  throw ValueError(
      format("Dataset::", where, ": expected 1 to 1024 workers or AUTOTUNE, received ", *workers));
}

StagePtr<std::int32_t> range_stage(std::int32_t first, std::int32_t step, std::int64_t count) {
  return std::make_shared<RangeStage>(first, step, count);
}

BatchShapes batch_shapes(std::span<const Shape> components, std::size_t inputs,
                         std::size_t targets) {
  for (const Shape& shape : components) {
    if (shape.rank() != 0 && !has_unknown(shape)) continue;
    throw ShapeError(format("Dataset: expected batches, with a batch axis and every extent known, ",
                            "received elements ", shape,
                            shape.rank() == 0
                                ? ". Call batch() last"
                                : ". Give padded_batch() shapes without Shape::kUnknown"));
  }
  const std::size_t count = components.size();
  if (inputs == 0) inputs = 1;
  if (inputs > count) {
    throw ValueError("Dataset::source: expected no more inputs than components");
  }
  if (targets == 0) targets = inputs < count ? 1 : 0;
  if (targets > count - inputs) {
    throw ValueError("Dataset::source: expected no more inputs and targets than components");
  }
  const std::size_t weights = count - inputs - targets;
  if (weights > 1 && weights != targets) {
    throw ValueError(format(
        "Dataset::source: expected inputs, targets, and sample weights, either one or one for each "
        "target, received ",
        count, " components, of which ", inputs, " count as inputs and ", targets,
        " as targets. source(seed, inputs, targets) says how many are which"));
  }
  const auto part = [&](std::size_t begin, std::size_t size) {
    const auto shapes = components.subspan(begin, size);
    return std::vector<Shape>(shapes.begin(), shapes.end());
  };
  return {.inputs = part(0, inputs),
          .targets = part(inputs, targets),
          .sample_weights = part(inputs + targets, weights)};
}

void throw_different_rows(const std::string& where, const Shape& a, const Shape& b) {
  throw ShapeError(format("Dataset, ", where,
                          ": expected components with as many rows each, which is their first "
                          "extent, received ",
                          a, " and ", b));
}

void throw_no_number(std::int64_t first, std::int64_t step, std::int64_t index) {
  throw ValueError(format("Dataset: expected fewer than 2^63 elements, received a request for ",
                          "number ", first, " + ", index, " * ", step));
}

bool is_compatible(const Shape& a, const Shape& b) {
  if (a.rank() != b.rank()) return false;
  for (std::size_t axis = 0; axis < a.rank(); ++axis) {
    if (b[axis] != Shape::kUnknown && a[axis] != b[axis]) return false;
  }
  return true;
}

void rethrow_foreign(const char* where) { rethrow_as<DataError>(where); }

// The caller is handling the original exception, which thereby becomes the nested one.
void throw_in_stage(const std::string& stage, std::int64_t ordinal) {
  std::string what = "something that is no std::exception";
  try {
    throw;
  } catch (const std::exception& error) {
    what = error.what();
  } catch (...) {
  }
  std::throw_with_nested(DataError(format("Dataset, ", stage, ", element ", ordinal, ": ", what)));
}

StageBase::StageBase(std::string name, std::initializer_list<const StageBase*> inputs)
    : name_(std::move(name)), inputs_(inputs) {
  for (const StageBase* input : inputs_) {
    depth_ = std::max(depth_, input->depth_behind());
    stages_ += input->stages();
  }
}

bool StageBase::is_settled() const {
  return std::ranges::all_of(inputs_, [](const StageBase* input) { return input->is_settled(); });
}
bool StageBase::may_be_short() const {
  return std::ranges::any_of(inputs_, [](const StageBase* input) { return input->may_be_short(); });
}
bool StageBase::any_moves_up() const {
  return moves_up() ||
         std::ranges::any_of(inputs_, [](const StageBase* input) { return input->any_moves_up(); });
}

int StageBase::threads_so_far() const {
  if (threads() != 0) return threads();
  for (const StageBase* input : inputs_) {
    if (const int threads_before = input->threads_so_far(); threads_before != 0) {
      return threads_before;
    }
  }
  return 0;
}

}  // namespace detail

Dataset<std::int32_t> range(std::int32_t first, std::int32_t end, std::int32_t step) {
  if (step == 0) throw ValueError("range: expected a step other than 0");
  const std::int64_t distance = std::int64_t{end} - first;
  const std::int64_t count = distance / step + (distance % step != 0 ? 1 : 0);
  return Dataset<std::int32_t>(detail::range_stage(first, step, std::max<std::int64_t>(0, count)));
}
Dataset<std::int32_t> range(std::int32_t end) { return range(0, end); }

}  // namespace stoker
