// IDX files, the format of MNIST and Fashion-MNIST (described on MNIST's page: "The IDX file
// format"), and data sets of images in them. Part of the data folder.
#pragma once

#include <string>
#include <vector>

#include "stoker/read_limits.h"
#include "stoker/tensor.h"

namespace stoker {

// The tensor in an IDX file, which may be gzipped (the content tells, not the name). Bytes become
// uint8, 32-bit integers int32, floats float32, in the file's shape.
//
// The file is not trusted: rank 1 to 4 and what `limits` says are accepted, memory is only taken
// for a size that the file can hold, and that size has to be met exactly. Throws IoError for a file
// that is missing, truncated, too long, damaged or not IDX, and DTypeError for element types that
// a Tensor does not have. Messages name the file. Safe to call from several threads.
Tensor read_idx(const std::string& path, const ReadLimits& limits = {});

// Images and their labels. train_images has shape (N, height, width, 1) and dtype uint8,
// train_labels (N,) and int32; the test set alike, with images of the same size.
struct ImageDataset {
  Tensor train_images;
  Tensor train_labels;
  Tensor test_images;
  Tensor test_labels;
  std::vector<std::string> class_names = {};  // empty when not known
};

// The four files that MNIST, Fashion-MNIST and their kin come in, each plain or with .gz:
// train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte;
// or, as some programs unpack them, with a dot before idx: train-images.idx3-ubyte. Throws IoError
// when one is missing or does not fit the others. Reads on two threads.
ImageDataset load_idx_images(const std::string& directory, const ReadLimits& limits = {});

// 60,000 + 10,000 images of clothes (Xiao, Rasul, Vollgraf: "Fashion-MNIST", 2017), from where
// Debian's package dataset-fashion-mnist installs them unless another directory is given.
ImageDataset load_fashion_mnist(const std::string& directory = "/usr/share/datasets/fashion-mnist",
                                const ReadLimits& limits = {});

}  // namespace stoker
