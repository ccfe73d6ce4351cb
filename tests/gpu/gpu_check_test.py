"""What gpu-check makes of programs that fail, crash, hang, or break the device.

usage: gpu_check_test.py GPU-CHECK
"""

import importlib.machinery
import importlib.util
import json
import os
import stat
import subprocess
import sys
import tempfile
import types
import unittest

# Stands for stoker_gpu_tests: a test does what its name says.
PROGRAM = """#!{python}
import os, signal, sys, time
arguments = dict(a.split("=", 1) if "=" in a else (a, "") for a in sys.argv[1:])
if "--gtest_list_tests" in arguments:
    print("Running main() from somewhere")
    print("Suite.")
    print("\\n".join("  " + name for name in arguments["--gtest_filter"].split(":")))
    sys.exit(0)
if "--measure" in arguments:
    print('RESULT {{"workload": "w", "us_per_step": 1.0}}')
    sys.exit(arguments["--measure"] == "bad")
failed = False
for test in open(arguments["--tests"]).read().split():
    print("[ RUN      ] " + test, flush=True)
    name = test.split(".")[1]
    if name.startswith("crash"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if name.startswith("hang"):
        time.sleep(100)
    if name.startswith("break"):
        print("The device is broken", flush=True)
        os._exit(75)
    outcome = "     OK" if name.startswith("good") else " FAILED "
    failed = failed or outcome != "     OK"
    print("[" + (outcome + " ").rjust(10) + "] " + test + " (1 ms)", flush=True)
if "none" in os.environ.get("STOKER_SETTING", ""):
    print("tool: an error")
    sys.exit(86)
sys.exit(failed)
"""


def load(path):
    loader = importlib.machinery.SourceFileLoader("gpu_check", path)
    module = types.ModuleType(loader.name)
    module.__file__ = path
    loader.exec_module(module)
    return module


class GpuCheck(unittest.TestCase):
    def setUp(self):
        self.work = tempfile.TemporaryDirectory()
        self.module = load(sys.argv[1])
        self.module.HERE = self.work.name
        self.module.PROGRAM = os.path.join(self.work.name, "program")
        self.module.STALL_SECONDS = 1
        with open(self.module.PROGRAM, "w", encoding="utf-8") as file:
            file.write(PROGRAM.format(python=sys.executable))
        os.chmod(self.module.PROGRAM, stat.S_IRWXU)
        self.report = self.module.Report(os.path.join(self.work.name, "out"))
        self.report.say = self.report.note
        self.check = self.module.Check(types.SimpleNamespace(rehearse=False), self.report)
        self.check.jobs = 2

    def tearDown(self):
        self.check.close()
        self.report.log.close()
        self.work.cleanup()

    def run_part(self, tests, seconds=30, **settings):
        self.check.part("part", seconds, self.check.tests(":".join(tests), "ops", **settings))
        with open(os.path.join(self.report.folder, "gpu-check.json"), encoding="utf-8") as file:
            return json.load(file)["parts"]["part"]

    def test_good_tests_pass(self):
        found = self.run_part(["good1", "good2", "good3"])
        self.assertEqual(found["status"], "passed")
        self.assertEqual(found["count"], {"passed": 3})

    def test_what_follows_a_crash_runs(self):
        found = self.run_part(["good1", "good2", "crash1", "fail1", "break1", "good3", "good4",
                               "hang1", "good5", "good6"])
        self.assertEqual(found["status"], "failed")
        self.assertEqual(found["count"]["passed"], 6)
        self.assertEqual(found["not_passed"], {
            "Suite.break1": "failed", "Suite.crash1": "crashed", "Suite.fail1": "failed",
            "Suite.hang1": "hung"})

    def test_the_time_limit_ends_a_part(self):
        self.module.STALL_SECONDS = 60
        found = self.run_part(["hang1", "good1", "good2", "good3"], seconds=1)
        self.assertEqual(found["status"], "failed")
        self.assertEqual(found["not_passed"], {"Suite.hang1": "not run", "Suite.good2": "not run"})
        self.assertLess(found["seconds"], 5)

    def test_a_sanitizers_finding_fails_tests_that_passed(self):
        found = self.run_part(["good1", "good2"], STOKER_SETTING="none")
        self.assertEqual(found["status"], "failed")
        self.assertIn("the sanitizer found something", found["why"])

    def test_measurements_are_kept_of_a_program_that_fails(self):
        self.check.part("m", 10, self.check.measurements("bad"))
        found = self.report.parts["m"]
        self.assertEqual(found["status"], "failed")
        self.assertEqual(found["results"], [{"workload": "w", "us_per_step": 1.0}])

    def test_no_time_is_a_failure(self):
        self.check.end = 0
        self.assertEqual(self.run_part(["good1"])["why"], "no time was left")

    def test_without_a_bundle_it_says_what_to_do(self):
        ended = subprocess.run([sys.argv[1], self.work.name], text=True, capture_output=True,
                               check=False)
        self.assertEqual(ended.returncode, 1)
        self.assertIn("scripts/gpu-bundle", ended.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
