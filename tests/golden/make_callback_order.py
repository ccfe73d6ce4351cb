"""Records the order in which Keras calls the hooks of callbacks.

usage: make_callback_order.py

Writes cases/callbacks/order.txt: a section for each call of a model, and a line for each hook with
its number and the names in its logs. Needs tests/keras/requirements.txt.
"""

import os
import pathlib

os.environ["KERAS_BACKEND"] = "jax"
import keras  # noqa: E402
import numpy  # noqa: E402

HOOKS = [f"on_{mode}{part}" for mode in ("train", "test", "predict")
         for part in ("_begin", "_end", "_batch_begin", "_batch_end")]
HOOKS += ["on_epoch_begin", "on_epoch_end"]


class Recorder(keras.callbacks.Callback):
    """Stops the training after step 1 of epoch 2."""

    def __init__(self):
        super().__init__()
        self.lines = []
        self.epoch = 0


def recording(hook):
    def call(self, *arguments, logs=None):
        numbers = [f" {argument}" for argument in arguments if isinstance(argument, int)]
        for argument in (*arguments, logs):
            logs = argument if isinstance(argument, dict) else logs
        # Stoker's logs of a beginning do not exist, and Keras's are always empty.
        names = f" {' '.join(sorted(logs))}" if logs and "outputs" not in logs else ""
        self.lines.append(hook + "".join(numbers) + names)
        if hook == "on_epoch_begin":
            self.epoch = arguments[0]
        if hook == "on_train_batch_end" and self.epoch == 2 and arguments[0] == 1:
            self.model.stop_training = True
    return call


for name in HOOKS:
    setattr(Recorder, name, recording(name))

x = numpy.ones((10, 3), "float32")
y = numpy.ones((10, 1), "float32")
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
model.compile("sgd", "mse", metrics=["mae"])
text = ""
for call, run in {
    "fit": lambda callbacks: model.fit(
        x, y, batch_size=4, epochs=5, validation_data=(x, y), validation_batch_size=4,
        validation_freq=2, verbose=0, callbacks=callbacks),
    "evaluate": lambda callbacks: model.evaluate(
        x, y, batch_size=4, verbose=0, callbacks=callbacks),
    "predict": lambda callbacks: model.predict(x, batch_size=4, verbose=0, callbacks=callbacks),
}.items():
    recorder = Recorder()
    run([recorder])
    text += "\n".join([f"# {call}", *recorder.lines]) + "\n"
folder = pathlib.Path(__file__).resolve().parent / "cases" / "callbacks"
folder.mkdir(exist_ok=True)
(folder / "order.txt").write_text(text)
