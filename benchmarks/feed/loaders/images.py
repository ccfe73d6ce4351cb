"""Images by OpenCV and by Pillow, for the peers that have no decoder of their own."""

import cv2
import numpy as np
from PIL import Image

from data import SIZE

cv2.setNumThreads(1)  # the loaders have the threads


def _finish(image, flip):
    image = cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
    return cv2.flip(image, 1) if flip else image


def by_opencv(path, flip):
    return _finish(cv2.imread(path, cv2.IMREAD_COLOR_RGB), flip)


def from_bytes(content, flip):
    return _finish(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB), flip)


def by_pillow(path, flip):
    with Image.open(path) as file:
        image = file.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    return np.asarray(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flip else image)
