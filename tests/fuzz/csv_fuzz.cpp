#include <cstdlib>

#include "fuzz/input.h"
#include "stoker/csv.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stoker;
  const fuzz::Choice choice(data, size);
  const std::string& path = fuzz::input().holding(choice.bytes);
  CsvOptions options{.delimiter = choice.bit(0)   ? ';'
                                  : choice.bit(1) ? '\t'
                                  : choice.bit(2) ? ' '
                                                  : ',',
                     .header = choice.bit(3),
                     .limits = {.max_bytes = std::uint64_t{1} << 20}};
  if (choice.bit(4)) options.missing = choice.bit(5) ? -1.0f : 1e20f;
  fuzz::only_own_errors([&] {
    const Csv table = read_csv(path, options);
    // Every name leads to its own column.
    for (std::size_t i = 0; i < table.names().size() && i < 16; ++i) {
      const std::string& name = table.names()[i];
      if (table.column(name) != i) std::abort();
      std::vector<std::string> values;
      fuzz::only_own_errors([&] { table.floats({name}); });
      fuzz::only_own_errors([&] { table.ints(name); });
      table.categories(name, values);
    }
    fuzz::only_own_errors([&] { table.floats(); });
  });
  return 0;
}
