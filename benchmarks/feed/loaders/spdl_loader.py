"""SPDL, whose threads decode by OpenCV. Its own decoder needs FFmpeg's libraries."""

import random

import numpy as np
from spdl.pipeline import PipelineBuilder

from data import ELEMENTS_IN_BATCH, IMAGES_IN_BATCH, SEED, SIZE, STEPS
from images import by_opencv


def settings(row):
    if row in ("jpeg", "png"):
        return [f"threads={threads},by={by}" for threads in (1, 2, 3, 4)
                for by in ("element", "batch")]
    if row == "generator":
        return ["by=source", "by=pipe,threads=1", "by=pipe,threads=2"]
    # Element by element, the pipeline's event loop would take 400 µs for each.
    return [f"threads={threads}" for threads in (1, 2, 3, 4)]


def epoch_of(build, threads):
    def epoch():
        pipeline = build(PipelineBuilder()).add_sink(4).build(num_threads=threads)
        with pipeline.auto_stop():
            yield from pipeline

    return epoch


def stack(items):
    return np.stack([x for x, _ in items]), np.array([y for _, y in items], np.int32)


def images(kind, setting, threads, data):
    items = list(zip(*data.files(kind)))

    def load(item):
        return by_opencv(item[0], random.random() < 0.5), item[1]

    def load_batch(batch):
        x = np.empty((len(batch), SIZE, SIZE, 3), np.uint8)
        for i, (path, _) in enumerate(batch):
            x[i] = by_opencv(path, random.random() < 0.5)
        return x, np.array([label for _, label in batch], np.int32)

    if setting["by"] == "element":
        return epoch_of(lambda builder: builder.add_source(items).pipe(load, concurrency=threads)
                        .aggregate(IMAGES_IN_BATCH).pipe(stack), threads + 1)
    batches = [items[i:i + IMAGES_IN_BATCH] for i in range(0, len(items), IMAGES_IN_BATCH)]
    return epoch_of(lambda builder: builder.add_source(batches)
                    .pipe(load_batch, concurrency=threads), threads)


def elements(threads, data, maps):
    x, y = data.x, data.y
    numbers = np.random.default_rng(SEED)

    def take(rows):
        return (x[rows] / np.float32(255) if maps else x[rows]), y[rows]

    def batches():
        order = numbers.permutation(len(y))
        for i in range(0, len(order), ELEMENTS_IN_BATCH):
            yield order[i:i + ELEMENTS_IN_BATCH]

    return epoch_of(lambda builder: builder.add_source(batches()).pipe(take, concurrency=threads),
                    threads)


def loader(row, setting, data, burn):
    threads = int(setting.get("threads", 1))
    if row in ("jpeg", "png"):
        return images(row, setting, threads, data)
    if row != "generator":
        return elements(threads, data, row == "map")

    def make(index):
        burn()
        return data.step(index)

    if setting["by"] == "source":
        return epoch_of(lambda builder: builder.add_source(make(i) for i in range(STEPS)), 1)
    return epoch_of(lambda builder: builder.add_source(range(STEPS))
                    .pipe(make, concurrency=threads, output_order="input"), threads)
