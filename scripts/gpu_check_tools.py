"""What scripts/gpu-check is made of: its report, processes that end in time, and what it finds out
about a machine. The bundle carries it beside gpu-check.
"""

import ctypes
import json
import os
import queue
import re
import signal
import subprocess
import threading
import time

LOG_BYTES = 8 << 20
DEVICE_IS_BROKEN = 75
SANITIZER_FOUND = 86


# ---- What is printed and kept --------------------------------------------------------------------
LOG_IS_FULL = b"The log is full; the rest is left out.\n"


class Report:
    def __init__(self, folder):
        os.makedirs(folder, exist_ok=True)
        self.folder = folder
        self.log = open(os.path.join(folder, "gpu-check.log"), "wb")
        self.log_left = LOG_BYTES - len(LOG_IS_FULL)
        self.lock = threading.Lock()
        self.parts = {}
        self.result = {"parts": self.parts}

    def say(self, text):
        self.note(text)
        with self.lock:
            print(text, flush=True)

    def note(self, text):
        line = (text + "\n").encode("utf-8", "replace")
        with self.lock:
            if len(line) <= self.log_left:
                self.log_left -= len(line)
                self.log.write(line)
            elif self.log_left > 0:
                self.log_left = 0
                self.log.write(LOG_IS_FULL)
            self.log.flush()

    def save(self):
        """After each part, so that what was found is there whatever happens next."""
        path = os.path.join(self.folder, "gpu-check.json")
        with open(path + ".new", "w", encoding="utf-8") as file:
            json.dump(self.result, file, indent=1)
            file.write("\n")
        os.replace(path + ".new", path)


# ---- Processes -----------------------------------------------------------------------------------
class Process:
    """A command whose lines are read as they come; it ends at `deadline` at the latest."""

    running = set()

    def __init__(self, command, environment, folder, report):
        self.report = report
        self.lines = queue.Queue()
        report.note("$ " + " ".join(command))
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", cwd=folder, env=environment, start_new_session=True)
        Process.running.add(self)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        with self.process.stdout as stdout:
            for line in stdout:
                self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def until(self, deadline, stall=float("inf")):
        """Yields lines; afterwards `status` is the exit status, or "time limit" or "hung"."""
        self.status = None
        while self.status is None:
            now = time.monotonic()
            try:
                line = self.lines.get(timeout=max(0.01, min(deadline - now, stall)))
            except queue.Empty:
                self.status = "time limit" if time.monotonic() >= deadline else "hung"
                break
            if line is None:
                self.status = self.process.wait()
                break
            self.report.note(line)
            yield line
            if time.monotonic() >= deadline:
                self.status = "time limit"
        self.kill()

    def kill(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        Process.running.discard(self)


# ---- What a machine has ----
def numbers(version):
    return [int(number) for number in re.findall(r"\d+", version)]


def versions_here():
    """Of the system's libraries that a bundle's programs ask for; "" where that is not known."""
    found = {"machine": os.uname().machine}
    try:
        found["GLIBC"] = os.confstr("CS_GNU_LIBC_VERSION").split()[-1]
    except (AttributeError, OSError, ValueError):
        found["GLIBC"] = ""
    found["GLIBCXX"] = ""
    path = libstdcxx_path()
    if path:
        with open(path, "rb") as file:
            names = re.findall(rb"GLIBCXX_([\d.]+)\0", file.read())
        found["GLIBCXX"] = max((name.decode() for name in names), key=numbers, default="")
    return found


def libstdcxx_path():
    try:
        ctypes.CDLL("libstdc++.so.6")
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
            for line in maps:
                if "libstdc++.so.6" in line:
                    return line.split(maxsplit=5)[5].strip()
    except OSError:
        pass
    return None


def why_not_here(needs, here):
    """In one line, what the bundle's programs would miss; "" where they can start."""
    if needs and here["machine"] not in ("x86_64", ""):
        return f"the bundle is for x86_64, this machine is {here['machine']}"
    for name, wanted in needs.items():
        found = here.get(name, "")
        if not found:
            # The C library of another make, or no C++ library at all.
            return f"the bundle needs {name} {wanted}, and none was found here"
        if numbers(found) < numbers(wanted):
            return f"the bundle needs {name} {wanted}, this machine has {found}"
    return ""


def ending(status):
    if isinstance(status, str):
        return status
    if status < 0:
        return f"killed by signal {-status}"
    if status == SANITIZER_FOUND:
        return "the sanitizer found something"
    return f"exit status {status}"


def by_op(outcomes):
    """Of Gpu/GpuOp.forward/matmul_3: {"matmul": {"forward": {"passed": 1}}}."""
    ops = {}
    for name, outcome in sorted(outcomes.items()):
        match = re.match(r"Gpu/GpuOp\.(\w+)/(\w+)_\d+$", name)
        if match:
            count = ops.setdefault(match[2], {}).setdefault(match[1], {})
            count[outcome] = count.get(outcome, 0) + 1
    return ops


def summary_of(result):
    return "  ".join(f"{name} {value}" for name, value in result.items()
                     if not isinstance(value, (dict, list)))


def print_table(report, seconds):
    parts = report.parts
    report.say(f"\n{'part':20} {'status':14} {'seconds':>8}")
    for name, found in parts.items():
        why = found.get("why", "")
        report.say(f"{name:20} {found['status']:14} {found['seconds']:8}  {why[:60]}")
    steps = {}
    for side, found in parts.items():
        for result in found.get("results", []):
            if "workload" in result:
                steps.setdefault(result["workload"], {})[side] = result
    for workload, sides in steps.items():
        ours = sides.pop("steps", {})
        text = "  ".join(f"{side} {result['us_per_step']:.1f}" for side, result in sides.items())
        report.say(f"{workload:16} us a step {ours.get('us_per_step')}, on resident batches "
                   f"{ours.get('resident_us')}, {ours.get('launches')} launches, "
                   f"{ours.get('of_the_slowest')} of the slowest stage  {text}")
        for line in slowest_launches(ours):
            report.say(line)
    bad = [name for name, found in parts.items() if found["status"] == "failed"]
    rest = [name for name, found in parts.items() if found["status"] in ("incomplete", "not run")]
    verdict = "failed: " + ", ".join(bad) if bad else "passed"
    if rest:
        verdict += "; not run, or not to the end: " + ", ".join(rest)
    report.say(f"gpu-check: {verdict} ({seconds:.0f} s)")
    report.result["complete"] = not rest
    return not bad


def slowest_launches(result, count=5):
    """The launches of a step that take longest, a line each."""
    times = sorted(result.get("launch_us", ()), key=lambda launch: -launch[2])[:count]
    return [f"    {us:8.2f} us  {engine:24.24}  {label[:60]}" for label, engine, us in times]
