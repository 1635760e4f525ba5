#!/usr/bin/env python3
"""Snapshots of earlier versions load for ever (README.md)."""
import csv
import glob
import json
import os
import shutil
import sys
import tarfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../recovery"))
import job_runs  # noqa: E402

PROGRAM = os.path.abspath("tests/recovery/evolving_job")


def rows_of(out):
    """Rows without the field that the second version of the job has added."""
    rows = []
    for path in glob.glob(f"{out}/*/part-*"):
        with open(path, newline="") as file:
            rows += [tuple(value for name, value in row.items() if name != "added")
                     for row in csv.DictReader(file)]
    return sorted(rows)


class CompatTest(unittest.TestCase):
    def setUp(self):
        self.place = job_runs.Place()

    def tearDown(self):
        self.place.remove()

    def unpack(self, archive):
        shutil.rmtree(self.place.root)
        with tarfile.open(archive) as packed:
            packed.extractall(self.place.root)

    def run_job(self, *flags):
        done = job_runs.run(PROGRAM, "--input", "flights.csv", *flags, cwd=self.place.root)
        self.assertEqual(done.code, 0, done)
        return done

    def restore(self, archive, job, parallelism):
        self.unpack(archive)
        self.run_job("--job", "v1", "--output", "whole", "-p", 1)
        before = rows_of(self.place.out())
        start = ["-s", "savepoint"]
        if not os.path.exists(f"{self.place.root}/savepoint"):
            # The directory bears the name of the job that wrote it.
            if job != "v1":
                os.rename(f"{self.place.checkpoints}/v1", f"{self.place.checkpoints}/{job}")
            start = ["-s", "latest", "--checkpoint-dir", "checkpoints"]
        self.run_job("--job", job, "--output", "out", "-p", parallelism, *start)
        whole = rows_of(self.place.out("whole"))
        self.assertGreater(len(whole), 500)
        self.assertLess(len(before), len(whole))
        self.assertEqual(rows_of(self.place.out()), whole)
        self.assertEqual(job_runs.hidden_files(self.place.out()), [])

    def test_every_archive_restores_in_both_versions_of_the_job(self):
        archives = sorted(glob.glob(f"{HERE}/*.tar.gz"))
        kinds = {os.path.basename(path).split("_")[0] for path in archives}
        self.assertEqual(kinds, {"savepoint", "checkpoint"})
        for archive in archives:
            for job in ("v1", "v2"):
                for parallelism in (1, 4):
                    with self.subTest(archive=os.path.basename(archive), job=job,
                                      parallelism=parallelism):
                        self.restore(archive, job, parallelism)

    def test_the_tool_reads_every_state_of_every_archive(self):
        for archive in sorted(glob.glob(f"{HERE}/*.tar.gz")):
            self.unpack(archive)
            path = self.place.out("savepoint")
            if not os.path.exists(path):
                path = self.place.checkpoints
            listing = job_runs.savepoint_tool("list", path, "--json")
            self.assertEqual(listing.code, 0, listing)
            seen = set()
            for op in json.loads(listing.output)["operators"]:
                for state in op["states"]:
                    dump = job_runs.savepoint_tool("dump", path, "--uid", op["uid"], "--state",
                                                   state["name"])
                    self.assertEqual(dump.code, 0, dump)
                    self.assertEqual(len(dump.output.splitlines()), state["entries"])
                    seen.add(state["name"])
            self.assertLessEqual({"total", "visits", "routes", "_timers", "panes", "splits"}, seen)


if __name__ == "__main__":
    unittest.main(verbosity=2)
