#include <iostream>

#include "stoker/callbacks.h"
#include "stoker/error.h"

namespace stoker {

bool TerminateOnNaN::on_train_failure(const Error& failure) {
  if (dynamic_cast<const NumericError*>(&failure) == nullptr) return false;
  std::cout << "TerminateOnNaN: " << failure.what() << ". Training stops here.\n";
  return true;
}

}  // namespace stoker
