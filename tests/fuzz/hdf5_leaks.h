// For fuzzers that reach libhdf5, which loses memory when it refuses a damaged file.
#pragma once

// LeakSanitizer asks a program what it should not tell.
extern "C" inline const char* __lsan_default_suppressions() { return "leak:libhdf5"; }  // NOLINT
