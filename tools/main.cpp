// The program `stoker`. docs/command.md.
#include <iostream>

#include "commands.h"

int main(int count, char** arguments) {
  return stoker::tool::run_command(count, arguments, stoker::Device::best, std::cout, std::cerr);
}
