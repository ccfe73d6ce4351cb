"""Writes models with weights in bfloat16, as Keras saves them (tests/keras/requirements.txt).

usage: KERAS_BACKEND=jax make_bfloat16.py FOLDER
Prints what the models with an optimizer in their name come to after ten steps, and on what.
"""

import pathlib
import sys

import keras
import numpy as np


def small(folder: pathlib.Path) -> None:
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.layers.Input((3,)),
            keras.layers.Dense(2, activation="relu", dtype="bfloat16", name="first"),
            keras.layers.Dense(2, dtype="bfloat16", name="second"),
        ],
        name="small",
    )
    model.compile(optimizer=keras.optimizers.SGD(0.125), loss="mse")
    model.save(folder / "bfloat16.keras")
    model.save_weights(folder / "bfloat16.weights.h5")


def trained(folder: pathlib.Path, name: str, optimizer, x, y) -> None:
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.layers.Input((3,)),
            keras.layers.Dense(4, activation="tanh", dtype="bfloat16"),
            keras.layers.Dense(2, dtype="bfloat16"),
        ]
    )
    model.compile(optimizer=optimizer, loss="mse")
    model.save(folder / f"bfloat16_{name}.keras")
    losses = [float(model.train_on_batch(x, y)) for _ in range(10)]
    print(f'{{"{name}", {losses[-1]:.6f}}},  from {losses[0]:.6f}')


def main(folder: pathlib.Path) -> None:
    small(folder)
    random = np.random.default_rng(0)
    x = np.round(random.normal(size=(8, 3)), 3).astype("float32")
    y = np.round(random.normal(size=(8, 2)), 3).astype("float32")
    print("inputs", x.flatten().tolist())
    print("targets", y.flatten().tolist())
    trained(folder, "sgd", keras.optimizers.SGD(0.05), x, y)
    trained(folder, "momentum", keras.optimizers.SGD(0.05, momentum=0.9), x, y)
    trained(folder, "rmsprop", keras.optimizers.RMSprop(0.01), x, y)
    trained(folder, "adam", keras.optimizers.Adam(0.01), x, y)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
