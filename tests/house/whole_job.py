"""The program of docs/whole-job.md, killed and run again, ends as one that never stopped.

usage: whole_job.py PROGRAM SCRATCH
"""

import pathlib
import shutil
import signal
import subprocess
import sys
import time


def fresh(folder: pathlib.Path) -> pathlib.Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def run(program: str, folder: pathlib.Path) -> str:
    """The last line, which tells the loss."""
    done = subprocess.run([program], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


def has_checkpoint(folder: pathlib.Path) -> bool:
    return any(folder.glob("backup/checkpoint-*[0-9]"))


def kill_in_the_middle(program: str, folder: pathlib.Path) -> None:
    """Kills the program once there is a checkpoint; fails where it has ended before."""
    with subprocess.Popen([program], cwd=folder, stdout=subprocess.DEVNULL) as child:
        while not has_checkpoint(folder) and child.poll() is None:
            time.sleep(0.001)
        child.send_signal(signal.SIGKILL)
    if child.returncode != -signal.SIGKILL:
        sys.exit(f"expected to kill it while it trains, but it ended with {child.returncode}")


def main(arguments: list[str]) -> int:
    program, scratch = arguments[0], pathlib.Path(arguments[1])
    whole = fresh(scratch / "whole")
    expected = run(program, whole)
    stopped = fresh(scratch / "stopped")
    for _ in range(3):
        kill_in_the_middle(program, stopped)
    received = run(program, stopped)
    if received != expected:
        sys.exit(f"expected the last line of a run that never stopped, {expected!r}, "
                 f"received {received!r}")
    for name in ("model.keras", "best.keras", "log.csv"):
        if not (stopped / name).exists():
            sys.exit(f"expected the file {name}, received none")
    if has_checkpoint(stopped):
        sys.exit("expected no checkpoint once the training has ended")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
