"""WebDataset: processes that read tar files and decode by OpenCV. What is in memory comes through
its DataPipeline."""

import random

import numpy as np
import torch
import webdataset as wds

from data import ELEMENTS_IN_BATCH, IMAGES_IN_BATCH, SEED, STEPS
from images import from_bytes

# After an epoch that is cut short, the processes are busy with the rest of it for a while.
ENDS_EPOCHS = True
# With several threads on cores that the processes share, stacking a batch took longer than decoding
# it: PyTorch's threads spin.
torch.set_num_threads(1)


def settings(row):
    if row in ("jpeg", "png"):
        return [f"processes={processes}" for processes in (0, 1, 2, 3, 4)]
    if row == "generator":
        return ["processes=1", "processes=2"]
    return [f"processes={processes}" for processes in (0, 1, 2)]


def decode(sample):
    content = sample.get("jpg") or sample["png"]
    return (from_bytes(content, random.random() < 0.5),
            np.int32(sample["__key__"].rsplit("-", 1)[1]))


def share():
    info = torch.utils.data.get_worker_info()
    return (info.id, info.num_workers) if info else (0, 1)


class Elements:
    def __init__(self, data):
        self.x, self.y, self.numbers = data.x, data.y, np.random.default_rng(SEED)

    def __call__(self):
        first, apart = share()
        for i in self.numbers.permutation(len(self.y))[first::apart]:
            yield self.x[i], self.y[i]


class Steps:
    def __init__(self, data, burn):
        self.data, self.burn = data, burn

    def __call__(self):
        first, apart = share()
        for index in range(first, STEPS, apart):
            self.burn()
            yield self.data.step(index)


def rescale(item):
    return item[0] / np.float32(255), item[1]


def stack(items):
    return (torch.from_numpy(np.stack([x for x, _ in items])),
            torch.from_numpy(np.array([y for _, y in items])))


def loader(row, setting, data, burn):
    processes = int(setting["processes"])
    if row in ("jpeg", "png"):
        found = (wds.WebDataset(data.shards(row), shardshuffle=False).map(decode)
                 .batched(IMAGES_IN_BATCH, collation_fn=stack))
    elif row == "generator":
        found = wds.DataPipeline(Steps(data, burn))
    else:
        stages = [Elements(data)] + ([wds.map(rescale)] if row == "map" else [])
        found = wds.DataPipeline(*stages, wds.batched(ELEMENTS_IN_BATCH, collation_fn=stack))
    found = wds.WebLoader(found, batch_size=None, num_workers=processes,
                          persistent_workers=processes > 0)
    return lambda: found
