/* The work of a generator, the same on every side: see benchmarks/feed_bench.cpp. Called through
   ctypes, which lets go of Python's lock: peers that use threads can. */
double burn(long iterations) {
  double a = 1.0, b = 1.1, c = 1.2, d = 1.3;
  for (long i = 0; i < iterations; ++i) {
    a = a * 0.999999 + 1e-6;
    b = b * 0.999998 + 1e-6;
    c = c * 0.999997 + 1e-6;
    d = d * 0.999996 + 1e-6;
  }
  return a + b + c + d;
}
