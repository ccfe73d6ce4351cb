"""Runs the suite `peers`: all sides of a workload in turn, round after round.

A figure is a side's fastest round; a ratio is between two sides' fastest rounds of one run.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))

# name, workload, batch, steps a round
WORKLOADS = [
    ("mlp-b32", "mlp", 32, 400),
    ("mlp-b128", "mlp", 128, 200),
    ("cnn-b32", "cnn", 32, 40),
    ("cnn-b128", "cnn", 128, 16),
    ("tiny-b1", "tiny", 1, 2000),
]


def sides(python):
    stoker = os.path.join(ROOT, "build", "release", "side_stoker")
    torch = [python, os.path.join(HERE, "side_torch.py")]
    keras = [python, os.path.join(HERE, "side_keras.py")]
    one_fewer = str(max(1, os.cpu_count() - 1))
    passive = {"OMP_WAIT_POLICY": "passive"}
    return {
        "stoker": ([stoker], {}, []),
        "torch-eager": (torch, {}, []),
        "torch-compile": (torch, {}, ["--compile"]),
        "torch-eager-passive": (torch, passive, []),
        "torch-eager-one-fewer": (torch, {}, ["--threads", one_fewer]),
        "keras-jax": (keras, {"KERAS_BACKEND": "jax"}, []),
        "keras-tensorflow": (keras, {"KERAS_BACKEND": "tensorflow"}, []),
    }


class Side:
    """A process that trains when it is asked to."""

    def __init__(self, command, environment, arguments, workload, batch):
        self.process = subprocess.Popen(
            command + [workload, str(batch)] + arguments, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment})

    def train(self, steps):
        """Seconds a step."""
        try:
            self.process.stdin.write(f"steps {steps}\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        for line in self.process.stdout:
            if line.startswith("seconds "):
                return float(line.split()[1]) / steps
        error = self.process.stderr.read().strip().splitlines()
        raise RuntimeError(error[-1] if error else "ended without a word")

    def close(self):
        self.process.kill()
        self.process.wait()


def burn():
    """A process that wants one core and never waits."""
    return subprocess.Popen([sys.executable, "-c", "while True: pass"])


def run_workload(name, workload, batch, steps, chosen, rounds, contended):
    running, rows, best = {}, [], {}
    for side, (command, environment, arguments) in chosen.items():
        running[side] = Side(command, environment, arguments, workload, batch)
        try:
            running[side].train(max(16, steps // 4))  # compiles and warms up
            best[side] = math.inf
        except RuntimeError as error:
            running.pop(side).close()
            rows.append({"workload": name, "side": side, "error": str(error)[:200]})
    burner = burn() if contended else None
    try:
        for _ in range(rounds):
            for side, process in running.items():
                best[side] = min(best[side], process.train(steps))
    finally:
        if burner:
            burner.kill()
            burner.wait()
        for process in running.values():
            process.close()
    for side, seconds in best.items():
        rows.append({"workload": name, "side": side, "ms_per_step": seconds * 1e3,
                     "samples_per_s": batch / seconds})
    return rows


def print_workload(name, rows):
    ours = next((r["ms_per_step"] for r in rows
                 if r["side"] == "stoker" and "ms_per_step" in r), None)
    for row in rows:
        if "error" in row:
            print(f"{name:10} {row['side']:24} {row['error']}")
        else:
            ratio = f"{row['ms_per_step'] / ours:6.2f}" if ours else ""
            print(f"{name:10} {row['side']:24} {row['ms_per_step']:10.4f} ms a step "
                  f"{row['samples_per_s']:12.0f} samples/s  {ratio}", flush=True)


def summarize(rows):
    ratios = []
    for name in dict.fromkeys(row["workload"] for row in rows):
        figures = {r["side"]: r["ms_per_step"] for r in rows
                   if r["workload"] == name and "ms_per_step" in r}
        ours = figures.pop("stoker", None)
        if ours and figures:
            fastest = min(figures, key=figures.get)
            ratios.append(figures[fastest] / ours)
            print(f"{name:10} {ratios[-1]:5.2f} times as fast as the fastest peer ({fastest})")
    if ratios:
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        print(f"{'mean':10} {mean:5.2f} (geometric)")


def plot(rows, path):
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    names = list(dict.fromkeys(row["workload"] for row in rows))
    labels = list(dict.fromkeys(row["side"] for row in rows if "ms_per_step" in row))
    figure, axes = plt.subplots(figsize=(1.8 * len(names) + 2, 4))
    width = 0.8 / max(1, len(labels))
    for k, side in enumerate(labels):
        found = {r["workload"]: r["ms_per_step"] for r in rows
                 if r["side"] == side and "ms_per_step" in r}
        places = [i + k * width for i, name in enumerate(names) if name in found]
        axes.bar(places, [found[name] for name in names if name in found], width, label=side)
    axes.set_yscale("log")
    axes.set_ylabel("ms a step (log)")
    axes.set_xticks([i + 0.4 - width / 2 for i in range(len(names))], names)
    axes.legend(fontsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=130)


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        cpu = next((line.split(":", 1)[1].strip() for line in file
                    if line.startswith("model name")), "unknown")
    return {"cpu": cpu, "cores": len(os.sched_getaffinity(0)), "gpu": None}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", required=True, help="the peers' Python")
    parser.add_argument("--contended", action="store_true", help="beside a process that burns a core")
    parser.add_argument("--json")
    parser.add_argument("--plot")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", help="workloads that contain this")
    parser.add_argument("--sides", default="", help="a list of sides, with commas")
    arguments = parser.parse_args()

    chosen = sides(arguments.python)
    if not arguments.contended:
        chosen = {k: v for k, v in chosen.items() if "passive" not in k and "fewer" not in k}
    if arguments.sides:
        chosen = {k: v for k, v in chosen.items() if k in arguments.sides.split(",")}
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, text=True,
                            capture_output=True, check=False).stdout.strip()
    suite = "peers-contended" if arguments.contended else "peers"
    print(f"{suite}, {machine()['cpu']}, {machine()['cores']} cores, commit {commit}, "
          f"{time.strftime('%Y-%m-%d')}; the last column is the time divided by Stoker's")
    rows = []
    for name, workload, batch, steps in WORKLOADS:
        if arguments.only in name:
            found = run_workload(name, workload, batch, steps, chosen, arguments.rounds,
                                 arguments.contended)
            print_workload(name, found)
            rows += found
    summarize(rows)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({"commit": commit, "machine": machine(),
                       "rows": [{"suite": suite, **row} for row in rows]}, file, indent=1)
    if arguments.plot:
        plot(rows, arguments.plot)


if __name__ == "__main__":
    main()
