// StackedRNNCells. A cell does not depend on those behind it, so a sequence goes through all steps
// of one cell, and then of the next one.
#include <algorithm>

#include "layers/fields.h"
#include "layers/recurrent/cell.h"
#include "layers/registry.h"
#include "layers/wrapping.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker {
namespace layers {
namespace {

using graph::Value;

struct StackedCellsArguments {
  NameOptions options{};
  std::vector<Config> cells{};
};

void describe(Fields& fields, StackedCellsArguments& arguments) {
  describe_common(fields, arguments.options);
  fields("cells", arguments.cells);
}

class StackedCells final : public CellLayer {
 public:
  StackedCells(NameOptions options, std::vector<std::shared_ptr<CellLayer>> cells)
      : CellLayer("StackedRNNCells", options.name, options.dtype),
        options_(std::move(options)),
        cells_(std::move(cells)) {
    if (cells_.empty()) {
      throw ValueError(format(label(), ": expected one cell or more, received none"));
    }
  }

  void write_fields(Fields& fields) const override {
    StackedCellsArguments arguments{options_, {}};
    arguments.options.name = name();
    for (const Child& cell : children()) arguments.cells.push_back(config_of(cell));
    describe(fields, arguments);
  }

  std::vector<Child> children() const override {
    std::vector<Child> children;
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      // Keras keeps the cells in a list, in which they are named by class and number.
      const std::string& class_name = cells_[i]->class_name();
      const auto before =
          std::count_if(cells_.begin(), cells_.begin() + static_cast<std::ptrdiff_t>(i),
                        [&](const auto& earlier) { return earlier->class_name() == class_name; });
      std::string numbered = snake_case(class_name);
      if (before > 0) numbered += format("_", before);
      const std::string& own = cells_[i]->name();
      children.push_back({own.empty() ? numbered : own, cells_[i], "cells/" + numbered});
    }
    return children;
  }

  std::size_t state_count() const override {
    std::size_t count = 0;
    for (const auto& cell : cells_) count += cell->state_count();
    return count;
  }
  std::size_t output_state() const override {
    return state_count() - cells_.back()->state_count() + cells_.back()->output_state();
  }

  std::vector<Shape> state_shapes(Value x) const override {
    std::vector<Shape> all;
    for (const auto& cell : cells_) {
      const std::vector<Shape> own = cell->state_shapes(x);
      all.insert(all.end(), own.begin(), own.end());
    }
    return all;
  }

  SequenceResult run(BuildContext& context, Value x, const States& states, Value mask,
                     const SequenceOptions& options) override {
    SequenceResult result;
    States all;
    std::size_t first = 0;
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      const bool is_last = i + 1 == cells_.size();
      // Between cells the steps stay where they are in the input.
      const SequenceOptions between{.returns_sequence = true,
                                    .is_backwards = options.is_backwards,
                                    .in_order_of_input = true};
      const std::size_t count = cells_[i]->state_count();
      const auto begin = states.begin() + static_cast<std::ptrdiff_t>(states.empty() ? 0 : first);
      const States own(begin, states.empty() ? begin : begin + static_cast<std::ptrdiff_t>(count));
      context.within(*cells_[i], 0, [&] {
        result =
            cells_[i]->run(context, context.to_compute(x), own, mask, is_last ? options : between);
      });
      x = result.sequence;
      all.insert(all.end(), result.states.begin(), result.states.end());
      first += count;
    }
    result.states = std::move(all);
    return result;
  }

  // A sequence of one step gives the states after it.
  Step begin(BuildContext& context, Value&) override {
    return [&context, this](Value x, const States& states) {
      return run(context, with_step(x), states, {}, {}).states;
    };
  }

 private:
  const NameOptions options_;
  const std::vector<std::shared_ptr<CellLayer>> cells_;
};

}  // namespace

Layer make_StackedRNNCells(Fields& fields) {
  auto arguments = fields.all<StackedCellsArguments>();
  std::vector<std::shared_ptr<CellLayer>> cells;
  for (std::size_t i = 0; i < arguments.cells.size(); ++i) {
    const std::string place = format(fields.place(), ".cells[", i, "]");
    cells.push_back(Fields::with_place(
        place, [&] { return cell_of(layer_from_config(arguments.cells[i]), "StackedRNNCells"); }));
  }
  return Layer(std::make_shared<StackedCells>(std::move(arguments.options), std::move(cells)));
}

}  // namespace layers

Layer StackedRNNCells(std::vector<Layer> cells, NameOptions options) {
  std::vector<std::shared_ptr<layers::CellLayer>> all;
  for (const Layer& cell : cells) all.push_back(layers::cell_of(cell, "StackedRNNCells"));
  return Layer(std::make_shared<layers::StackedCells>(std::move(options), std::move(all)));
}

}  // namespace stoker
