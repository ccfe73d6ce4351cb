// Exceptions that are not ours become ours at the border.
#pragma once

#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "stoker/error.h"

namespace stoker {

// Callers are handling an exception, which this function throws again where it is a stoker::Error
// that names its place; otherwise throws E("<where>: <what it said>") with the original nested in
// it.
template <class E = IoError>
[[noreturn]] void rethrow_as(const std::string& where) {
  constexpr const char* kNoMemory =
      "expected as much memory as it needs, received none: there is not enough";
  std::string what = "something that is no std::exception";
  try {
    throw;
  } catch (const DeviceError& error) {
    // A Tensor got no memory; where it was wanted says more.
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

// f(), of which no exception leaves that is not a stoker::Error.
template <class E = IoError, class F>
decltype(auto) with_own_errors(const std::string& where, F&& f) {
  try {
    return std::forward<F>(f)();
  } catch (...) {
    rethrow_as<E>(where);
  }
}

}  // namespace stoker
