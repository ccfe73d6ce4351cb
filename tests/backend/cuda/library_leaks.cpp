// What NVIDIA's libraries keep for good is no leak of ours; LeakSanitizer asks for their names.
extern "C" const char* __lsan_default_suppressions() {
  return "leak:libcublasLt.so\nleak:libcudnn\nleak:libnvrtc\n";
}
