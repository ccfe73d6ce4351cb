"""Prints the public classes of Keras's modules, of which coverage_test.cpp makes docs/keras-coverage.md.

usage: make_keras_names.py > keras_names.txt

Needs tests/keras/requirements.txt.
"""

import inspect
import os

os.environ["KERAS_BACKEND"] = "jax"
import keras  # noqa: E402

MODULES = {
    "layers": keras.layers,
    "losses": keras.losses,
    "metrics": keras.metrics,
    "optimizers": keras.optimizers,
    "schedules": keras.optimizers.schedules,
    "initializers": keras.initializers,
    "regularizers": keras.regularizers,
    "constraints": keras.constraints,
    "activations": keras.activations,
    "callbacks": keras.callbacks,
}


def is_listed(module: str, name: str, value) -> bool:
    if name.startswith("_") or inspect.ismodule(value):
        return False
    if module == "activations":
        return not inspect.isclass(value) and name not in ("get", "serialize", "deserialize")
    return inspect.isclass(value)


def main():
    print(
        f"# Keras {keras.__version__}: its public classes (of activations: functions) by module, "
        "with their other names."
    )
    for module, contents in MODULES.items():
        names: dict[str, list[str]] = {}
        for name in sorted(dir(contents)):
            value = getattr(contents, name)
            if is_listed(module, name, value):
                names.setdefault(value.__name__, []).append(name)
        for own in sorted(names):
            print(module, own, *sorted(name for name in names[own] if name != own))


main()
