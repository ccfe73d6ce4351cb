"""The sides as processes that answer, and the memory of a process with its children."""

import json
import os
import signal
import subprocess
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
LONGEST = 240  # seconds for an answer


class SideError(Exception):
    pass


class Side:
    def __init__(self, command):
        self.errors = tempfile.TemporaryFile("w+")
        self.late = False
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True,
            start_new_session=True,
            env=os.environ | {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"})

    def ask(self, *words):
        timer = threading.Timer(LONGEST, self.give_up)
        timer.start()
        try:
            self.process.stdin.write(" ".join(map(str, words)) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            timer.cancel()
        if not line:
            raise SideError(self.reason())
        return json.loads(line)

    def give_up(self):
        self.late = True
        self.kill()

    def reason(self):
        if self.late:
            return f"no answer within {LONGEST} s"
        status = self.process.wait()
        self.errors.seek(0)
        lines = [line.strip() for line in self.errors if line.strip()]
        return lines[-1][:300] if lines else f"it ended with status {status}"

    def kill(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def close(self):
        """Ends the side, which ends its own processes first, so that their times are counted."""
        try:
            self.process.stdin.close()
            self.process.wait(30)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self.kill()
            self.process.wait()
        self.process.stdout.close()
        self.errors.close()


def tree(process):
    found = [process]
    for member in found:
        try:
            for task in os.listdir(f"/proc/{member}/task"):
                with open(f"/proc/{member}/task/{task}/children", encoding="ascii") as file:
                    found += [int(child) for child in file.read().split()]
        except OSError:  # it has ended
            pass
    return found


def megabytes(path, key):
    try:
        with open(path, encoding="ascii") as file:
            for line in file:
                if line.startswith(key + ":"):
                    return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


def cpu_seconds(process):
    """What a process, all that it started and what of these has ended took of the cores."""
    ticks = 0
    for member in tree(process):
        try:
            with open(f"/proc/{member}/stat", encoding="ascii", errors="replace") as file:
                ticks += sum(int(field) for field in file.read().rsplit(")", 1)[1].split()[11:15])
        except OSError:
            pass
    return ticks / os.sysconf("SC_CLK_TCK")


class PeakMemory:
    """The most memory of a process and of all that it started, in MB; pages that several share
    count once. It is sampled."""

    EVERY = 0.02  # seconds

    def __init__(self, process):
        self.process, self.most, self.is_over = process, 0.0, threading.Event()
        self.thread = threading.Thread(target=self.sample)

    def now(self):
        return sum(megabytes(f"/proc/{member}/smaps_rollup", "Pss")
                   for member in tree(self.process))

    def sample(self):
        while not self.is_over.wait(self.EVERY):
            self.most = max(self.most, self.now())

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()


def max_rss(process):
    return megabytes(f"/proc/{process}/status", "VmHWM")
