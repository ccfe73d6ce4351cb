// IDX files, the format of MNIST and Fashion-MNIST (described on MNIST's page: "The IDX file
// format"), and data sets of images in them. Part of the data folder.
#pragma once

#include <string>
#include <vector>

#include "stoker/read_limits.h"
#include "stoker/tensor.h"

namespace stoker {

// Reads the tensor in an IDX file, which may be gzipped (recognised by its content, not by its
// name). Bytes become uint8, 32-bit integers int32, floats float32, in the file's shape.
//
// The file is not trusted: ranks from 1 to 4 within `limits` are accepted, memory is only taken for
// a size that the file can hold, and the content must have exactly that size. Throws IoError for a
// file that is missing, truncated, too long, damaged or not IDX, and DTypeError for element types
// that a Tensor does not have. Messages name the file. Several threads may call this at a time.
Tensor read_idx(const std::string& path, const ReadLimits& limits = {});

// Images and their labels. train_images has shape (N, height, width, 1) and dtype uint8,
// train_labels (N,) and int32; the test set is alike, with images of the same size.
struct ImageDataset {
  Tensor train_images;
  Tensor train_labels;
  Tensor test_images;
  Tensor test_labels;
  std::vector<std::string> class_names = {};  // empty if not known
};

// Loads the four files of MNIST, Fashion-MNIST and similar data sets, each plain or with .gz:
// train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte;
// or, as some programs unpack them, with a dot before idx: train-images.idx3-ubyte. Throws IoError
// if one is missing or does not fit the others. Two threads read the files.
ImageDataset load_idx_images(const std::string& directory, const ReadLimits& limits = {});

// Loads 60,000 + 10,000 images of clothes (Xiao, Rasul, Vollgraf: "Fashion-MNIST", 2017). Unless
// another directory is given, they are those that Debian's package dataset-fashion-mnist installs.
ImageDataset load_fashion_mnist(const std::string& directory = "/usr/share/datasets/fashion-mnist",
                                const ReadLimits& limits = {});

}  // namespace stoker
