// expect: cast takes a generator
#include "stoker/generator.h"

int main() { stoker::cast<float>(3); }
