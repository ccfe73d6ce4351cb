"""Reads the models that stoker_keras_exchange wrote, compares what they predict, and writes them.

usage: exchange_with_keras.py FOLDER
"""

import os
import pathlib
import sys

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_PLATFORMS"] = "cpu"
import keras  # noqa: E402
import numpy  # noqa: E402

# Of the outputs, which are about 1. In the 16-bit types: a few roundings, one at every layer.
TOLERANCES = {"float32": 1e-5, "mixed_bfloat16": 4 * 2.0**-8, "mixed_float16": 4 * 2.0**-11}


def numbered(folder: pathlib.Path, name: str, what: str) -> list[numpy.ndarray]:
    count = len(list(folder.glob(f"{name}.{what}.*.npy")))
    return [numpy.load(folder / f"{name}.{what}.{i}.npy") for i in range(count)]


def models_and_layers(model: keras.Model) -> tuple[list[keras.Model], list[keras.Layer]]:
    """The model with those inside it, and the layers that are no models."""
    models, layers = [model], []
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            inner = models_and_layers(layer)
            models += inner[0]
            layers += inner[1]
        else:
            layers.append(layer)
    return models, layers


def exchange(folder: pathlib.Path, name: str) -> str:
    """What is wrong, or nothing."""
    model = keras.models.model_from_json((folder / f"{name}.json").read_text(encoding="utf-8"))
    if not model.compiled:
        return "it is not compiled"
    policy = name.partition("_")[2]
    models, layers = models_and_layers(model)
    if layers[-1].dtype_policy.name != policy:
        return f"its dtype policy is {layers[-1].dtype_policy.name}"
    # Keras's Sequential.from_config() drops the model's own policy; its layers have theirs.
    for one in models:
        one.dtype_policy = policy
    model.set_weights(numbered(folder, name, "weight"))
    inputs = numbered(folder, name, "input")
    outputs = model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
    outputs = outputs if isinstance(outputs, list) else [outputs]
    expected = numbered(folder, name, "output")
    shapes = [[output.shape for output in side] for side in (outputs, expected)]
    if shapes[0] != shapes[1]:
        return f"it predicts {shapes[0]}, expected {shapes[1]}"
    difference = max(float(numpy.max(numpy.abs(a - b))) for a, b in zip(outputs, expected))
    print(f"{name}: {model.count_params()} weights, its outputs differ by {difference:.2g}")
    (folder / f"{name}.back.json").write_text(model.to_json(), encoding="utf-8")
    weights = {f"weight_{i}": weight for i, weight in enumerate(model.get_weights())}
    numpy.savez(folder / f"{name}.back.npz", **weights)
    if not difference <= TOLERANCES[policy]:
        return f"expected outputs within {TOLERANCES[policy]:g}"
    return ""


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(__doc__)
        return 2
    folder = pathlib.Path(arguments[0])
    names = sorted(path.name[: -len(".output.0.npy")] for path in folder.glob("*.output.0.npy"))
    print(f"Keras {keras.version()}, NumPy {numpy.__version__}: {len(names)} models")
    faults = [f"{name}: {fault}" for name in names if (fault := exchange(folder, name))]
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults or not names else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
