#include "gpu/measure.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iostream>
#include <limits>
#include <memory>
#include <sstream>

#include "core/timeline.h"
#include "gpu/training.h"
#include "support/device_under_test.h"

namespace stoker::gpu {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

template <class F>
double seconds_of(const F& f) {
  const std::int64_t begin = now_ns();
  f();
  return 1e-9 * static_cast<double>(now_ns() - begin);
}

std::string number(double value) {
  if (!std::isfinite(value)) return "null";
  std::ostringstream text;
  text.precision(6);
  text << value;
  return text.str();
}

// ---- Copies ----

double seconds_a_copy(device::Stream& stream, std::byte* to, const std::byte* from,
                      std::size_t bytes, int rounds) {
  // Long enough for the clock, short enough for many rounds.
  const int copies = std::max(2, static_cast<int>((std::size_t{64} << 20) / (bytes + 65536)));
  double fastest = kNever;
  for (int round = 0; round < rounds; ++round) {
    const double seconds = seconds_of([&] {
      for (int i = 0; i < copies; ++i) stream.copy_to_device(to, from, bytes);
      stream.synchronize();
    });
    fastest = std::min(fastest, seconds / copies);
  }
  return fastest;
}

// ---- Steps ----

// The fastest of some rounds of about `seconds` each. `time_steps(n)` gives the seconds of n steps.
template <class F>
double seconds_a_step(double seconds, int rounds, const F& time_steps) {
  std::int64_t steps = 1;
  for (; steps < 20'000; steps *= 2) {
    if (time_steps(steps) > seconds / 4.0) break;
  }
  double fastest = kNever;
  for (int round = 0; round < rounds; ++round) {
    fastest = std::min(fastest, time_steps(steps * 4) / static_cast<double>(steps * 4));
  }
  return fastest;
}

std::string text_of(const std::vector<backend::cuda::TimedLaunch>& launches) {
  std::string text = "[";
  for (const auto& launch : launches) {
    text += text.size() > 1 ? ", " : "";
    text += "[" + quoted(launch.label) + ", " + quoted(launch.engine) + ", " +
            number(1e6 * launch.seconds) + "]";
  }
  return text + "]";
}

void measure(const Workload& workload, bool briefly) {
  std::unique_ptr<Training> made;
  const double first = seconds_of([&] {
    made = std::make_unique<Training>(workload);
    made->fit(1);
  });
  Training& training = *made;
  training.fit(3);  // the second step is captured
  const double seconds = briefly ? 1e-3 : 0.2;
  const int rounds = briefly ? 1 : 3;
  const auto time = [&](void (Training::*stage)(std::int64_t)) {
    return seconds_a_step(
        seconds, rounds, [&](std::int64_t n) { return seconds_of([&] { (training.*stage)(n); }); });
  };
  const double fit =
      seconds_a_step(seconds, rounds, [&](std::int64_t n) { return training.fit(n); });
  const double step = time(&Training::run_resident);
  const double fill = time(&Training::fill);
  const double nan_scan = time(&Training::look_for_nan);
  const double upload = time(&Training::upload);
  // One worker fills a batch and looks through it, one after the other.
  const double generate = fill + nan_scan;
  const double slowest = std::max({step, generate, upload});
  print_result({{"workload", quoted(workload.name)},
                {"us_per_step", number(1e6 * fit)},
                {"resident_us", number(1e6 * step)},
                {"generate_us", number(1e6 * generate)},
                {"nan_scan_us", number(1e6 * nan_scan)},
                {"upload_us", number(1e6 * upload)},
                {"of_the_slowest", number(fit / slowest)},
                {"batch_bytes", number(static_cast<double>(training.batch_bytes()))},
                {"launches", std::to_string(training.launches())},
                {"first_step_s", number(first)},
                {"loss", number(training.loss())},
                {"launch_us", text_of(training.time_launches(briefly ? 1 : 9))}});
}

std::vector<const Workload*> find(const std::string& names) {
  std::vector<const Workload*> found;
  std::istringstream text(names);
  for (std::string name; std::getline(text, name, ',');) found.push_back(&workload_of(name));
  return found;
}

}  // namespace

void print_result(const std::vector<std::pair<std::string, std::string>>& members) {
  std::string line = "RESULT {";
  for (std::size_t i = 0; i < members.size(); ++i) {
    line += (i > 0 ? ", " : "") + quoted(members[i].first) + ": " + members[i].second;
  }
  std::cout << line + "}" << std::endl;
}

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c == '\n' ? ' ' : c;
  }
  return result + '"';
}

void measure_copies(bool briefly) {
  device::Device& device = *test::device_under_test().device;
  const auto stream = device.make_stream();
  const int largest = briefly ? 20 : 28;
  for (int log = 12; log <= largest; log += 2) {
    const std::size_t bytes = std::size_t{1} << log;
    const auto to = device.allocate(bytes);
    const auto pinned = device.allocate_pinned(bytes);
    const std::vector<std::byte> pageable(bytes, std::byte{1});
    const auto rate = [&](const std::byte* from) {
      const double seconds = seconds_a_copy(*stream, to->data(), from, bytes, briefly ? 1 : 5);
      return 1e-9 * static_cast<double>(bytes) / seconds;
    };
    print_result({{"bytes", std::to_string(bytes)},
                  {"pinned_gb_per_s", number(rate(pinned->data()))},
                  {"pageable_gb_per_s", number(rate(pageable.data()))}});
  }
}

bool measure_steps(const std::string& workloads, bool briefly) {
  bool all_went_well = true;
  for (const Workload* workload : find(workloads)) {
    try {
      measure(*workload, briefly);
    } catch (const std::exception& error) {
      std::cout << workload->name << ": " << error.what() << std::endl;
      all_went_well = false;
    }
  }
  return all_went_well;
}

void compile_steps(const std::string& workloads) {
  for (const Workload* workload : find(workloads)) Training(*workload).launches();
}

}  // namespace stoker::gpu
