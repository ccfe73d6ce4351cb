"""PyTorch's side of the benchmark suite `peers`.

usage: side_torch.py WORKLOAD BATCH [--compile] [--threads N]

Reads lines "steps N" from standard input, answers "seconds S loss L".
"""

import sys
import time

import torch
from torch import nn

BATCHES = 16


class Block(nn.Module):
    def __init__(self, inputs, filters):
        super().__init__()
        stride = 1 if inputs == filters else 2
        self.body = nn.Sequential(normalized(inputs, filters, 3, stride), nn.ReLU(),
                                  normalized(filters, filters, 3))
        self.shortcut = nn.Identity() if stride == 1 else normalized(inputs, filters, 1, stride)

    def forward(self, x):
        return torch.relu(self.body(x) + self.shortcut(x))


def normalized(inputs, filters, kernel, stride=1):
    return nn.Sequential(
        nn.Conv2d(inputs, filters, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(filters, eps=1e-3, momentum=0.01))


def resnet20():
    widths = [16] * 4 + [32] * 3 + [64] * 3
    blocks = [Block(inputs, filters) for inputs, filters in zip(widths, widths[1:])]
    return nn.Sequential(normalized(3, 16, 3), nn.ReLU(), *blocks,
                         nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


class TransformerBlock(nn.Module):
    """Normalises before each part; its attention is PyTorch's fused one."""

    def __init__(self, width=128, heads=4, units=512):
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width, eps=1e-3), nn.LayerNorm(width, eps=1e-3)
        self.projections, self.output = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.units = nn.Sequential(nn.Linear(width, units), nn.GELU(), nn.Linear(units, width))

    def forward(self, x):
        batch, steps, width = x.shape
        parts = self.projections(self.before(x)).view(batch, steps, 3, self.heads, -1)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        y = nn.functional.scaled_dot_product_attention(query, key, value)
        x = x + self.output(y.transpose(1, 2).reshape(batch, steps, width))
        return x + self.units(self.between(x))


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.head = nn.Embedding(1000, 128), nn.Linear(128, 10)
        self.blocks = nn.Sequential(TransformerBlock(), TransformerBlock())

    def forward(self, tokens):
        return self.head(self.blocks(self.embedding(tokens)).mean(1))


class Recurrent(nn.Module):
    """The last step's output of a recurrent layer, and a classifier behind it."""

    def __init__(self, layer):
        super().__init__()
        self.layer, self.classes = layer(28, 128, batch_first=True), nn.Linear(128, 10)

    def forward(self, x):
        return self.classes(self.layer(x)[0][:, -1])


def build(workload):
    if workload == "transformer":
        return Transformer()
    if workload in ("lstm", "gru"):
        return Recurrent(nn.LSTM if workload == "lstm" else nn.GRU)
    if workload == "resnet20":
        return resnet20()
    if workload == "tiny":
        return nn.Linear(4, 4)
    if workload == "mlp":
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    return nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.5), nn.Linear(1600, 10))


def main():
    workload, batch = sys.argv[1], int(sys.argv[2])
    # As the other sides do by themselves: from step 700 on, units that went dead leave Adam sums
    # of gradients that are too small for a CPU to handle fast.
    torch.set_flush_denormal(True)
    if "--threads" in sys.argv:
        torch.set_num_threads(int(sys.argv[sys.argv.index("--threads") + 1]))
    tiny = workload == "tiny"
    model = build(workload)
    has_images = workload in ("cnn", "resnet20")
    if has_images:
        model = model.to(memory_format=torch.channels_last)
    # The faster of its implementations of the same update.
    optimizer = (torch.optim.SGD(model.parameters(), lr=0.01) if tiny
                 else torch.optim.Adam(model.parameters(), lr=1e-3, fused=True))
    loss_of = nn.MSELoss() if tiny else nn.CrossEntropyLoss()
    xs, ys = [], []
    for _ in range(BATCHES):
        images = {"resnet20": (3, 32, 32), "lstm": (28, 28), "gru": (28, 28)}.get(
            workload, (1, 28, 28))
        x = torch.rand(batch, 4) if tiny else torch.rand(batch, *images)
        if workload == "transformer":
            x = torch.randint(0, 1000, (batch, 64))
        xs.append(x.to(memory_format=torch.channels_last) if has_images else x)
        ys.append(torch.rand(batch, 4) if tiny else torch.randint(0, 10, (batch,)))

    def forward(x, y):
        return loss_of(model(x), y)

    if "--compile" in sys.argv:
        forward = torch.compile(forward)

    for line in sys.stdin:
        word, steps = line.split()
        if word != "steps":
            break
        start = time.perf_counter()
        for i in range(int(steps)):
            optimizer.zero_grad(set_to_none=True)
            loss = forward(xs[i % BATCHES], ys[i % BATCHES])
            loss.backward()
            optimizer.step()
        seconds = time.perf_counter() - start
        print(f"seconds {seconds} loss {loss.item()}", flush=True)


if __name__ == "__main__":
    main()
