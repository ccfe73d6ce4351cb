"""Adding an op takes the files that CONTRIBUTING.md names, and no other.

usage: add_op.py --files ROOT       the files of the sample op in docs/adding-things.md, one a line
       add_op.py --tables ROOT      sources that hold a table of all ops, one a line
       add_op.py --apply ROOT SCRATCH
           copies what the sample needs into SCRATCH and applies the page's diffs there
       add_op.py ROOT SCRATCH BUILD [--cuda]
           the test: applies them, builds the programs of tests/house/add_op.cmake, and runs them
       add_op.py --self-test
"""

import pathlib
import re
import resource
import shutil
import subprocess
import sys
import tempfile

PAGE = "docs/adding-things.md"
SECTION = "An op"
COPIED = ["src", "include", "tests/ops", "tests/support", "tests/backend"]
MOST_SECONDS = 60  # of processor time, to compile and to link


class Failure(Exception):
    pass


# ---- The diffs of the page ----
class Change:
    def __init__(self, path: str, is_new: bool):
        self.path, self.is_new, self.hunks = path, is_new, []

    def apply_to(self, root: pathlib.Path) -> None:
        file = root / self.path
        if self.is_new:
            if file.exists():
                raise Failure(f"{PAGE}: {self.path} is there already; expected a new file")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("".join(line[1:] for hunk in self.hunks for line in hunk))
            return
        text = file.read_text()
        for hunk in self.hunks:
            before = "".join(line[1:] for line in hunk if line[0] in " -")
            after = "".join(line[1:] for line in hunk if line[0] in " +")
            if text.count(before) != 1:
                raise Failure(
                    f"{PAGE}: expected these lines once in {self.path}, found them "
                    f"{text.count(before)} times:\n{before}"
                )
            text = text.replace(before, after)
        file.write_text(text)


def section_of(text: str, section: str) -> str:
    begin = text.index(f"\n## {section}\n")
    end = text.find("\n## ", begin + 1)
    return text[begin : end if end >= 0 else len(text)]


def changes_of(text: str, section: str = SECTION) -> list[Change]:
    changes = []
    for block in re.findall(r"^```diff\n(.*?)^```$", section_of(text, section), re.M | re.S):
        old = None
        for line in block.splitlines(keepends=True):
            if line.startswith("--- "):
                old = line[4:].strip()
            elif line.startswith("+++ "):
                changes.append(Change(line[4:].strip().removeprefix("b/"), old == "/dev/null"))
            elif line.startswith("@@"):
                changes[-1].hunks.append([])
            elif not changes or not changes[-1].hunks:
                raise Failure(f"{PAGE}: a diff begins without its files and @@: {line}")
            else:
                changes[-1].hunks[-1].append(line if line != "\n" else " \n")
    if not changes:
        raise Failure(f"{PAGE}: the section {section} has no diff")
    return changes


# ---- What CONTRIBUTING.md promises ----
def promised(text: str, op: str) -> set[str]:
    """The files of the table's row "an op", with the op's name for x."""
    row = re.search(r"^\| an op \|(.*)\|$", text, re.M)
    if row is None:
        raise Failure("CONTRIBUTING.md: the table has no row `an op`")
    names = re.findall(r"`([^`]*/[^`]*)`", row[1])
    paths = [re.sub(r"\bx(?=[._])", op, name) for name in names]
    return {path if path.startswith("tests/") else f"src/{path}" for path in paths}


def name_of(changes: list[Change]) -> str:
    for change in changes:
        if found := re.fullmatch(r"src/ops/(\w+)\.cpp", change.path):
            return found[1]
    raise Failure(f"{PAGE}: no diff makes a file src/ops/x.cpp")


def check_files(changes: list[Change], contributing: str) -> None:
    touched = {change.path for change in changes}
    allowed = promised(contributing, name_of(changes))
    if touched - allowed:
        raise Failure(
            f"the sample op changes {', '.join(sorted(touched - allowed))}, which CONTRIBUTING.md "
            f"does not name; it names {', '.join(sorted(allowed))}"
        )
    if allowed - touched:
        raise Failure(f"CONTRIBUTING.md names {', '.join(sorted(allowed - touched))} for nothing")


# ---- Sources that have to be compiled again ----
def tables(root: pathlib.Path) -> list[str]:
    """Whatever expands ops.def in a source, or counts the ops."""
    expands = re.compile(r'#include "ops/ops\.def"|OpIndex::count')
    found = []
    for folder in ("src", "tests/ops"):
        for file in sorted((root / folder).rglob("*.cpp")):
            if expands.search(file.read_text()):
                found.append(file.relative_to(root).as_posix())
    return found


def apply(root: pathlib.Path, scratch: pathlib.Path) -> list[Change]:
    changes = changes_of((root / PAGE).read_text())
    check_files(changes, (root / "CONTRIBUTING.md").read_text())
    shutil.rmtree(scratch, ignore_errors=True)
    for folder in COPIED:
        shutil.copytree(root / folder, scratch / folder)
    for change in changes:
        change.apply_to(scratch)
    return changes


def run(command: list[str]) -> None:
    print("+", " ".join(command), flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)}: failed with {done.returncode}\n{done.stdout[-8000:]}")


def test(root: pathlib.Path, scratch: pathlib.Path, build: pathlib.Path, has_cuda: bool) -> None:
    op = name_of(apply(root, scratch))
    programs = ["stoker_add_op_cpu"] + (["stoker_add_op_cuda"] if has_cuda else [])
    # What is there without the op is not the op's.
    run(["cmake", "--build", str(build), "--target", "stoker_add_op_base"])
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run(["cmake", "--build", str(build), "--target", *programs])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"built in {seconds:.0f} s of processor time")
    class_name = "".join(part.capitalize() for part in op.split("_"))
    own = f"{class_name}.*:EveryOp.*:EveryCase.*"
    run([str(build / "tests/house/stoker_add_op_cpu"),
         f"--gtest_filter={own}:Ops/EveryCase.*/{op}"])
    if has_cuda:
        # The whole of it would compile a kernel for each expression around the op.
        run([str(build / "tests/house/stoker_add_op_cuda"),
             f"--gtest_filter={own}:Ops/EveryCase.agrees_with_the_reference/{op}"])
    if seconds > MOST_SECONDS:
        raise Failure(f"an op took {seconds:.0f} s to build; expected at most {MOST_SECONDS}")


# ---- Self-test ----
SAMPLE = """# Adding things

## An op
```diff
--- /dev/null
+++ b/src/ops/twice.cpp
@@
+one
+two
```
```diff
--- a/src/ops/ops.def
+++ b/src/ops/ops.def
@@
 first
+STOKER_OP(twice)
 last
```

## A loss
```diff
--- /dev/null
+++ b/src/losses/other.cpp
@@
+other
```
"""
ROW = "| an op | `ops/x.cpp` (rule), a line in `ops/ops.def` |\n"


def self_test() -> None:
    changes = changes_of(SAMPLE)
    assert [change.path for change in changes] == ["src/ops/twice.cpp", "src/ops/ops.def"]
    check_files(changes, ROW)
    for row, message in [
        ("| an op | `ops/x.cpp` |\n", "changes src/ops/ops.def, which"),
        (ROW.replace("`ops/ops.def`", "`ops/ops.def`, `tests/ops/x_test.cpp`"),
         "names tests/ops/twice_test.cpp for nothing"),
        ("no table", "no row"),
    ]:
        try:
            check_files(changes, row)
        except Failure as failure:
            assert message in str(failure), (message, str(failure))
        else:
            raise AssertionError(row)
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "src/ops").mkdir(parents=True)
        (root / "src/ops/ops.def").write_text("zeroth\nfirst\nlast\n")
        for change in changes:
            change.apply_to(root)
        assert (root / "src/ops/twice.cpp").read_text() == "one\ntwo\n"
        assert (root / "src/ops/ops.def").read_text() == "zeroth\nfirst\nSTOKER_OP(twice)\nlast\n"
        for change in changes:
            try:
                change.apply_to(root)
            except Failure:
                continue
            raise AssertionError(f"{change.path} was changed twice")


def main(arguments: list[str]) -> int:
    try:
        match arguments:
            case ["--self-test"]:
                self_test()
            case ["--files", root]:
                changes = changes_of((pathlib.Path(root) / PAGE).read_text())
                print("\n".join(change.path for change in changes))
            case ["--tables", root]:
                print("\n".join(tables(pathlib.Path(root))))
            case ["--apply", root, scratch]:
                apply(pathlib.Path(root), pathlib.Path(scratch))
            case [root, scratch, build, *cuda] if cuda in ([], ["--cuda"]):
                test(pathlib.Path(root), pathlib.Path(scratch), pathlib.Path(build), bool(cuda))
            case _:
                print(__doc__)
                return 2
    except Failure as failure:
        print(failure)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
