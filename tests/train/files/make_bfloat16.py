"""Writes bfloat16.keras and bfloat16.weights.h5, with weights in bfloat16 (tests/keras/requirements.txt).

usage: KERAS_BACKEND=jax make_bfloat16.py FOLDER
"""

import pathlib
import sys

import keras


def main(folder: pathlib.Path) -> None:
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


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
