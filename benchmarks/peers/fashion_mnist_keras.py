"""Test accuracy of the example's network in Keras: 3 epochs of batch 128, no augmentation.

usage: KERAS_BACKEND=jax fashion_mnist_keras.py [--data DIR] [--seeds N]

Prints one line a seed and the mean: what docs/accuracy.md compares with
`fashion_mnist_generator --shift 0 --seed S`.
"""

import argparse
import gzip
import os

import keras
import numpy as np


def read_idx(path, header):
    with gzip.open(path, "rb") as file:
        return np.frombuffer(file.read(), np.uint8, offset=header)


def load(directory):
    data = {}
    for part, name in (("train", "train"), ("test", "t10k")):
        images = read_idx(os.path.join(directory, f"{name}-images-idx3-ubyte.gz"), 16)
        labels = read_idx(os.path.join(directory, f"{name}-labels-idx1-ubyte.gz"), 8)
        scaled = images.reshape(-1, 28, 28, 1).astype(np.float32) / 255.0
        data[part] = scaled, labels.astype(np.int32)
    return data


def train(data, seed):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([
        keras.Input((28, 28, 1)),
        keras.layers.Conv2D(32, 3, activation="relu"),
        keras.layers.MaxPooling2D(2),
        keras.layers.Conv2D(64, 3, activation="relu"),
        keras.layers.MaxPooling2D(2),
        keras.layers.Flatten(),
        keras.layers.Dropout(0.5),
        keras.layers.Dense(10),
    ])
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(*data["train"], batch_size=128, epochs=3, verbose=0)
    return model.evaluate(*data["test"], batch_size=128, verbose=0)[1]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    data = load(arguments.data)
    accuracies = []
    for seed in range(arguments.seeds):
        accuracies.append(train(data, seed))
        print(f"seed {seed}: test accuracy {accuracies[-1]:.4f}", flush=True)
    print(f"mean {np.mean(accuracies):.4f}  (Keras {keras.__version__}, {keras.backend.backend()})")


if __name__ == "__main__":
    main()
