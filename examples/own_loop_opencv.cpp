// Batches for a consumer that is no model of Stoker's: OpenCV's matrices lie over the rows of a
// batch of images, without a copy. It is built where CMake finds OpenCV.
//
//   own_loop_opencv FOLDER      with a subfolder of images for each class
#include <stoker/image_folder.h>
#include <stoker/loader.h>

#include <iostream>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: own_loop_opencv FOLDER\n";
    return 2;
  }
  const stoker::ImageFolder photos =
      stoker::image_folder(argv[1], {.size = {224, 224, 3}, .on_error = stoker::OnError::skip});
  stoker::DatasetLoader loader = stream(photos.dataset.batch(32), {.workers = stoker::AUTOTUNE});
  double sharpness = 0.0;
  std::int64_t count = 0;
  for (const auto& [images, labels] : loader) {
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const cv::Mat image(224, 224, CV_8UC3, images.data() + i * 224 * 224 * 3);
      cv::Mat gray;
      cv::Mat edges;
      cv::cvtColor(image, gray, cv::COLOR_RGB2GRAY);
      cv::Laplacian(gray, edges, CV_32F);
      cv::Scalar mean;
      cv::Scalar deviation;
      cv::meanStdDev(edges, mean, deviation);
      sharpness += deviation[0];
      ++count;
    }
  }
  std::cout << count << " images, mean sharpness " << sharpness / static_cast<double>(count) << '\n'
            << loader.verdict();
}
