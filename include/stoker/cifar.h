// CIFAR-10 and CIFAR-100 in their binary versions (Krizhevsky, "Learning Multiple Layers of
// Features from Tiny Images", 2009).
#pragma once

#include <string>

#include "stoker/idx.h"

namespace stoker {

// Loads the files data_batch_1.bin to data_batch_5.bin and test_batch.bin of a folder; for
// CIFAR-100, train.bin and test.bin. Each may be gzipped. Images are uint8 (N, 32, 32, 3), labels
// int32 (N,). Throws IoError for files that are missing, that are no whole number of records, that
// hold a label outside of the classes, or that hold more than `limits` allows.
ImageDataset load_cifar10(const std::string& folder, const ReadLimits& limits = {});
enum class CifarLabels { fine, coarse };  // 100 classes, or 20
ImageDataset load_cifar100(const std::string& folder, CifarLabels labels = CifarLabels::fine,
                           const ReadLimits& limits = {});

}  // namespace stoker
