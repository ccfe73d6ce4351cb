"""Runs the suite `feed`: what feed_bench measures of Stoker, and the same generators in Keras and
PyTorch. A figure is the best of several rounds; sides of a ratio take turns, round after round.
"""

import argparse
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PROGRAM = os.path.join(ROOT, "build", "release", "feed_bench")
SECTIONS = ["overlap", "ring", "article", "cores", "autotune", "advice"]
# The figure that the best round has most or least of.
MOST = {"batches_per_s", "gb_per_s"}
COSTS = [0.0, 0.5, 1.0, 2.0]
STEPS = 60
ANSWER_LIMIT_S = 300


def key(row):
    return row["section"], row["case"], row["side"]


def better(old, new):
    figures = [name for name in new if name not in ("section", "case", "side")
               and isinstance(new[name], float)]
    if old is None or not figures:
        return new
    name = figures[0]
    wins = new[name] > old[name] if name in MOST else new[name] < old[name]
    return new if wins else old


def run_sections(names, rounds):
    rows = {}
    for _ in range(rounds):
        for name in names:
            output = subprocess.run([PROGRAM, name], capture_output=True, text=True, check=False)
            if output.returncode != 0:
                row = {"section": name, "case": "", "side": "stoker",
                       "error": output.stderr.strip()[-200:] or f"exit {output.returncode}"}
                rows[key(row)] = row
                continue
            for line in output.stdout.splitlines():
                row = json.loads(line)
                # Ratios of what ran in turn already, or figures that belong together: the best of
                # several would flatter them, so the first counts.
                keeps = row["section"] in ("advice", "autotune", "cores") and key(row) in rows
                if not keeps:
                    rows[key(row)] = better(rows.get(key(row)), row)
    return list(rows.values())


class Side:
    def __init__(self, command, environment=None):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, env=os.environ | {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu",
                                         "TF_CPP_MIN_LOG_LEVEL": "3"} | (environment or {}))

    def answer(self, word):
        for line in self.process.stdout:
            if line.startswith(word):
                return line.split()[1]
        raise RuntimeError("it ended")

    def train(self, steps):
        self.process.stdin.write(f"steps {steps}\n")
        self.process.stdin.flush()
        return float(self.answer("seconds"))

    def close(self):
        self.process.kill()
        self.process.wait()


def peers(library, iterations):
    keras = [sys.executable, os.path.join(HERE, "side_keras.py")]
    torch = [sys.executable, os.path.join(HERE, "side_torch.py")]
    tail = [library, str(iterations)]
    found = {}
    for backend in ("tensorflow", "jax"):
        environment = {"KERAS_BACKEND": backend}
        found[f"keras-{backend}, generator"] = (keras + ["generator"] + tail, environment)
        found[f"keras-{backend}, PyDataset, 2 workers"] = (keras + ["pydataset"] + tail, environment)
    found["keras-tensorflow, tf.data"] = (keras + ["tfdata"] + tail,
                                          {"KERAS_BACKEND": "tensorflow"})
    for workers in (0, 1, 2):
        found[f"torch, DataLoader, {workers} workers"] = (torch + [str(workers)] + tail, {})
    return found


def run_against(rounds):
    library = os.path.join(ROOT, "build", "burn.so")
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", os.path.join(HERE, "burn.c"), "-o", library],
                   check=True)
    rows = []
    for cost in COSTS:
        case = f"cpu, cost {cost:g}"
        sides, best = {}, {}
        stoker = Side([PROGRAM, "serve", str(cost)])
        step = int(stoker.answer("iterations"))
        sides["stoker, AUTOTUNE"] = stoker
        for name, (command, environment) in peers(library, int(cost * step)).items():
            sides[name] = Side(command, environment)
        for name in list(sides):
            try:
                sides[name].train(5)
            except (RuntimeError, BrokenPipeError, ValueError) as error:
                rows.append({"section": "against", "case": case, "side": name,
                             "error": str(error)})
                sides.pop(name).close()
        for _ in range(rounds):
            for name, side in sides.items():
                time.sleep(0.05)
                best[name] = min(best.get(name, 1e9), side.train(STEPS) / STEPS)
        for name, side in sides.items():
            side.close()
            rows.append({"section": "against", "case": case, "side": name,
                         "ms_per_step": 1e3 * best[name],
                         "against_stoker": best[name] / best["stoker, AUTOTUNE"]})
        print_rows([row for row in rows if row["case"] == case])
    return rows


def print_rows(rows):
    for row in rows:
        figures = "  ".join(f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
                            for name, value in row.items()
                            if name not in ("section", "case", "side"))
        print(f"{row['section']:9} {row['case']:44} {row['side']:38} {figures}", flush=True)


def plot(rows, path):
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(13, 5), width_ratios=(1, 1.3))
    overlap = [row for row in rows if row["section"] == "overlap" and "of_the_slowest" in row]
    left.barh([row["case"] for row in overlap], [row["of_the_slowest"] for row in overlap],
              color="#3b6ea5")
    left.axvline(1.0, color="black", linewidth=0.8)
    left.axvline(1.03, color="#b03a2e", linewidth=0.8, linestyle="--")
    left.set_xlim(0.98, 1.12)
    left.invert_yaxis()
    left.set_xlabel("wall time against the slowest stage (dashed: 1.03)")
    left.set_title("generate : upload : step, simulated device")
    against = [row for row in rows if row["section"] == "against" and "ms_per_step" in row]
    for side in dict.fromkeys(row["side"] for row in against):
        own = [row for row in against if row["side"] == side]
        right.plot([row["case"].split()[-1] for row in own], [row["ms_per_step"] for row in own],
                   marker="o", linewidth=3 if side.startswith("stoker") else 1.2, label=side)
    right.set_xlabel("what a batch costs to generate, in steps of Stoker's")
    right.set_ylabel("ms a step")
    right.set_yscale("log")
    right.set_title("cnn, batches of 32, CPU")
    if against:
        right.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [line.split(":")[1].strip() for line in file if line.startswith("model name")]
    return {"cpu": names[0] if names else "", "cores": len(os.sched_getaffinity(0)), "gpu": None}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json")
    parser.add_argument("--plot")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", help="one of: " + ", ".join(SECTIONS + ["against"]))
    arguments = parser.parse_args()
    wanted = [name for name in SECTIONS + ["against"]
              if arguments.only is None or name in arguments.only.split(",")]
    rows = run_sections([name for name in wanted if name != "against"], arguments.rounds)
    print_rows(rows)
    if "against" in wanted:
        rows += run_against(arguments.rounds)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True,
                            text=True, check=False).stdout.strip()
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({"commit": commit, "machine": machine(),
                       "rows": [{"suite": "feed"} | row for row in rows]}, file, indent=1)
    if arguments.plot:
        plot(rows, arguments.plot)


if __name__ == "__main__":
    main()
