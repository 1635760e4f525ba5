#!/usr/bin/env python3
"""What a user of a job's program sees: summary lines, exit statuses, one-line errors, signals."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
import unittest

JOB = sys.argv.pop(1)


def run(*flags):
    return subprocess.run([JOB, *flags], capture_output=True, text=True, timeout=60)


class JobMain(unittest.TestCase):
    def refused(self, flags, *texts):
        """Exit status 2, one line on stderr, nothing on stdout."""
        done = run(*flags)
        self.assertEqual(done.returncode, 2, done)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertEqual(done.stdout, "")
        for text in texts:
            self.assertIn(text, done.stderr)

    def test_a_finished_job_ends_with_one_summary_line(self):
        done = run("--parallelism", "3")
        self.assertEqual(done.returncode, 0, done)
        self.assertRegex(done.stdout.splitlines()[-1],
                         r"^numbers FINISHED: 1000 records in, 1000 out, 0 late, 0 dead letters, "
                         r"\d+\.\d\d s$")
        self.assertEqual(done.stderr, "")

    def test_the_program_is_hardened(self):
        """S14: loaded anywhere, its tables read-only before it begins, no code on the stack."""
        told = subprocess.run(["readelf", "-hlWd", JOB], capture_output=True, text=True, check=True).stdout
        self.assertRegex(told, r"Type: +DYN")
        self.assertRegex(told, r"FLAGS_1\) +Flags: NOW PIE")
        self.assertIn("GNU_RELRO", told)
        self.assertRegex(told, r"GNU_STACK .* RW +0")
        symbols = subprocess.run(["readelf", "--dyn-syms", "-W", JOB], capture_output=True, text=True,
                                 check=True).stdout
        self.assertIn("__stack_chk_fail", symbols)

    def test_the_json_summary_is_the_last_line(self):
        done = run("--summary", "json", "-p", "2", "--numbers", "10")
        summary = json.loads(done.stdout.splitlines()[-1])
        self.assertEqual(summary["job"], "numbers")
        self.assertEqual(summary["status"], "FINISHED")
        self.assertEqual(summary["records_in"], 10)
        self.assertEqual(summary["records_out"], 10)
        self.assertEqual(summary["late"], 0)
        self.assertEqual(summary["dead_letter"], 0)
        self.assertGreater(summary["seconds"], 0)

    def test_a_failing_function_is_named(self):
        done = run("--throw-at", "500", "--summary", "json")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr,
                         r"^numbers: operator add \(\d/\d\): no such number\n$")
        summary = json.loads(done.stdout.splitlines()[-1])
        self.assertEqual(summary["status"], "FAILED")
        self.assertIn("no such number", summary["error"])

    def test_a_sink_that_cannot_write_is_a_failure_while_running(self):
        done = run("--disk-full")
        self.assertEqual(done.returncode, 1)
        self.assertIn("the disk is full", done.stderr)
        self.assertIn("numbers FAILED: ", done.stdout)

    def test_wrong_usage_is_refused_in_one_line(self):
        self.refused(["--no-such-flag", "1"], "no-such-flag")
        self.refused(["--numbers", "many"], "numbers", "many")
        self.refused(["--parallelism", "0"], "--parallelism", "1..32768")
        self.refused(["-p", "-1"], "--parallelism")
        self.refused(["-p", "two"], "--parallelism", "two")
        self.refused(["-D", "execution.buffer-timeot=1s"], "execution.buffer-timeout")
        self.refused(["-D", "execution.buffer-timeout=soon"], "soon")
        self.refused(["-D", "nonsense"], "nonsense")
        self.refused(["--on-bad-record", "ignore"], "--on-bad-record", "fail|dead-letter")
        self.refused(["--config", "no/such/file"], "no/such/file")
        self.refused(["--summary", "xml"], "xml")
        self.refused(["--checkpoint-interval", "1s"], "checkpoint")
        self.refused(["--job", "other"], "other", "numbers")

    def test_a_missing_input_and_an_output_in_the_way_are_usage(self):
        self.refused(["--missing-input", "flights.csv: no such file"], "flights.csv: no such file")
        self.refused(["--output-in-the-way", "out/: not empty"], "out/: not empty")

    def test_a_usage_error_is_also_a_json_summary(self):
        done = run("--summary", "json", "--no-such-flag")
        self.assertEqual(done.returncode, 2)
        self.assertEqual(json.loads(done.stdout.splitlines()[-1])["status"], "FAILED")

    def test_options_come_from_file_and_flags(self):
        path = os.path.join(os.environ.get("TEST_TMPDIR", "."), "sluice.yaml")
        with open(path, "w") as file:
            file.write("parallelism:\n  default: 3  # nested\nexecution.batch-rows: 7\n")
        plan = json.loads(run("--config", path, "--explain", "json").stdout)
        self.assertEqual(plan["vertices"][0]["parallelism"], 3)
        plan = json.loads(run("--config", path, "-D", "parallelism.default=4", "--explain",
                              "json").stdout)
        self.assertEqual(plan["vertices"][0]["parallelism"], 4)
        with open(path, "w") as file:
            file.write("parallelism.default: 1\nparalelism: 2\n")
        self.refused(["--config", path], "sluice.yaml:2: ", "paralelism")

    def test_help_and_plan(self):
        done = run("--help")
        self.assertEqual(done.returncode, 0)
        self.assertIn("--numbers", done.stdout)
        self.assertIn("--parallelism", done.stdout)
        done = run("--explain")
        self.assertIn("numbers -> add", done.stdout)
        self.assertIn("HASH", done.stdout)
        self.assertIn("digraph", run("--explain", "dot").stdout)

    def start(self, *flags, stderr=subprocess.PIPE):
        """A job that is at work when this returns."""
        marker = os.path.join(os.environ.get("TEST_TMPDIR", "."), f"marker-{time.monotonic_ns()}")
        job = subprocess.Popen([JOB, "--marker", marker, *flags], stdout=subprocess.PIPE, stderr=stderr,
                               text=True)
        while not os.path.exists(marker):
            time.sleep(0.01)
            if job.poll() is not None:
                break
        return job

    def test_a_second_signal_aborts_a_job_that_does_not_stop(self):
        job = self.start("--numbers", "-1", "--stuck")
        job.send_signal(signal.SIGINT)
        self.assertEqual(job.stderr.readline(), "numbers: stopping; once more aborts\n")
        self.assertIsNone(job.poll())
        job.send_signal(signal.SIGINT)
        self.assertEqual(job.wait(timeout=60), 130)
        job.communicate()

    def test_the_first_signal_stops_the_sources_and_the_job_finishes(self):
        for sent in (signal.SIGINT, signal.SIGTERM):
            job = self.start("--numbers", "-1", "--summary", "json")
            job.send_signal(sent)
            out, err = job.communicate(timeout=60)
            self.assertEqual(job.returncode, 0, err)
            summary = json.loads(out.splitlines()[-1])
            self.assertEqual(summary["status"], "FINISHED")
            self.assertGreater(summary["records_in"], 0)
            self.assertEqual(summary["records_in"], summary["records_out"])

    def test_a_closed_stdout_is_no_crash(self):
        job = self.start()
        job.stdout.close()
        self.assertEqual(job.wait(timeout=60), 0)
        job.stderr.close()

    def test_progress_is_for_terminals_only(self):
        self.assertEqual(run("--numbers", "300000").stderr, "")
        master, terminal = pty.openpty()
        job = self.start("--numbers", "-1", stderr=terminal)
        os.close(terminal)
        shown = b""
        stopping = False
        try:
            while piece := os.read(master, 65536):
                shown += piece
                # Twice, so that the second has to go over the first.
                if not stopping and shown.count(b"back-pressured") > 4:
                    stopping = True
                    job.send_signal(signal.SIGINT)
        except OSError:
            pass  # The other end is closed.
        os.close(master)
        out, _ = job.communicate(timeout=60)
        text = shown.decode()
        self.assertIn("records in (", text)
        self.assertIn("back-pressured", text)
        self.assertIn("\x1b[", text)
        self.assertTrue(re.search(r"watermark 19\d\d-", text), text)
        self.assertIn("numbers FINISHED", out)


if __name__ == "__main__":
    unittest.main()
