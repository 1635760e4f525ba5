#!/usr/bin/env python3
"""Tests of tools/check itself, with every check replaced by one that obeys the environment."""

import os
import shutil
import stat
import subprocess
import tempfile
import unittest

# Fails when the variable FAIL holds this script's name.
STUB = """import os, sys
name = " ".join([os.path.basename(sys.argv[0]), *sys.argv[1:]])
print("ran " + name)
sys.exit(3 if os.environ.get("FAIL") and os.environ["FAIL"] in name else 0)
"""


class CheckTest(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp()
        tools = os.path.join(self.root, "tools")
        os.mkdir(tools)
        for name in ("check", "prepare.sh"):
            shutil.copy(os.path.join("tools", name), tools)
        for name in ("tidy.py", "check_sources.py"):
            with open(os.path.join(tools, name), "w", encoding="utf-8") as stub:
                stub.write(STUB)
        with open(os.path.join(tools, "test"), "w", encoding="utf-8") as stub:
            stub.write("#!/usr/bin/env python3\n" + STUB)
        os.chmod(os.path.join(tools, "test"), stat.S_IRWXU)
        # No package is wanted, so none is installed.
        with open(os.path.join(tools, "packages.txt"), "w", encoding="utf-8"):
            pass

    def tearDown(self):
        shutil.rmtree(self.root)

    def check(self, *arguments, fail=""):
        environment = {**os.environ, "FAIL": fail, "HOME": self.root,
                       "GIT_CEILING_DIRECTORIES": self.root}
        done = subprocess.run([os.path.join(self.root, "tools/check"), *arguments], env=environment,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)
        return done.returncode, done.stdout

    def test_all_good_is_zero(self):
        status, output = self.check()
        self.assertEqual(status, 0, output)
        for name in ("format", "layout", "headers", "clang-tidy", "tests"):
            self.assertIn(f"OK {name} ", output)

    def test_any_failure_is_nonzero_and_the_rest_still_runs(self):
        for script, name in (("tidy.py", "layout"), ("check_sources.py headers", "headers"),
                             ("check_sources.py clang-tidy", "clang-tidy"), ("test", "tests")):
            with self.subTest(name=name):
                status, output = self.check(fail=script)
                self.assertEqual(status, 1, output)
                self.assertIn(f"FAILED {name} ", output)
                self.assertIn(f"ran {script}", output)
                self.assertEqual(output.count("OK "), 4, output)

    def test_no_tests_runs_none(self):
        status, output = self.check("--no-tests", fail="test")
        self.assertEqual(status, 0, output)
        self.assertNotIn("OK tests", output)

    def test_an_unknown_flag_is_an_error(self):
        self.assertEqual(self.check("--quick")[0], 2)


if __name__ == "__main__":
    unittest.main()
