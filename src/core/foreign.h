// Exceptions that are not ours become ours at the border.
#pragma once

#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

#include "stoker/error.h"

namespace stoker {

// To be called while an exception is being handled. Throws it again where it is a stoker::Error;
// otherwise throws E("<where>: <what it said>") with the original nested in it.
template <class E = IoError>
[[noreturn]] void rethrow_as(const std::string& where) {
  std::string what = "something that is no std::exception";
  try {
    throw;
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    what = "expected as much memory as it needs, received none: there is not enough";
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
