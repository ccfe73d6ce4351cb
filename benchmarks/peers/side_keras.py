"""Keras's side of the benchmark suite `peers`; KERAS_BACKEND chooses JAX or TensorFlow.

usage: side_keras.py WORKLOAD BATCH

Reads lines "steps N" from standard input, answers "seconds S loss L", the mean loss.
"""

import itertools
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


def random_batches(tiny, batch):
    if tiny:
        return (np.random.rand(BATCHES, batch, 4).astype(np.float32),
                np.random.rand(BATCHES, batch, 4).astype(np.float32))
    return (np.random.rand(BATCHES, batch, 28, 28, 1).astype(np.float32),
            np.random.randint(0, 10, (BATCHES, batch)).astype(np.int32))


def endless(xs, ys):
    """Batches again and again, in the form that the backend takes fastest.

    Arrays handed to fit() would do for JAX, but take TensorFlow twice as long.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf
        return tf.data.Dataset.from_tensor_slices((xs, ys)).repeat().prefetch(tf.data.AUTOTUNE)
    batches = [(keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(y))
               for x, y in zip(xs, ys)]
    return (batch for batch in itertools.cycle(batches))  # fit() knows generators only


def main():
    workload, batch = sys.argv[1], int(sys.argv[2])
    tiny = workload == "tiny"
    model = build(workload)
    if tiny:
        model.compile(optimizer=keras.optimizers.SGD(), loss="mse")
    else:
        model.compile(optimizer=keras.optimizers.Adam(1e-3),
                      loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    data = endless(*random_batches(tiny, batch))

    for line in sys.stdin:
        word, steps = line.split()
        if word != "steps":
            break
        start = time.perf_counter()
        history = model.fit(data, steps_per_epoch=int(steps), verbose=0, shuffle=False)
        seconds = time.perf_counter() - start
        print(f"seconds {seconds} loss {history.history['loss'][-1]}", flush=True)


if __name__ == "__main__":
    main()
