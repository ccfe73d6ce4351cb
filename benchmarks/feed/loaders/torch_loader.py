"""PyTorch's DataLoader: processes that decode by Pillow or OpenCV."""

import random

import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler, TensorDataset

import images
from data import ELEMENTS_IN_BATCH, IMAGES_IN_BATCH, STEPS

load = images.by_opencv

# After an epoch that is cut short, the processes are busy with the rest of it for a while.
ENDS_EPOCHS = True
# With several threads on cores that the processes share, stacking a batch took longer than decoding
# it: PyTorch's threads spin.
torch.set_num_threads(1)


def choose(library):
    global load
    load = {"pillow": images.by_pillow, "opencv": images.by_opencv}[library]


def settings(row):
    if row in ("jpeg", "png"):
        return [f"processes={processes}" for processes in (0, 1, 2, 3, 4)]
    if row == "generator":
        return ["processes=1", "processes=2"]
    return ([f"by=element,processes={processes}" for processes in (0, 1, 2, 3, 4)] +
            [f"by=batch,processes={processes}" for processes in (0, 1, 2)])


class Images(Dataset):
    def __init__(self, files, labels):
        self.files, self.labels = files, labels

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        return torch.from_numpy(load(self.files[index], random.random() < 0.5)), self.labels[index]


class Elements(Dataset):
    """`index` is a number, or those of a whole batch."""

    def __init__(self, data, maps):
        self.x, self.y, self.maps = torch.from_numpy(data.x), torch.from_numpy(data.y), maps

    def __len__(self):
        return len(self.y)

    def __getitem__(self, index):
        x = self.x[index]
        return (x / 255 if self.maps else x), self.y[index]


class Steps(Dataset):
    def __init__(self, data, burn):
        self.data, self.burn = data, burn

    def __len__(self):
        return STEPS

    def __getitem__(self, index):
        self.burn()
        x, y = self.data.step(index)
        return torch.from_numpy(x), torch.from_numpy(y)


def loader(row, setting, data, burn):
    processes = int(setting["processes"])
    common = {"num_workers": processes, "persistent_workers": processes > 0, "pin_memory": False}
    if row in ("jpeg", "png"):
        found = DataLoader(Images(*data.files(row)), batch_size=IMAGES_IN_BATCH, **common)
    elif row == "generator":
        found = DataLoader(Steps(data, burn), batch_size=None, **common)
    elif setting["by"] == "batch":
        elements = Elements(data, row == "map")
        sampler = BatchSampler(RandomSampler(elements), ELEMENTS_IN_BATCH, drop_last=False)
        found = DataLoader(elements, sampler=sampler, batch_size=None, **common)
    else:
        elements = (Elements(data, True) if row == "map" else
                    TensorDataset(torch.from_numpy(data.x), torch.from_numpy(data.y)))
        found = DataLoader(elements, batch_size=ELEMENTS_IN_BATCH, shuffle=True, **common)
    return lambda: found
