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


def resnet20():
    layers = keras.layers

    def normalized(x, filters, kernel, stride):
        x = layers.Conv2D(filters, kernel, strides=stride, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    images = keras.Input((32, 32, 3))
    x = layers.ReLU()(normalized(images, 16, 3, 1))
    for filters in (16, 32, 64):
        for block in range(3):
            stride = 2 if filters > 16 and block == 0 else 1
            y = layers.ReLU()(normalized(x, filters, 3, stride))
            y = normalized(y, filters, 3, 1)
            x = x if stride == 1 else normalized(x, filters, 1, stride)
            x = layers.ReLU()(layers.Add()([y, x]))
    return keras.Model(images, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))


def transformer():
    layers = keras.layers
    tokens = keras.Input((64,), dtype="int32")
    x = layers.Embedding(1000, 128)(tokens)
    for _ in range(2):
        y = layers.LayerNormalization()(x)
        x = layers.Add()([x, layers.MultiHeadAttention(4, 32)(y, y)])
        y = layers.Dense(512, activation="gelu")(layers.LayerNormalization()(x))
        x = layers.Add()([x, layers.Dense(128)(y)])
    return keras.Model(tokens, layers.Dense(10)(layers.GlobalAveragePooling1D()(x)))


def build(workload):
    layers = keras.layers
    if workload == "transformer":
        return transformer()
    if workload == "resnet20":
        return resnet20()
    if workload == "tiny":
        return keras.Sequential([keras.Input((4,)), layers.Dense(4)])
    if workload in ("lstm", "gru"):
        recurrent = layers.LSTM if workload == "lstm" else layers.GRU
        return keras.Sequential([keras.Input((28, 28)), recurrent(128), layers.Dense(10)])
    if workload == "mlp":
        return keras.Sequential([keras.Input((28, 28, 1)), layers.Flatten(),
                                 layers.Dense(128, activation="relu"), layers.Dense(10)])
    return keras.Sequential([
        keras.Input((28, 28, 1)),
        layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu"), layers.MaxPooling2D(2),
        layers.Flatten(), layers.Dropout(0.5), layers.Dense(10)])


def random_batches(workload, batch):
    if workload == "tiny":
        return (np.random.rand(BATCHES, batch, 4).astype(np.float32),
                np.random.rand(BATCHES, batch, 4).astype(np.float32))
    if workload == "transformer":
        return (np.random.randint(0, 1000, (BATCHES, batch, 64)).astype(np.int32),
                np.random.randint(0, 10, (BATCHES, batch)).astype(np.int32))
    sample = {"resnet20": (32, 32, 3), "lstm": (28, 28), "gru": (28, 28)}.get(
        workload, (28, 28, 1))
    return (np.random.rand(BATCHES, batch, *sample).astype(np.float32),
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
    data = endless(*random_batches(workload, batch))

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
