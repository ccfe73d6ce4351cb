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
    if "-" in arguments["--gtest_filter"]:
        arguments["--gtest_filter"] = arguments["--gtest_filter"].split("-")[0]
    print("\\n".join("  " + name for name in arguments["--gtest_filter"].split(":")))
    sys.exit(0)
if "--measure" in arguments:
    print('RESULT {{"workload": "w", "us_per_step": 1.0}}')
    sys.stdout.flush()
    time.sleep(100 if arguments["--measure"] == "slow" else 0)
    sys.exit(arguments["--measure"] == "bad")
failed = False
for test in open(arguments["--tests"]).read().split():
    print("[ RUN      ] " + test, flush=True)
    name = test.split(".")[1]
    if name.startswith("crash"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if name.startswith("hang"):
        time.sleep(100)
    if name.startswith("talk"):
        print("x" * 100_000, flush=True)
    if name.startswith("environment"):
        print("threads", os.environ["STOKER_THREADS"], flush=True)
    if name.startswith("break"):
        print("The device is broken", flush=True)
        os._exit(75)
    outcome = "     OK" if name.startswith(("good", "talk", "env")) else " FAILED "
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
        self.check = self.module.Check(types.SimpleNamespace(rehearse=False, seconds=600),
                                       self.report)
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

    def test_what_a_time_limit_left_over_has_not_failed(self):
        self.module.STALL_SECONDS = 60
        found = self.run_part(["hang1", "good1", "good2", "good3"], seconds=1)
        self.assertEqual(found["status"], "incomplete")
        self.assertEqual(found["not_passed"], {"Suite.hang1": "not run", "Suite.good2": "not run"})
        self.assertLess(found["seconds"], 5)
        self.assertTrue(self.module.print_table(self.report, 1.0))
        self.assertFalse(self.report.result["complete"])

    def test_a_failure_before_the_time_limit_is_one(self):
        self.module.STALL_SECONDS = 60
        found = self.run_part(["hang1", "fail1", "good2", "good3"], seconds=1)
        self.assertEqual(found["status"], "failed")
        self.assertFalse(self.module.print_table(self.report, 1.0))

    def test_a_part_that_could_not_begin_has_not_failed(self):
        self.check.end = 0
        found = self.run_part(["good1"])
        self.assertEqual((found["status"], found["why"]), ("not run", "no time was left"))
        self.assertTrue(self.module.print_table(self.report, 1.0))

    def test_a_part_of_no_tests_has_failed(self):
        self.check.list_tests = lambda wanted: []
        self.assertEqual(self.run_part(["good1"])["status"], "failed")

    def test_a_later_run_does_what_an_earlier_one_left(self):
        self.check.earlier = {"part": {"passed": ["Suite.good1", "Suite.hang1"]}}
        found = self.run_part(["good1", "hang1", "good2"])
        self.assertEqual(found["status"], "passed")
        self.assertEqual(found["count"], {"passed": 1})
        self.assertEqual(found["passed"], ["Suite.good1", "Suite.good2", "Suite.hang1"])

    def test_the_log_has_a_limit(self):
        self.report.log_left = 250_000
        found = self.run_part(["talk1", "talk2", "talk3", "talk4", "good1"])
        self.assertEqual(found["count"], {"passed": 5})
        path = os.path.join(self.report.folder, "gpu-check.log")
        self.assertLess(os.path.getsize(path), 250_000 + 100)
        with open(path, encoding="utf-8") as file:
            self.assertTrue(file.read().endswith("The log is full; the rest is left out.\n"))

    def test_references_get_two_threads_a_process(self):
        self.run_part(["environment1"])
        with open(os.path.join(self.report.folder, "gpu-check.log"), encoding="utf-8") as file:
            self.assertIn("threads 2\n", file.read())

    # ---- Options ----
    def refusal_of(self, *arguments):
        ended = subprocess.run([sys.executable, sys.argv[1], *arguments], text=True,
                               capture_output=True, check=False)
        self.assertEqual(ended.returncode, 2, ended.stderr)
        return ended.stderr

    def test_a_misspelt_part_is_an_error_that_lists_the_parts(self):
        text = self.refusal_of("--only", "machine,opps")
        self.assertIn("there is no part opps", text)
        for name in self.module.PARTS:
            self.assertIn(name, text)
        self.assertIn("expected names of parts", self.refusal_of("--only", ","))

    def test_a_time_that_is_none_is_an_error(self):
        for seconds in ("0", "-5", "8", "soon"):
            self.assertIn("--seconds", self.refusal_of("--seconds", seconds))

    def test_peers_run_on_request_only(self):
        asked = lambda *arguments: [name for name in self.module.PARTS if self.module.is_asked_for(
            name, self.module.parse([*arguments, "folder"]))]
        self.assertFalse(set(asked()) & set(self.module.PEERS))
        self.assertEqual(tuple(asked("--peers")), self.module.PARTS)
        self.assertEqual(asked("--only", "torch-graphs"), ["machine", "torch-graphs"])
        self.assertEqual(tuple(asked())[:4], ("machine", "training", "ops", "steps"))

    def test_the_seconds_asked_for_bound_all_parts(self):
        check = self.module.Check(types.SimpleNamespace(rehearse=False, seconds=100), self.report)
        self.assertLess(check.end - self.module.time.monotonic(), 100)
        check.close()

    # ---- What the machine has ----
    def test_a_machine_that_is_too_old_runs_nothing(self):
        self.check.needs = {"GLIBC": "99.1", "GLIBCXX": "3.4.1"}
        self.check.part("machine", 10, self.check.machine)
        found = self.report.parts["machine"]
        self.assertEqual(found["status"], "failed")
        self.assertIn("needs GLIBC 99.1, this machine has", found["why"])
        self.assertEqual(self.run_part(["good1"])["status"], "not run")

    def test_versions_are_compared_as_numbers(self):
        here = {"machine": "x86_64", "GLIBC": "2.36", "GLIBCXX": "3.4.30"}
        why = self.module.why_not_here
        self.assertEqual(why({"GLIBC": "2.4", "GLIBCXX": "3.4.9"}, here), "")
        self.assertEqual(why({"GLIBC": "2.36", "GLIBCXX": "3.4.30"}, here), "")
        self.assertIn("GLIBCXX 3.4.31", why({"GLIBC": "2.4", "GLIBCXX": "3.4.31"}, here))
        self.assertIn("none was found", why({"GLIBCXX": "3.4"}, {**here, "GLIBCXX": ""}))
        self.assertIn("aarch64", why({"GLIBC": "2.4"}, {**here, "machine": "aarch64"}))
        self.assertRegex(self.module.versions_here()["GLIBCXX"], r"^3\.4\.\d+$")

    def test_a_sanitizers_finding_fails_tests_that_passed(self):
        found = self.run_part(["good1", "good2"], STOKER_SETTING="none")
        self.assertEqual(found["status"], "failed")
        self.assertIn("the sanitizer found something", found["why"])

    def test_measurements_are_kept_of_a_program_that_fails(self):
        self.check.part("m", 10, self.check.measurements("bad"))
        found = self.report.parts["m"]
        self.assertEqual(found["status"], "failed")
        self.assertEqual(found["results"], [{"workload": "w", "us_per_step": 1.0}])

    def test_measurements_that_ran_out_of_time_have_not_failed(self):
        self.check.part("m", 1, self.check.measurements("slow"))
        found = self.report.parts["m"]
        self.assertEqual(found["status"], "incomplete")
        self.assertEqual(len(found["results"]), 1)

    def test_the_slowest_launches_are_told(self):
        result = {"launch_us": [["a", "kernel", 1.0], ["b", "eng0", 3.0], ["c", "eng1", 2.0]]}
        import gpu_check_tools  # found once gpu-check was loaded
        lines = gpu_check_tools.slowest_launches(result, 2)
        self.assertEqual([line.split()[2:] for line in lines], [["eng0", "b"], ["eng1", "c"]])

    def test_without_a_bundle_it_says_what_to_do(self):
        ended = subprocess.run([sys.argv[1], self.work.name], text=True, capture_output=True,
                               check=False)
        self.assertEqual(ended.returncode, 1)
        self.assertIn("scripts/gpu-bundle", ended.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
