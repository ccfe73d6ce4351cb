// What the stages of a source did, added up and in words.
#pragma once

#include <string>
#include <vector>

#include "stoker/report.h"

namespace stoker::report {

// Adds what the same stages did later. If they are others, those of `later` are taken.
std::vector<StageReport> sum_of(std::vector<StageReport> stages,
                                const std::vector<StageReport>& later);

// Returns the stage that the others wait for: the one whose threads, or whose share of the threads
// that ask it, are busy for the longest. Returns null if no stage was measured.
const StageReport* slowest(const std::vector<StageReport>& stages);

// Returns "Of the time in its stages, read took 12.0%, map 2 on 3 threads 80.0%."; empty if no
// stage was measured.
std::string text_of(const std::vector<StageReport>& stages);

}  // namespace stoker::report
