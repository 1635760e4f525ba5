#!/usr/bin/env python3
"""Savepoints as a user meets them: taken while a job runs, at a stop, with --drain; continued at any
parallelism, claimed or not, disposed of; and what //tools:savepoint tells about them."""
import csv
import glob
import io
import json
import os
import signal
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../golden"))
import flight_oracle  # noqa: E402
import job_runs  # noqa: E402

JOB = "jobs/flight_delays"
HOUR = flight_oracle.HOUR


class SavepointTest(job_runs.JobTestCase):
    @classmethod
    def setUpClass(cls):
        cls.rows, _ = flight_oracle.delays(job_runs.FLIGHTS, HOUR, 9 * HOUR)

    def setUp(self):
        super().setUp()
        self.job_directory = f"{self.place.checkpoints}/flight_delays"

    def start(self, *flags, rate=8000, parallelism=2):
        job = job_runs.start(
            JOB, "--input", job_runs.FLIGHTS, "--output", self.place.out(),
            "--max-out-of-orderness", "9h", "--rate", rate, "-p", parallelism, "--checkpoint-dir",
            self.place.checkpoints, "--checkpoint-interval", "50ms", *flags)
        self.processes.append(job)
        return job

    def until_checkpoints(self, job, more):
        first = job_runs.newest_checkpoint(self.job_directory)
        job_runs.wait_until(
            lambda: job_runs.newest_checkpoint(self.job_directory) >= first + more,
            f"{more} checkpoints", job)

    def tool(self, *words, code=0):
        done = job_runs.savepoint_tool(*words)
        self.assertEqual(done.code, code, done)
        if code != 0:
            self.assertEqual(done.output, "")
            self.assertEqual(done.errors.count("\n"), 1, done.errors)
        return done

    def flights_in(self, snapshot):
        """Flights in the output and in the open windows of a snapshot: all that were read."""
        lines = self.tool("dump", snapshot, "--uid", "delays", "--state", "panes").output
        return sum(json.loads(line)["value"]["flights"] for line in lines.splitlines())

    def test_a_stop_with_savepoint_goes_on_at_any_parallelism(self):
        job = self.start(parallelism=2)
        for parallelism in (4, 3, 1, 8):
            self.until_checkpoints(job, 3)
            savepoint = job_runs.stop(job).summary["savepoint"]
            job = self.start("-s", savepoint, rate=8000, parallelism=parallelism)
        done = job_runs.wait(job)
        self.assertEqual(done.code, 0, done)
        self.assertEqual(job_runs.rows_of(self.place.out()), self.rows)
        self.assertEqual(job_runs.hidden_files(self.place.out()), [])

    def test_a_savepoint_goes_on_with_the_other_state_backend(self):
        rocksdb = ("--state-backend", "rocksdb", "-D", "state.backend.memory=16mb")
        job = self.start(*rocksdb)
        for backend in ((), rocksdb, ()):
            self.until_checkpoints(job, 3)
            job = self.start("-s", job_runs.stop(job).summary["savepoint"], *backend)
        done = job_runs.wait(job)
        self.assertEqual(done.code, 0, done)
        self.assertEqual(job_runs.rows_of(self.place.out()), self.rows)

    def test_a_parallelism_beyond_the_stored_maximum_is_refused(self):
        job = self.start("-D", "pipeline.max-parallelism=8")
        self.until_checkpoints(job, 1)
        savepoint = job_runs.stop(job).summary["savepoint"]
        done = job_runs.wait(self.start("-s", savepoint, parallelism=9))
        self.assertEqual(done.code, 2, done)
        self.assertIn("8", done.errors)
        done = job_runs.wait(self.start("-s", savepoint, rate=0, parallelism=8))
        self.assertEqual(done.code, 0, done)
        self.assertEqual(job_runs.rows_of(self.place.out()), self.rows)

    def test_a_drained_stop_finishes_the_windows(self):
        job = self.start("--drain")
        self.until_checkpoints(job, 3)
        done = job_runs.stop(job)
        counted = sum(int(row.split(",")[3]) for row in job_runs.rows_of(self.place.out()))
        self.assertEqual(counted, done.summary["records_in"])
        self.assertTrue(json.loads(self.tool("list", done.summary["savepoint"], "--json")
                                   .output)["drained"])

    def test_a_savepoint_while_the_job_runs_holds_exactly_what_was_read(self):
        job = self.start(rate=4000)
        self.until_checkpoints(job, 3)
        job.send_signal(signal.SIGUSR1)
        job_runs.wait_until(self.place.savepoints, "savepoint", job)
        done = job_runs.wait(job)
        self.assertEqual(done.code, 0, done)
        self.assertIn("savepoint in ", done.errors)
        self.assertEqual(job_runs.rows_of(self.place.out()), self.rows)
        # From there into another directory: what was written before stands in the first one.
        savepoint = self.place.savepoints()[-1]
        again = job_runs.run(JOB, "--input", job_runs.FLIGHTS, "--output", self.place.out("again"),
                             "--max-out-of-orderness", "9h", "-p", 3, "-s", savepoint)
        self.assertEqual(again.code, 0, again)
        later = job_runs.rows_of(self.place.out("again"))
        self.assertLess(len(later), len(self.rows))
        self.assertEqual(set(later) - set(self.rows), set())
        self.assertEqual(len(later), len(set(later)))
        listing = json.loads(self.tool("list", savepoint, "--json").output)
        self.assertEqual(listing["kind"], "savepoint")
        self.assertFalse(listing["drained"])

    def test_without_claim_the_savepoint_stays_and_is_soon_not_needed(self):
        self.check_claim([], is_kept=True)

    def test_a_claimed_savepoint_goes_when_a_checkpoint_stands_without_it(self):
        self.check_claim(["--claim"], is_kept=False)

    def check_claim(self, flags, is_kept):
        job = self.start()
        self.until_checkpoints(job, 2)
        savepoint = job_runs.stop(job).summary["savepoint"]
        size = len(glob.glob(f"{savepoint}/*"))
        job = self.start("-s", savepoint, *flags)
        self.until_checkpoints(job, 4)
        self.assertEqual(os.path.exists(f"{savepoint}/_metadata"), is_kept)
        if is_kept:
            self.assertEqual(len(glob.glob(f"{savepoint}/*")), size)
            self.tool("dispose", savepoint)
        self.assertFalse(os.path.exists(savepoint))
        job.kill()
        job_runs.wait(job)
        done = job_runs.wait(self.start("-s", "latest", rate=0))
        self.assertEqual(done.code, 0, done)
        self.assertEqual(job_runs.rows_of(self.place.out()), self.rows)

    def test_the_tool_looks_into_a_running_job(self):
        job = self.start(rate=4000)
        self.until_checkpoints(job, 2)
        seen = []
        for _ in range(10):
            for path in (self.place.checkpoints, self.job_directory):
                listing = json.loads(self.tool("list", path, "--json").output)
                self.assertEqual((listing["kind"], listing["job"]), ("checkpoint", "flight_delays"))
                seen.append(listing["id"])
                self.flights_in(path)
        self.assertEqual(seen, sorted(seen))
        self.assertIsNone(job.poll())
        done = job_runs.stop(job)
        self.assertEqual(done.code, 0, done)

    def test_what_a_listing_tells(self):
        job = self.start()
        self.until_checkpoints(job, 3)
        done = job_runs.stop(job)
        savepoint = done.summary["savepoint"]
        listing = json.loads(self.tool("list", savepoint, "--json").output)
        operators = {op["uid"]: op for op in listing["operators"]}
        self.assertEqual(set(operators),
                         {"flights", "delays", "results", "late flights", "dead letters"})
        delays = operators["delays"]
        self.assertEqual((delays["parallelism"], delays["max_parallelism"]), (2, 128))
        panes = {state["name"]: state for state in delays["states"]}["panes"]
        self.assertEqual(panes["kind"], "keyed")
        self.assertEqual(panes["schema"],
                         "((text,time),DelaySummary{flights:i64,delayed:i64,total_delay_min:i64,"
                         "max_delay_min:i32})")
        self.assertEqual(sum(group["entries"] for group in panes["key_groups"]), panes["entries"])
        self.assertEqual(sum(group["bytes"] for group in panes["key_groups"]), panes["bytes"])
        for file in delays["files"]:
            self.assertFalse(file["delta"])
        text = self.tool("list", savepoint).output
        for words in ("savepoint", "flight_delays", "uid 'delays'", "panes", "key groups",
                      "enumerator of 'flights'"):
            self.assertIn(words, text)
        # Every flight that was read is in a written row or in an open window.
        counted = sum(int(row.split(",")[3]) for row in job_runs.rows_of(self.place.out()))
        self.assertEqual(counted + self.flights_in(savepoint), done.summary["records_in"])

    def test_json_and_csv_of_a_state_say_the_same(self):
        job = self.start()
        self.until_checkpoints(job, 3)
        savepoint = job_runs.stop(job).summary["savepoint"]
        state = (savepoint, "--uid", "delays", "--state", "panes")
        lines = [json.loads(line)
                 for line in self.tool("dump", *state, "--format", "json").output.splitlines()]
        rows = list(csv.DictReader(io.StringIO(self.tool("dump", *state, "--format", "csv").output)))
        self.assertEqual(len(lines), len(rows))
        self.assertGreater(len(lines), 10)
        for line, row in zip(lines, rows):
            self.assertEqual((line["key"], line["sub_key"], str(line["value"]["flights"])),
                             (row["key"], row["sub_key"], row["value.flights"]))
            self.assertRegex(line["sub_key"], r"^2001-\d\d-\d\dT\d\d:00:00Z$")

    def test_the_history_tells_of_every_checkpoint(self):
        job = self.start()
        self.until_checkpoints(job, 4)
        done = job_runs.stop(job)
        history = json.loads(self.tool("history", self.place.checkpoints, "--json").output)
        self.assertGreaterEqual(len(history), 5)
        self.assertEqual([entry["id"] for entry in history],
                         list(range(1, len(history) + 1)))
        for entry in history:
            self.assertEqual((entry["outcome"], entry["acknowledged"]), ("complete", 4))
            self.assertEqual(len(entry["subtasks"]), 4)
            self.assertLessEqual(entry["new_bytes"], entry["full_bytes"])
            for subtask in entry["subtasks"]:
                self.assertIn("alignment_ms", subtask)
        self.assertEqual(history[-1]["kind"], "savepoint")
        self.assertTrue(done.summary["savepoint"].endswith(f"-{history[-1]['id']}"))
        last = self.tool("history", self.place.checkpoints, "--last", 2, "--subtasks").output
        self.assertEqual(last.count(" complete "), 2)
        self.assertEqual(last.count(" ms, alignment "), 8)

    def test_wrong_usage_is_one_line_and_exit_2(self):
        job = self.start()
        self.until_checkpoints(job, 1)
        savepoint = job_runs.stop(job).summary["savepoint"]
        self.tool(code=2)
        self.tool("list", self.place.root + "/nothing", code=2)
        self.tool("list", "jobs", code=2)
        self.tool("dump", savepoint, "--uid", "delays", code=2)
        self.assertIn("'delays'", self.tool("dump", savepoint, "--uid", "x", "--state", "y",
                                            code=2).errors)
        self.assertIn("'panes'", self.tool("dump", savepoint, "--uid", "delays", "--state", "y",
                                           code=2).errors)
        self.tool("dump", savepoint, "--uid", "delays", "--state", "panes", "--format", "xml",
                  code=2)
        newest = job_runs.complete_checkpoints(self.job_directory)[-1]
        self.assertIn("checkpoint, not a savepoint",
                      self.tool("dispose", f"{self.job_directory}/chk-{newest}", code=2).errors)
        path = f"{savepoint}/_metadata"
        with open(path, "r+b") as file:
            file.seek(40)
            byte = file.read(1)
            file.seek(40)
            file.write(bytes([byte[0] ^ 1]))
        self.assertIn(path, self.tool("list", savepoint, code=1).errors)


if __name__ == "__main__":
    unittest.main(verbosity=2)
