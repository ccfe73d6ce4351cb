// A file descriptor that is closed with its owner.
#pragma once

#include <unistd.h>

#include <utility>

namespace stoker {

class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() { reset(); }
  void reset() {
    if (number_ >= 0) close(std::exchange(number_, -1));
  }
  int number() const { return number_; }  // below 0 for none

 private:
  int number_;
};

}  // namespace stoker
