"""Adding a loss takes the files that CONTRIBUTING.md names, and no other.

usage: add_loss.py --files ROOT     the files of the sample loss in docs/adding-things.md, one a line
       add_loss.py ROOT SCRATCH BUILD
           the test: applies the page's diffs to a copy of the sources in SCRATCH, builds the program
           of tests/house/add_loss.cmake, and runs it
"""

import pathlib
import re
import shutil
import sys

import add_op

SECTION = "A loss"
COPIED = ["src", "include", "tests/losses", "tests/support"]


def changes(root: pathlib.Path) -> list[add_op.Change]:
    return add_op.changes_of((root / add_op.PAGE).read_text(), SECTION)


def promised(root: pathlib.Path, loss: str) -> set[str]:
    """The files of the table's row "an optimizer, loss or metric"."""
    row = re.search(r"^\| an optimizer, loss or metric \|(.*)\|$",
                    (root / "CONTRIBUTING.md").read_text(), re.M)
    if row is None:
        raise add_op.Failure("CONTRIBUTING.md: the table has no row `an optimizer, loss or metric`")
    names = re.findall(r"`([^`]*/[^`]*)`", row[1])
    return {re.sub(r"\bx(?=[._])", loss, name) for name in names}


def test(root: pathlib.Path, scratch: pathlib.Path, build: pathlib.Path) -> None:
    own = changes(root)
    touched = {change.path for change in own}
    loss = next(m[1] for path in touched if (m := re.fullmatch(r"src/losses/(\w+)\.cpp", path)))
    if touched != promised(root, loss):
        raise add_op.Failure(f"the sample loss changes {sorted(touched)}; CONTRIBUTING.md names "
                             f"{sorted(promised(root, loss))}")
    shutil.rmtree(scratch, ignore_errors=True)
    for folder in COPIED:
        shutil.copytree(root / folder, scratch / folder)
    for change in own:
        change.apply_to(scratch)
    add_op.run(["cmake", "--build", str(build), "--target", "stoker_add_loss"])
    add_op.run([str(build / "tests/house/stoker_add_loss")])


def main(arguments: list[str]) -> int:
    try:
        match arguments:
            case ["--files", root]:
                print("\n".join(change.path for change in changes(pathlib.Path(root))))
            case [root, scratch, build]:
                test(pathlib.Path(root), pathlib.Path(scratch), pathlib.Path(build))
            case _:
                print(__doc__)
                return 2
    except add_op.Failure as failure:
        print(failure)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
