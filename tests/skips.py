"""Lists the tests that did not run, or of which a part did not.

usage: skips.py JUNIT_XML...     (as ctest --output-junit and Google Test write them)
       skips.py --self-test

Ends with status 1 where there is one: what scripts/nightly cannot run is a failure. ctest keeps the
first 1,024 bytes of what a test that passes writes; a program of many tests that shall be looked
through needs --test-output-size-passed.
"""

import io
import re
import sys
import xml.etree.ElementTree

# Google Test writes the place, then the reason, and then this line.
SKIPPED_HERE = re.compile(r"(?:^[^\n]*: Skipped\n(.*?))?^\[  SKIPPED \] (\S+) \(", re.M | re.S)


def reasons(case) -> list[str]:
    name = case.get("name")
    text = case.findtext("system-out") or ""
    found = [(test, (why or "it does not say why").strip())
             for why, test in SKIPPED_HERE.findall(text)]
    status = case.get("status")
    if case.get("result"):  # as Google Test writes it
        status, name = case.get("result"), f"{case.get('classname')}.{name}"
    if status in ("run", "fail", "completed"):  # perhaps a program of many tests
        return [f"{name}, {test}: skipped: {why}" for test, why in found]
    if found:
        return [f"{name}: skipped: {why}" for _, why in found]
    skipped = case.find("skipped")
    why = text.strip() if skipped is None else skipped.get("message")
    return [f"{name}: {status}: {why}"]


def skips(file) -> list[str]:
    try:
        cases = list(xml.etree.ElementTree.parse(file).getroot().iter("testcase"))
    except FileNotFoundError:
        return ["it is not there"]
    if not cases:
        return ["there is no test in it"]
    return [reason for case in cases for reason in reasons(case)]


def self_test() -> None:
    skipped = "[ RUN      ] A.b\n/a/t.cpp:3: Skipped\nno disk\n[  SKIPPED ] A.b (0 ms)\n"
    report = f"""<testsuite>
      <testcase name="x.A.a" status="run"><system-out>[       OK ] A.a</system-out></testcase>
      <testcase name="x.A.b" status="notrun"><skipped message="SKIP_REGULAR_EXPRESSION_MATCHED"/>
        <system-out>{skipped}</system-out></testcase>
      <testcase name="x.off" status="disabled"><system-out>Disabled</system-out></testcase>
      <testcase name="x.all" status="run"><system-out>{skipped}[ RUN      ] A.c
[  SKIPPED ] A.c (0 ms)
[  SKIPPED ] 2 tests, listed below:
[  SKIPPED ] A.b
</system-out></testcase>
      <testcase name="x.lost" status="notrun"><skipped message="Unable to find executable"/>
        <system-out>where</system-out></testcase>
      <testcase name="x.broken" status="fail"><failure message=""/></testcase>
      <testcase classname="A" name="c" status="run" result="completed"/>
      <testcase classname="A" name="d" status="run" result="skipped"><skipped message="why"/></testcase>
    </testsuite>"""
    found = skips(io.StringIO(report))
    assert found == [
        "x.A.b: skipped: no disk",
        "x.off: disabled: Disabled",
        "x.all, A.b: skipped: no disk",
        "x.all, A.c: skipped: it does not say why",
        "x.lost: notrun: Unable to find executable",
        "A.d: skipped: why",
    ], found
    assert skips(io.StringIO("<testsuite/>")) == ["there is no test in it"]


def main(arguments: list[str]) -> int:
    if arguments == ["--self-test"]:
        self_test()
        return 0
    if not arguments:
        print(__doc__)
        return 2
    found = [f"{file}: {skip}" for file in arguments for skip in skips(file)]
    for skip in found:
        print(skip, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
