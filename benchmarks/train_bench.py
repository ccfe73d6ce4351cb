"""Runs the suite `train`: where the time of Stoker's own training steps goes, workload by workload.

A step is one of fit_generator, the mean of its fastest round. Its ops are timed one by one, each by
its fastest run; what is left ("outside of the ops") is the loop, the feed, waiting between ops, and
on a noisy machine the noise that a mean has and a fastest run has not. The bound is what the ops
would take at the machine's own rates, measured in the same rounds: of each op the larger of its
arithmetic at the rate of a 1024^3 matrix product, and its bytes at the rate of a memcpy within a
block as large as all that the step works on.
"""

import argparse
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
TOP = 10


def read(text):
    """The program's lines: its figures by name, and its nodes."""
    figures, nodes = {}, []
    for line in text.splitlines():
        name, *values = line.split("\t")
        if name == "node":
            us, flops, size = map(float, values[:3])
            nodes.append({"op": values[3], "shapes": values[4], "scope": values[5], "us": us,
                          "flops": flops, "bytes": size})
        else:
            figures[name] = float(values[0])
    return figures, nodes


def row_of(workload, figures, nodes):
    step = figures["step_us"]
    for node in nodes:
        node["share"] = node["us"] / step
        node["bound_us"] = 1e6 * max(node["flops"] / figures["matmul_flops"],
                                     node["bytes"] / figures["copy_bytes_per_s"])
    shares = {}
    for node in nodes:
        shares[node["op"]] = shares.get(node["op"], 0.0) + node["share"]
    bound = sum(node["bound_us"] for node in nodes)
    flops = sum(node["flops"] for node in nodes)
    row = {
        "workload": workload, "side": "stoker", "threads": int(figures["threads"]),
        "ms_per_step": step / 1e3, "samples_per_s": figures["batch"] / step * 1e6,
        "program_ms": figures["program_us"] / 1e3,
        "ops_ms": sum(node["us"] for node in nodes) / 1e3,
        "gflop": flops / 1e9, "gflop_per_s": flops / step / 1e3,
        "mbytes": sum(node["bytes"] for node in nodes) / 1e6,
        "working_set_mbytes": figures["working_set"] / 1e6,
        "matmul_gflop_per_s": figures["matmul_flops"] / 1e9,
        "copy_gbytes_per_s": figures["copy_bytes_per_s"] / 1e9,
        "bound_ms": bound / 1e3, "times_the_bound": step / bound,
        "nodes": len(nodes), "primitives": int(figures["primitives"]),
        "share_by_op": dict(sorted(shares.items(), key=lambda item: -item[1])),
        "ops": sorted(nodes, key=lambda node: -node["us"])[:TOP],
    }
    if "allocations" in figures:  # a sanitizer's build does not count them
        row["allocations"] = figures["allocations"]
        # Counted between two moments within a step, not at its end: a few more or fewer in all.
        row["library_allocations"] = round(figures["library_allocations"])
    return row


def print_row(row):
    if "error" in row:
        print(f"\n{row['workload']}: {row['error']}", flush=True)
        return
    allocations = "not counted"
    if "allocations" in row:
        allocations = (f"{row['allocations']:g} of ours, "
                       f"{row['library_allocations']} inside of oneDNN")
    print(f"\n{row['workload']}: {row['ms_per_step']:.4f} ms a step, "
          f"{row['samples_per_s']:.0f} samples/s; "
          f"the program alone {row['program_ms']:.4f}, its ops {row['ops_ms']:.4f}")
    print(f"  {row['gflop']:.4f} GFLOP at {row['matmul_gflop_per_s']:.0f} GFLOP/s, "
          f"{row['mbytes']:.3f} MB at {row['copy_gbytes_per_s']:.1f} GB/s "
          f"(within {row['working_set_mbytes']:.2f} MB): "
          f"bound {row['bound_ms']:.4f} ms; a step takes {row['times_the_bound']:.2f} times that")
    print(f"  {row['nodes']} nodes, {row['primitives']} oneDNN primitives; "
          f"allocations a step: {allocations}")
    print(f"  {'us':>9} {'share':>6} {'bound':>6} {'GFLOP/s':>8} {'GB/s':>6}  op")
    for node in row["ops"]:
        us = max(node["us"], 1e-3)
        rate = f"{node['flops'] / us / 1e3:8.1f}" if node["flops"] else " " * 8
        print(f"  {node['us']:9.2f} {node['share']:6.1%} {node['bound_us'] / us:6.1%} {rate} "
              f"{node['bytes'] / us / 1e3:6.1f}  {node['op']} {node['shapes']}  # {node['scope']}")
    rest = row["ops_ms"] * 1e3 - sum(node["us"] for node in row["ops"])
    outside = (row["ms_per_step"] - row["ops_ms"]) * 1e3
    for us, what in ((rest, f"the other {max(0, row['nodes'] - TOP)} ops"),
                     (outside, "outside of the ops")):
        print(f"  {us:9.2f} {us / row['ms_per_step'] / 1e3:6.1%} {'':22}  {what}", flush=True)


def plot(rows, path):
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    rows = [row for row in rows if "error" not in row][::-1]
    total = {}
    for row in rows:
        for op, share in row["share_by_op"].items():
            total[op] = max(total.get(op, 0.0), share)
    # What is nowhere more than a fiftieth would be a line without a width.
    ops = sorted((op for op in total if total[op] > 0.02), key=lambda op: -total[op])
    colors = plt.get_cmap("tab20")
    figure, axes = plt.subplots(figsize=(10, 0.6 * len(rows) + 1.6))
    left = [0.0] * len(rows)

    def add(label, shares, color):
        axes.barh(range(len(rows)), shares, left=left, label=label, color=color, height=0.7)
        for i, share in enumerate(shares):
            left[i] += share

    for k, op in enumerate(ops):
        add(op, [row["share_by_op"].get(op, 0.0) for row in rows], colors(k % 20))
    add("other ops", [sum(share for op, share in row["share_by_op"].items() if op not in ops)
                      for row in rows], "dimgray")
    # Ops that were timed when the machine was faster than in all rounds of steps leave nothing.
    add("outside of the ops", [max(0.0, 1.0 - done) for done in left], "lightgray")
    axes.set_yticks(range(len(rows)),
                    [f"{row['workload']}\n{row['ms_per_step']:.3g} ms" for row in rows])
    axes.set_xlim(0, max(1.0, *left))
    axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.set_xlabel("share of a step")
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=130)


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        cpu = next((line.split(":", 1)[1].strip() for line in file
                    if line.startswith("model name")), "unknown")
    return {"cpu": cpu, "cores": len(os.sched_getaffinity(0)), "gpu": None}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=os.path.join(ROOT, "build", "release", "train_bench"))
    parser.add_argument("--json")
    parser.add_argument("--plot", help="needs matplotlib")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", help="workloads that contain this")
    arguments = parser.parse_args()

    def run(*command):
        return subprocess.run([arguments.program, *command], text=True, capture_output=True,
                              check=False)

    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, text=True,
                            capture_output=True, check=False).stdout.strip()
    print(f"train, {machine()['cpu']}, {machine()['cores']} cores, commit {commit}, "
          f"{time.strftime('%Y-%m-%d')}")
    rows = []
    for workload in run("--list").stdout.split():
        if arguments.only not in workload:
            continue
        result = run(workload, str(arguments.rounds))
        if result.returncode == 0:
            row = row_of(workload, *read(result.stdout))
        else:
            words = result.stderr.strip().splitlines() or [f"ended with {result.returncode}"]
            row = {"workload": workload, "side": "stoker", "error": words[-1][:200]}
        print_row(row)
        rows.append({"suite": "train", **row})
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({"commit": commit, "machine": machine(), "rows": rows}, file, indent=1)
    if arguments.plot:
        plot(rows, arguments.plot)
    return 0 if rows else "train: no such workload"


if __name__ == "__main__":
    sys.exit(main())
