#include "layers/registry.h"

#include <algorithm>
#include <array>

namespace stoker::layers {
namespace {

constexpr std::array kLayerClasses{
    LayerClass{"Activation", "an activation function"},
    LayerClass{"Add", "the sum of its inputs"},
    LayerClass{"Average", "the mean of its inputs"},
    LayerClass{"AveragePooling2D", "means over windows of an image"},
    LayerClass{"BatchNormalization", "normalises channels by the batch's statistics"},
    LayerClass{"Concatenate", "its inputs one behind the other along an axis"},
    LayerClass{"Conv2D", "convolution of images"},
    LayerClass{"Dense", "a product with a matrix, and a bias"},
    LayerClass{"Dropout", "sets inputs to zero at random while training"},
    LayerClass{"Embedding", "a vector of a table for each id"},
    LayerClass{"Flatten", "all axes but the batch become one"},
    LayerClass{"GlobalAveragePooling2D", "means of an image's channels"},
    LayerClass{"InputLayer", "where a batch enters the model"},
    LayerClass{"MaxPooling2D", "maxima over windows of an image"},
    LayerClass{"Maximum", "the largest of its inputs, element by element"},
    LayerClass{"Minimum", "the smallest of its inputs, element by element"},
    LayerClass{"Multiply", "the product of its inputs, element by element"},
    LayerClass{"Rescaling", "a factor and an offset"},
    LayerClass{"Reshape", "the elements of a sample in another shape"},
    LayerClass{"Subtract", "the difference of two inputs"},
};

}  // namespace

std::span<const LayerClass> layer_classes() { return kLayerClasses; }

const LayerClass* find_layer_class(std::string_view name) {
  const auto found = std::find_if(kLayerClasses.begin(), kLayerClasses.end(),
                                  [&](const LayerClass& entry) { return entry.name == name; });
  return found == kLayerClasses.end() ? nullptr : &*found;
}

}  // namespace stoker::layers
