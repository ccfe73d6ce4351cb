// What held a fit back, in words, from how its time divides.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <string>

#include "core/format.h"
#include "stoker/report.h"

namespace stoker {
namespace {

constexpr double kComputeBound = 0.05;
constexpr double kGeneratorBound = 0.20;
constexpr double kWorthTelling = 0.05;  // of the wall time, for what neither waited nor computed

double ratio(double a, double b) { return b > 0.0 ? a / b : 0.0; }

// Of the time that steps took, the share without a batch.
double waiting_share(const FeedReport& report) {
  return ratio(report.waited_for_generator, report.waited_for_generator + report.computed);
}

template <class... Values>
std::string print(const char* text, Values... values) {
  std::array<char, 64> buffer{};
  std::snprintf(buffer.data(), buffer.size(), text, values...);
  return buffer.data();
}

std::string percent(double share) { return print("%.1f%%", 100.0 * share); }

// To three digits: "0.80 µs", "5.10 ms", "12.3 s".
std::string number(double value) {
  return print(value < 9.995 ? "%.2f" : value < 99.95 ? "%.1f" : "%.0f", value);
}

std::string duration(double seconds) {
  if (seconds < 0.9995e-3) return number(1e6 * seconds) + " µs";
  if (seconds < 0.9995) return number(1e3 * seconds) + " ms";
  return number(seconds) + " s";
}

// Per second, thousands separated: "12,345".
std::string rate(double value) {
  if (value < 99.95) return number(value);
  std::string digits = print("%.0f", std::min(value, 1e15));
  for (std::size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, 1, ',');
  return digits;
}

std::string throughput(const FeedReport& report) {
  return rate(ratio(static_cast<double>(report.samples), report.wall)) + " samples/s";
}

std::string shares(const FeedReport& report) {
  const double waiting = waiting_share(report);
  const double total = report.waited_for_generator + report.computed;
  std::string text =
      format("the step computed ", percent(1.0 - waiting), " of the time and waited ",
             percent(waiting), " of it for the generator (", duration(report.waited_for_generator),
             " of ", duration(total), ").");
  if (report.other > kWorthTelling * report.wall) {
    text += format(" Validation, callbacks and display took another ", duration(report.other), ".");
  }
  return text;
}

// "A batch took 5.10 ms to generate and 1.20 ms to compute"
std::string per_batch(double generate, double compute) {
  return format("A batch took ", duration(generate), " to generate and ", duration(compute),
                " to compute");
}

std::string when_compute_bound(const FeedReport& report, double generate, double compute) {
  return format(per_batch(generate, compute), ": the generator is fast enough (",
                throughput(report),
                ").\nOnly a faster step shortens this: a larger batch_size, a smaller model, or a "
                "faster device. A faster generator would save at most ",
                percent(ratio(report.waited_for_generator, report.wall)), " of the run.\n");
}

// What a generator that is never waited for would bring, said as no more than that: on the CPU the
// two share the cores.
std::string gain(const FeedReport& report) {
  const double without = report.wall - report.waited_for_generator;
  return format("At best the run then takes ", duration(without), " instead of ",
                duration(report.wall), ", ", number(ratio(report.wall, without)),
                " times as fast (now ", throughput(report), ").\n");
}

std::string when_waiting(const FeedReport& report, double generate, double compute) {
  const int workers = std::max(report.workers, 1);
  const double every = generate / workers;  // with all of them at it
  std::string text = per_batch(generate, compute);
  if (every < compute) {
    text += format(
        ": on average the generator keeps up, but some batches (or the first) come late.\nMake the "
        "slow ones cheaper: open files and build tables once, not in the batch that first needs "
        "them; or raise max_queue_size, so that more batches are ready before a slow one. ");
  } else {
    text += format(
        ": the generator delivers ", rate(ratio(1.0, every)), " batches/s, the step could take ",
        rate(ratio(1.0, compute)),
        ".\nMake a batch cheaper: compute once what every batch needs, draw random numbers in bulk "
        "(batch.random.fill_uniform), fill float or uint8 fields directly instead of casting "
        "double (uint8 with a Rescaling layer is a quarter of the bytes). ");
  }
  return text + gain(report);
}

}  // namespace

FeedReport::Class FeedReport::classify() const {
  if (batches == 0 || waited_for_generator + computed <= 0.0) return Class::nothing;
  const double waiting = waiting_share(*this);
  if (waiting < kComputeBound) return Class::compute_bound;
  return waiting > kGeneratorBound ? Class::generator_bound : Class::balanced;
}

std::string FeedReport::verdict() const {
  const auto count = static_cast<double>(batches);
  const double generate = ratio(generated, count);
  const double compute = ratio(computed, count);
  switch (classify()) {
    case Class::nothing:
      return "nothing to judge: no batch was trained on.\n";
    case Class::compute_bound:
      return format("compute-bound: ", shares(*this), "\n",
                    when_compute_bound(*this, generate, compute));
    case Class::generator_bound:
      return format("generator-bound: ", shares(*this), "\n",
                    when_waiting(*this, generate, compute));
    case Class::balanced:
      return format("balanced: ", shares(*this), "\n", when_waiting(*this, generate, compute));
  }
  return {};
}

FeedReport& FeedReport::operator+=(const FeedReport& other_report) {
  wall += other_report.wall;
  waited_for_generator += other_report.waited_for_generator;
  computed += other_report.computed;
  other += other_report.other;
  generated += other_report.generated;
  batches += other_report.batches;
  samples += other_report.samples;
  bytes += other_report.bytes;
  workers = std::max(workers, other_report.workers);
  return *this;
}

}  // namespace stoker
