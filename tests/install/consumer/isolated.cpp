// Finds the helper that was installed, and has it decode.
#include <stoker/stoker.h>

#include <vector>

int main() {
  const stoker::ImageSize size{5, 4, 3};
  const std::vector<std::uint8_t> pixels(size.elements(), 77);
  stoker::write_png("isolated.png", pixels, size);
  const stoker::Tensor image = stoker::IsolatedImageReader().read_image("isolated.png");
  return image.data<std::uint8_t>()[7] == 77 ? 0 : 1;
}
