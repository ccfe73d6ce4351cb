// Reads TensorBoard's event files, with checksums of its own making.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace stoker::test {

struct Event {
  double wall_time = 0.0;
  std::int64_t step = 0;
  std::string version{};  // of the file; in the first event only
  std::string tag{};
  std::string plugin{};
  std::string plugin_content{};
  std::int64_t data_class = 0;
  std::int64_t dtype = 0;
  std::vector<std::int64_t> shape{};
  std::vector<double> numbers{};
  std::vector<std::string> strings{};
};

// Returns the events of one file. Throws std::runtime_error, with the byte, for a length or a
// checksum that is wrong, and for a record that ends too early.
std::vector<Event> read_event_file(const std::filesystem::path& path);
// Returns the summaries of all files in a folder, file by file in the order of their names.
std::vector<Event> read_events(const std::filesystem::path& folder);
// Returns the event files in a folder, by name. There are none where there is no folder.
std::vector<std::filesystem::path> event_files(const std::filesystem::path& folder);

// Returns the values of a scalar by step, in the order of the events.
std::vector<std::pair<std::int64_t, double>> scalars_of(const std::vector<Event>& events,
                                                        const std::string& tag);
// Returns how many events each tag has.
std::map<std::string, int> tags_of(const std::vector<Event>& events);

}  // namespace stoker::test
