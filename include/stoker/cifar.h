// CIFAR-10 and CIFAR-100 in their binary versions (Krizhevsky, "Learning Multiple Layers of
// Features from Tiny Images", 2009).
#pragma once

#include <string>

#include "stoker/idx.h"

namespace stoker {

// The files data_batch_1.bin to data_batch_5.bin and test_batch.bin of a folder; train.bin and
// test.bin for CIFAR-100. Each may be gzipped. Images are uint8 (N, 32, 32, 3), labels int32 (N,).
// Throws IoError for files that are missing, or no whole number of records, or hold a label that
// there is not, or more than `limits` says.
ImageDataset load_cifar10(const std::string& folder, const ReadLimits& limits = {});
enum class CifarLabels { fine, coarse };  // 100 classes, or 20
ImageDataset load_cifar100(const std::string& folder, CifarLabels labels = CifarLabels::fine,
                           const ReadLimits& limits = {});

}  // namespace stoker
