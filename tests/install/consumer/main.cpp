// Until the API stands, this shows only that the program links and starts.
#include <cstdio>

int main() {
  std::puts("consumer: ok");
  return 0;
}
