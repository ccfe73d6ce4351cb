// What the reader and the writer of HDF5 files share: handles that close themselves, the lock, and
// errors. Only sources of io/ that use libhdf5 include it.
#pragma once

#include <hdf5.h>

#include <mutex>
#include <string>
#include <utility>

namespace stoker::io {

// Holds libhdf5 for the length of a call: Debian builds it for one thread at a time. The library
// prints no errors meanwhile.
class Hdf5Lock {
 public:
  Hdf5Lock();
  ~Hdf5Lock();
  Hdf5Lock(const Hdf5Lock&) = delete;
  Hdf5Lock& operator=(const Hdf5Lock&) = delete;

 private:
  std::unique_lock<std::mutex> lock_;
  H5E_auto2_t printer_ = nullptr;
  void* printer_data_ = nullptr;
};

// An object of libhdf5's that is closed with this one. The caller holds an Hdf5Lock.
class Hdf5Handle {
 public:
  using Close = herr_t (*)(hid_t);
  Hdf5Handle() = default;
  Hdf5Handle(hid_t id, Close close) : id_(id), close_(close) {}
  Hdf5Handle(Hdf5Handle&& other) noexcept
      : id_(std::exchange(other.id_, H5I_INVALID_HID)), close_(other.close_) {}
  Hdf5Handle& operator=(Hdf5Handle&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(close_, other.close_);
    return *this;
  }
  ~Hdf5Handle() { reset(); }

  explicit operator bool() const { return id_ >= 0; }
  hid_t id() const { return id_; }
  // Returns whether closing succeeded.
  bool reset() {
    const hid_t id = std::exchange(id_, H5I_INVALID_HID);
    return id < 0 || close_(id) >= 0;
  }

 private:
  hid_t id_ = H5I_INVALID_HID;
  Close close_ = nullptr;
};

// What libhdf5 says about the last call that failed, in one line.
std::string hdf5_reason();

}  // namespace stoker::io
