// The parts of Dataset that do not depend on its element types.
#include <exception>

#include "core/foreign.h"
#include "core/format.h"
#include "data/permutation.h"
#include "data/source_random.h"
#include "stoker/dataset_core.h"
#include "stoker/dataset_source.h"
#include "stoker/error.h"

namespace stoker::detail {
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

struct EpochOrder::Impl {
  Impl(std::int64_t size, std::uint64_t seed, bool again)
      : permutations(size, seed), reshuffle(again) {}
  data::Permutations permutations;
  bool reshuffle;
};

EpochOrder::EpochOrder(std::int64_t size, std::uint64_t seed, bool reshuffle)
    : impl_(std::make_unique<Impl>(size, seed, reshuffle)) {}
EpochOrder::~EpochOrder() = default;

std::int64_t EpochOrder::at(std::int64_t epoch, std::int64_t index) const {
  std::int64_t found = 0;
  at(epoch, std::span(&index, 1), std::span(&found, 1));
  return found;
}

void EpochOrder::at(std::int64_t epoch, std::span<const std::int64_t> indices,
                    std::span<std::int64_t> out) const {
  const auto order = impl_->permutations.of_epoch(impl_->reshuffle ? epoch : 0);
  const std::span<const std::int64_t> rows = order.rows();
  for (std::size_t i = 0; i < indices.size(); ++i) {
    out[i] = rows[static_cast<std::size_t>(indices[i])];
  }
}

}  // namespace stoker::detail
