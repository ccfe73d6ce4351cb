#include "feed/ring/feed_state.h"

#include <algorithm>
#include <string_view>

#include "core/fnv.h"
#include "core/format.h"
#include "io/crc32c.h"
#include "stoker/error.h"
#include "stoker/source_state.h"

namespace stoker::feed {
namespace {

constexpr std::uint32_t kMagic = 0x46544b53;  // "SKTF"
constexpr std::uint32_t kVersion = 1;

// States that were saved hold this number.
std::uint64_t fingerprint(const Source& source) {
  std::uint64_t hash = kFnvBasis64;
  const auto add = [&hash](std::uint64_t number) { hash = fnv1a_64(number, hash); };
  const BatchSpec& spec = source.spec();
  add(static_cast<std::uint64_t>(source.traits().kind));
  add(spec.inputs.size());
  add(spec.targets.size());
  for (std::size_t i = 0; i < spec.field_count(); ++i) {
    const Field& field = spec.field(i);
    add(static_cast<std::uint64_t>(field.dtype));
    add(field.shape.rank());
    for (const std::int64_t extent : field.shape) add(static_cast<std::uint64_t>(extent));
  }
  add(source.endless() ? 1 : 0);
  return hash;
}

}  // namespace

void FeedState::set(const Source& from) {
  source = fingerprint(from);
  length = from.batches_per_epoch().value_or(-1);
}

void FeedState::set(const Position& position) {
  epoch = position.epoch;
  step = position.step;
  batches = position.batches;
  source_state.assign(position.source_state.begin(), position.source_state.end());
}

std::vector<std::byte> FeedState::to_bytes() const {
  std::vector<std::byte> bytes;
  put_state(bytes, kMagic);
  put_state(bytes, kVersion);
  put_state(bytes, seed);
  put_state(bytes, epoch);
  put_state(bytes, step);
  put_state(bytes, batches);
  put_state(bytes, source);
  put_state(bytes, length);
  put_state(bytes, static_cast<std::uint64_t>(source_state.size()));
  bytes.insert(bytes.end(), source_state.begin(), source_state.end());
  put_state(bytes, io::crc32c(bytes));
  return bytes;
}

FeedState FeedState::from_bytes(std::span<const std::byte> bytes, const char* what) {
  const auto refuse = [&](const std::string& why) {
    throw ValueError(format(what, ": expected the bytes of a state of a feed, but ", why));
  };
  constexpr std::size_t kFewest = 68;
  if (bytes.size() < kFewest) refuse(format("there are ", bytes.size()));
  std::span<const std::byte> rest = bytes;
  if (take_state<std::uint32_t>(rest) != kMagic) refuse("they begin otherwise");
  if (const auto version = take_state<std::uint32_t>(rest); version != kVersion) {
    refuse(format("they are of version ", version, ", and this Stoker reads version ", kVersion));
  }
  std::span<const std::byte> sum = bytes.last(sizeof(std::uint32_t));
  if (take_state<std::uint32_t>(sum) != io::crc32c(bytes.first(bytes.size() - 4))) {
    refuse("they are damaged: the checksum differs");
  }
  FeedState state;
  state.seed = take_state<std::uint64_t>(rest);
  state.epoch = take_state<std::int64_t>(rest);
  state.step = take_state<std::int64_t>(rest);
  state.batches = take_state<std::int64_t>(rest);
  state.source = take_state<std::uint64_t>(rest);
  state.length = take_state<std::int64_t>(rest);
  const auto size = take_state<std::uint64_t>(rest);
  if (size != rest.size() - sizeof(std::uint32_t)) refuse("their length is another one");
  if (state.epoch < 0 || state.step < 0 || state.batches < state.step) {
    refuse("they name an impossible place");
  }
  state.source_state.assign(rest.begin(), rest.end() - sizeof(std::uint32_t));
  return state;
}

void check_source(const FeedState& state, const Source& source, const char* what) {
  // The length of a Dataset may be known only after its first pass.
  const std::int64_t length = source.batches_per_epoch().value_or(-1);
  const bool has_length = length == state.length || length < 0 || state.length < 0;
  if (state.source == fingerprint(source) && has_length) return;
  throw ValueError(format(what,
                          ": expected the state of this source, received one of a source of "
                          "another kind, of other fields, or with another number of batches"));
}

}  // namespace stoker::feed
