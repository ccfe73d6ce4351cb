"""gpu-check --rehearse, from a bundle in an empty folder, in an environment with nothing in it.

usage: rehearse.py BUNDLE.tar.gz
"""

import json
import os
import subprocess
import sys
import tarfile
import tempfile


def check_suites(folder):
    """No list of gpu-check names a suite that the program does not have."""
    program = os.path.join(folder, "bin", "stoker_gpu_tests")
    listed = subprocess.run([program, "--gtest_list_tests"], cwd=folder, text=True,
                            capture_output=True, check=True).stdout
    suites = {line.strip().removesuffix(".") for line in listed.splitlines()
              if line.rstrip().endswith(".") and not line.startswith(" ")}
    known = json.loads(subprocess.run(
        [os.path.join(folder, "gpu-check"), "--print-suites"], text=True, capture_output=True,
        check=True).stdout)
    if set(known) - suites:
        sys.exit(f"gpu-check names suites that are gone: {sorted(set(known) - suites)}")


def main():
    with tempfile.TemporaryDirectory(prefix="gpu-rehearsal-") as work:
        with tarfile.open(sys.argv[1]) as archive:
            archive.extractall(work)
        check_suites(os.path.join(work, "stoker-gpu"))
        results = os.path.join(work, "results")
        status = subprocess.run(
            [os.path.join(work, "stoker-gpu", "gpu-check"), "--rehearse", "--seconds", "280",
             results],
            env={"PATH": "/usr/bin:/bin"}, cwd="/", check=False).returncode
        with open(os.path.join(results, "gpu-check.json"), encoding="utf-8") as file:
            found = json.load(file)
        if not found["rehearsal"] or found["passed"] != (status == 0):
            sys.exit("gpu-check.json says otherwise than the exit status")
    sys.exit(status)


if __name__ == "__main__":
    main()
