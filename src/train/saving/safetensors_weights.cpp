#include "train/saving/safetensors_weights.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "core/format.h"
#include "stoker/dtype.h"
#include "stoker/error.h"
#include "train/saving/staged_values.h"

namespace stoker::train {

namespace {

constexpr std::size_t kPieceBytes = std::size_t{1} << 18;
constexpr const char* kRemedy =
    ". Load into a model of the same layers, or pass {.skip_mismatch = true}";

bool is_weight(const SavedVariable& variable) {
  return variable.kind == VariableKind::weight && !variable.is_kept_state;
}

// Makes float32 of elements of another type of the file.
template <class T>
void convert(std::span<const std::byte> from, std::span<float> to) {
  for (std::size_t i = 0; i < to.size(); ++i) {
    T value;
    std::memcpy(&value, from.data() + i * sizeof(T), sizeof(T));
    to[i] = static_cast<float>(value);
  }
}

using Converter = void (*)(std::span<const std::byte>, std::span<float>);

// Returns null for what are no numbers with fractions.
Converter converter_of(const std::string& dtype) {
  if (dtype == "F32") return convert<float>;
  if (dtype == "F64") return convert<double>;
  if (dtype == "F16") return convert<float16>;
  if (dtype == "BF16") return convert<bfloat16>;
  return nullptr;
}

}  // namespace

void write_safetensors(const std::filesystem::path& path,
                       const std::vector<SavedVariable>& variables, const VariableAccess& access) {
  io::SafetensorsHeader header{.metadata = {{"format", "keras"}}};
  for (const SavedVariable& variable : variables) {
    if (!is_weight(variable)) continue;
    header.entries.push_back(
        {variable.path, io::safetensors_dtype(variable.dtype), variable.shape});
  }
  io::SafetensorsWriter file(path, std::move(header));
  std::vector<std::byte> piece(kPieceBytes);
  for (const SavedVariable& variable : variables) {
    if (!is_weight(variable)) continue;
    for (std::uint64_t at = 0; at < variable.bytes(); at += piece.size()) {
      const auto bytes = std::span(piece).first(
          static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), variable.bytes() - at)));
      access.read(variable, bytes, at);
      file.write(bytes);
    }
  }
  file.commit();
}

SafetensorsPlan plan_safetensors(const io::SafetensorsReader& file,
                                 const std::vector<SavedVariable>& variables,
                                 const LoadWeightsOptions& options) {
  SafetensorsPlan plan;
  const auto mismatch = [&]<class E>(std::in_place_type_t<E>, const std::string& name,
                                     const std::string& what) {
    const std::string text = format(file.path(), ": tensor \"", name, "\": ", what);
    if (!options.skip_mismatch) throw E(text + kRemedy);
    plan.warnings.push_back(text);
  };
  constexpr std::in_place_type_t<IoError> kIoError;
  // Files of strangers have a million tensors, among which no one may search one by one.
  std::unordered_map<std::string_view, const io::SafetensorsEntry*> unused;
  for (const io::SafetensorsEntry& entry : file.header().entries) unused[entry.name] = &entry;
  for (const SavedVariable& variable : variables) {
    if (!is_weight(variable)) continue;
    const auto found = unused.find(variable.path);
    if (found == unused.end()) {
      if (options.by_name) continue;
      mismatch(kIoError, variable.path,
               format("expected a tensor of shape ", variable.shape, ", received nothing"));
      continue;
    }
    const io::SafetensorsEntry* entry = found->second;
    unused.erase(found);
    if (!(entry->shape == variable.shape)) {
      mismatch(std::in_place_type<ShapeError>, variable.path,
               format("expected shape ", variable.shape, ", received ", entry->shape));
    } else if (converter_of(entry->dtype) == nullptr) {
      mismatch(kIoError, variable.path,
               format("expected elements of F32, F64, F16 or BF16, received ", entry->dtype));
    } else {
      plan.reads.push_back({&variable, entry});
    }
  }
  if (options.by_name) return plan;
  for (const io::SafetensorsEntry& entry : file.header().entries) {
    if (!unused.contains(entry.name)) continue;
    mismatch(kIoError, entry.name,
             "expected nothing, received a tensor that is no weight of the model");
  }
  return plan;
}

void load_safetensors(const SafetensorsPlan& plan, io::SafetensorsReader& file,
                      const VariableAccess& access) {
  std::vector<std::byte> piece(kPieceBytes);
  // Calls `take` with the tensor's bytes, piece by piece.
  const auto read = [&](const io::SafetensorsEntry& entry, auto&& take) {
    for (std::uint64_t at = 0; at < entry.bytes(); at += piece.size()) {
      const auto bytes = std::span(piece).first(
          static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), entry.bytes() - at)));
      file.read(entry, bytes, at);
      take(bytes);
    }
  };
  const auto read_values = [&](const TensorRead& one, std::span<std::byte> bytes) {
    const std::span values(reinterpret_cast<float*>(bytes.data()), bytes.size() / sizeof(float));
    if (values.empty()) return;
    const Converter convert_all = converter_of(one.entry->dtype);
    const std::uint64_t element_bytes = one.entry->bytes() / values.size();
    std::size_t done = 0;
    read(*one.entry, [&](std::span<const std::byte> found) {
      const std::size_t count = found.size() / static_cast<std::size_t>(element_bytes);
      convert_all(found, values.subspan(done, count));
      done += count;
    });
  };
  std::uint64_t all = 0, most = 0;
  for (const TensorRead& one : plan.reads) {
    all += StagedValues::padded(one.variable->bytes());
    most = std::max(most, one.variable->bytes());
  }
  if (all <= kMostStagedBytes) {
    StagedValues staging(all);
    std::vector<std::span<const std::byte>> values;
    for (const TensorRead& one : plan.reads) {
      const auto to = staging.take(one.variable->bytes());
      read_values(one, to);
      values.push_back(to);
    }
    for (std::size_t i = 0; i < values.size(); ++i)
      access.write(*plan.reads[i].variable, values[i]);
    return;
  }
  // Reading is what could fail, so all of it is done once before anything is written.
  for (const TensorRead& one : plan.reads) {
    read(*one.entry, [](std::span<const std::byte>) {});
  }
  StagedValues staging(most);
  const std::span<std::byte> memory = staging.take(most);
  for (const TensorRead& one : plan.reads) {
    const auto values = memory.first(static_cast<std::size_t>(one.variable->bytes()));
    if (values.empty()) continue;
    read_values(one, values);
    access.write(*one.variable, values);
  }
}

}  // namespace stoker::train
