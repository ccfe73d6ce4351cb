"""Keras's side of the benchmark suite `peers`; KERAS_BACKEND chooses JAX or TensorFlow.

usage: side_keras.py WORKLOAD BATCH

Reads lines "steps N" from standard input, answers "seconds S".
"""

import sys
import time

import keras
import numpy as np

BATCHES = 16


def build(workload):
    layers = keras.layers
    if workload == "tiny":
        return keras.Sequential([keras.Input((4,)), layers.Dense(4)])
    if workload == "mlp":
        return keras.Sequential([keras.Input((28, 28, 1)), layers.Flatten(),
                                 layers.Dense(128, activation="relu"), layers.Dense(10)])
    return keras.Sequential([
        keras.Input((28, 28, 1)),
        layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu"), layers.MaxPooling2D(2),
        layers.Flatten(), layers.Dropout(0.5), layers.Dense(10)])


def main():
    workload, batch = sys.argv[1], int(sys.argv[2])
    tiny = workload == "tiny"
    model = build(workload)
    if tiny:
        model.compile(optimizer=keras.optimizers.SGD(), loss="mse")
    else:
        model.compile(optimizer=keras.optimizers.Adam(1e-3),
                      loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    rows = BATCHES * batch
    x = np.random.rand(rows, 4) if tiny else np.random.rand(rows, 28, 28, 1)
    x = x.astype(np.float32)
    y = np.random.rand(rows, 4).astype(np.float32) if tiny else np.random.randint(0, 10, rows)

    for line in sys.stdin:
        word, steps = line.split()
        if word != "steps":
            break
        # fit() with whole passes; what a pass has too much is divided out.
        passes = max(1, round(int(steps) / BATCHES))
        start = time.perf_counter()
        model.fit(x, y, batch_size=batch, epochs=passes, verbose=0, shuffle=False)
        seconds = time.perf_counter() - start
        print(f"seconds {seconds * int(steps) / (passes * BATCHES)}", flush=True)


if __name__ == "__main__":
    main()
