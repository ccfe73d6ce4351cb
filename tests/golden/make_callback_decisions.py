"""Records what Keras's callbacks decide on made-up logs.

usage: make_callback_decisions.py

Writes cases/callbacks/decisions.json: for EarlyStopping and ReduceLROnPlateau with many options, the
values that they watched in each epoch, and what they did. Needs tests/keras/requirements.txt.
"""

import json
import os
import pathlib
import random

os.environ["KERAS_BACKEND"] = "jax"
import keras  # noqa: E402
import numpy  # noqa: E402

EPOCHS = 24
random.seed(19)


def model():
    made = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    made.compile(keras.optimizers.SGD(0.5), "mse")
    made.stop_training = False
    return made


def values():
    """A curve that falls, with noise, ties and a plateau."""
    level, curve = 1.0, []
    for _ in range(EPOCHS):
        level *= random.choice([0.7, 0.9, 0.99, 1.0, 1.0, 1.2])
        curve.append(round(level, 3))
    return curve


def early_stopping(options, curve):
    watched = model()
    callback = keras.callbacks.EarlyStopping(**options)
    callback.set_model(watched)
    callback.on_train_begin()
    for epoch, value in enumerate(curve):
        watched.set_weights([numpy.full(w.shape, epoch, "float32") for w in watched.get_weights()])
        callback.on_epoch_end(epoch, {"val_loss": value})
        if watched.stop_training:
            break
    callback.on_train_end()
    return {"epochs": epoch + 1, "stopped_epoch": callback.stopped_epoch,
            "best_epoch": callback.best_epoch, "best": callback.best,
            "weights": float(watched.get_weights()[0][0, 0])}


def reduce_lr(options, curve):
    watched = model()
    callback = keras.callbacks.ReduceLROnPlateau(**options)
    callback.set_model(watched)
    callback.on_train_begin()
    rates = []
    for epoch, value in enumerate(curve):
        callback.on_epoch_end(epoch, {"val_loss": value})
        rates.append(float(watched.optimizer.learning_rate))
    return {"rates": rates}


cases = []
for _ in range(40):
    options = {"monitor": "val_loss", "mode": random.choice(["min", "max"]),
               "min_delta": random.choice([0.0, 0.01, -0.05]),
               "patience": random.choice([0, 1, 2, 5]),
               "restore_best_weights": random.choice([True, False]),
               "start_from_epoch": random.choice([0, 0, 3])}
    if random.random() < 0.4:
        options["baseline"] = random.choice([0.2, 0.6])
    curve = values()
    cases.append({"class": "EarlyStopping", "options": options, "values": curve,
                  "expected": early_stopping(options, curve)})
for _ in range(40):
    options = {"monitor": "val_loss", "mode": random.choice(["min", "max"]),
               "factor": random.choice([0.1, 0.5]), "min_delta": random.choice([0.0, 1e-4, 0.05]),
               "patience": random.choice([0, 1, 2, 5]), "cooldown": random.choice([0, 2]),
               "min_lr": random.choice([0.0, 0.01])}
    curve = values()
    cases.append({"class": "ReduceLROnPlateau", "options": options, "values": curve,
                  "expected": reduce_lr(options, curve)})
folder = pathlib.Path(__file__).resolve().parent / "cases" / "callbacks"
folder.mkdir(exist_ok=True)
lines = ",\n".join(json.dumps(case) for case in cases)
(folder / "decisions.json").write_text(f"[\n{lines}\n]\n")
