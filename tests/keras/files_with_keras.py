"""Loads the files that stoker_keras_files wrote, compares predictions and trains on, and saves again.

usage: files_with_keras.py FOLDER
"""

import os
import pathlib
import sys

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_PLATFORMS"] = "cpu"
import keras  # noqa: E402
import numpy  # noqa: E402

STEPS = 3
# Of numbers that are about 1. In the 16-bit types: a few roundings, one at every layer and step.
TOLERANCES = {"float32": 2e-5, "mixed_bfloat16": 8 * 2.0**-8, "mixed_float16": 8 * 2.0**-11}


def numbered(folder: pathlib.Path, name: str, what: str) -> list[numpy.ndarray]:
    count = len(list(folder.glob(f"{name}.{what}.*.npy")))
    return [numpy.load(folder / f"{name}.{what}.{i}.npy") for i in range(count)]


def one_or_list(values: list):
    return values if len(values) > 1 else values[0]


def difference(received: list[numpy.ndarray], expected: list[numpy.ndarray]) -> float:
    if [value.shape for value in received] != [value.shape for value in expected]:
        return float("inf")
    return max(float(numpy.max(numpy.abs(a - b))) for a, b in zip(received, expected))


def losses(model: keras.Model, inputs, targets) -> numpy.ndarray:
    received = []
    for _ in range(STEPS):
        model.reset_metrics()
        logs = model.train_on_batch(inputs, targets, return_dict=True)
        received.append(logs["loss"])
    return numpy.array(received, dtype=numpy.float32)


def exchange(folder: pathlib.Path, name: str) -> str:
    """What is wrong, or nothing."""
    model = keras.models.load_model(folder / f"{name}.keras")
    inputs = one_or_list(numbered(folder, name, "input"))
    targets = one_or_list(numbered(folder, name, "target"))
    tolerance = TOLERANCES[name.partition("_")[2]]

    def predict():
        outputs = model.predict(inputs, verbose=0)
        outputs = outputs if isinstance(outputs, list) else [outputs]
        return [numpy.asarray(output, dtype=numpy.float32) for output in outputs]

    off = difference(predict(), numbered(folder, name, "output"))
    print(f"{name}: its outputs differ by {off:.2g}")
    if not off <= tolerance:
        return f"expected outputs within {tolerance:g}, received {off:g}"
    own = losses(model, inputs, targets)
    expected = numbered(folder, name, "loss")
    if expected:
        off = difference([own], expected)
        print(f"{name}: the next losses differ by {off:.2g}")
        if not off <= tolerance:
            return f"expected losses {expected[0]}, received {own}"
    model.save(folder / f"{name}.back.keras")
    model.save(folder / f"{name}.back.h5")
    model.save_weights(folder / f"{name}.back.weights.h5")
    for i, output in enumerate(predict()):
        numpy.save(folder / f"{name}.back.output.{i}.npy", output)
    numpy.save(folder / f"{name}.back.loss.0.npy", losses(model, inputs, targets))
    return ""


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(__doc__)
        return 2
    folder = pathlib.Path(arguments[0])
    names = sorted(path.name[: -len(".input.0.npy")] for path in folder.glob("*.input.0.npy"))
    print(f"Keras {keras.version()}, NumPy {numpy.__version__}: {len(names)} models")
    faults = [f"{name}: {fault}" for name in names if (fault := exchange(folder, name))]
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults or not names else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
