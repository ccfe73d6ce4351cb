// Measurements on the device under test, printed as they come.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace stoker::gpu {

// "RESULT {...}": names, and values as JSON has them.
void print_result(const std::vector<std::pair<std::string, std::string>>& members);
std::string quoted(const std::string& text);

// `briefly`: to see that it works, not how fast.
void measure_copies(bool briefly);
// Workloads by name, with commas. False where one of them failed.
bool measure_steps(const std::string& workloads, bool briefly);
// Makes their plans, and nothing else.
void compile_steps(const std::string& workloads);

}  // namespace stoker::gpu
