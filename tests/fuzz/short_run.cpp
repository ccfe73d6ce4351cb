// Every fuzzed reader for a moment, in the suite: the files that a fuzzer begins with, each of them
// changed some hundred times. scripts/nightly does it in earnest.
// usage: stoker_fuzz_short_run READER
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "fuzz/seeds.h"
#include "stoker/random.h"
#include "support/sanitizer.h"
#include "support/temporary_folder.h"

// readers.def is a line READER(name) for each; the entry of name_fuzz.cpp is called fuzz_name here.
#define READER(name) extern "C" int fuzz_##name(const std::uint8_t* data, std::size_t size);
#include "readers.def"
#undef READER

namespace stoker {
namespace {

using Bytes = std::vector<std::uint8_t>;
using Clock = std::chrono::steady_clock;

constexpr int kChangesOfASeed = 300;
constexpr std::chrono::milliseconds kMostTime{1500};
constexpr unsigned kMostSecondsOfAnInput = STOKER_SANITIZED_MALLOC ? 60 : 5;
constexpr long kMostKibibytes = 2L << 20;

int (*entry_of(const std::string& reader))(const std::uint8_t*, std::size_t) {
#define READER(name) \
  if (reader == #name) return fuzz_##name;
#include "readers.def"
#undef READER
  return nullptr;
}

// What the input was, where one ends the program.
char current[200] = "";

void tell(int signal) {
  (void)!write(STDERR_FILENO, current, std::strlen(current));
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

std::size_t below(Random& random, std::size_t end) {
  return static_cast<std::size_t>(random.integer(0, static_cast<std::int64_t>(end)));
}

// One of the changes that libFuzzer makes.
void change(Bytes& bytes, const Bytes& other, Random& random) {
  constexpr std::uint64_t kNumbers[] = {
      0, 1, 0x7f, 0x80, 0xff, 0xffff, 0x7fffffff, 0xffffffff, std::uint64_t(-1)};
  const std::size_t at = below(random, bytes.size() + 1);
  const auto place = bytes.begin() + static_cast<std::ptrdiff_t>(at);
  const std::size_t length = std::min(bytes.size() - at, 1 + below(random, 64));
  switch (random.integer(0, 7)) {
    case 0:
      if (at < bytes.size()) bytes[at] ^= static_cast<std::uint8_t>(1u << random.integer(0, 8));
      return;
    case 1:
      if (at < bytes.size()) bytes[at] = static_cast<std::uint8_t>(random.integer(0, 256));
      return;
    case 2: {
      const std::uint64_t number = kNumbers[below(random, std::size(kNumbers))];
      std::memcpy(bytes.data() + at, &number,
                  std::min<std::size_t>(bytes.size() - at, std::size_t{1} << below(random, 4)));
      return;
    }
    case 3:
      bytes.erase(place, place + static_cast<std::ptrdiff_t>(length));
      return;
    case 4: {
      const Bytes copy(place, place + static_cast<std::ptrdiff_t>(length));
      bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(below(random, bytes.size() + 1)),
                   copy.begin(), copy.end());
      return;
    }
    case 5:
      bytes.resize(at);
      return;
    default: {
      const std::size_t from = below(random, other.size() + 1);
      const std::size_t count = std::min(length, other.size() - from);
      std::copy_n(other.begin() + static_cast<std::ptrdiff_t>(from), count, place);
      return;
    }
  }
}

std::vector<Bytes> seeds_of(const std::string& reader) {
  const test::TemporaryFolder folder;
  fuzz::write_seeds(folder.path());
  fuzz::write_model_seeds(folder.path());
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder / reader)) {
    names.push_back(entry.path().string());
  }
  std::ranges::sort(names);
  std::vector<Bytes> seeds;
  for (const std::string& name : names) {
    const std::string text = test::read_all(name);
    seeds.emplace_back(text.begin(), text.end());
  }
  return seeds;
}

int run(const std::string& reader) {
  const auto entry = entry_of(reader);
  if (entry == nullptr) return 2;
  const std::vector<Bytes> seeds = seeds_of(reader);
  const auto end = Clock::now() + kMostTime;
  Random random(1);
  int inputs = 0;
  for (int round = 0; round <= kChangesOfASeed && Clock::now() < end; ++round) {
    for (std::size_t seed = 0; seed < seeds.size(); ++seed) {
      std::snprintf(current, sizeof current, "%s: seed %zu, change %d ended the program\n",
                    reader.c_str(), seed, round);
      Bytes bytes = seeds[seed];
      // The first round has the files as they are.
      const std::int64_t changes = round == 0 ? 0 : random.integer(1, 5);
      for (int i = 0; i < changes; ++i) change(bytes, seeds[below(random, seeds.size())], random);
      alarm(kMostSecondsOfAnInput);
      entry(bytes.data(), bytes.size());
      ++inputs;
    }
  }
  alarm(0);
  rusage use{};
  getrusage(RUSAGE_SELF, &use);
  std::printf("%s: %d inputs, at most %ld MiB\n", reader.c_str(), inputs, use.ru_maxrss >> 10);
  return use.ru_maxrss > kMostKibibytes ? 1 : 0;
}

}  // namespace
}  // namespace stoker

int main(int count, char** arguments) {
  for (const int signal : {SIGALRM, SIGABRT}) std::signal(signal, stoker::tell);
  return count == 2 ? stoker::run(arguments[1]) : 2;
}
