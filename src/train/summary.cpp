#include "train/summary.h"

#include <array>
#include <cstdio>
#include <iomanip>
#include <ostream>

#include "core/format.h"
#include "optimizers/optimizer.h"

namespace stoker::train {

namespace {

constexpr std::array<std::size_t, 3> kWidths{33, 24, 15};

std::string grouped(std::int64_t number) {
  const std::string digits = std::to_string(number);
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

std::string byte_size(std::int64_t bytes) {
  constexpr std::array<const char*, 4> kUnits{"B", "KB", "MB", "GB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024.0 && unit + 1 < kUnits.size()) {
    value /= 1024.0;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof text, "%.2f %s", value, kUnits[unit]);
  return text;
}

void rule(std::ostream& out, const char* left, const char* line, const char* middle,
          const char* right) {
  for (std::size_t i = 0; i < kWidths.size(); ++i) {
    out << (i == 0 ? left : middle);
    for (std::size_t k = 0; k < kWidths[i]; ++k) out << line;
  }
  out << right << '\n';
}

void row(std::ostream& out, const std::array<std::string, 3>& cells, const char* bar) {
  for (std::size_t i = 0; i < cells.size(); ++i) {
    std::string cell = cells[i];
    const std::size_t room = kWidths[i] - 2;
    if (cell.size() > room) {
      cell.resize(room - 3);
      cell += "...";
    }
    const auto width = static_cast<int>(room);
    out << bar << ' ' << (i == 2 ? std::right : std::left) << std::setw(width) << cell << ' ';
  }
  out << bar << '\n';
}

}  // namespace

void print_summary(std::ostream& out, const std::string& name, const Network& network,
                   const Compiled* compiled) {
  out << "Model: \"" << name << "\"\n";
  rule(out, "┏", "━", "┳", "┓");
  row(out, {"Layer (type)", "Output Shape", "Param #"}, "┃");
  rule(out, "┡", "━", "╇", "┩");
  std::int64_t trainable = 0;
  std::int64_t fixed = 0;
  bool first = true;
  for (const Call& call : network.calls()) {
    // A Sequential's input is no row of its own, as in Keras.
    if (call.inputs.empty() && network.inputs().size() == 1) continue;
    if (!first) rule(out, "├", "─", "┼", "┤");
    first = false;
    std::int64_t count = 0;
    for (const Weight& weight : network.weights()) {
      if (weight.layer != call.layer.get()) continue;
      count += weight.count;
      (weight.spec.trainable && weight.layer->trainable ? trainable : fixed) += weight.count;
    }
    row(out,
        {call.layer->name() + " (" + call.layer->class_name() + ")", to_string(call.shape),
         grouped(count)},
        "│");
  }
  rule(out, "└", "─", "┴", "┘");
  std::int64_t optimizer = 0;
  if (compiled != nullptr) {
    const auto slots = compiled->options.optimizer.base()->slot_names().size();
    optimizer = trainable * static_cast<std::int64_t>(slots) + 2;  // iterations, learning rate
  }
  const auto line = [&](const char* what, std::int64_t count) {
    out << ' ' << what << ": " << grouped(count) << " (" << byte_size(count * 4) << ")\n";
  };
  line("Total params", trainable + fixed + optimizer);
  line("Trainable params", trainable);
  line("Non-trainable params", fixed);
  if (compiled != nullptr) line("Optimizer params", optimizer);
}

}  // namespace stoker::train
