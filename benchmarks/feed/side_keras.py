"""Keras's side of the suite `feed`; KERAS_BACKEND chooses TensorFlow or JAX.

usage: side_keras.py generator|pydataset|tfdata LIBRARY

Reads lines "steps N ITERATIONS" from standard input, answers "seconds S".
"""

import sys
import time

import keras
import numpy as np

from work import BATCH, Work


def build():
    layers = keras.layers
    model = keras.Sequential([
        keras.Input((28, 28, 1)),
        layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu"), layers.MaxPooling2D(2),
        layers.Flatten(), layers.Dropout(0.5), layers.Dense(10)])
    model.compile(optimizer=keras.optimizers.Adam(1e-3),
                  loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


class Batches(keras.utils.PyDataset):
    def __init__(self, work, size, **options):
        super().__init__(**options)
        self.work, self.size = work, size

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        return self.work.batch(index)


def data(kind, work, steps):
    if kind == "generator":
        return (work.batch(i) for i in range(steps))
    if kind == "pydataset":
        return Batches(work, steps, workers=2, max_queue_size=10)
    import tensorflow as tf

    def load(index):
        x, y = tf.numpy_function(work.batch, [index], [tf.float32, tf.int32])
        return tf.ensure_shape(x, (BATCH, 28, 28, 1)), tf.ensure_shape(y, (BATCH,))

    return (tf.data.Dataset.range(steps).map(load, num_parallel_calls=tf.data.AUTOTUNE)
            .prefetch(tf.data.AUTOTUNE))


def main():
    kind, library = sys.argv[1], sys.argv[2]
    work = Work(library)
    model = build()
    for line in sys.stdin:
        word, steps, iterations = line.split()
        if word != "steps":
            break
        work.iterations = int(iterations)
        source = data(kind, work, int(steps))
        start = time.perf_counter()
        model.fit(source, epochs=1, steps_per_epoch=int(steps), verbose=0, shuffle=False)
        print(f"seconds {time.perf_counter() - start}", flush=True)


if __name__ == "__main__":
    np.random.seed(1)
    main()
