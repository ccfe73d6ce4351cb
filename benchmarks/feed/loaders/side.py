"""A peer's side of the comparison of loaders; loaders_bench.cpp is Stoker's.

usage: side.py MODULE FOLDER ITERATIONS

The module has `settings(row)`, a list of settings such as "threads=2,dct=fast", and
`loader(row, setting, data, burn)`, which returns a function for one epoch: an iterator of pairs x,
y, valid until the next. The module may take a word after a colon: torch_loader:pillow.

Rows: jpeg and png (files, 224x224, random flips, batches of 32), elements (shuffled batches of 128
from memory), map (the same, divided by 255), generator (each batch costs ITERATIONS to make, as
many as the loop burns for each batch).

Lines that are read, and answered by a line of JSON each:
  settings ROW
  run ROW SETTING SECONDS MOST     an epoch; or for SECONDS, or MOST batches, unless they are 0
  check ROW SETTING                one epoch: what is true of its batches
"""

import ctypes
import importlib
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))


def parse(setting):
    return dict(pair.split("=") for pair in setting.split(","))


def run(epoch, seconds, most, burn):
    rows = batches = 0
    # A loader that goes on between epochs has batches ready: it gives those away untimed.
    getattr(epoch, "settle", lambda: None)()
    start = time.perf_counter()
    elapsed = 0.0
    while elapsed < seconds or batches == 0:
        iterator = iter(epoch())
        for _, y in iterator:
            burn()
            rows += len(y)
            batches += 1
            elapsed = time.perf_counter() - start
            if batches == most or (seconds and elapsed >= seconds):
                getattr(iterator, "close", lambda: None)()
                return {"seconds": elapsed, "batches": batches, "rows": rows}
        elapsed = time.perf_counter() - start
    return {"seconds": elapsed, "batches": batches, "rows": rows}


def check(epoch):
    import numpy as np
    getattr(epoch, "align", lambda: None)()
    total, flipped, labels, shape, dtype = 0.0, 0, [], None, None
    for x, y in epoch():
        x, y = np.asarray(x), np.asarray(y)
        shape, dtype = list(x.shape[1:]), str(x.dtype)
        half = x.shape[2] // 2
        left = x[:, :, :half].mean(axis=(1, 2, 3), dtype=np.float64)
        right = x[:, :, half:].mean(axis=(1, 2, 3), dtype=np.float64)
        total += float((left + right).sum()) / 2
        flipped += int((left < right).sum())
        labels += y.reshape(-1).tolist()
        if len(x) != len(y):
            raise ValueError(f"a batch has {len(x)} images and {len(y)} labels")
    return {"shape": shape, "dtype": dtype, "count": len(labels), "mean": total / len(labels),
            "flipped": flipped / len(labels), "each_once": len(set(labels)) == len(labels),
            "in_order": labels == sorted(labels)}


def main():
    name, _, word = sys.argv[1].partition(":")
    # What libraries print goes to standard error; only answers to standard output.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    module = importlib.import_module(name)
    if word:
        module.choose(word)
    from data import Data
    data = Data(sys.argv[2])
    library = ctypes.CDLL(os.path.join(os.path.dirname(sys.argv[2]), "burn.so"))
    library.burn.argtypes, library.burn.restype = [ctypes.c_long], ctypes.c_double
    iterations = int(sys.argv[3])

    def burn():
        library.burn(iterations)

    def nothing():
        pass

    made, epoch = None, None
    for line in sys.stdin:
        words = line.split()
        if words[0] == "settings":
            answer = module.settings(words[1])
        else:
            row, setting = words[1], words[2]
            if made != (row, setting):
                epoch = None  # the old one ends first
                epoch = module.loader(row, parse(setting), data, burn)
                made = (row, setting)
            if words[0] == "check":
                answer = check(epoch)
            else:
                most = 0 if getattr(module, "ENDS_EPOCHS", False) else int(words[4])
                answer = run(epoch, float(words[3]), most,
                             burn if row == "generator" else nothing)
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    sys.path.insert(0, HERE)
    main()
