// What a loader asks of an HDF5 file: all groups, attributes and datasets, within limits.
#pragma once

#include <string>
#include <vector>

#include "fuzz/input.h"
#include "io/hdf5.h"

namespace stoker::fuzz {

inline void walk(const io::Hdf5File& file, const std::string& group, int level, int& left) {
  only_own_errors([&] { file.text(group, "model_config"); });
  only_own_errors([&] { file.texts(group, "weight_names"); });
  for (const std::string& name : file.children(group)) {
    if (--left < 0 || level > 8) return;
    const std::string place = group.empty() ? name : group + "/" + name;
    only_own_errors([&] {
      if (file.has_group(place)) return walk(file, place, level + 1, left);
      const auto dataset = file.dataset(place);
      if (!dataset || dataset->shape.elements() > 1 << 18) return;
      const bool counts = dataset->type == io::Hdf5Type::integer;
      std::vector<float> values(static_cast<std::size_t>(dataset->shape.elements()));
      file.read(*dataset, counts ? DType::int32 : DType::float32,
                std::as_writable_bytes(std::span(values)));
    });
  }
}

}  // namespace stoker::fuzz
