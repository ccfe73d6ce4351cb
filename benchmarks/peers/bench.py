"""Runs the suite `peers`: all sides of a workload in turn, round after round.

A figure is a side's fastest round; a ratio is between two sides' fastest rounds of one run.
"""

import argparse
import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time

import native

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
CORES = len(os.sched_getaffinity(0))

# name, workload, batch, steps a round
WORKLOADS = [
    ("mlp-b32", "mlp", 32, 400),
    ("mlp-b128", "mlp", 128, 200),
    ("cnn-b32", "cnn", 32, 40),
    ("cnn-b128", "cnn", 128, 16),
    ("resnet20-b128", "resnet20", 128, 3),
    ("lstm-b128", "lstm", 128, 30),
    ("gru-b128", "gru", 128, 30),
    ("transformer-b32", "transformer", 32, 16),
    ("tiny-b1", "tiny", 1, 2000),
]
ANSWER_LIMIT_S = 300  # a side that hangs becomes an error
# Settings of the caller's shell that would take threads away from some sides only.
THREAD_SETTINGS = ("OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "TF_NUM_", "PJRT_NPROC", "NPROC")
# Between two sides: threads that spin after their last step are asleep by then.
PAUSE_S = 0.05


class Setting:
    """One way to run a side; `find` returns its program, or raises why there is none."""

    def __init__(self, find, environment=None, arguments=(), threads=CORES):
        self.find, self.environment = find, environment or {}
        self.arguments, self.threads = list(arguments), threads


def sides(contended):
    def script(name):
        return lambda: [sys.executable, os.path.join(HERE, name)]

    def stoker():
        return [os.path.join(ROOT, "build", "release", "side_stoker")]

    def libtorch():
        return [native.libtorch()]

    def dlib():
        return [native.dlib()]

    torch, keras, compile_ = script("side_torch.py"), script("side_keras.py"), ["--compile"]
    jax, tensorflow = {"KERAS_BACKEND": "jax"}, {"KERAS_BACKEND": "tensorflow"}
    found = {
        "stoker": Setting(stoker),
        "torch-eager": Setting(torch),
        "torch-compile": Setting(torch, arguments=compile_),
        "libtorch": Setting(libtorch),
        "keras-jax": Setting(keras, jax),
        "keras-tensorflow": Setting(keras, tensorflow),
        "dlib": Setting(dlib),
    }
    if not contended:
        return found
    passive = {"OMP_WAIT_POLICY": "passive"}  # only PyTorch's threads are OpenMP's
    fewer = max(1, CORES - 1)
    option, number = ["--threads", str(fewer)], str(fewer)
    found |= {
        "torch-eager-passive": Setting(torch, passive),
        "torch-eager-one-fewer": Setting(torch, {}, option, fewer),
        "torch-compile-passive": Setting(torch, passive, compile_),
        "torch-compile-one-fewer": Setting(torch, {}, compile_ + option, fewer),
        "libtorch-passive": Setting(libtorch, passive),
        "libtorch-one-fewer": Setting(libtorch, {}, option, fewer),
        "keras-jax-one-fewer": Setting(keras, jax | {"PJRT_NPROC": number}, [], fewer),
        "keras-tensorflow-one-fewer": Setting(
            keras, tensorflow | {"TF_NUM_INTRAOP_THREADS": number,
                                 "TF_NUM_INTEROP_THREADS": number}, [], fewer),
        "dlib-one-fewer": Setting(dlib, {"OPENBLAS_NUM_THREADS": number}, [], fewer),
    }
    return dict(sorted(found.items(), key=lambda item: list(found).index(library(item[0]))))


def library(side):
    """The side without its setting."""
    return side.removesuffix("-passive").removesuffix("-one-fewer")


class Side:
    """A process that trains when it is asked to."""

    def __init__(self, setting, workload, batch):
        command = setting.find() + [workload, str(batch)] + setting.arguments
        self.scratch = tempfile.TemporaryDirectory(prefix="stoker-peers-")
        self.stderr = open(os.path.join(self.scratch.name, "stderr"), "w+", encoding="utf-8",
                           errors="replace")
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith(THREAD_SETTINGS)}
        environment |= {
            "CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3",
            # Compiled code that an earlier run left behind would make first steps incomparable.
            "TORCHINDUCTOR_CACHE_DIR": os.path.join(self.scratch.name, "inductor"),
        }
        self.loss = math.nan
        start = time.monotonic()
        # A group to kill, but no session of its own: Linux shares the cores out between sessions
        # first, and a slow generator is in its program's.
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.stderr, text=True,
            env=environment | setting.environment, process_group=0)
        try:
            self.train(1)
        except RuntimeError:
            self.close()
            raise
        self.first_step = time.monotonic() - start

    def train(self, steps):
        """Seconds a step."""
        watch = threading.Timer(ANSWER_LIMIT_S, self.process.kill)
        watch.start()
        try:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.write(f"steps {steps}\n")
                self.process.stdin.flush()
            for line in self.process.stdout:
                if line.startswith("seconds "):
                    _, seconds, _, loss = line.split()
                    self.loss = float(loss)
                    if not math.isfinite(self.loss):
                        raise RuntimeError(f"its loss is {loss}")
                    return float(seconds) / steps
            if watch.finished.is_set():
                raise RuntimeError(f"no answer within {ANSWER_LIMIT_S} s")
        finally:
            watch.cancel()
        self.process.wait()
        self.stderr.seek(0)
        said = [line.strip() for line in self.stderr if line.strip()]
        raise RuntimeError(said[-1] if said else f"ended with {self.process.returncode}")

    def peak_mb(self):
        """The process's own; torch.compile's compilers are other processes."""
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as file:
            for line in file:
                if line.startswith("VmHWM"):
                    return int(line.split()[1]) / 1024
        raise RuntimeError("ended after its last round")

    def close(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # with the processes it started
        self.process.wait()
        for file in (self.process.stdin, self.process.stdout, self.stderr):
            with contextlib.suppress(BrokenPipeError):
                file.close()
        self.scratch.cleanup()


@contextlib.contextmanager
def burner(wanted):
    """A process that wants one core and never waits; it ends with this one."""
    if not wanted:
        yield
        return
    code = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: sum(range(10**5))"
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def run_workload(workload, batch, steps, chosen, rounds):
    """Rows in the order of `chosen`."""
    running, rows, best = {}, {}, {}

    def fail(side, error):
        rows[side] = {"error": " ".join(str(error).split())[:200]}
        if side in running:
            running.pop(side).close()

    try:
        for side, setting in chosen.items():
            try:
                running[side] = Side(setting, workload, batch)
                running[side].train(max(16, steps // 4))  # warms up
                best[side] = math.inf
            except (RuntimeError, OSError) as error:
                fail(side, error)
        for _ in range(rounds):
            for side, process in list(running.items()):
                time.sleep(PAUSE_S)
                try:
                    best[side] = min(best[side], process.train(steps))
                except RuntimeError as error:
                    fail(side, error)
        for side, process in list(running.items()):
            try:
                rows[side] = {"ms_per_step": best[side] * 1e3, "samples_per_s": batch / best[side],
                              "first_step_s": process.first_step, "peak_mb": process.peak_mb(),
                              "threads": chosen[side].threads, "loss": process.loss}
            except (RuntimeError, OSError) as error:
                fail(side, error)
    finally:
        for process in running.values():
            process.close()
    return [{"side": side, **rows[side]} for side in chosen]


def print_head(suite, commit):
    fewer = f", one-fewer: {max(1, CORES - 1)}" if "contended" in suite else ""
    print(f"{suite}: {machine()['cpu']}, {CORES} cores, commit {commit}, "
          f"{time.strftime('%Y-%m-%d')}; every side uses {CORES} threads{fewer}\n"
          "ratio: ms a step divided by Stoker's; first step: from the process's start, nothing "
          "compiled before\n")
    print(f"{'workload':9} {'side':26} {'threads':>7} {'ms/step':>10} {'ratio':>7} "
          f"{'samples/s':>11} {'first step s':>12} {'peak MB':>8} {'loss':>7}")


def print_workload(name, rows):
    ours = next((r["ms_per_step"] for r in rows
                 if r["side"] == "stoker" and "ms_per_step" in r), math.nan)
    for row in rows:
        if "error" in row:
            print(f"{name:9} {row['side']:26} error: {row['error']}")
        else:
            print(f"{name:9} {row['side']:26} {row['threads']:7} {row['ms_per_step']:10.4f} "
                  f"{row['ms_per_step'] / ours:7.2f} {row['samples_per_s']:11.0f} "
                  f"{row['first_step_s']:12.2f} {row['peak_mb']:8.0f} {row['loss']:7.3f}")
    print(flush=True)


def figures(rows, workload):
    """ms a step by library, each at its best setting."""
    found = {}
    for row in rows:
        if row["workload"] == workload and "ms_per_step" in row:
            name = library(row["side"])
            found[name] = min(found.get(name, math.inf), row["ms_per_step"])
    return found


def summarize(rows):
    ratios = {}
    for name in dict.fromkeys(row["workload"] for row in rows):
        found = figures(rows, name)
        ours = found.pop("stoker", None)
        if ours and found:
            fastest = min(found, key=found.get)
            ratios[name] = found[fastest] / ours
            print(f"{name:9} {ratios[name]:5.2f} times as fast as the fastest peer ({fastest})")
    # tiny measures what a step costs beside its arithmetic, and drowns the others in a mean.
    large = [ratio for name, ratio in ratios.items() if not name.startswith("tiny")]
    for label, of in (("all", list(ratios.values())), ("all but tiny", large)):
        if of:
            print(f"geometric mean of {label}: {math.prod(of) ** (1 / len(of)):.2f}")


def plot(rows, path, suite):
    """A panel for each workload: their times lie four orders of magnitude apart."""
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    names = list(dict.fromkeys(row["workload"] for row in rows))
    panels = {name: figures(rows, name) for name in names}
    shown = [side for side in dict.fromkeys(library(row["side"]) for row in rows)
             if any(side in found for found in panels.values())]
    columns = min(3, len(names))
    lines = math.ceil(len(names) / columns)
    figure, axes = plt.subplots(
        lines, columns, squeeze=False, sharey=True,
        figsize=(1.6 + 3.1 * columns, 1.1 + (0.5 + 0.26 * len(shown)) * lines))
    for axis in axes.flat[len(names):]:
        axis.set_visible(False)
    for axis, (name, found) in zip(axes.flat, panels.items()):
        longest = max(found.values(), default=1)
        for place, side in enumerate(shown):
            if side in found:
                axis.barh(place, found[side], color="#d1495b" if side == "stoker" else "#8d99ae")
                axis.text(found[side] + longest * 0.02, place, f"{found[side]:.3g}", va="center",
                          fontsize=8)
        axis.set_xlim(0, longest * 1.25)
        axis.set_xticks([])
        axis.set_yticks(range(len(shown)), shown, fontsize=8)
        axis.tick_params(left=False)
        axis.set_title(name, fontsize=9, loc="left")
        axis.spines[["top", "right", "bottom"]].set_visible(False)
    axes[0, 0].invert_yaxis()
    best = "\neach side at its best setting" if "contended" in suite else ""
    figure.suptitle(f"{suite}: ms a step, shorter is faster{best}", fontsize=10)
    figure.tight_layout()
    figure.savefig(path, dpi=130)


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        cpu = next((line.split(":", 1)[1].strip() for line in file
                    if line.startswith("model name")), "unknown")
    return {"cpu": cpu, "cores": CORES, "gpu": None}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contended", action="store_true",
                        help="beside a process that burns a core")
    parser.add_argument("--json")
    parser.add_argument("--plot")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", help="workloads that contain this")
    parser.add_argument("--sides", default="", help="a list of sides, with commas")
    arguments = parser.parse_args()

    chosen = sides(arguments.contended)
    if arguments.sides:
        wanted = arguments.sides.split(",")
        chosen = {name: side for name, side in chosen.items()
                  if name in wanted or library(name) in wanted}
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, text=True,
                            capture_output=True, check=False).stdout.strip()
    suite = "peers --contended" if arguments.contended else "peers"
    for setting in chosen.values():  # what must be compiled, before anything is measured
        with contextlib.suppress(RuntimeError, OSError):
            setting.find()
    print_head(suite, commit)
    rows = []
    with burner(arguments.contended):
        for name, workload, batch, steps in WORKLOADS:
            if arguments.only in name:
                found = run_workload(workload, batch, steps, chosen, arguments.rounds)
                print_workload(name, found)
                rows += [{"suite": suite, "workload": name, **row} for row in found]
    summarize(rows)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({"commit": commit, "machine": machine(), "rows": rows}, file, indent=1)
    if arguments.plot:
        plot(rows, arguments.plot, suite)


if __name__ == "__main__":
    main()
