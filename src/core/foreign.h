// Exceptions of other libraries are turned into errors of ours where they enter.
#pragma once

#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "stoker/error.h"

namespace stoker {

// Rethrows the exception that the caller is handling. A stoker::Error that names its place is
// thrown again unchanged; any other exception becomes E("<where>: <its message>") with the original
// nested in it.
template <class E = IoError>
[[noreturn]] void rethrow_as(const std::string& where) {
  constexpr const char* kNoMemory =
      "expected as much memory as it needs, received none: there is not enough";
  std::string what = "something that is no std::exception";
  try {
    throw;
  } catch (const DeviceError& error) {
    // A Tensor got no memory. A message with the place that needed it says more, so it replaces
    // this one.
    if constexpr (!std::is_same_v<E, DeviceError>) {
      try {
        std::rethrow_if_nested(error);
      } catch (const std::bad_alloc&) {
        std::throw_with_nested(E(where + ": " + kNoMemory));
      } catch (...) {
      }
    }
    throw;
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    what = kNoMemory;
  } catch (const std::length_error&) {
    what = "expected sizes that fit the memory, received larger ones";
  } catch (const std::exception& error) {
    what = error.what();
  } catch (...) {
  }
  std::throw_with_nested(E(where + ": " + what));
}

// Calls f() and turns every exception into a stoker::Error.
template <class E = IoError, class F>
decltype(auto) with_own_errors(const std::string& where, F&& f) {
  try {
    return std::forward<F>(f)();
  } catch (...) {
    rethrow_as<E>(where);
  }
}

}  // namespace stoker
