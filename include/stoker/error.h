// Exceptions. Every error that Stoker throws derives from stoker::Error; the message says where it
// happened, what was expected, what was received and what to do about it.
#pragma once

#include <stdexcept>
#include <string>

namespace stoker {

class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message) : std::runtime_error(message) {}
};

// Shapes do not fit: those of layers, of a batch, or of weights.
class ShapeError : public Error {
 public:
  using Error::Error;
};

// An operation or a slot does not take this element type.
class DTypeError : public Error {
 public:
  using Error::Error;
};

// An argument is outside of its range, a name is unknown, or a call is out of order (fit before
// compile).
class ValueError : public Error {
 public:
  using Error::Error;
};

// A loss or a value is NaN or infinite.
class NumericError : public Error {
 public:
  using Error::Error;
};

// A device failed, or its memory, streams or driver.
class DeviceError : public Error {
 public:
  using Error::Error;
};

// A generator or another source of batches threw an exception, or delivered a wrong batch.
class DataError : public Error {
 public:
  using Error::Error;
};

// A hook of a callback threw an exception, which is nested in this one.
class CallbackError : public Error {
 public:
  using Error::Error;
};

// Ctrl-C was pressed, and fit had been told to throw.
class Interrupted : public Error {
 public:
  using Error::Error;
};

// A file is missing, truncated or malformed.
class IoError : public Error {
 public:
  using Error::Error;
};

}  // namespace stoker
