"""Grain, whose threads decode by OpenCV."""

import grain
import grain.experimental
import numpy as np

from data import ELEMENTS_IN_BATCH, IMAGES_IN_BATCH, SEED, STEPS
from images import by_opencv


def settings(row):
    if row in ("jpeg", "png"):
        return [f"threads={threads},by={by}" for threads in (1, 2, 3, 4)
                for by in ("element", "batch")]
    if row == "generator":
        return ["threads=1", "threads=2"]
    # The elements are in memory, for which Grain's documentation advises against threads.
    return ["threads=0,by=element"] + [f"threads={threads},by=batch" for threads in (0, 1, 2)]


def images(kind, data):
    def load(item, random):
        path, label = item
        return by_opencv(path, random.random() < 0.5), np.int32(label)

    return grain.MapDataset.source(list(zip(*data.files(kind)))).seed(SEED).random_map(load)


class Elements:
    def __init__(self, data):
        self.x, self.y = data.x, data.y

    def __len__(self):
        return len(self.y)

    def __getitem__(self, index):
        return self.x[index], self.y[index]


def loader(row, setting, data, burn):
    threads = int(setting["threads"])
    if row == "generator":
        def make(index):
            burn()
            return data.step(index)

        found = grain.MapDataset.range(STEPS).map(make).to_iter_dataset(
            grain.ReadOptions(num_threads=threads, prefetch_buffer_size=8))
        return lambda: found
    size = IMAGES_IN_BATCH if row in ("jpeg", "png") else ELEMENTS_IN_BATCH
    maps_batches = row == "map" and setting["by"] == "batch"
    if row in ("jpeg", "png"):
        found = images(row, data)
    elif setting["by"] == "element":
        found = grain.MapDataset.source(Elements(data)).seed(SEED).shuffle()
        if row == "map":
            found = found.map(lambda item: (item[0] / np.float32(255), item[1]))
    else:
        x, y = data.x, data.y
        found = grain.MapDataset.range(len(y)).seed(SEED).shuffle().batch(size).map(
            lambda rows: (x[rows], y[rows]))
        if maps_batches:
            found = found.map(lambda item: (item[0] / np.float32(255), item[1]))
        found = found.to_iter_dataset(grain.ReadOptions(threads, 16))
        return lambda: found
    if setting["by"] == "batch":
        found = found.batch(size).to_iter_dataset(grain.ReadOptions(threads, 8))
    else:
        found = found.to_iter_dataset(grain.ReadOptions(threads, 4 * size)).batch(size)
        if threads:
            found = grain.experimental.ThreadPrefetchIterDataset(found, prefetch_buffer_size=2)
    return lambda: found
