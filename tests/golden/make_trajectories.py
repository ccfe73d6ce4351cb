"""Makes golden trajectories: has Keras train models and writes what it computed.

usage: make_trajectories.py [NAME...]

Writes cases/trajectories/<name>.safetensors for each model of trajectory_models.py, or for those
that are named. Needs tests/keras/requirements.txt. A model on which Keras's backends differ names
one, and is made with KERAS_BACKEND set to it; the others are made with JAX. Each case is computed
twice, in float32 and, by a process of its own, in float64: their difference is Keras's rounding
error, from which the tolerances follow. README.md beside this says what a file holds.
"""

import inspect
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

FLOATX = os.environ.get("MAKE_TRAJECTORIES_FLOATX", "float32")
BACKEND = os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_ENABLE_X64"] = "1" if FLOATX == "float64" else "0"
import keras  # noqa: E402
import numpy  # noqa: E402
from trajectory_models import CASES  # noqa: E402

keras.config.set_floatx(FLOATX)

FOLDER = pathlib.Path(__file__).resolve().parent / "cases" / "trajectories"
STEPS = 30
BATCHES, ROWS = 6, 16  # of a training by steps
FIT_ROWS, VALIDATION_ROWS = 41, 21
FIT = {"shuffle": False, "batch_size": ROWS, "epochs": 4}

# Tolerances are this many times the rounding error.
FACTOR = 20
SMALLEST_RTOL = 1e-5


def named_weights(model) -> list:
    """Pairs of path and variable in Keras's order.

    Keras's own paths leave out the models that a layer stands in, and may so be equal; these are
    the layers' names from the outside in, as the files that Keras saves are laid out.
    """
    paths = {}

    def walk(layers, prefix: str):
        for layer in layers:
            if isinstance(layer, keras.Model):
                walk(layer.layers, f"{prefix}{layer.name}/")
            for weight in [] if isinstance(layer, keras.Model) else layer.weights:
                own = weight.path[weight.path.index(f"{layer.name}/") :]
                paths.setdefault(id(weight), f"{prefix}{own}")

    walk(model.layers, "")
    return [(paths[id(weight)], weight) for weight in model.weights]


def numbers_from(seed: str) -> numpy.random.Generator:
    return numpy.random.default_rng(list(seed.encode()))


def rows_of(name: str, tensor: str, leading: tuple[int, ...]) -> numpy.ndarray:
    shape, classes = CASES[name].data[tensor.removeprefix("validation_")]
    numbers = numbers_from(f"{name}/{tensor}")
    if classes > 0:
        is_binary = classes == 2 and shape != ()  # For a loss that takes real numbers.
        dtype = "float32" if is_binary else "int32"
        return numbers.integers(0, classes, leading + shape).astype(dtype)
    if tensor.startswith("sample_weight"):
        return numbers.uniform(0.25, 2.0, leading + shape).astype("float32")
    return numbers.normal(size=leading + shape).astype("float32")


def data_of(name: str) -> dict[str, numpy.ndarray]:
    data = CASES[name].data
    if not CASES[name].is_fit:
        return {tensor: rows_of(name, tensor, (BATCHES, ROWS)) for tensor in data}
    given = {tensor: rows_of(name, tensor, (FIT_ROWS,)) for tensor in data}
    for tensor in data:
        validation = f"validation_{tensor}"
        given[validation] = rows_of(name, validation, (VALIDATION_ROWS,))
    return given


def initial_weight(name: str, path: str, shape: tuple[int, ...]) -> numpy.ndarray:
    numbers = numbers_from(f"{name}/{path}")
    if path.endswith(("gamma", "moving_variance")):
        return numbers.uniform(0.5, 1.5, shape).astype("float32")
    return (numbers.normal(size=shape) / max(1.0, sum(shape)) ** 0.5).astype("float32")


def only_or_all(tensors: list):
    return tensors[0] if len(tensors) == 1 else tensors


def taken(tensors: dict[str, numpy.ndarray], what: str):
    """The tensor x, or x0 and x1; None where there is none."""
    found = [tensors[name] for name in (what, f"{what}0", f"{what}1") if name in tensors]
    return only_or_all(found) if found else None


def train_by_steps(model, data: dict[str, numpy.ndarray]) -> dict[str, numpy.ndarray]:
    logs: dict[str, list] = {}
    for step in range(STEPS):
        batch = {name: values[step % BATCHES] for name, values in data.items()}
        model.reset_metrics()  # Else Keras gives the mean of all steps.
        result = model.train_on_batch(
            taken(batch, "x"), taken(batch, "y"), taken(batch, "sample_weight"), return_dict=True
        )
        for key, value in result.items():
            logs.setdefault(key, []).append(value)
    results = {key if key == "loss" else f"log/{key}": values for key, values in logs.items()}
    first = {name: values[0] for name, values in data.items()}
    predictions = model.predict_on_batch(taken(first, "x"))
    if isinstance(predictions, list):
        results |= {f"prediction{i}": values for i, values in enumerate(predictions)}
    else:
        results["prediction"] = predictions
    return results


def train_by_fit(model, data: dict[str, numpy.ndarray]) -> dict[str, numpy.ndarray]:
    validation = (taken(data, "validation_x"), taken(data, "validation_y"))
    x, y = taken(data, "x"), taken(data, "y")
    history = model.fit(x, y, validation_data=validation, verbose=0, **FIT)
    return {f"history/{key}": values for key, values in history.history.items()}


def computed(name: str):
    """The model, what was given and what is expected, in the precision of this process."""
    model = CASES[name].build()
    data = data_of(name)
    initial = {
        path: initial_weight(name, path, tuple(weight.shape))
        for path, weight in named_weights(model)
    }
    model.set_weights(list(initial.values()))
    results = (train_by_fit if CASES[name].is_fit else train_by_steps)(model, data)
    for path, weight in named_weights(model):
        results[f"final/{path}"] = weight.numpy()
    given = data | {f"initial/{path}": value for path, value in initial.items()}
    return model, given, {key: numpy.asarray(value, FLOATX) for key, value in results.items()}


def in_float64(name: str) -> dict[str, numpy.ndarray]:
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "results.npz"
        environment = os.environ | {"MAKE_TRAJECTORIES_FLOATX": "float64"}
        subprocess.run([sys.executable, __file__, name, path], env=environment, check=True)
        with numpy.load(path) as results:
            return dict(results)


def rounded_up(number: float) -> float:
    """To 1 or 5 times a power of ten."""
    power = 10.0 ** numpy.floor(numpy.log10(number))
    return float(f"{next(m * power for m in (1, 5, 10) if m * power >= number * 0.999999):.0e}")


def error_of(value: numpy.ndarray, exact: numpy.ndarray) -> dict[str, float]:
    error = numpy.abs(value.astype("float64") - exact)
    smallest = max(numpy.max(numpy.abs(exact)) / 10, 1e-30)
    relative = error / numpy.maximum(numpy.abs(exact), smallest)
    return {"max_abs": float(numpy.max(error)), "max_rel": float(numpy.max(relative))}


def tolerance_of(error: dict[str, float], exact: numpy.ndarray) -> dict[str, float]:
    rtol = rounded_up(max(SMALLEST_RTOL, FACTOR * error["max_rel"]))
    return {"rtol": rtol, "atol": float(f"{rtol * numpy.max(numpy.abs(exact)) / 10:.1e}")}


def shapes(tensors: dict[str, numpy.ndarray]) -> dict[str, list[int]]:
    return {name: list(value.shape) for name, value in tensors.items()}


def information(name, model, given, expected, exact) -> dict:
    own = CASES[name]
    config = json.loads(model.to_json())
    weights = [
        {"name": path, "shape": list(weight.shape), "trainable": weight.trainable}
        for path, weight in named_weights(model)
    ]
    errors = {key: error_of(expected[key], exact[key]) for key in expected}
    if own.is_fit:
        how = {"fit": FIT}
    else:
        how = {
            "steps": STEPS,
            "batches": "step t (from 0) trains on batch t modulo the number of batches",
            "class_weight": {},
        }
    return {
        "format": 1,
        "kind": "trajectories",
        "name": name,
        "class": config["class_name"],
        "config": config["config"],
        "compile": config["compile_config"],
        "weights": weights,
        "source": inspect.getsource(own.build),
        **how,
        "given": shapes(given),
        "expected": shapes(expected),
        "tolerance": {key: tolerance_of(errors[key], exact[key]) for key in expected},
        "float64_error": errors,
        "not_comparable": [],
        "made_with": f"Keras {keras.version()}, {BACKEND} {sys.modules[BACKEND].__version__} (CPU)",
    }


def write_safetensors(path: pathlib.Path, tensors: dict[str, numpy.ndarray], info: dict) -> None:
    """A length, a JSON text with the places of the tensors, and their bytes."""
    header: dict = {"__metadata__": {"case": json.dumps(info)}}
    content = b""
    for name in sorted(tensors):
        tensor = numpy.ascontiguousarray(tensors[name]).astype(tensors[name].dtype, copy=False)
        end = len(content) + tensor.nbytes
        header[name] = {
            "dtype": {"float32": "F32", "int32": "I32"}[tensor.dtype.name],
            "shape": list(tensor.shape),
            "data_offsets": [len(content), end],
        }
        content += tensor.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + content)


def make(name: str) -> None:
    model, given, expected = computed(name)
    info = information(name, model, given, expected, in_float64(name))
    write_safetensors(FOLDER / f"{name}.safetensors", given | expected, info)
    tolerances = info["tolerance"].values()
    print(f"{name}: rtol up to {max(tolerance['rtol'] for tolerance in tolerances):g}")


def main(arguments: list[str]) -> int:
    if FLOATX == "float64":
        name, path = arguments
        numpy.savez(path, **computed(name)[2])
        return 0
    unknown = [name for name in arguments if name not in CASES]
    if unknown:
        print(f"there is no case {unknown[0]}\n{__doc__}", file=sys.stderr)
        return 2
    for name in arguments or CASES:
        if CASES[name].backend == BACKEND:
            make(name)
        else:
            print(f"{name}: left out, its numbers are those of {CASES[name].backend}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
