"""Writes keras_images.h: what Keras's layers for images make of one batch, with fixed factors.

KERAS_BACKEND=jax python make_keras_images.py > keras_images.h, with the version of Keras that
docs/keras-coverage.md names. Only transform_images() is called, with the transformation that a draw
would have given, so that no random number is in the result.
"""
import keras
import numpy as np
from keras import layers, ops
from keras.src import backend


def images(batch, height, width, channels, highest=255.0):
    """The same batch as keras_batch() in image_values_test.cpp."""
    i = np.arange(batch * height * width * channels, dtype=np.int64)
    values = (i * 37 + (i // 5) * 11 + (i * i) % 23) % 256
    return (values.reshape(batch, height, width, channels) * (highest / 255.0)).astype("float32")


def write(name, result):
    numbers = ", ".join(f"{float(x):.6g}" for x in np.asarray(result).reshape(-1))
    print(f'    {{"{name}", {{{numbers}}}}},')


print("// Written by make_keras_images.py with Keras %s. Do not edit." % keras.__version__)
print("""#pragma once

#include <map>
#include <string>
#include <vector>

namespace stoker::test {

inline const std::map<std::string, std::vector<double>>& keras_images() {
  static const std::map<std::string, std::vector<double>> all{""")
color = images(1, 3, 4, 3)
unit = images(1, 3, 4, 3, 1.0)
for sign, what in ((1.0, "forwards"), (-1.0, "backwards")):
    write("RandomHue " + what, layers.RandomHue(0.5).transform_images(
        color, {"factor": np.array([sign * 0.4 * 0.5], "float32")}))
f = 0.7
write("RandomSaturation", layers.RandomSaturation(0.5, value_range=(0, 1)).transform_images(
    unit, {"factor": np.array([f / (1 - f + 1e-7)], "float32")}))
f = 0.3
write("RandomSaturation less", layers.RandomSaturation(0.5).transform_images(
    color, {"factor": np.array([f / (1 - f + 1e-7)], "float32")}))
write("RandomSharpness", layers.RandomSharpness(0.5).transform_images(
    color, {"factor": np.array([0.9], "float32")}))
write("RandomSharpness less", layers.RandomSharpness(0.5, value_range=(0, 1)).transform_images(
    unit, {"factor": np.array([0.1], "float32")}))
write("AutoContrast", layers.AutoContrast(value_range=(0, 1)).transform_images(unit * 0.5 + 0.1))
# The factors are: width 3, height 5, deviations 0.8.
write("RandomGaussianBlur", layers.RandomGaussianBlur(kernel_size=(3, 5)).transform_images(
    color, {"blur_factor": np.array([0.8 + 1e-6, 0.8 + 1e-6], "float32"),
            "should_apply_blur": np.array([True])}))
gray = images(2, 6, 5, 2)
write("Equalization", layers.Equalization().transform_images(gray, None))
write("Equalization of 8 bins", layers.Equalization(value_range=[0, 1], bins=8).transform_images(
    images(2, 6, 5, 2, 1.0), None))
tiled = images(2, 9, 7, 2)
clahe = layers.ContrastLimitedAdaptiveHistogramEqualization
write("CLAHE", clahe(tile_grid_size=(3, 2)).transform_images(tiled))
write("CLAHE without limit", clahe(tile_grid_size=(2, 2), clip_limit=0.0, value_range=(0, 1))
      .transform_images(images(2, 9, 7, 2, 1.0)))
write("CLAHE of 8 x 8", clahe().transform_images(images(1, 5, 6, 1)))
start = np.array([[[0, 0], [6, 0], [0, 4], [6, 4]]], "float32")
factors = np.array([[[1, 1], [1.25, 1], [1, 0.75], [1.125, 1.375]]], "float32")
write("perspective", backend.image.compute_homography_matrix(start, start * factors))
write("RandomPerspective", layers.RandomPerspective(fill_value=-1.0)._transform_images(
    images(1, 5, 7, 1), {"apply_perspective": np.array([True]), "start_points": start,
                         "end_points": start * factors}, "bilinear"))
fixed = layers.RandomColorJitter(contrast_factor=(0.0, 0.0), saturation_factor=(0.7, 0.7),
                                 brightness_factor=(0.25, 0.25), value_range=(0, 1))
write("RandomColorJitter", fixed.transform_images(unit, None))
print("""  };
  return all;
}

}  // namespace stoker::test""")
