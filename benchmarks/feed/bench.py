"""Runs the suite `feed`: what feed_bench and feed_tuning_bench measure of Stoker, and the same
generators in Keras and PyTorch.

A figure is the best of several rounds, and a row says of how many; sides of a ratio take turns,
round after round. What a step costs is measured once and handed to every side. Sections can be
measured apart (--only): the others are kept in the file that --json names.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.join(ROOT, "build", "release")
FEED, TUNING = os.path.join(BUILD, "feed_bench"), os.path.join(BUILD, "feed_tuning_bench")
MATRIX = os.path.join(BUILD, "feed_matrix_bench")
# By section: the program, and how many times it runs. Those that run once take turns inside, or
# compare means of hundreds of steps: their ratios belong together, and the best of several would
# flatter them. The simulated device's figures vary less, and its rounds are longer.
SECTIONS = {"overlap": (FEED, 2), "ring": (FEED, 7), "article": (FEED, 5),
            "article-simulated": (FEED, 2), "twins": (FEED, 1), "cores": (FEED, 1),
            "autotune": (TUNING, 1), "autotune-waits": (TUNING, 1),
            "autotune-simulated": (TUNING, 1), "autotune-slow": (TUNING, 1), "advice": (TUNING, 1), "matrix": (MATRIX, 1),
            "what_if": (MATRIX, 1)}
AGAINST_ROUNDS = 5
# The figure that the best round has most or least of.
MOST = {"batches_per_s", "gb_per_s"}
COSTS = [0.0, 0.5, 1.0, 2.0]
STEPS = 40
BATCH = 32


def key(row):
    return row["section"], row["case"], row["side"]


def better(old, new):
    figures = [name for name in new if isinstance(new[name], float)]
    if old is None or not figures:
        return new
    name = figures[0]
    wins = new[name] > old[name] if name in MOST else new[name] < old[name]
    return new if wins else old


def run_section(name, calibration, rounds):
    program, own = SECTIONS[name]
    rows = {}
    rounds = rounds if rounds and own > 1 else own
    for _ in range(rounds):
        output = subprocess.run([program, name] + calibration, capture_output=True, text=True,
                                check=False)
        if output.returncode != 0:
            row = {"section": name, "case": "", "side": "stoker",
                   "error": output.stderr.strip()[-200:] or f"exit {output.returncode}"}
            rows[key(row)] = row
            continue
        for line in output.stdout.splitlines():
            row = json.loads(line)
            rows[key(row)] = better(rows.get(key(row)), {"rounds": rounds} | row)
    return list(rows.values()), rounds


class Side:
    def __init__(self, command, environment):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, env=os.environ | {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu",
                                         "TF_CPP_MIN_LOG_LEVEL": "3"} | environment)

    def train(self, steps, iterations):
        self.process.stdin.write(f"steps {steps} {iterations}\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("seconds"):
                return float(line.split()[1])
        raise RuntimeError(f"it ended with status {self.process.wait()}")

    def close(self):
        self.process.kill()
        self.process.wait()


def commands(library):
    found = {"stoker, AUTOTUNE": ([FEED, "serve", "auto"], {}),
             "stoker, one worker": ([FEED, "serve", "1"], {})}
    keras = [sys.executable, os.path.join(HERE, "side_keras.py")]
    torch = [sys.executable, os.path.join(HERE, "side_torch.py")]
    for backend in ("tensorflow", "jax"):
        environment = {"KERAS_BACKEND": backend}
        found[f"keras-{backend}, generator"] = (keras + ["generator", library], environment)
        found[f"keras-{backend}, PyDataset, 2 workers"] = (keras + ["pydataset", library],
                                                           environment)
    found["keras-tensorflow, tf.data"] = (keras + ["tfdata", library],
                                          {"KERAS_BACKEND": "tensorflow"})
    for workers in (0, 1, 2):
        found[f"torch, DataLoader, {workers} workers"] = (torch + [str(workers), library], {})
    return found


def run_against(calibration, rounds, costs):
    library = os.path.join(ROOT, "build", "burn.so")
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", os.path.join(HERE, "burn.c"), "-o", library],
                   check=True)
    iterations = int(calibration[0])
    rows, sides = [], {}
    for name, (command, environment) in commands(library).items():
        side = Side(command, environment)
        try:
            side.train(5, 0)
            sides[name] = side
        except (RuntimeError, BrokenPipeError, ValueError) as error:
            side.close()
            rows.append({"section": "against", "case": "", "side": name, "error": str(error)})
    try:
        for cost in costs:
            rows += compare(sides, f"cpu, cost {cost:g}", int(cost * iterations), rounds)
    finally:
        for side in sides.values():
            side.close()
    return rows


def compare(sides, case, iterations, rounds):
    seconds = {name: [] for name in sides}
    for side in sides.values():
        side.train(5, iterations)
    for _ in range(rounds):
        for name, side in sides.items():
            time.sleep(0.02)
            seconds[name].append(side.train(STEPS, iterations) / STEPS)
    stoker = min(seconds["stoker, AUTOTUNE"])
    rows = [{"section": "against", "case": case, "side": name, "rounds": rounds,
             "ms_per_step": 1e3 * min(own), "median_ms_per_step": 1e3 * statistics.median(own),
             "samples_per_s": BATCH / min(own), "against_stoker": min(own) / stoker}
            for name, own in seconds.items()]
    print_rows(rows)
    return rows


def print_rows(rows):
    for row in rows:
        figures = "  ".join(f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
                            for name, value in row.items()
                            if name not in ("suite", "section", "case", "side"))
        print(f"{row['section']:9} {row['case']:44} {row['side']:38} {figures}", flush=True)


def plot(rows, path):
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(14, 5), width_ratios=(1, 1.7))
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
    right.set_ylim(bottom=0)
    right.set_title("cnn, batches of 32, CPU")
    if against:
        right.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.tight_layout()
    figure.savefig(path, dpi=110)


class OtherWork:
    """What the rest of the machine does meanwhile, in cores: with much of it, times where the CPU
    computes say little."""

    def __init__(self):
        self.begin, self.busy, self.own = time.monotonic(), self.all_busy(), self.all_own()

    @staticmethod
    def all_busy():
        with open("/proc/stat", encoding="utf-8") as file:
            ticks = [int(field) for field in file.readline().split()[1:9]]
        return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")  # not idle, not iowait

    @staticmethod
    def all_own():
        times = os.times()
        return times.user + times.system + times.children_user + times.children_system

    def cores(self):
        others = self.all_busy() - self.busy - (self.all_own() - self.own)
        return round(max(0.0, others) / (time.monotonic() - self.begin), 2)


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [line.split(":")[1].strip() for line in file if line.startswith("model name")]
    return {"cpu": names[0] if names else "", "cores": len(os.sched_getaffinity(0)), "gpu": None}


def load(path):
    if path and os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
        if "sections" in found:
            return found
    return {"machine": machine(), "sections": {}, "rows": []}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    names = list(SECTIONS) + ["against"]
    parser.add_argument("--json", help="sections that are not run keep their rows there")
    parser.add_argument("--plot")
    parser.add_argument("--rounds", type=int, help="instead of each section's own number")
    parser.add_argument("--only", default=",".join(names),
                        help="of: " + ",".join(names) + ", or 'none': plot what --json has")
    parser.add_argument("--costs", default=",".join(f"{cost:g}" for cost in COSTS),
                        help="of the section `against`: what a batch costs, in steps")
    arguments = parser.parse_args()
    result = load(arguments.json)
    wanted = [name for name in names if name in arguments.only.split(",")]
    calibration = []
    if wanted:
        calibration = subprocess.run([FEED, "calibrate"], capture_output=True, text=True,
                                     check=True).stdout.split()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True,
                            text=True, check=False).stdout.strip()
    for name in wanted:
        begin, others = time.monotonic(), OtherWork()
        if name == "against":
            rounds = arguments.rounds or AGAINST_ROUNDS
            rows = run_against(calibration, rounds,
                               [float(cost) for cost in arguments.costs.split(",")])
        else:
            rows, rounds = run_section(name, calibration, arguments.rounds)
            print_rows(rows)
        fresh = {(row["section"], row["case"]) for row in rows}
        result["rows"] = [row for row in result["rows"]
                          if (row["section"], row["case"]) not in fresh]
        result["rows"] += [{"suite": "feed"} | row for row in rows]
        result["sections"][name] = {"commit": commit, "rounds": rounds,
                                    "seconds": round(time.monotonic() - begin, 1),
                                    "cores_of_others": others.cores(),
                                    "step_ms": round(1e3 * float(calibration[1]), 3)}
        if arguments.json:
            with open(arguments.json, "w", encoding="utf-8") as file:
                json.dump(result, file, indent=1)
                file.write("\n")
    if arguments.plot:
        plot(result["rows"], arguments.plot)


if __name__ == "__main__":
    main()
