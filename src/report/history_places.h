// Which epoch each number of a history belongs to.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "stoker/history.h"

namespace stoker::report {

// Returns the index in history.epoch of each value of history.history[name].
//
// As in Keras a history has a value for each epoch in which its name was logged, and does not say
// which epochs those were. Where there are fewer values than epochs:
// - Validation ran every so many epochs (validation_freq). Their number mostly leaves one frequency
//   that can have been meant. Among several, that one is taken whose epochs spent the most time
//   outside of training, which validation is a part of.
// - Other names were logged by a callback of the user, of which nothing is known: the last epochs.
std::vector<std::size_t> places_of(const History& history, const std::string& name);

}  // namespace stoker::report
