"""PyTorch's side of the suite `feed`: a DataLoader over batches.

usage: side_torch.py WORKERS LIBRARY

Reads lines "steps N ITERATIONS" from standard input, answers "seconds S".
"""

import sys
import time

import torch
from torch import nn

from work import Work


class Batches(torch.utils.data.Dataset):
    def __init__(self, work, size):
        self.work, self.size = work, size

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        x, y = self.work.batch(index)
        return torch.from_numpy(x).permute(0, 3, 1, 2), torch.from_numpy(y).long()


def main():
    workers, library = int(sys.argv[1]), sys.argv[2]
    torch.set_flush_denormal(True)
    work = Work(library)
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.5), nn.Linear(1600, 10)).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    loss_of = nn.CrossEntropyLoss()
    loader, loads = None, None
    for line in sys.stdin:
        word, *what = line.split()
        if word != "steps":
            break
        if what != loads:  # its processes are started once for what they are to do
            loads, work.iterations = what, int(what[1])
            loader = torch.utils.data.DataLoader(
                Batches(work, int(what[0])), batch_size=None, num_workers=workers,
                persistent_workers=workers > 0)
        start = time.perf_counter()
        for x, y in loader:
            optimizer.zero_grad(set_to_none=True)
            loss_of(model(x), y).backward()
            optimizer.step()
        print(f"seconds {time.perf_counter() - start}", flush=True)


if __name__ == "__main__":
    main()
