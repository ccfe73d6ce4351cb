"""NVIDIA DALI's operators for the CPU."""

import numpy as np
from nvidia.dali import fn, pipeline_def, types

from data import ELEMENTS_IN_BATCH, IMAGES_IN_BATCH, SEED, SIZE, STEPS

AHEAD = 2


def settings(row):
    if row in ("jpeg", "png"):
        dcts = ("exact", "fast") if row == "jpeg" else ("exact",)
        return [f"threads={threads},dct={dct}" for threads in (1, 2, 3, 4) for dct in dcts]
    if row == "generator":
        return ["processes=0", "processes=1", "processes=2"]
    return ["threads=1", "threads=2"]


class Epochs:
    """Pipelines go on from epoch to epoch, and have AHEAD batches ready at any time."""

    def __init__(self, pipeline, rows, size):
        self.pipeline, self.rows, self.size = pipeline, rows, size
        self.batches = -(-rows // size)
        self.at = 0

    def next(self):
        x, y = self.pipeline.run()
        rows = min(self.size, self.rows - self.at * self.size)
        self.at = (self.at + 1) % self.batches
        return np.asarray(x.as_tensor())[:rows], np.asarray(y.as_tensor())[:rows]

    def settle(self):
        for _ in range(AHEAD):
            self.next()

    def align(self):
        while self.at:
            self.next()

    def __call__(self):
        for _ in range(self.batches):
            yield self.next()


@pipeline_def
def images(files, labels, fast):
    content, label = fn.readers.file(files=files, labels=labels, pad_last_batch=True,
                                     prefetch_queue_depth=2)
    image = fn.decoders.image(content, device="cpu", output_type=types.RGB,
                              jpeg_fancy_upsampling=True, use_fast_idct=fast)
    image = fn.resize(image, size=(SIZE, SIZE), interp_type=types.INTERP_LINEAR, antialias=False)
    return fn.flip(image, horizontal=fn.random.coin_flip()), label


def shuffled(data):
    numbers = np.random.default_rng(SEED)
    while True:
        order = numbers.permutation(len(data.y))
        for i in range(0, len(order), ELEMENTS_IN_BATCH):
            rows = order[i:i + ELEMENTS_IN_BATCH]
            yield data.x[rows], data.y[rows]


@pipeline_def
def elements(source, maps):
    x, y = fn.external_source(source=source, num_outputs=2, no_copy=True)
    return (x / np.float32(255) if maps else x), y


@pipeline_def
def generated(make, parallel):
    x, y = fn.external_source(source=make, num_outputs=2, batch=True, parallel=parallel)
    return x, y


def loader(row, setting, data, burn):
    common = {"device_id": None, "seed": SEED, "prefetch_queue_depth": AHEAD,
              "num_threads": int(setting.get("threads", 1))}
    if row in ("jpeg", "png"):
        files, labels = data.files(row)
        pipeline = images(files, labels, setting["dct"] == "fast", batch_size=IMAGES_IN_BATCH,
                          **common)
        rows, size = len(files), IMAGES_IN_BATCH
    elif row == "generator":
        processes = int(setting["processes"])

        def make(info):
            burn()
            x, y = data.step((info if isinstance(info, int) else info.iteration) % STEPS)
            return x, y

        pipeline = generated(make, processes > 0, batch_size=IMAGES_IN_BATCH,
                             py_num_workers=max(1, processes), **common)
        rows, size = STEPS * IMAGES_IN_BATCH, IMAGES_IN_BATCH
    else:
        pipeline = elements(shuffled(data), row == "map", batch_size=ELEMENTS_IN_BATCH, **common)
        rows, size = len(data.y), ELEMENTS_IN_BATCH
    pipeline.build()
    return Epochs(pipeline, rows, size)
