// Class weights as sample weights, by a source around another one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>

#include "stoker/source.h"

namespace stoker {

// The weights of a batch's labels. A label is an int32 in (batch) or (batch, 1), or the largest of
// a row of floats in (batch, classes). Classes that are not in the map weigh 1, as in Keras.
class ClassWeights {
 public:
  // `spec` is that of the batches. Throws ValueError if they have sample weights already, or no
  // such labels.
  ClassWeights(BatchSpec spec, std::map<std::int64_t, double> weights);

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
  std::int64_t classes_ = 1;
};

// Returns a source of the same batches with a sample weight for each row. It takes sources whose
// batches pass through the host; feed/upload/class_weights.h takes all sources. Throws as ClassWeights
// does.
std::shared_ptr<Source> with_class_weights(std::shared_ptr<Source> source,
                                           std::map<std::int64_t, double> weights);

}  // namespace stoker
