// The internal side of a learning-rate schedule: a formula in Exprs, which the step computes from
// the number of updates before it.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "core/fields.h"
#include "graph/expression.h"
#include "stoker/schedules.h"

namespace stoker::optimizers {

class ScheduleBase {
 public:
  explicit ScheduleBase(std::string class_name) : class_name_(std::move(class_name)) {}
  virtual ~ScheduleBase() = default;

  // Writes the fields of the schedule's class.
  virtual void write_fields(Fields& fields) const = 0;
  // Returns the rate of the step that comes after so many updates.
  virtual graph::Expr rate(graph::Expr step) const = 0;

  const std::string& class_name() const { return class_name_; }  // "CosineDecay"

 private:
  std::string class_name_;
};

#define STOKER_SCHEDULE(class_name) LearningRate make_##class_name(Fields& fields);
#include "optimizers/schedules.def"
#undef STOKER_SCHEDULE

}  // namespace stoker::optimizers

namespace stoker {

template <>
struct FieldType<LearningRate> {
  static LearningRate read(const Config& config) { return learning_rate_from_config(config); }
  static Config write(const LearningRate& value) { return value.config(); }
};

}  // namespace stoker
