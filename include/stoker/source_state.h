// Values in the state of a source, for Source::save_state() and load_state():
//
//   void save_state(std::vector<std::byte>& state) override { put_state(state, offset_); }
//   void load_state(std::span<const std::byte> state) override {
//     offset_ = take_state<std::int64_t>(state);
//   }
#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

namespace stoker {
namespace detail {
[[noreturn]] void throw_short_state(std::size_t expected, std::size_t received);
}  // namespace detail

// Appends the bytes of a number, or of a structure of numbers.
template <class T>
void put_state(std::vector<std::byte>& state, const T& value) {
  static_assert(std::is_trivially_copyable_v<T> && !std::is_pointer_v<T>,
                "put_state takes numbers and structures of them. Put the elements of a container "
                "one by one, after their number");
  const auto* bytes = reinterpret_cast<const std::byte*>(&value);
  state.insert(state.end(), bytes, bytes + sizeof(T));
}

// Takes a value from the front of `state`, which then begins behind it. Throws DataError if there
// are fewer bytes than T has.
template <class T>
T take_state(std::span<const std::byte>& state) {
  static_assert(std::is_trivially_copyable_v<T> && !std::is_pointer_v<T>,
                "take_state<T> gives what put_state took: numbers and structures of them");
  if (state.size() < sizeof(T)) detail::throw_short_state(sizeof(T), state.size());
  T value;
  std::memcpy(&value, state.data(), sizeof(T));
  state = state.subspan(sizeof(T));
  return value;
}

}  // namespace stoker
