// Class weights as sample weights, by a source around another one.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "stoker/source.h"

namespace stoker {

// What the labels so far have shown of class weights. Workers write it at once.
class ClassUse {
 public:
  explicit ClassUse(const std::map<std::int64_t, double>& weights);

  void add(std::int64_t label) {
    const auto found = seen_.find(label);
    if (found != seen_.end()) found->second.store(true, std::memory_order_relaxed);
  }
  void add_fraction() { has_fraction_.store(true, std::memory_order_relaxed); }

  // Returns the classes that have a weight and were no label.
  std::vector<std::int64_t> unused() const;
  // Whether a label was no whole number, which has no class.
  bool has_fraction() const { return has_fraction_; }

 private:
  std::map<std::int64_t, std::atomic<bool>> seen_;
  std::atomic<bool> has_fraction_ = false;
};

// The weights of a batch's labels. A label is an int32 in (batch) or (batch, 1), or the largest of
// a row of floats in (batch, classes). Classes that are not in the map weigh 1, as in Keras.
class ClassWeights {
 public:
  // `spec` is that of the batches. Throws ValueError if they have sample weights already, or no
  // such labels. What the labels show is noted in `use`, if it is given.
  ClassWeights(BatchSpec spec, std::map<std::int64_t, double> weights,
               std::shared_ptr<ClassUse> use = nullptr);

  // Returns the spec of the batches with their sample weights.
  const BatchSpec& spec() const { return spec_; }
  // These return the numbers of the labels and of the weights among the fields.
  std::size_t label_field() const { return spec_.inputs.size(); }
  std::size_t weight_field() const { return label_field() + 1; }
  // Returns the bytes of the labels of a whole batch.
  std::size_t label_bytes() const;
  void weigh(const std::byte* labels, std::int64_t rows, float* weights) const;

 private:
  std::int64_t class_of(const std::byte* labels, std::int64_t row) const;

  BatchSpec spec_;
  std::map<std::int64_t, double> weights_;
  std::shared_ptr<ClassUse> use_;
  std::int64_t classes_ = 1;
};

// Returns a source of the same batches with a sample weight for each row. It takes sources whose
// batches pass through the host; feed/upload/class_weights.h takes all sources. Throws as
// ClassWeights does.
std::shared_ptr<Source> with_class_weights(std::shared_ptr<Source> source,
                                           std::map<std::int64_t, double> weights,
                                           std::shared_ptr<ClassUse> use = nullptr);

}  // namespace stoker
