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

// Shapes that do not fit: between layers, of a batch, of weights.
class ShapeError : public Error {
 public:
  using Error::Error;
};

// An element type that an operation or a slot does not take.
class DTypeError : public Error {
 public:
  using Error::Error;
};

// An argument outside its range, an unknown name, a call out of order (fit before compile).
class ValueError : public Error {
 public:
  using Error::Error;
};

// A loss or a value that is NaN or infinite.
class NumericError : public Error {
 public:
  using Error::Error;
};

// Devices: memory, streams, drivers.
class DeviceError : public Error {
 public:
  using Error::Error;
};

// Generators and other sources of batches: what they threw, or what they delivered.
class DataError : public Error {
 public:
  using Error::Error;
};

// Ctrl-C, where fit was told to throw it.
class Interrupted : public Error {
 public:
  using Error::Error;
};

// Files: missing, truncated, malformed.
class IoError : public Error {
 public:
  using Error::Error;
};

}  // namespace stoker
