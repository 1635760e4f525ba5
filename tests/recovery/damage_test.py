#!/usr/bin/env python3
"""Damage to checkpoints at rest (F16): it is named and never used. The checkpoint before is, and what
was written after it is taken back, so that every row is there once; without one the job stops."""
import json
import os
import shutil
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import job_runs  # noqa: E402

JOB = "tests/recovery/evolving_job"
INPUT = ("--job", "v1", "--input", job_runs.FLIGHTS)
RETAINED = 3


def flip(path):
    with open(path, "r+b") as file:
        file.seek(os.path.getsize(path) * 2 // 3)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 0x10]))


def truncate(path):
    os.truncate(path, os.path.getsize(path) - 7)


def cut_to_nothing(path):
    os.truncate(path, 0)


def swap(path, other):
    os.rename(path, path + ".swap")
    os.rename(other, path)
    os.rename(path + ".swap", other)


class DamageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.template = job_runs.Place()
        oracle = cls.template.out("oracle")
        done = job_runs.run(JOB, *INPUT, "--output", oracle, "-p", 2)
        assert done.code == 0, done
        cls.rows = cls.all_rows(oracle)
        assert all(len(rows) > 100 for rows in cls.rows)
        cls.kill_in_the_middle()

    @classmethod
    def tearDownClass(cls):
        cls.template.remove()

    @staticmethod
    def all_rows(out):
        return [job_runs.rows_of(f"{out}/{kind}")
                for kind in ("totals", "panes", "sessions", "lists")]

    @classmethod
    def kill_in_the_middle(cls):
        """Leaves three complete checkpoints, the output of all and more, in the directories
        `checkpoints` and `out` of the working directory."""
        job = job_runs.start(os.path.abspath(JOB), "--job", "v1", "--input",
                             os.path.abspath(job_runs.FLIGHTS), "--output", "out", *cls.flags(2),
                             "--rate", 12000, cwd=cls.template.root)
        directory = f"{cls.template.checkpoints}/v1"
        job_runs.wait_until(
            lambda: job_runs.newest_checkpoint(directory) >= 15,
            "15 checkpoints", job)
        job.kill()
        job_runs.wait(job)
        assert len(job_runs.complete_checkpoints(directory)) >= RETAINED

    @staticmethod
    def flags(parallelism):
        return ("--checkpoint-dir", "checkpoints", "--checkpoint-interval", "40ms", "-D",
                f"execution.checkpointing.num-retained={RETAINED}", "-p", parallelism)

    def setUp(self):
        self.place = job_runs.Place()
        shutil.rmtree(self.place.root)
        shutil.copytree(self.template.root, self.place.root)
        self.directory = f"{self.place.checkpoints}/v1"
        self.ids = job_runs.complete_checkpoints(self.directory)

    def tearDown(self):
        self.place.remove()

    def metadata(self, id):
        return f"{self.directory}/chk-{id}/_metadata"

    def files_of(self, id):
        """Paths of the state files of a checkpoint, by the operator."""
        done = job_runs.savepoint_tool("list", self.metadata(id), "--json")
        assert done.code == 0, done
        return {op["uid"]: [file["path"] for file in op["files"] if file["path"] is not None]
                for op in json.loads(done.output)["operators"]}

    def only_of_the_newest(self):
        older = {path for id in self.ids[:-1] for paths in self.files_of(id).values()
                 for path in paths}
        paths = [path for path in self.files_of(self.ids[-1])["totals"] if path not in older]
        assert len(paths) >= 2, "the newest checkpoint wrote no files of its own"
        return paths

    def start(self, *flags, parallelism=3):
        return job_runs.run(os.path.abspath(JOB), "--job", "v1", "--input",
                            os.path.abspath(job_runs.FLIGHTS), "--output", "out",
                            *self.flags(parallelism), *flags, cwd=self.place.root)

    def check_older_is_used(self, *names):
        """The newest checkpoint is damaged: asked for by name it is refused; otherwise the one
        before is used, after a line that names the file."""
        named = self.start("-s", f"checkpoints/v1/chk-{self.ids[-1]}")
        self.assertEqual(named.code, 2, named)
        self.assertTrue(any(name in named.errors for name in names), named)
        before = self.all_rows(self.place.out())
        done = self.start("-s", "latest")
        self.assertEqual(done.code, 0, done)
        self.assertTrue(any(name in done.errors for name in names), done)
        self.assertIn("cannot be used", done.errors)
        self.assertIn(f"checkpoint {self.ids[-2]} ", done.errors)
        self.assertNotEqual(before, self.rows)
        self.assertEqual(self.all_rows(self.place.out()), self.rows)
        self.assertEqual(job_runs.hidden_files(self.place.out()), [])

    def test_without_damage_the_newest_is_used(self):
        done = self.start("-s", "latest")
        self.assertEqual(done.code, 0, done)
        self.assertIn(f"checkpoint {self.ids[-1]} ", done.errors)
        self.assertNotIn("cannot be used", done.errors)
        self.assertEqual(self.all_rows(self.place.out()), self.rows)

    def test_metadata_with_a_flipped_bit(self):
        flip(self.metadata(self.ids[-1]))
        self.check_older_is_used(f"chk-{self.ids[-1]}/_metadata")

    def test_metadata_that_is_cut_short(self):
        truncate(self.metadata(self.ids[-1]))
        self.check_older_is_used(f"chk-{self.ids[-1]}/_metadata")

    def test_metadata_that_is_empty(self):
        cut_to_nothing(self.metadata(self.ids[-1]))
        self.check_older_is_used(f"chk-{self.ids[-1]}/_metadata")

    def test_metadata_that_was_deleted(self):
        os.remove(self.metadata(self.ids[-1]))
        self.check_older_is_used(f"chk-{self.ids[-1]}")

    def test_metadata_of_another_checkpoint(self):
        shutil.copy(self.metadata(self.ids[-3]), self.metadata(self.ids[-1]))
        self.check_older_is_used(f"chk-{self.ids[-1]}/_metadata")

    def test_a_state_file_with_a_flipped_bit(self):
        for path in self.only_of_the_newest()[:1]:
            flip(path)
            self.check_older_is_used(os.path.basename(path))

    def test_a_state_file_that_is_cut_short(self):
        path = self.only_of_the_newest()[0]
        truncate(path)
        self.check_older_is_used(os.path.basename(path))

    def test_a_state_file_that_was_deleted(self):
        path = self.only_of_the_newest()[0]
        os.remove(path)
        self.check_older_is_used(os.path.basename(path))

    def test_two_state_files_that_were_swapped(self):
        one, other = self.only_of_the_newest()[:2]
        swap(one, other)
        self.check_older_is_used(os.path.basename(one), os.path.basename(other))

    def test_when_all_are_damaged_nothing_is_started(self):
        for id in self.ids:
            flip(self.metadata(id))
        before = self.all_rows(self.place.out())
        done = self.start("-s", "latest")
        self.assertEqual(done.code, 2, done)
        for id in self.ids:
            self.assertIn(f"chk-{id}/_metadata", done.errors)
        self.assertEqual(self.all_rows(self.place.out()), before)

    def test_when_all_are_gone_latest_does_not_start_from_nothing(self):
        for id in self.ids:
            shutil.rmtree(f"{self.directory}/chk-{id}")
        done = self.start("-s", "latest")
        self.assertEqual(done.code, 2, done)
        self.assertIn("was completed", done.errors)
        self.assertIn("checkpoints/v1", done.errors)

    def test_damaged_numbers_are_named_and_nothing_is_started(self):
        flip(f"{self.directory}/_ids")
        done = self.start("-s", "latest")
        self.assertEqual(done.code, 2, done)
        self.assertIn("v1/_ids", done.errors)

    def test_a_damaged_history_harms_nothing(self):
        flip(f"{self.directory}/_history")
        done = self.start("-s", "latest")
        self.assertEqual(done.code, 0, done)
        self.assertEqual(self.all_rows(self.place.out()), self.rows)
        self.assertEqual(job_runs.savepoint_tool("history", self.place.checkpoints).code, 0)

    def test_going_back_on_purpose_takes_back_what_was_written_since(self):
        done = self.start("-s", f"checkpoints/v1/chk-{self.ids[0]}")
        self.assertEqual(done.code, 0, done)
        self.assertEqual(self.all_rows(self.place.out()), self.rows)

    def test_a_snapshot_of_a_newer_version_is_refused(self):
        path = self.metadata(self.ids[-1])
        with open(path, "r+b") as file:
            file.seek(8)
            file.write((99).to_bytes(4, "little"))
        done = self.start("-s", f"checkpoints/v1/chk-{self.ids[-1]}")
        self.assertEqual(done.code, 2, done)
        self.assertIn("99", done.errors)
        self.assertIn("_metadata", done.errors)


if __name__ == "__main__":
    unittest.main(verbosity=2)
