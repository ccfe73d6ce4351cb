"""Compares what each folder's tests took with its budget.

usage: budgets.py TABLE JUNIT_XML [SLOWER]   (as ctest --output-junit writes it)
       budgets.py --self-test

A folder without a budget fails, and so does one that took more than three times its own: a machine
may be slow, or busy. More than the budget is said. SLOWER multiplies the budgets: a sanitizer makes
tests slower.
"""

import collections
import io
import pathlib
import re
import sys
import xml.etree.ElementTree

TOO_MUCH = 3.0


def budgets_of(text: str) -> dict[str, float]:
    lines = (line.split() for line in text.splitlines() if line and not line.startswith("#"))
    return {folder: float(seconds) for folder, seconds in lines}


def times_of(file) -> dict[str, float]:
    times: dict[str, float] = collections.defaultdict(float)
    for case in xml.etree.ElementTree.parse(file).getroot().iter("testcase"):
        times[re.split(r"[.]", case.get("name"), maxsplit=1)[0]] += float(case.get("time", 0.0))
    return times


def faults(budgets: dict[str, float], times: dict[str, float]) -> list[str]:
    found = []
    for folder, seconds in sorted(times.items()):
        if folder not in budgets:
            found.append(f"{folder}: expected a line in tests/budgets.txt")
        elif seconds > TOO_MUCH * budgets[folder]:
            found.append(f"{folder}: expected at most {budgets[folder]:g} s, took {seconds:.1f} s")
    return found


def self_test() -> None:
    budgets = budgets_of("# comment\na 10\nb 1.5\n")
    assert budgets == {"a": 10.0, "b": 1.5}
    report = io.StringIO('<testsuite><testcase name="a.X.y/1.5" time="4"/>'
                         '<testcase name="a.Z.w" time="5"/><testcase name="c" time="1"/></testsuite>')
    times = times_of(report)
    assert times == {"a": 9.0, "c": 1.0}, times
    assert faults(budgets, times) == ["c: expected a line in tests/budgets.txt"]
    assert faults(budgets, {"a": 31.0, "b": 4.5}) == ["a: expected at most 10 s, took 31.0 s"]


def main(arguments: list[str]) -> int:
    if arguments == ["--self-test"]:
        self_test()
        return 0
    if len(arguments) not in (2, 3):
        print(__doc__)
        return 2
    slower = float(arguments[2]) if len(arguments) == 3 else 1.0
    table = budgets_of(pathlib.Path(arguments[0]).read_text(encoding="utf-8"))
    budgets = {folder: seconds * slower for folder, seconds in table.items()}
    times = times_of(arguments[1])
    for folder, seconds in sorted(times.items(), key=lambda item: -item[1]):
        over = " over its budget" if seconds > budgets.get(folder, 0.0) else ""
        print(f"{folder:14} {seconds:7.1f} s of {budgets.get(folder, 0.0):5.0f}{over}")
    found = faults(budgets, times)
    for fault in found:
        print(fault, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
