"""Reads the logs of stoker_tensorboard_logs with TensorBoard's own loaders, and compares.

usage: read_with_tensorboard.py FOLDER [PROGRAM]   (PROGRAM writes the logs first)
"""

import io
import json
import math
import pathlib
import shutil
import subprocess
import sys

import numpy
import PIL.Image
from tensorboard.backend.event_processing import event_accumulator, event_file_loader
from tensorboard.data import server_ingester
from tensorboard.plugins.graph import keras_util
from tensorboard.util import grpc_util, tensor_util

WRONG: list[str] = []


def expect(is_right: bool, what: str) -> None:
    if not is_right:
        WRONG.append(what)


def load(folder: pathlib.Path) -> event_accumulator.EventAccumulator:
    """Everything of a run, with no limit on what is kept."""
    guidance = {name: 0 for name in event_accumulator.DEFAULT_SIZE_GUIDANCE}
    run = event_accumulator.EventAccumulator(str(folder), size_guidance=guidance)
    run.Reload()
    events = 0
    for path in sorted(folder.iterdir()):
        of_file = list(event_file_loader.EventFileLoader(str(path)).Load())
        expect(of_file[0].file_version == "brain.Event:2", f"{path}: no version")
        expect(all(len(event.summary.value) == 1 for event in of_file[1:]), f"{path}: no summary")
        events += len(of_file) - 1
    kept = sum(len(run.Tensors(tag)) for tag in run.Tags()["tensors"])
    expect(kept == events, f"{folder}: {events} events, of which TensorBoard keeps {kept}")
    print(f"{folder}: {events} events of {len(run.Tags()['tensors'])} tags")
    return run


def scalars(run: event_accumulator.EventAccumulator, tag: str) -> list[tuple[int, float]]:
    events = run.Tensors(tag)
    return [(event.step, tensor_util.make_ndarray(event.tensor_proto).item()) for event in events]


def check_scalars(run, tag: str, expected: list) -> None:
    received = scalars(run, tag)
    values = [numpy.float32(value) for value in expected]
    same = [step for step, _ in received] == list(range(len(values))) and all(
        a == b or (math.isnan(a) and math.isnan(b)) for (_, a), b in zip(received, values)
    )
    expect(same, f"{tag}: expected {values}, received {received}")


def check_weights(run, weights: dict[str, int]) -> None:
    for name, size in weights.items():
        events = run.Tensors(f"{name}/histogram")
        expect([event.step for event in events] == [0, 1, 2], f"{name}: wrong steps")
        for event in events:
            buckets = tensor_util.make_ndarray(event.tensor_proto)
            expect(buckets.shape == (30, 3), f"{name}: buckets of {buckets.shape}")
            expect(buckets[:, 2].sum() == size, f"{name}: {buckets[:, 2].sum()} of {size} values")
    images = [tag for tag in run.Tags()["tensors"] if tag.endswith("/image")]
    expect(len(images) >= 3, f"images of {images}")
    for tag in images:
        width, height, *pngs = tensor_util.make_ndarray(run.Tensors(tag)[0].tensor_proto)
        for png in pngs:
            size = PIL.Image.open(io.BytesIO(png)).size
            expect(size == (int(width), int(height)), f"{tag}: {size}, not {width} x {height}")


def check_graph(run, model: str) -> None:
    [text] = tensor_util.make_ndarray(run.Tensors("keras")[0].tensor_proto)
    expect(text.decode() == model, "the model's JSON is another")
    graph = keras_util.keras_model_to_graph_def(json.loads(text))
    inputs = {node.name: list(node.input) for node in graph.node}
    expect(len(inputs) >= 7, f"the graph has {sorted(inputs)}")
    expect("twins/both" in inputs and inputs["twins/price"] == ["twins/both"], f"edges: {inputs}")


def check_server(folder: pathlib.Path, runs: dict) -> None:
    """The same by the data server, which `tensorboard` reads with."""
    samples = {"scalars": 10000, "histograms": 1000, "images": 1000, "text": 1000}
    ingester = server_ingester.SubprocessServerDataIngester(
        server_binary=server_ingester.get_server_binary(),
        logdir=str(folder),
        reload_interval=1,
        channel_creds_type=grpc_util.ChannelCredsType.LOCAL,
        samples_per_plugin=samples,
    )
    ingester.start()
    provider = ingester.data_provider
    found = provider.list_scalars(None, experiment_id="", plugin_name="scalars")
    expect(set(found) == set(runs), f"the server has the runs {set(found)}")
    for name, tags in found.items():
        run = runs[name]
        own = {
            tag
            for tag in run.Tags()["tensors"]
            if run.SummaryMetadata(tag).plugin_data.plugin_name == "scalars"
        }
        expect(set(tags) == own, f"{name}: the server has other scalars: {set(tags) ^ own}")
    blobs = provider.list_blob_sequences(None, experiment_id="", plugin_name="graph_keras_model")
    expect("keras" in blobs.get("train", {}), "the server has no graph")


def main() -> int:
    folder = pathlib.Path(sys.argv[1])
    if len(sys.argv) > 2:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        subprocess.run([sys.argv[2], str(folder)], check=True)
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    train, validation = load(folder / "train"), load(folder / "validation")
    odd = 'odd "<name>" {ü\N{REPLACEMENT CHARACTER}}'
    for name, values in expected["history"].items():
        values = [float(value) for value in values]
        if name.startswith("val_"):
            check_scalars(validation, f"epoch_{name.removeprefix('val_')}", values)
        elif name == "feed_computed":
            check_scalars(train, "feed/computed", values)
        elif not name.startswith("feed_"):
            check_scalars(train, f"epoch_{odd if name == 'odd' else name}", values)
    check_scalars(train, "epoch_many/999", [999.0] * 3)
    check_scalars(train, "epoch_learning_rate", [0.001] * 3)
    steps = expected["steps"]
    every = [step for step in range(1, 3 * steps + 1) if step % 2 == 0]
    for tag in ("batch_loss", "batch_mae", "batch_steps_per_second"):
        expect([step for step, _ in scalars(train, tag)] == every, f"{tag}: wrong steps")
    evaluations = scalars(validation, "evaluation_loss_vs_iterations")
    expect([step for step, _ in evaluations] == [steps, 2 * steps, 3 * steps], f"{evaluations}")
    texts = [tensor_util.make_ndarray(e.tensor_proto).item() for e in train.Tensors("feed/verdict")]
    expect(len(texts) == 3 and all(b"the step computed" in text for text in texts), f"{texts}")
    check_weights(train, expected["weights"])
    check_graph(train, expected["model"])
    check_server(folder, {"train": train, "validation": validation})
    for wrong in WRONG:
        print(f"WRONG: {wrong}", file=sys.stderr)
    return 1 if WRONG else 0


if __name__ == "__main__":
    sys.exit(main())
