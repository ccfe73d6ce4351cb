"""PyTorch's side of scripts/gpu-check: the suite's workloads on a GPU, one line each.

usage: side_torch.py eager|graphs|compile [DEVICE]

A step takes a batch from the host's pinned memory, as Stoker's does. graphs: the whole step
captured as a CUDA graph. compile: torch.compile, whose mode max-autotune would spend minutes.
"""

import json
import sys
import time

import torch
from torch import nn

BATCHES = 16
WORKLOADS = [("mlp-b32", 32), ("mlp-b128", 128), ("cnn-b32", 32), ("cnn-b128", 128), ("tiny-b1", 1)]
ROUND_S, ROUNDS = 0.4, 5


def build(workload):
    if workload == "tiny":
        return nn.Linear(4, 4)
    if workload == "mlp":
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    return nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.5), nn.Linear(1600, 10))


class Training:
    def __init__(self, workload, batch, mode, device):
        tiny, pinned = workload == "tiny", device != "cpu"
        model = build(workload).to(device)
        if workload == "cnn":
            model = model.to(memory_format=torch.channels_last)
        captured = mode == "graphs"
        self.model, self.device = model, device
        self.loss_of = nn.MSELoss() if tiny else nn.CrossEntropyLoss()
        self.optimizer = (
            torch.optim.SGD(model.parameters(), lr=0.01) if tiny else
            torch.optim.Adam(model.parameters(), lr=1e-3, fused=True, capturable=captured))
        self.xs, self.ys = [], []
        for _ in range(BATCHES):
            x = torch.rand(batch, 4) if tiny else torch.rand(batch, 1, 28, 28)
            if workload == "cnn":
                x = x.to(memory_format=torch.channels_last)
            y = torch.rand(batch, 4) if tiny else torch.randint(0, 10, (batch,))
            self.xs.append(x.pin_memory() if pinned else x)
            self.ys.append(y.pin_memory() if pinned else y)
        self.forward = lambda x, y: self.loss_of(self.model(x), y)
        if mode == "compile":
            self.forward = torch.compile(self.forward)
        self.next, self.loss = 0, None
        self.graph = None
        if captured:
            self.capture()

    def train(self, x, y):
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.forward(x, y)
        loss.backward()
        self.optimizer.step()
        return loss

    def capture(self):
        """As PyTorch's notes on CUDA graphs have it."""
        self.x = self.xs[0].to(self.device)
        self.y = self.ys[0].to(self.device)
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                self.train(self.x, self.y)
        torch.cuda.current_stream().wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        self.optimizer.zero_grad(set_to_none=True)
        with torch.cuda.graph(self.graph):
            self.loss = self.train(self.x, self.y)

    def step(self):
        x, y = self.xs[self.next % BATCHES], self.ys[self.next % BATCHES]
        self.next += 1
        if self.graph is not None:
            self.x.copy_(x, non_blocking=True)
            self.y.copy_(y, non_blocking=True)
            self.graph.replay()
        else:
            self.loss = self.train(x.to(self.device, non_blocking=True),
                                   y.to(self.device, non_blocking=True))

    def seconds(self, steps):
        start = time.perf_counter()
        for _ in range(steps):
            self.step()
        if self.device != "cpu":
            torch.cuda.synchronize()
        return time.perf_counter() - start


def main():
    mode = sys.argv[1]
    device = sys.argv[2] if len(sys.argv) > 2 else "cuda"
    # As Stoker does by default.
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    for name, batch in WORKLOADS:
        start = time.perf_counter()
        training = Training(name.split("-")[0], batch, mode, device)
        training.seconds(1)
        first = time.perf_counter() - start
        steps = 4
        while steps < 20000 and training.seconds(steps) < ROUND_S / 4:
            steps *= 2
        best = min(training.seconds(4 * steps) for _ in range(ROUNDS)) / (4 * steps)
        print("RESULT " + json.dumps({
            "workload": name, "us_per_step": 1e6 * best, "first_step_s": first,
            "loss": training.loss.item(), "version": torch.__version__}), flush=True)


if __name__ == "__main__":
    main()
