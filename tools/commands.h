// What the commands of the program `stoker` take, and what runs them. Each run() throws what the
// library throws, and writes its results to `out` or to files.
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>

#include <stoker/device.h>
#include <stoker/plot_model.h>
#include <stoker/report.h>

namespace stoker::tool {

struct Summary {
  std::string file;
};

struct Predict {
  std::string file;
  std::string input;
  std::string output;
  std::int64_t batch_size = 32;
};

struct Evaluate {
  std::string file;
  std::string x;
  std::string y;
  std::int64_t batch_size = 32;
  bool json = false;
};

// The data are either x and y, or a folder of images, or a table with a target.
struct Fit {
  std::string file;
  std::string x;
  std::string y;
  std::string images;
  std::string csv;
  std::string target;
  std::int64_t epochs = 1;
  std::int64_t batch_size = 32;
  bool shuffle = true;
  double validation_split = 0.0;
  std::string output;
  std::string history;
  int verbose = 1;
};

struct Convert {
  std::string input;
  std::string output;
  bool restricted = false;
};

struct WhatIf {
  std::string file;
  stoker::WhatIf change{};
  bool json = false;
};

struct Plot {
  std::string file;
  std::string output;
  PlotModelOptions options{};
};

struct Doctor {};

void run(const Summary& arguments, const Device& device, std::ostream& out);
void run(const Predict& arguments, const Device& device, std::ostream& out);
void run(const Evaluate& arguments, const Device& device, std::ostream& out);
void run(const Fit& arguments, const Device& device, std::ostream& out);
void run(const Convert& arguments, const Device& device, std::ostream& out);
// In a process of its own, on the CPU. restricted.h.
void run_restricted(const Convert& arguments, std::ostream& out);
void run(const WhatIf& arguments, std::ostream& out);
void run(const Plot& arguments, const Device& device, std::ostream& out);
// Reports what the library finds on this machine, and tries what it needs. `device` may throw.
// Returns whether all is well.
bool run(const Doctor& arguments, const std::function<Device()>& device, std::ostream& out);

// Runs the program on a command line and returns its exit code. `device` is asked once the command
// line has been understood.
int run_command(int count, const char* const* arguments, const std::function<Device()>& device,
                std::ostream& out, std::ostream& errors);

}  // namespace stoker::tool
