"""gpu-check --rehearse, from a bundle in an empty folder, in an environment with nothing in it.

usage: rehearse.py BUNDLE.tar.gz
"""

import json
import os
import subprocess
import sys
import tarfile
import tempfile


def main():
    with tempfile.TemporaryDirectory(prefix="gpu-rehearsal-") as work:
        with tarfile.open(sys.argv[1]) as archive:
            archive.extractall(work)
        results = os.path.join(work, "results")
        status = subprocess.run(
            [os.path.join(work, "stoker-gpu", "gpu-check"), "--rehearse", results],
            env={"PATH": "/usr/bin:/bin"}, cwd="/", check=False).returncode
        with open(os.path.join(results, "gpu-check.json"), encoding="utf-8") as file:
            found = json.load(file)
        if not found["rehearsal"] or found["passed"] != (status == 0):
            sys.exit("gpu-check.json says otherwise than the exit status")
    sys.exit(status)


if __name__ == "__main__":
    main()
