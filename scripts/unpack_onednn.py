"""Unpacks the oneDNN wheels of a folder into a prefix: include/, lib/libdnnl.so.3, share/doc/.

usage: unpack_onednn.py WHEELS PREFIX
"""

import pathlib
import shutil
import sys
import zipfile


def target_of(member: str) -> str | None:
    """The path under the prefix for a wheel's member; None for what is not needed."""
    _, separator, path = member.partition(".data/data/")
    if not separator or path.endswith("/"):
        return None
    if path.startswith("lib/"):
        # The wheel holds the library three times, as copies instead of links.
        return path if path == "lib/libdnnl.so.3" else None
    if path.startswith(("include/", "share/doc/")):
        return path
    return None


def main() -> None:
    wheels, prefix = map(pathlib.Path, sys.argv[1:])
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.namelist():
                target = target_of(member)
                if target is None:
                    continue
                path = prefix / target
                path.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as source, open(path, "wb") as destination:
                    shutil.copyfileobj(source, destination, 1 << 20)
    library = prefix / "lib/libdnnl.so.3"
    library.chmod(0o755)
    (prefix / "lib/libdnnl.so").symlink_to(library.name)


if __name__ == "__main__":
    main()
