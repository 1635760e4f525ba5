#!/usr/bin/env python3
"""Records in state change from one version of a job to the next: what can be read is, whatever kind
of state it is in; what cannot is refused before anything has happened."""
import csv
import glob
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import job_runs  # noqa: E402

JOB = "tests/recovery/evolving_job"
KINDS = ("totals", "panes", "sessions", "lists")


def rows_of(out):
    """Rows of all kinds as dictionaries, in an order of their own."""
    rows = []
    for path in glob.glob(f"{out}/*/part-*"):
        with open(path, newline="") as file:
            rows += list(csv.DictReader(file))
    return sorted(rows, key=lambda row: sorted(row.items()))


def without(rows, column):
    return sorted(sorted((name, value) for name, value in row.items() if name != column)
                  for row in rows)


class EvolutionTest(job_runs.JobTestCase):
    @classmethod
    def setUpClass(cls):
        cls.oracle = job_runs.Place()
        done = job_runs.run(JOB, "--job", "v1", "--input", job_runs.FLIGHTS, "--output",
                            cls.oracle.out(), "-p", 2)
        assert done.code == 0, done
        cls.rows = rows_of(cls.oracle.out())
        assert {row["kind"] for row in cls.rows} == \
            {"total", "route", "visits", "pane", "session", "list"}
        assert len(cls.rows) > 10000
        cls.stopped = job_runs.Place()
        cls.savepoint = cls.stop_v1(cls.stopped, parallelism=3)

    @classmethod
    def tearDownClass(cls):
        cls.oracle.remove()
        cls.stopped.remove()

    @staticmethod
    def stop_v1(place, parallelism):
        """Runs v1 into the middle of its input and stops it; the path of its savepoint."""
        job = job_runs.start(JOB, "--job", "v1", "--input", job_runs.FLIGHTS, "--output",
                             place.out(), "--rate", 10000, "-p", parallelism,
                             "--checkpoint-dir", place.checkpoints, "--checkpoint-interval", "50ms")
        job_runs.wait_until(lambda: job_runs.newest_checkpoint(f"{place.checkpoints}/v1") >= 10,
                            "ten checkpoints", job)
        done = job_runs.stop(job)
        assert done.code == 0, done
        assert 1000 < done.summary["records_in"] < 19000, done
        return done.summary["savepoint"]

    def go_on(self, version, *flags):
        return job_runs.run(JOB, "--job", version, "--input", job_runs.FLIGHTS, "--output",
                            self.place.out(), "-s", self.savepoint, *flags)

    def test_fields_may_be_added_removed_reordered_and_widened(self):
        for parallelism in (3, 1, 4):
            with self.subTest(parallelism=parallelism):
                self.place.remove()
                done = self.go_on("v2", "-p", parallelism)
                self.assertEqual(done.code, 0, done)
                rows = rows_of(self.place.out()) + rows_of(self.stopped.out())
                self.assertEqual(without(rows, "added"), without(self.rows, "added"))
                # A field that was not stored has the value of a new record.
                self.assertEqual({row["added"] for row in rows_of(self.place.out())}, {"7"})

    def test_a_checkpoint_of_the_evolved_job_can_be_taken_and_read_again(self):
        checkpoints = ("--checkpoint-dir", self.place.checkpoints, "--checkpoint-interval", "20ms")
        job = job_runs.start(JOB, "--job", "v2", "--input", job_runs.FLIGHTS, "--output",
                             self.place.out(), "-s", self.savepoint, "-p", 2, "--rate", 10000,
                             *checkpoints)
        job_runs.wait_until(
            lambda: job_runs.newest_checkpoint(f"{self.place.checkpoints}/v2") >= 5,
            "five checkpoints", job)
        job.kill()
        job_runs.wait(job)
        done = job_runs.run(JOB, "--job", "v2", "--input", job_runs.FLIGHTS, "--output",
                            self.place.out(), "-s", "latest", "-p", 3, *checkpoints)
        self.assertEqual(done.code, 0, done)
        rows = rows_of(self.place.out()) + rows_of(self.stopped.out())
        self.assertEqual(without(rows, "added"), without(self.rows, "added"))

    def refused(self, done, *words):
        self.assertEqual(done.code, 2, done)
        errors = [line for line in done.errors.splitlines() if "starting from" not in line]
        self.assertEqual(len(errors), 1, done)
        for word in words:
            self.assertIn(word, errors[0])
        self.assertEqual(rows_of(self.place.out()), [])
        self.assertEqual(done.summary["records_in"], 0)
        self.assertEqual(done.summary["restarts"], 0)

    def test_another_type_of_a_field_is_refused_with_operator_state_and_field(self):
        # With checkpoints on a failed job would start again; this must not.
        done = self.go_on("v3", "-n", "--checkpoint-dir", self.place.checkpoints,
                          "--checkpoint-interval", "1s")
        self.refused(done, "uid 'totals'", "state '", "delay: stored as i32, now f64")

    def test_another_key_is_refused(self):
        self.refused(self.go_on("v4", "-n"), "uid 'totals'", "key was stored as", "text", "i64")

    def test_a_state_that_is_gone_is_refused_unless_it_may_be_left_out(self):
        self.refused(self.go_on("v1", "--totals-only"), "uid 'panes'", "-n")
        self.refused(self.go_on("v5"), "uid 'panes'", "-n")
        done = self.go_on("v5", "-n")
        self.assertEqual(done.code, 0, done)
        kinds = {row["kind"] for row in rows_of(self.place.out())}
        self.assertEqual(kinds, {"total", "route"})
        expected = [row for row in self.rows if row["kind"] in kinds]
        self.assertEqual(without(rows_of(self.place.out()), ""), without(expected, ""))

    def test_a_state_that_its_operator_has_no_more_is_named(self):
        place = job_runs.Place()
        self.addCleanup(place.remove)
        flags = ("--input", job_runs.FLIGHTS, "--checkpoint-dir", place.checkpoints,
                 "--checkpoint-interval", "50ms", "-p", 1)
        job = job_runs.start(JOB, "--job", "v1", "--totals-only", "--rate", 10000, "--output",
                             place.out(), *flags)
        job_runs.wait_until(lambda: job_runs.complete_checkpoints(f"{place.checkpoints}/v1"),
                            "checkpoint", job)
        savepoint = job_runs.stop(job).summary["savepoint"]
        done = job_runs.run(JOB, "--job", "v5", "--output", self.place.out(), "-s", savepoint,
                            *flags)
        self.refused(done, "'visits'", "-n")


if __name__ == "__main__":
    unittest.main(verbosity=2)
