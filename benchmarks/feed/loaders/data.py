"""The data of the comparison of loaders, which every side reads: files of images, and elements for
memory. They are made from a fixed seed."""

import functools
import os
import shutil
import tarfile

import numpy as np

SEED = 7
HEIGHT, WIDTH = 375, 500
SIZE = 224
IMAGES_IN_BATCH, ELEMENTS_IN_BATCH = 32, 128
ELEMENTS = 60000
STEPS = 250  # of the row `generator`
SHARDS = 8
EXTENSION = {"jpeg": "jpg", "png": "png"}


def photo(random):
    """Shapes of every size, as a photograph has them, under the noise of a sensor. The left half is
    the brighter one, by which an image shows whether it was flipped."""
    import cv2
    image = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    for cells, strength in ((3, 50), (8, 28), (24, 14), (80, 8)):
        grid = random.normal(0, strength, (cells, cells, 3)).astype(np.float32)
        image += cv2.resize(grid, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    image += random.normal(0, 5, image.shape).astype(np.float32)
    ramp = np.linspace(1, -1, WIDTH, dtype=np.float32)[None, :, None]
    half = WIDTH // 2
    brighter = image[:, :half].mean() - image[:, half:].mean()
    image += ramp * (24 - brighter) / (ramp[:, :half].mean() - ramp[:, half:].mean())
    return np.clip(image - image.mean() + 124, 0, 255).astype(np.uint8)


def write_images(folder, kind, count):
    import cv2
    random = np.random.default_rng(SEED)
    options = [cv2.IMWRITE_JPEG_QUALITY, 92] if kind == "jpeg" else []
    shards = [tarfile.open(os.path.join(folder, "tar", f"{kind}-{shard}.tar"), "w")
              for shard in range(SHARDS)]
    for i in range(count):
        label = i * 2 // count
        os.makedirs(os.path.join(folder, kind, str(label)), exist_ok=True)
        name = f"{i:05}.{EXTENSION[kind]}"
        path = os.path.join(folder, kind, str(label), name)
        if not cv2.imwrite(path, cv2.cvtColor(photo(random), cv2.COLOR_RGB2BGR), options):
            raise OSError(f"{path} could not be written")
        shards[i % SHARDS].add(path, f"{i:05}-{label}.{EXTENSION[kind]}")
    for shard in shards:
        shard.close()


def make(folder, jpegs, pngs):
    if os.path.exists(folder):
        return
    part = folder + ".part"
    shutil.rmtree(part, ignore_errors=True)
    os.makedirs(os.path.join(part, "tar"))
    write_images(part, "jpeg", jpegs)
    write_images(part, "png", pngs)
    random = np.random.default_rng(SEED)
    x = random.random((ELEMENTS, 28, 28, 1), dtype=np.float32) * 255
    np.save(os.path.join(part, "x.npy"), x)
    np.save(os.path.join(part, "y.npy"), np.arange(ELEMENTS, dtype=np.int32))
    os.rename(part, folder)


class Data:
    def __init__(self, folder):
        self.folder = folder

    @functools.cache
    def files(self, kind):
        """Paths and labels, as lists."""
        found = []
        for label in (0, 1):
            folder = os.path.join(self.folder, kind, str(label))
            found += [(os.path.join(folder, name), label) for name in sorted(os.listdir(folder))]
        return [path for path, _ in found], [label for _, label in found]

    def shards(self, kind):
        return [os.path.join(self.folder, "tar", f"{kind}-{shard}.tar") for shard in range(SHARDS)]

    @functools.cached_property
    def x(self):
        return np.load(os.path.join(self.folder, "x.npy"))

    @functools.cached_property
    def y(self):
        """The number of each element."""
        return np.load(os.path.join(self.folder, "y.npy"))

    def step(self, index):
        """The batch of a step of the row `generator`, without the work."""
        rows = slice(index * IMAGES_IN_BATCH, (index + 1) * IMAGES_IN_BATCH)
        return self.x[rows].copy(), self.y[rows].copy()
