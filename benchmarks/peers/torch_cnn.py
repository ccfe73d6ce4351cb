"""Milliseconds of a training step in PyTorch (eager, channels_last): workloads cnn and mlp.

usage: torch_cnn.py [--workload cnn|mlp] [--batch N] [--steps N] [--rounds N]

Prints the fastest round's milliseconds a step, as the benchmark programs of Stoker do.
"""

import argparse
import time

import torch
from torch import nn


def build(workload):
    if workload == "mlp":
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    return nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.5), nn.Linear(1600, 10))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--workload", default="cnn", choices=["cnn", "mlp"])
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()

    model = build(arguments.workload).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    loss_of = nn.CrossEntropyLoss()
    x = torch.rand(arguments.batch, 1, 28, 28).to(memory_format=torch.channels_last)
    y = torch.randint(0, 10, (arguments.batch,))

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()

    for _ in range(3):
        step()
    best = float("inf")
    for _ in range(arguments.rounds):
        start = time.perf_counter()
        for _ in range(arguments.steps):
            step()
        best = min(best, (time.perf_counter() - start) / arguments.steps)
    print(f"{best * 1e3:.4f} ms a step (PyTorch {torch.__version__}, "
          f"{torch.get_num_threads()} threads)")


if __name__ == "__main__":
    main()
