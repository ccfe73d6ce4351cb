"""Checks the models that stoker_onnx_models exported, and compares what ONNX Runtime predicts.

usage: run_with_onnxruntime.py FOLDER
"""

import pathlib
import sys

import numpy
import onnx
import onnxruntime

# Of the outputs, which are about 1. In the 16-bit types: a few roundings, one at every layer, since
# the exported model computes in float32.
TOLERANCES = {"mixed_bfloat16": 4 * 2.0**-8, "mixed_float16": 4 * 2.0**-11}
TOLERANCE = 1e-5


def wrong(folder: pathlib.Path, name: str) -> str:
    """What is wrong, or nothing."""
    path = folder / f"{name}.onnx"
    onnx.checker.check_model(onnx.load(path), full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    x = numpy.load(folder / f"{name}.x.npz")
    y = numpy.load(folder / f"{name}.y.npz")
    given = {one.name: x[f"x{i}"] for i, one in enumerate(session.get_inputs())}
    received = session.run(None, given)
    if len(received) != len(y.files):
        return f"expected {len(y.files)} outputs, received {len(received)}"
    tolerance = next((t for policy, t in TOLERANCES.items() if policy in name), TOLERANCE)
    for i, values in enumerate(received):
        expected = y[f"y{i}"]
        if values.shape != expected.shape:
            return f"output {i}: expected {expected.shape}, received {values.shape}"
        error = numpy.abs(values - expected) / numpy.maximum(1.0, numpy.abs(expected))
        if not error.max(initial=0.0) <= tolerance:
            return f"output {i} differs by {error.max()}, expected at most {tolerance}"
    # One row alone: the batch is free.
    one = session.run(None, {name: values[:1] for name, values in given.items()})
    if any(a.shape[0] != 1 for a in one):
        return "a batch of one row does not give one row"
    return ""


def main(arguments: list[str]) -> int:
    folder = pathlib.Path(arguments[0])
    names = sorted(path.stem for path in folder.glob("*.onnx"))
    failures = 0
    for name in names:
        try:
            what = wrong(folder, name)
        except Exception as error:  # whatever ONNX or its runtime says
            what = f"{type(error).__name__}: {error}"
        if what:
            failures += 1
            print(f"{name}: {what}")
    print(f"{len(names)} models, {failures} wrong")
    return 1 if failures or not names else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
