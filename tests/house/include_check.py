"""Fails on an include that goes upwards in the map of docs/architecture.md.

usage: include_check.py ROOT        (the folder that holds src/ and include/)
       include_check.py --self-test
"""

import pathlib
import re
import sys
import tempfile

# "Folders, and who may include whom": what a folder may include besides itself. Whatever those may
# include it may include too, so each line names only the step down.
FOLDERS = {
    "core": [],
    "device": ["core"],
    "graph": ["core"],
    "ops": ["graph"],
    "initializers": ["ops"],
    "losses": ["ops"],
    "metrics": ["losses"],
    "optimizers": ["ops"],
    "layers": ["ops", "initializers"],
    # What users make of their own.
    "custom": ["layers", "losses", "metrics"],
    "plan": ["ops"],
    "backend": ["plan", "device"],
    "backend/cpu": ["backend"],
    "backend/cuda": ["backend"],
    "backend/cuda_absent": ["backend"],
    "data": ["io"],
    "feed/ring": ["data", "device"],
    "feed": ["feed/ring"],
    "feed/tuning": ["feed"],
    "feed/upload": ["feed/tuning"],
    "report": ["feed/tuning"],
    "io": ["core"],
    "cluster": ["device"],
    # All above, but no single backend.
    "train": ["custom", "layers", "losses", "metrics", "optimizers", "initializers", "backend", "data",
              "feed/upload", "report", "io", "cluster"],
}

# The folder that each public header belongs to. A new header needs its line here, unless it lies in
# a folder of headers that has one.
PUBLIC_HEADERS = {
    "axes.h": "core",
    "config.h": "core",
    "dtype.h": "core",
    "error.h": "core",
    "random.h": "core",
    "salt.h": "core",
    "detail/cast.h": "data",
    "detail/coroutine.h": "data",
    "detail/coroutine_promise.h": "data",
    "detail/dataset.h": "data",
    "detail/dataset_batch.h": "data",
    "detail/dataset_blocks.h": "data",
    "detail/dataset_cache.h": "data",
    "detail/dataset_core.h": "data",
    "detail/dataset_elements.h": "data",
    "detail/dataset_iterator.h": "data",
    "detail/timeseries.h": "data",
    "detail/records.h": "data",
    "detail/hdf5_rows.h": "data",
    "detail/dataset_lease.h": "data",
    "detail/dataset_map.h": "data",
    "detail/dataset_measured.h": "data",
    "detail/dataset_pass.h": "data",
    "detail/dataset_select.h": "data",
    "detail/dataset_shuffle.h": "data",
    "detail/dataset_sink.h": "data",
    "detail/dataset_source.h": "data",
    "detail/dataset_threads.h": "data",
    "detail/dataset_window.h": "data",
    "detail/dataset_zip.h": "data",
    "detail/device_source.h": "feed",
    "detail/float_bits.h": "core",
    "detail/function.h": "core",
    "detail/generator.h": "data",
    "detail/generator_types.h": "data",
    "detail/host_device.h": "core",
    "detail/monitor.h": "train",
    "detail/mutex.h": "core",
    "detail/philox.h": "core",
    "detail/several.h": "core",
    "detail/source_adapter.h": "data",
    "several.h": "core",
    "shape.h": "core",
    "tensor.h": "core",
    "eigen.h": "core",
    "device.h": "device",
    "device_source.h": "feed",
    "constraints.h": "initializers",
    "initializers.h": "initializers",
    "layers.h": "layers",
    "text.h": "layers",
    "layers/": "layers",
    "losses.h": "losses",
    "custom.h": "custom",
    "kernel.h": "custom",
    "ops.h": "custom",
    "metrics.h": "metrics",
    "optimizers.h": "optimizers",
    "schedules.h": "optimizers",
    "array_source.h": "data",
    "coroutine.h": "data",
    "dataset.h": "data",
    "dataset_options.h": "data",
    "failures.h": "data",
    "interrupt.h": "core",
    "loader.h": "train",
    "detail/loader.h": "train",
    "generator.h": "data",
    "histogram.h": "core",
    "audio.h": "data",
    "cifar.h": "data",
    "csv.h": "data",
    "hdf5_rows.h": "data",
    "idx.h": "data",
    "image.h": "data",
    "image_folder.h": "data",
    "image_list.h": "data",
    "isolated_images.h": "data",
    "npy.h": "data",
    "read_limits.h": "data",
    "record_options.h": "data",
    "sequence.h": "data",
    "source.h": "data",
    "source_state.h": "data",
    "varying.h": "data",
    "pad_sequences.h": "data",
    "tar_samples.h": "data",
    "text_lines.h": "data",
    "tfrecord.h": "data",
    "timeseries.h": "data",
    "history.h": "report",
    "report.h": "feed",
    "memory_report.h": "train",
    "bench.h": "train",
    "bench_fixture.h": "train",
    "callback.h": "train",
    "callback_state.h": "train",
    "callbacks.h": "train",
    "checkpoint.h": "train",
    "model.h": "train",
    "plot_model.h": "train",
    "predictor.h": "train",
    "tensorboard.h": "train",
    "trainer.h": "train",
    "run_report.h": "train",
}
# Libraries that a public header may include, because only programs that link them include it.
GUESTS = {"bench_fixture.h": {"benchmark/benchmark.h"}, "eigen.h": {"Eigen/Core"}}
UMBRELLA = "stoker.h"  # includes all of them; for users, not for us

SUFFIXES = {".h", ".hpp", ".inl", ".def", ".c", ".cpp", ".cu", ".cuh"}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]')
STANDARD_HEADER = re.compile(r"^[a-z0-9_]+$")  # <vector>: no folder, no suffix


def reach_of(folder: str) -> set[str]:
    reach = {folder}
    for lower in FOLDERS[folder]:
        reach |= reach_of(lower)
    return reach


REACH = {folder: reach_of(folder) for folder in FOLDERS}


def folder_of(path: str) -> str | None:
    """The map's folder for a path below src/: the longest that has a line in the table."""
    parts = path.split("/")[:-1]
    for length in range(len(parts), 0, -1):
        folder = "/".join(parts[:length])
        if folder in FOLDERS:
            return folder
    return None


def public_folder_of(header: str) -> str | None:
    """The map's folder for a header below include/stoker/: its own line, or that of its folder."""
    return PUBLIC_HEADERS.get(header) or PUBLIC_HEADERS.get(header.rpartition("/")[0] + "/")


class Check:
    def __init__(self, root: pathlib.Path):
        self.src = root / "src"
        self.public = root / "include/stoker"
        self.violations: list[str] = []

    def run(self) -> int:
        """Looks at every file; returns how many there were."""
        files = 0
        for base, check_file in ((self.src, self.check_source), (self.public, self.check_public)):
            for file in sorted(base.rglob("*")):
                if file.suffix in SUFFIXES and file.is_file():
                    files += 1
                    check_file(file, file.relative_to(base).as_posix())
        return files

    def check_table(self) -> None:
        """A line of PUBLIC_HEADERS whose header has gone, or never came."""
        for name in PUBLIC_HEADERS:
            if not (self.public / name).exists():
                self.violations.append(f"include/stoker/{name}: is in PUBLIC_HEADERS, but not there")

    def includes(self, file: pathlib.Path):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            if match := INCLUDE.match(line):
                yield f"{file.relative_to(self.src.parent)}:{number}", match[1], match[2]

    def check_public(self, file: pathlib.Path, name: str) -> None:
        if name == UMBRELLA:
            folder = None
        elif public_folder_of(name) is not None:
            folder = public_folder_of(name)
        else:
            self.violations.append(
                f"include/stoker/{name}: belongs to no folder; add it to PUBLIC_HEADERS"
            )
            return
        for where, _, included in self.includes(file):
            if included.startswith("stoker/"):
                self.check_public_include(where, folder, included)
            elif not STANDARD_HEADER.match(included) and included not in GUESTS.get(name, ()):
                self.violations.append(
                    f"{where}: <{included}> in a public header; expected the standard library or "
                    "<stoker/...>"
                )

    def check_source(self, file: pathlib.Path, name: str) -> None:
        folder = folder_of(name)
        if folder is None:
            self.violations.append(f"src/{name}: its folder is not in the map; see FOLDERS")
            return
        for where, kind, included in self.includes(file):
            if included.startswith("stoker/"):
                self.check_public_include(where, folder, included)
            elif kind == '"':
                self.check_own_include(where, folder, file, included)

    def check_public_include(self, where: str, folder: str | None, included: str) -> None:
        header = included.removeprefix("stoker/")
        if header == UMBRELLA:
            self.violations.append(f"{where}: <stoker/{UMBRELLA}> is for users; name the headers")
        elif public_folder_of(header) is None or not (self.public / header).is_file():
            self.violations.append(f"{where}: there is no public header <{included}>")
        elif folder is not None:
            self.check_direction(where, folder, public_folder_of(header), included)

    def check_own_include(
        self, where: str, folder: str, file: pathlib.Path, included: str
    ) -> None:
        for path in (self.src / included, file.parent / included):
            if path.is_file() and ".." not in included:
                target = folder_of(path.relative_to(self.src).as_posix())
                if target is not None:
                    self.check_direction(where, folder, target, included)
                return
        self.violations.append(f'{where}: "{included}" is no path below src/')

    def check_direction(self, where: str, folder: str, target: str, included: str) -> None:
        if target not in REACH[folder]:
            lower = ", ".join(sorted(REACH[folder] - {folder})) or "nothing of ours"
            self.violations.append(
                f"{where}: {folder}/ includes {included} of {target}/; it may include {lower}"
            )


# ---- Self-test: planted files, and the violation that each must give ("" for none) ----
PLANTED = {
    "include/stoker/shape.h": ("#include <vector>\n", ""),
    "include/stoker/tensor.h": ("#include <stoker/shape.h>\n", ""),
    "include/stoker/stoker.h": ("#include <stoker/tensor.h>\n#include <stoker/layers.h>\n", ""),
    "include/stoker/layers.h": ("#include <stoker/initializers.h>\n", ""),
    "include/stoker/initializers.h": ("#include <stoker/layers.h>\n", "initializers/ includes"),
    "include/stoker/losses.h": ("#include <Eigen/Core>\n", "in a public header"),
    "include/stoker/metrics.h": ('#include "graph/graph.h"\n', "in a public header"),
    "include/stoker/model.h": ("#include <stoker/stoker.h>\n", "is for users"),
    "include/stoker/mystery.h": ("", "belongs to no folder"),
    "include/stoker/layers/core.h": ("#include <stoker/losses.h>\n", "layers/ includes"),
    "include/stoker/mysteries/one.h": ("", "belongs to no folder"),
    "src/core/format.h": ("#include <string>\n#include <stoker/tensor.h>\n", ""),
    "src/core/upwards.cpp": ('#include "graph/graph.h"\n', "core/ includes graph/graph.h"),
    "src/core/public_upwards.cpp": ("#  include <stoker/layers.h>\n", "core/ includes stoker/lay"),
    "src/graph/graph.h": ('#include "core/format.h"\n', ""),
    "src/graph/beside.cpp": ('#include "graph.h"\n', ""),
    "src/ops/ops.h": ('#include "graph/graph.h"\n#include "core/format.h"\n', ""),
    "src/plan/plan.h": ('#include "ops/ops.h"\n', ""),
    "src/plan/device_user.cpp": ('#include "device/device.h"\n', "plan/ includes device/device.h"),
    "src/device/device.h": ("", ""),
    "src/device/cpu/cpu_device.cpp": ('#include "device/device.h"\n', ""),
    "src/backend/backend.h": ('#include "plan/plan.h"\n#include "device/device.h"\n', ""),
    "src/backend/cpu/kernels/exp.cpp": ('#include "backend/backend.h"\n#include <Eigen/Core>\n', ""),
    "src/backend/cpu/cpu.h": ("", ""),
    "src/backend/cuda/cuda.cpp": ('#include "backend/cpu/cpu.h"\n', "backend/cuda/ includes"),
    "src/train/model.cpp": ('#include "backend/backend.h"\n#include "ops/ops.h"\n', ""),
    "src/train/knows_too_much.cpp": ('#include "backend/cpu/cpu.h"\n', "train/ includes backend/cpu"),
    "src/train/dots.cpp": ('#include "../core/format.h"\n', "no path below src/"),
    "src/train/typo.cpp": ('#include "core/fromat.h"\n', "no path below src/"),
    "src/train/no_header.cpp": ("#include <stoker/nothing.h>\n", "no public header"),
    "src/utils/misc.cpp": ("", "not in the map"),
}


def self_test() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, (text, _) in PLANTED.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        check = Check(root)
        assert check.run() == len(PLANTED)
        for name, (_, expected) in PLANTED.items():
            received = [line for line in check.violations if re.match(f"{re.escape(name)}:", line)]
            if expected:
                assert len(received) == 1 and expected in received[0], (name, expected, received)
            else:
                assert received == [], (name, received)
        check.violations.clear()
        check.check_table()
        missing = {f"include/stoker/{name}: is in PUBLIC_HEADERS, but not there"
                   for name in PUBLIC_HEADERS if not (root / "include/stoker" / name).exists()}
        assert missing and set(check.violations) == missing, check.violations


def main(arguments: list[str]) -> int:
    if arguments == ["--self-test"]:
        self_test()
        return 0
    if len(arguments) != 1:
        print(__doc__)
        return 2
    check = Check(pathlib.Path(arguments[0]))
    files = check.run()
    check.check_table()
    for violation in check.violations:
        print(violation)
    print(f"{files} files, {len(check.violations)} violations")
    if files == 0:
        print("expected files under src/ and include/stoker/")
    return 1 if check.violations or files == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
