// Writes the files that the fuzzers begin with.
// usage: stoker_fuzz_seeds FOLDER
#include "fuzz/seeds.h"

int main(int count, char** arguments) {
  if (count != 2) return 2;
  stoker::fuzz::write_seeds(arguments[1]);
  stoker::fuzz::write_model_seeds(arguments[1]);
}
