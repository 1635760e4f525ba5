#!/usr/bin/env python3
"""Which ends of a job its checkpoints outlive: finished, stopped with a savepoint, cancelled, failed,
killed. Savepoints and the checkpoints of other runs always do."""
import glob
import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import job_runs  # noqa: E402

JOB = "tests/recovery/evolving_job"
SLUICE = "tools/sluice"
RETENTION = "execution.checkpointing.externalized-checkpoint-retention"


class RetentionTest(job_runs.JobTestCase):
    def setUp(self):
        super().setUp()
        self.directory = f"{self.place.checkpoints}/v1"
        os.mkdir(f"{self.place.root}/runtime", 0o700)
        self.environment = {"SLUICE_RUNTIME_DIR": f"{self.place.root}/runtime"}

    def flags(self, retention, out, *more):
        return ("--job", "v1", "--input", job_runs.FLIGHTS, "--output",
                self.place.out(out), "-p", 2, "--checkpoint-dir", self.place.checkpoints,
                "--checkpoint-interval", "20ms", "-D", f"{RETENTION}={retention}", *more)

    def start(self, retention, *more, out="out", rate=4000):
        job = job_runs.start(JOB, *self.flags(retention, out, "--rate", rate, *more),
                             environment=self.environment)
        self.processes.append(job)
        first = job_runs.newest_checkpoint(self.directory)
        job_runs.wait_until(lambda: job_runs.newest_checkpoint(self.directory) >= first + 3,
                            "three checkpoints", job)
        return job

    def run_job(self, retention, *more, out="out"):
        return job_runs.run(JOB, *self.flags(retention, out, *more), environment=self.environment)

    def sluice(self, *words):
        return subprocess.run([SLUICE, *words], env={**os.environ, **self.environment}, check=True, text=True,
                              stdout=subprocess.PIPE, timeout=job_runs.WAIT_S).stdout

    def cancel(self, job):
        # A savepoint becomes the first checkpoint of the job that starts from it before that is seen.
        job_runs.wait_until(lambda: json.loads(self.sluice("list", "--json")), "job in the list", job)
        self.sluice("cancel")
        done = job_runs.wait(job)
        self.assertEqual(done.summary["status"], "CANCELLED", done)
        return done

    def check_kept(self):
        self.assertGreater(job_runs.newest_checkpoint(self.directory), 0)
        listed = job_runs.savepoint_tool("list", self.place.checkpoints)
        self.assertEqual(listed.code, 0, listed)

    def check_deleted(self, done):
        self.assertIn("checkpoints of the job were deleted", done.errors)
        self.assertEqual(glob.glob(f"{self.directory}/chk-*"), [])
        self.assertEqual(os.listdir(f"{self.directory}/shared"), [])
        told = job_runs.savepoint_tool("history", self.place.checkpoints)
        self.assertEqual(told.code, 0, told)

    def test_without_being_asked_nothing_is_deleted(self):
        self.cancel(self.start("retain"))
        self.check_kept()
        done = self.run_job("retain", "-s", "latest")
        self.assertEqual(done.code, 0, done)
        self.check_kept()

    def test_retain_on_cancellation_deletes_when_the_job_has_finished(self):
        self.cancel(self.start("retain-on-cancellation"))
        self.check_kept()
        done = self.run_job("retain-on-cancellation", "-s", "latest")
        self.assertEqual(done.code, 0, done)
        self.check_deleted(done)

    def test_delete_on_cancellation_deletes_when_the_job_was_cancelled(self):
        job = self.start("delete-on-cancellation")
        job_runs.wait_until(lambda: glob.glob(f"{self.place.out()}/*/part-*"), "rows", job)
        self.check_deleted(self.cancel(job))
        # Nothing is there to go on from, so the output of the cancelled run is in the way.
        again = self.run_job("delete-on-cancellation", "-s", "latest")
        self.assertEqual(again.code, 2, again)
        self.assertIn(self.place.out(), again.errors)
        elsewhere = self.run_job("delete-on-cancellation", "-s", "latest", out="elsewhere")
        self.assertEqual(elsewhere.code, 0, elsewhere)
        self.assertIn("starting from the beginning", elsewhere.errors)
        self.check_deleted(elsewhere)

    def test_a_savepoint_of_a_stop_is_kept_and_all_that_it_needs(self):
        job = self.start("delete-on-cancellation")
        done = job_runs.stop(job)
        self.assertEqual(done.summary["status"], "FINISHED", done)
        self.check_deleted(done)
        savepoint = done.summary["savepoint"]
        listed = job_runs.savepoint_tool("list", savepoint)
        self.assertEqual(listed.code, 0, listed)
        # Also as the first checkpoint of another run that is cancelled.
        self.check_deleted(self.cancel(self.start("delete-on-cancellation", "-s", savepoint)))
        done = self.run_job("delete-on-cancellation", "-s", savepoint)
        self.assertEqual(done.code, 0, done)
        counted = [row.split(",") for row in job_runs.rows_of(self.place.out() + "/totals")]
        self.assertEqual(sum(int(row[3]) for row in counted if row[0] == "total"), 20000)

    def fail(self, retention):
        return self.run_job(retention, "--rate", 20000, "--poison", "throw", "--poison-at", 8000,
                            "-D", "restart-strategy.type=none")

    def test_a_job_that_failed_keeps_them_unless_nothing_is_to_be_kept(self):
        done = self.fail("delete-on-cancellation")
        self.assertEqual(done.code, 1, done)
        self.check_kept()
        gone_on = self.run_job("delete-on-cancellation", "-s", "latest")
        self.assertEqual(gone_on.code, 0, gone_on)
        self.check_deleted(gone_on)
        self.place.remove()
        self.setUp()
        done = self.fail("no-externalized-checkpoints")
        self.assertEqual(done.code, 1, done)
        self.check_deleted(done)

    def test_a_process_that_was_killed_has_not_ended_its_job(self):
        job = self.start("no-externalized-checkpoints")
        job.kill()
        job_runs.wait(job)
        self.check_kept()
        done = self.run_job("no-externalized-checkpoints", "-s", "latest")
        self.assertEqual(done.code, 0, done)
        self.check_deleted(done)

    def test_a_job_that_could_not_start_keeps_what_it_would_have_gone_on_from(self):
        self.cancel(self.start("retain"))
        with open(self.place.out("file"), "w"):
            pass
        done = self.run_job("no-externalized-checkpoints", "-s", "latest", out="file")
        self.assertEqual(done.code, 2, done)
        self.check_kept()

    def test_checkpoints_of_an_earlier_run_stay(self):
        self.cancel(self.start("retain"))
        before = set(glob.glob(f"{self.directory}/chk-*"))
        self.assertGreater(len(before), 0)
        self.cancel(self.start("delete-on-cancellation", out="elsewhere"))
        self.assertEqual(set(glob.glob(f"{self.directory}/chk-*")), before)
        self.check_kept()


if __name__ == "__main__":
    unittest.main(verbosity=2)
