"""Compares loaders of training data: Stoker's and the peers'. `scripts/bench feed --only loaders`
installs the peers, builds loaders_bench and calls this.

Every side tries its settings once, after a few batches to warm up. Its two fastest take part in
the rounds, in which all sides take turns, after one round that doesn't count; the side's figure is
the better of their two medians. Then each side's batches are looked at: whether all images are
there, flipped as often as not, of the right size, and as bright as the others'.
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
sys.path[:0] = [HERE, os.path.dirname(HERE)]

import data  # noqa: E402
import tables  # noqa: E402
from bench import OtherWork, machine  # noqa: E402
from processes import PeakMemory, Side, SideError, cpu_seconds, max_rss  # noqa: E402

STOKER = os.path.join(ROOT, "build", "release", "loaders_bench")
FOLDER = os.path.join(ROOT, "build", "loaders-data")
FAILED = os.path.join(ROOT, "build", "peers-loaders", "failed")
ROWS = ("jpeg", "png", "elements", "map", "generator", "memory")
# By side: the module that side.py loads, or the word for loaders_bench; and what it is made of.
PEERS = {"tf.data": ("tf_data", ("tensorflow-cpu",)),
         "Grain, OpenCV": ("grain_loader", ("grain", "opencv-python-headless")),
         "SPDL, OpenCV": ("spdl_loader", ("spdl", "opencv-python-headless")),
         "DALI": ("dali", ("nvidia-dali-cuda120",)),
         "WebDataset, OpenCV": ("webdataset_loader",
                                ("webdataset", "torch", "opencv-python-headless")),
         "DataLoader, Pillow": ("torch_loader:pillow", ("torch", "pillow")),
         "DataLoader, OpenCV": ("torch_loader:opencv", ("torch", "opencv-python-headless"))}
OWN = {"Stoker, uint8": "uint8", "Stoker, float32": "float32", "ideal": "ideal"}
# Elements in memory are not decoded, and are float32.
NAMES = {"Stoker, uint8": "Stoker", "DataLoader, OpenCV": "DataLoader",
         "Grain, OpenCV": "Grain", "SPDL, OpenCV": "SPDL", "WebDataset, OpenCV": "WebDataset"}
FINALISTS = 2
WARM_UP = 4  # batches
SECONDS = {"elements": 0.5, "map": 0.5}  # of a run; otherwise it is an epoch
BRIGHTNESS = 0.006  # what the means of two sides may differ by, of the range of values


def sides_of(row):
    if row in ("jpeg", "png", "memory"):
        return {side: side for side in list(OWN)[:2] + list(PEERS)}
    found = {side: NAMES.get(side, side) for side in list(OWN)[:1] + list(PEERS)
             if side != "DataLoader, Pillow"}
    return found | ({"ideal": "ideal"} if row == "generator" else {})


def start(side, folder, iterations):
    if side in OWN:
        return Side([STOKER, OWN[side], folder, iterations])
    return Side([sys.executable, os.path.join(HERE, "side.py"), PEERS[side][0], folder,
                 iterations])


def explain(side, error):
    """Why a side has no figure: also what pip said of a package that is missing."""
    said = []
    for package in PEERS.get(side, ("", ()))[1]:
        path = os.path.join(FAILED, package)
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                said.append(f"{package} could not be installed: {file.read().strip()}")
    return "; ".join(said + [str(error)])


class Contest:
    """One row: its sides, their settings, and what they took."""

    def __init__(self, row, folder, iterations):
        self.row, self.seconds = row, SECONDS.get(row, 0)
        self.errors, self.sides, self.settings = {}, {}, {}
        for side in sides_of(row):
            self.sides[side] = start(side, folder, iterations)
        self.each(lambda side: self.settings.update({side: self.ask(side, "settings", row)}))

    def ask(self, side, *words):
        return self.sides[side].ask(*words)

    def each(self, do):
        for side in list(self.sides):
            try:
                do(side)
            except SideError as error:
                self.errors[side] = explain(side, error)
                print(f"  {side}: {self.errors[side]}", file=sys.stderr, flush=True)
                self.sides.pop(side).close()

    def run(self, side, setting):
        """The row's figure: images, or batches, a second; milliseconds of a step. Then what an
        image or a batch took of all cores, in milliseconds."""
        process = self.sides[side].process.pid
        begin = cpu_seconds(process)
        answer = self.ask(side, "run", self.row, setting, self.seconds, 0)
        cpu = cpu_seconds(process) - begin
        return tables.figure(self.row, answer), 1e3 * cpu / answer[tables.counted(self.row)]

    def choose(self):
        """Leaves the fastest settings of each side."""
        tried = {}

        def attempt(side):
            for setting in self.settings[side]:
                self.ask(side, "run", self.row, setting, 0, WARM_UP)
                tried.setdefault(side, {})[setting] = self.run(side, setting)[0]
            ranked = sorted(tried[side], key=tried[side].get,
                            reverse=tables.is_rate(self.row))
            self.settings[side] = ranked[:FINALISTS]

        self.each(attempt)
        return tried

    def compete(self, rounds):
        figures = {}

        def take_turn(side, counts):
            for setting in self.settings[side]:
                # A side has one setting at a time: the other one's threads must not disturb.
                self.ask(side, "run", self.row, setting, 0, WARM_UP)
                pair = self.run(side, setting)
                if counts:
                    figures.setdefault(side, {}).setdefault(setting, []).append(pair)

        for turn in range(rounds + 1):
            self.each(lambda side, turn=turn: take_turn(side, turn > 0))
        best = max if tables.is_rate(self.row) else min
        return {side: best(own.items(),
                           key=lambda item: statistics.median(value for value, _ in item[1]))
                for side, own in figures.items() if side in self.sides}

    def check(self, best):
        found = {}
        self.each(lambda side: found.update(
            {side: self.ask(side, "check", self.row, best[side][0])}))
        return {side: answer for side, answer in found.items() if answer}

    def close(self):
        for side in self.sides.values():
            side.close()


def complaints(row, found, count):
    """What a side's batches lack, by side."""
    shape = [data.SIZE, data.SIZE, 3] if row in ("jpeg", "png") else [28, 28, 1]
    mean = statistics.median(answer["mean"] for answer in found.values())
    tolerance = BRIGHTNESS * (1 if row == "map" else 255)
    wrong = {}
    for side, answer in found.items():
        said = []
        if answer["shape"] != shape:
            said.append(f"shape {answer['shape']}, expected {shape}")
        if answer["count"] != count:
            said.append(f"{answer['count']} images, expected {count}")
        if abs(answer["mean"] - mean) > tolerance:
            said.append(f"mean {answer['mean']:.3f}, the others' {mean:.3f}")
        if row in ("jpeg", "png"):
            if not 0.35 <= answer["flipped"] <= 0.65:
                said.append(f"{answer['flipped']:.2f} of the images are flipped, expected half")
        elif not answer["each_once"]:
            said.append("some elements came twice")
        elif row != "generator" and answer["in_order"]:
            said.append("elements were not shuffled")
        if said:
            wrong[side] = "its batches are not those of the row: " + "; ".join(said)
    return wrong


def measure(row, folder, iterations, rounds, count):
    contest = Contest(row, folder, iterations)
    try:
        tried = contest.choose()
        best = contest.compete(rounds)
        found = contest.check(best)
    finally:
        contest.close()
    errors = contest.errors | complaints(row, found, count)
    result = []
    for side, name in sides_of(row).items():
        entry = {"suite": "loaders", "row": row, "side": name,
                 "peer": side in PEERS}
        if side in errors:
            result.append(entry | {"error": errors[side]})
            continue
        setting, pairs = best[side]
        values = [value for value, _ in pairs]
        result.append(entry | {
            "setting": setting, "output": found.get(side, {}).get("dtype", ""),
            "unit": tables.UNITS[row], "median": statistics.median(values), "values": values,
            "cpu_ms": statistics.median(cpu for _, cpu in pairs),
            "tried": tried[side], "batches": found.get(side, {})})
    return result


def measure_memory(folder, iterations, settings):
    """The row `memory`: the most memory of an epoch of the row `jpeg`, in a process of its own."""
    result = []
    for side in sides_of("memory"):
        entry = {"suite": "loaders", "row": "memory", "side": side, "peer": side in PEERS}
        process = start(side, folder, iterations)
        try:
            setting = settings.get(side) or process.ask("settings", "jpeg")[0]
            process.ask("settings", "jpeg")  # it has started when it answers
            number = process.process.pid
            with PeakMemory(number) as peak:
                before, rss_before = peak.now(), max_rss(number)
                process.ask("run", "jpeg", setting, 0, 0)
            result.append(entry | {"setting": setting, "unit": "MB", "imported": before,
                                   "median": peak.most, "above": peak.most - before,
                                   "max_rss": max_rss(number), "max_rss_imported": rss_before})
        except SideError as error:
            result.append(entry | {"error": explain(side, error)})
        finally:
            process.close()
    return result


def versions():
    found = {}
    for package in sorted({name for _, packages in PEERS.values() for name in packages}):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = None
    return found | {"python": sys.version.split()[0]}


def prepare(images):
    pngs = max(1, images * 8 // 15)
    folder = os.path.join(FOLDER, f"{images}-{data.SEED}")
    os.makedirs(FOLDER, exist_ok=True)
    data.make(folder, images, pngs)
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", os.path.join(os.path.dirname(HERE), "burn.c"),
                    "-o", os.path.join(FOLDER, "burn.so")], check=True)
    iterations = subprocess.run([STOKER, "calibrate"], capture_output=True, text=True,
                                check=True).stdout.strip()
    counts = {"jpeg": images, "png": pngs, "elements": data.ELEMENTS, "map": data.ELEMENTS,
              "generator": data.STEPS * data.IMAGES_IN_BATCH}
    return folder, iterations, counts


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", default=os.path.join(ROOT, "build", "loaders.json"),
                        help="rows that are not run stay in it; the tables go beside it, as .md")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--images", type=int, default=1500, help="JPEGs; 8 PNGs for 15 of them")
    parser.add_argument("--rows", default=",".join(ROWS), help="of: " + ",".join(ROWS))
    parser.add_argument("--only", help="`loaders`, as scripts/bench was told")
    arguments = parser.parse_args()
    result = {"rows": [], "sections": {}}
    if os.path.exists(arguments.json):
        with open(arguments.json, encoding="utf-8") as file:
            result = json.load(file)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True,
                            text=True, check=False).stdout.strip()
    folder, iterations, counts = prepare(arguments.images)
    for row in [name for name in ROWS if name in arguments.rows.split(",")]:
        print(f"loaders: {row}", file=sys.stderr, flush=True)
        begin, others = time.monotonic(), OtherWork()
        if row == "memory":
            best = {entry["side"]: entry.get("setting") for entry in result["rows"]
                    if entry["row"] == "jpeg"}
            fresh = measure_memory(folder, iterations, best)
        else:
            fresh = measure(row, folder, iterations, arguments.rounds, counts[row])
        result["rows"] = [entry for entry in result["rows"] if entry["row"] != row] + fresh
        result["sections"][row] = {
            "commit": commit, "date": datetime.date.today().isoformat(), "machine": machine(),
            "versions": versions(), "seed": data.SEED, "images": counts.get(row, arguments.images),
            "rounds": 1 if row == "memory" else arguments.rounds,
            "seconds": round(time.monotonic() - begin, 1), "cores_of_others": others.cores()}
        print(tables.table(row, fresh, result["sections"][row]), flush=True)
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1)
            file.write("\n")
        with open(os.path.splitext(arguments.json)[0] + ".md", "w", encoding="utf-8") as file:
            file.write(tables.document(result, ROWS))


if __name__ == "__main__":
    main()
