"""Runs cuda_startup with drivers that are missing, fake or too old: each time it must train on the
CPU, say in one line why, and load nothing of CUDA's.

run_startup.py --program FILE --fake-driver FILE [--stub-driver FILE] [--with-cuda]
               [--library FILE] [--readelf FILE]

--with-cuda: the program was built with CUDA. --stub-driver: the toolkit's libcuda.so. --library:
Stoker, if it is a shared library.
"""

import argparse
import ctypes
import dataclasses
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ABSENT = "no CUDA in this build"
LIBRARIES_OF_CUDA = re.compile(
    r"\(NEEDED\).*\[(lib(?:cuda|cudart|cudnn|nvrtc|cublas|nccl|nvidia)[^\]]*)\]"
)


@dataclasses.dataclass
class Case:
    name: str
    line: str  # how the reason must begin
    driver: str | None = None
    environment: dict[str, str] = dataclasses.field(default_factory=dict)
    error: str | None = None  # the program must end with this instead


def has_driver() -> bool:
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def cases(options: argparse.Namespace) -> list[Case]:
    listed = [
        Case("the CPU was asked for", "STOKER_DEVICE is cpu", environment={"STOKER_DEVICE": "cpu"}),
        Case("an unknown device was asked for", "", environment={"STOKER_DEVICE": "gpu"},
             error='STOKER_DEVICE: there is no device "gpu"'),
    ]
    if not options.with_cuda:
        return listed + [
            Case("plain", ABSENT),
            Case("a driver", ABSENT, driver=options.fake_driver),
            Case("CUDA was asked for", "", environment={"STOKER_DEVICE": "cuda:1"},
                 error=f"cuda:1: {ABSENT}"),
        ]
    fake = options.fake_driver
    listed += [
        Case("a driver without devices", "no device visible (the NVIDIA driver knows of none)",
             driver=fake),
        Case("hidden devices", 'no device visible (CUDA_VISIBLE_DEVICES is "")',
             driver=fake, environment={"CUDA_VISIBLE_DEVICES": ""}),
        Case("a driver that is too old",
             "driver 12.4 is older than the CUDA 13.", driver=fake,
             environment={"FAKE_CUDA_VERSION": "12040"}),
        Case("a driver of another version than its kernel module",
             "the NVIDIA driver refuses: cudaErrorSystemDriverMismatch (", driver=fake,
             environment={"FAKE_CUDA_ERROR": "803"}),
        Case("CUDA was asked for and has no device", "", driver=fake,
             environment={"STOKER_DEVICE": "cuda"}, error="cuda:0: no device visible"),
    ]
    if options.stub_driver:
        listed.append(Case("the toolkit's stub", "no NVIDIA driver: the libcuda.so.1 that was found "
                           "is the stub", driver=options.stub_driver))
    if not has_driver():
        no_driver = "no NVIDIA driver (libcuda.so.1 not found)"
        listed += [
            Case("plain", no_driver),
            Case("CUDA was asked for and has no driver", "",
                 environment={"STOKER_DEVICE": "cuda"}, error=f"cuda:0: {no_driver}"),
        ]
    return listed


def environment_of(case: Case, folder: str) -> dict[str, str]:
    """An almost empty one: nothing of the caller's may lead to a driver or a library."""
    environment = {"PATH": "", **case.environment}
    for kept in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS"):
        if kept in os.environ:
            environment[kept] = os.environ[kept]
    if case.driver:
        shutil.copy(case.driver, pathlib.Path(folder, "libcuda.so.1"))
        environment["LD_LIBRARY_PATH"] = folder
    return environment


def run(case: Case, program: str) -> list[str]:
    """What is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        result = subprocess.run(
            [program], env=environment_of(case, folder), capture_output=True, text=True, timeout=120
        )
    lines = result.stdout.splitlines()
    wrong = []

    def expect(beginning: str) -> None:
        if not any(line.startswith(beginning) for line in lines):
            wrong.append(f"expected a line {beginning!r}")

    if case.error:
        expect(f"error: {case.error}")
    else:
        expect("device: cpu")
        expect(f"why not cuda: {case.line}")
        expect("trained")
        expect("asked for: cuda:0: ")
    if result.returncode != (1 if case.error else 0):
        wrong.append(f"exit status {result.returncode}")
    if any(line.startswith("loaded: ") for line in lines):
        wrong.append("loaded libraries of CUDA's without a device")
    if result.stderr:
        wrong.append("wrote to the standard error stream")
    return wrong and wrong + ["received:", result.stdout, result.stderr]


def needed_of_cuda(files: list[str], readelf: str) -> list[str]:
    dynamic = subprocess.run([readelf, "-d", *files], check=True, capture_output=True, text=True)
    return LIBRARIES_OF_CUDA.findall(dynamic.stdout)


def main() -> int:
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--program", required=True)
    parser.add_argument("--fake-driver", required=True)
    parser.add_argument("--stub-driver")
    parser.add_argument("--library")
    parser.add_argument("--readelf", default="readelf")
    parser.add_argument("--with-cuda", action="store_true")
    options = parser.parse_args()
    failures = 0
    for case in cases(options):
        wrong = run(case, options.program)
        print(f"{'FAILED' if wrong else 'ok'}: {case.name}", *wrong, sep="\n  ")
        failures += bool(wrong)
    files = [file for file in (options.program, options.library) if file]
    needed = needed_of_cuda(files, options.readelf)
    print(f"{'FAILED' if needed else 'ok'}: linked to nothing of CUDA's", *needed, sep="\n  ")
    return 1 if failures or needed else 0


if __name__ == "__main__":
    sys.exit(main())
