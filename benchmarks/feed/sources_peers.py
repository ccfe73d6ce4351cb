"""Other libraries read the files of sources_bench: h5py behind Keras's PyDataset, and WebDataset behind
PyTorch's DataLoader. Stoker's side is the program itself, which takes its turn in each round.

usage: sources_peers.py PROGRAM FOLDER [ROUNDS]
Needs h5py, keras, torch and webdataset; a peer that cannot be imported is left out, and said so.
"""
import os
import re
import statistics
import subprocess
import sys
import time

import numpy as np

ROWS, WIDTH, BATCH, SOME = 20000, 784, 64, 4096
RECORDS, FLOATS = 4000, 4096
os.environ.setdefault("KERAS_BACKEND", "torch")


def hdf5_side(folder, name, workers):
    import h5py
    import keras

    class Rows(keras.utils.PyDataset):
        def __init__(self):
            super().__init__(workers=workers, use_multiprocessing=False)
            self.file = h5py.File(f"{folder}/{name}.h5", "r")
            self.order = np.random.default_rng(7).permutation(ROWS)[:SOME]

        def __len__(self):
            return SOME // BATCH

        def __getitem__(self, index):
            rows = np.sort(self.order[index * BATCH:(index + 1) * BATCH])
            return (self.file["x"][rows],)

    from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter

    def run():
        adapter = PyDatasetAdapter(Rows(), shuffle=False)
        adapter.on_epoch_begin()
        iterator = adapter.get_numpy_iterator()
        begin = time.perf_counter()
        count = 0
        for (batch,) in iterator:
            count += len(batch)
            if count == SOME:
                break
        seconds = time.perf_counter() - begin
        adapter.on_epoch_end()
        return count / seconds

    return run


def tar_side(folder, processes):
    import torch
    import webdataset as wds

    torch.set_num_threads(1)

    def decode(sample):
        return (np.frombuffer(sample["bin"], dtype=np.float32),)

    def run():
        data = wds.WebDataset(f"{folder}/x.tar", shardshuffle=False, empty_check=False,
                              workersplitter=wds.shardlists.split_by_worker)
        batches = data.map(decode).batched(BATCH)
        loader = torch.utils.data.DataLoader(batches, batch_size=None, num_workers=processes)
        begin = time.perf_counter()
        count = sum(len(batch) for (batch,) in loader)
        return count * FLOATS * 4 / 1e6 / (time.perf_counter() - begin)

    return run


def stoker_rates(program, folder):
    text = subprocess.run([program, "1", folder], capture_output=True, text=True, check=True).stdout
    rates, title = {}, ""
    for line in text.splitlines():
        if line and not line.startswith(" "):
            title = line.split(",")[0] + (" packed" if "deflate" in line else "")
        found = re.match(r"  (\S.*?)  +(\d+) ", line)
        if found:
            rates[f"{title}: {found[1]}"] = float(found[2])
    return rates


def main():
    program, folder = sys.argv[1:3]
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    if not os.path.exists(f"{folder}/done"):
        stoker_rates(program, folder)
    sides = {}
    for name, make in {
        "HDF5: h5py, PyDataset, 1 worker": lambda: hdf5_side(folder, "plain", 1),
        "HDF5: h5py, PyDataset, 2 workers": lambda: hdf5_side(folder, "plain", 2),
        "HDF5 packed: h5py, PyDataset, 1 worker": lambda: hdf5_side(folder, "packed", 1),
        "HDF5 packed: h5py, PyDataset, 2 workers": lambda: hdf5_side(folder, "packed", 2),
        "tar: WebDataset, DataLoader, processes=0": lambda: tar_side(folder, 0),
        "tar: WebDataset, DataLoader, processes=1": lambda: tar_side(folder, 1),
    }.items():
        try:
            sides[name] = make()
        except ImportError as error:
            print(f"left out: {name}: {error}")
    rates = {}
    for _ in range(rounds):
        for name, run in sides.items():
            rates.setdefault(name, []).append(run())
        for name, rate in stoker_rates(program, folder).items():
            rates.setdefault(name, []).append(rate)
    for name in sorted(rates):
        print(f"{name:60} {statistics.median(rates[name]):12,.0f}  "
              f"{min(rates[name]):,.0f} to {max(rates[name]):,.0f}")


main()
