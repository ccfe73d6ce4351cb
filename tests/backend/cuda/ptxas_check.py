#!/usr/bin/env python3
"""Checks what nvcc made of our kernels: all there for each architecture, nothing spilled, no more
than 128 registers, and 128-bit loads where the line STOKER_CUDA_KERNEL(x, .., Loads::wide) says so.

  ptxas_check.py --launched-by ops/*.cpp --objects kernels_0.cu.o ...
      reads the machine code of a build, with cuobjdump and nvdisasm (of the toolkit, or of the
      wheels nvidia-cuda-cuobjdump and nvidia-cuda-nvdisasm)
  ptxas_check.py --launched-by ops/*.cpp --nvcc nvcc --include src include --sources kernels_0.cu ...
      without them: reads PTX. ptxas keeps its vector loads, and its launch bounds limit the
      registers; that nothing spills is then the build's to assert, with
      -Xptxas --warn-on-spills,--warning-as-error.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict

MOST_REGISTERS = 128


def kernel_of(symbol):
    """softmax of _ZN6stoker7backend4cuda14softmax_kernelENS1_14softmax_paramsE"""
    found = re.search(r"4cuda\d+(\w+?)_kernelE", symbol)
    return found[1] if found else None


def run(command, environment=None):
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\nfailed with {done.returncode}: {done.stderr}")
    return done.stdout


def read_resources(text):
    """{architecture: {kernel: {REG: .., STACK: .., LOCAL: ..}}} of cuobjdump --dump-resource-usage"""
    usage, architecture, kernel = defaultdict(dict), None, None
    for line in text.splitlines():
        if found := re.match(r"arch = (sm_\w+)", line):
            architecture = found[1]
        elif found := re.match(r"\s*Function (\S+):", line):
            kernel = kernel_of(found[1])
        elif kernel and "REG:" in line:
            usage[architecture][kernel] = {k: int(v) for k, v in re.findall(r"(\w+):(\d+)", line)}
            kernel = None
    return usage


def wide_loads_of_sass(text):
    """{architecture: kernels with 128-bit loads} of cuobjdump -sass"""
    wide, architecture, kernel = defaultdict(set), None, None
    for line in text.splitlines():
        if found := re.search(r"code for (sm_\w+)", line):
            architecture = found[1]
        elif found := re.search(r"Function : (\S+)", line):
            kernel = kernel_of(found[1])
        elif re.search(r"\bLDG\.E\.128\b|\bLDG\.E\.\S*128\b", line):
            wide[architecture].add(kernel)
    return wide


def check_objects(kernels, objects, cuobjdump, architectures):
    # cuobjdump calls nvdisasm, which lies beside it.
    path = os.path.dirname(os.path.abspath(cuobjdump)) + os.pathsep + os.environ.get("PATH", "")
    environment = {**os.environ, "PATH": path}
    usage, wide = defaultdict(dict), defaultdict(set)
    for file in objects:
        of_file = read_resources(run([cuobjdump, "--dump-resource-usage", file], environment))
        for architecture, functions in of_file.items():
            usage[architecture].update(functions)
        for architecture, functions in wide_loads_of_sass(
                run([cuobjdump, "-sass", file], environment)).items():
            wide[architecture] |= functions

    errors = [f"{a}: nothing was compiled for it" for a in architectures if a not in usage]
    if not usage:
        errors.append("there is no machine code in the objects")
    for architecture, functions in sorted(usage.items()):
        for kernel in kernels:
            where = f"{architecture}: {kernel}"
            used = functions.get(kernel)
            if used is None:
                errors.append(f"{where} is missing")
                continue
            if used["REG"] > MOST_REGISTERS:
                errors.append(f"{where} takes {used['REG']} registers, at most {MOST_REGISTERS}")
            if used["STACK"] or used["LOCAL"]:
                errors.append(f"{where} spills, or keeps an array in memory: {used}")
            if kernels[kernel] == "wide" and kernel not in wide[architecture]:
                errors.append(f"{where} has no 128-bit load")
        most = max(functions.values(), key=lambda used: used["REG"])["REG"]
        print(f"{architecture}: {len(functions)} kernels, at most {most} registers")
    return errors


def check_ptx(kernels, sources, nvcc, include):
    text = ""
    for file in sources:
        text += run([nvcc, "-std=c++20", "-arch=compute_75", "-ptx", *(f"-I{folder}" for folder in include), file, "-o", "-"])
    bodies = {}
    for part in text.split(".entry ")[1:]:
        bodies[kernel_of(part.split("(")[0])] = part
    errors = []
    for kernel in kernels:
        body = bodies.get(kernel)
        if body is None:
            errors.append(f"{kernel} is missing")
            continue
        threads = re.search(r"\.maxntid (\d+)", body)
        blocks = re.search(r"\.minnctapersm (\d+)", body)
        bound = int(threads[1]) * int(blocks[1]) if threads and blocks else 0
        if bound * MOST_REGISTERS < 65536:
            errors.append(f"{kernel} has no bounds that limit it to {MOST_REGISTERS} registers")
        if kernels[kernel] == "wide" and not re.search(r"ld\.global\S*\.v4\.\w32", body):
            errors.append(f"{kernel} has no 128-bit load")
    print(f"PTX: {len(bodies)} kernels")
    return errors


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--launched-by", nargs="+", required=True)
    parser.add_argument("--objects", nargs="*", default=[])
    parser.add_argument("--cuobjdump", default=shutil.which("cuobjdump"))
    parser.add_argument("--architectures", nargs="*", default=[], help="that must be there: sm_75 ..")
    parser.add_argument("--nvcc", default="nvcc")
    parser.add_argument("--include", nargs="*")
    parser.add_argument("--sources", nargs="*", default=[])
    arguments = parser.parse_args()

    kernels = {}  # by name: wide or single
    for source in arguments.launched_by:
        with open(source, encoding="utf-8") as file:
            kernels |= re.findall(
                r"^STOKER_CUDA_KERNEL\((\w+), Threads::\w+, Loads::(\w+)\)", file.read(), re.MULTILINE)
    if not kernels:
        parser.error("no kernel is launched by these files")
    if arguments.objects and arguments.cuobjdump:
        errors = check_objects(kernels, arguments.objects, arguments.cuobjdump,
                               arguments.architectures)
    elif arguments.sources and arguments.include:
        errors = check_ptx(kernels, arguments.sources, arguments.nvcc, arguments.include)
    else:
        parser.error("needs --objects and cuobjdump, or --sources and --include")
    for error in errors:
        print(f"error: {error}", file=sys.stderr)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
