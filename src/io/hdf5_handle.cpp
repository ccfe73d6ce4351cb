#include "io/hdf5_handle.h"

namespace stoker::io {

namespace {

std::mutex& hdf5_mutex() {
  static std::mutex mutex;
  return mutex;
}

herr_t keep_first(unsigned, const H5E_error2_t* entry, void* data) {
  auto& text = *static_cast<std::string*>(data);
  if (text.empty() && entry->desc != nullptr) text = entry->desc;
  return 0;
}

}  // namespace

Hdf5Lock::Hdf5Lock() : lock_(hdf5_mutex()) {
  // A filter that the library does not have would be loaded from a folder that the environment
  // names.
  // What it does when the program ends is left out: it closes objects once more that a damaged file
  // or a disk has kept it from closing, and crashes. No file that is written by this library is
  // open then.
  static const bool is_set_up = (H5dont_atexit(), H5open() >= 0) && H5PLset_loading_state(0) >= 0;
  static_cast<void>(is_set_up);
  H5Eget_auto2(H5E_DEFAULT, &printer_, &printer_data_);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

Hdf5Lock::~Hdf5Lock() { H5Eset_auto2(H5E_DEFAULT, printer_, printer_data_); }

std::string hdf5_reason() {
  // The walk begins at the function that failed first, which knows the most.
  std::string text;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, &text);
  H5Eclear2(H5E_DEFAULT);
  return text.empty() ? "libhdf5 gives no reason" : text;
}

}  // namespace stoker::io
