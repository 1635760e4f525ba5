#!/usr/bin/env python3
"""The jobs as a user runs them: their output against calculations made another way, at several
parallelisms and batch sizes, and what they say to bad input."""
import collections
import glob
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../recovery"))
import flight_oracle  # noqa: E402
from job_runs import rows_of as read_rows  # noqa: E402

FLIGHTS = "jobs/data/us_flights_2001q1.csv"
RULES = "jobs/data/delay_rules.csv"
TEXT = "LICENSE"
HOUR = flight_oracle.HOUR
LAYOUTS = [(1, 1), (1, 2), (1, 1024), (2, 0), (3, 2), (8, 1024)]
# For all jobs; set by the command line of the test.
COMMON_FLAGS = []
# Keyed rows leave and come back all the time.
ROCKSDB_FLAGS = ["--state-backend", "rocksdb", "-D", "state.backend.memory=64kb"]
# Windows of panes stay in memory: those of 9 hours at 8 subtasks must fit.
PANE_FLAGS = ["-D", "state.backend.memory=16mb"]


def run(job, *flags, code=0):
    """Runs a job to its end; returns its summary, and its standard error."""
    done = subprocess.run(
        [f"jobs/{job}", *map(str, flags), *COMMON_FLAGS,
         *(PANE_FLAGS if COMMON_FLAGS and job == "flight_delays" else []), "--summary", "json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == code, f"exit {done.returncode}, not {code}: {done.stderr}"
    lines = done.stdout.strip().splitlines()
    return json.loads(lines[-1]) if lines else None, done.stderr


def read_text(path):
    with open(path, newline="") as file:
        return file.read()


class JobsTest(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(dir=os.environ.get("TEST_TMPDIR"))
        self.out = f"{self.root}/out"

    def tearDown(self):
        shutil.rmtree(self.root, ignore_errors=True)

    def flight_delays(self, *flags, layout=(1, 0)):
        parallelism, batch_rows = layout
        return run("flight_delays", "--input", FLIGHTS, "--output", self.out, "--overwrite",
                   "--parallelism", parallelism, "-D", f"execution.batch-rows={batch_rows}",
                   *flags)[0]

    def test_flight_delays_without_late_flights_equals_the_oracle_at_any_layout(self):
        rows, late = flight_oracle.delays(FLIGHTS, HOUR, 9 * HOUR)
        self.assertEqual(late, [])
        for layout in LAYOUTS:
            with self.subTest(layout=layout):
                summary = self.flight_delays("--max-out-of-orderness", "9h", layout=layout)
                self.assertEqual(read_rows(self.out), rows)
                self.assertEqual(read_rows(self.out + "/late"), [])
                self.assertEqual(summary["records_in"], 20000)
                self.assertEqual(summary["records_out"], len(rows))
                self.assertEqual((summary["late"], summary["dead_letter"]), (0, 0))
                self.assertEqual(summary["status"], "FINISHED")

    def test_the_late_set_of_one_subtask_is_that_of_an_element_by_element_run(self):
        for bound, window in [(2, 1), (1, 1), (0, 1), (2, 6)]:
            rows, late = flight_oracle.delays(FLIGHTS, window * HOUR, bound * HOUR)
            if (bound, window) == (2, 1):
                self.assertEqual(len(late), 124)
            for batch_rows in (1, 2, 1024, 0):
                with self.subTest(bound=bound, window=window, batch_rows=batch_rows):
                    summary = self.flight_delays(
                        "--window", f"{window}h", "--max-out-of-orderness", f"{bound}h",
                        layout=(1, batch_rows))
                    self.assertEqual(read_rows(self.out + "/late"), late)
                    self.assertEqual(read_rows(self.out), rows)
                    self.assertEqual(summary["late"], len(late))

    def test_late_flights_of_a_file_with_carriage_returns_are_written_byte_for_byte(self):
        with open(FLIGHTS, "rb") as file:
            lines = [line.rstrip(b"\n") + b"\r\n" for line in file]
        source = f"{self.root}/crlf.csv"
        with open(source, "wb") as file:
            file.writelines(lines)
        run("flight_delays", "--input", source, "--output", self.out, "--parallelism", 1)
        _, late = flight_oracle.delays(FLIGHTS, HOUR, 2 * HOUR)
        written = []
        for part in glob.glob(self.out + "/late/part-*.csv"):
            with open(part, "rb") as file:
                written += file.readlines()[1:]
        self.assertEqual(sorted(written), sorted(row.encode() + b"\r\n" for row in late))

    def test_no_flight_is_lost_at_any_parallelism(self):
        for parallelism in (2, 5):
            summary = self.flight_delays("--max-out-of-orderness", "1h", layout=(parallelism, 7))
            counted = sum(int(row.split(",")[3]) for row in read_rows(self.out))
            late = len(read_rows(self.out + "/late"))
            self.assertEqual(counted + late, 20000)
            self.assertEqual(summary["late"], late)

    def test_lines_that_are_no_flight_are_kept_with_place_and_reason(self):
        damaged = f"{self.root}/damaged.csv"
        with open(FLIGHTS) as file:
            lines = file.read().splitlines()
        lines[10] = "2001-13-01T01:24:00Z,1,2,AAA,BBB"
        lines[500] = "rubbish"
        lines[20000] = lines[20000].replace(",", ",x", 1)
        with open(damaged, "w") as file:
            file.write("\n".join(lines) + "\n")
        summary, _ = run("flight_delays", "--input", damaged, "--output", self.out,
                         "--max-out-of-orderness", "9h", "--parallelism", 2)
        self.assertEqual(summary["dead_letter"], 3)
        counted = sum(int(row.split(",")[3]) for row in read_rows(self.out))
        self.assertEqual(counted, 19997)
        kept = "".join(read_text(p) for p in glob.glob(f"{self.out}/dead-letter/part-*"))
        for line in (11, 501, 20001):
            self.assertIn(f"damaged.csv:{line}", kept)
        self.assertIn("rubbish", kept)

    def test_a_bad_record_fails_the_job_when_asked_to(self):
        damaged = f"{self.root}/damaged.csv"
        with open(damaged, "w") as file:
            file.write("scheduled,delay_min,distance_mi,origin,destination\nrubbish\n")
        summary, err = run("flight_delays", "--input", damaged, "--output", self.out,
                           "--on-bad-record", "fail", code=1)
        self.assertEqual(summary["status"], "FAILED")
        self.assertIn("damaged.csv:2", err)
        self.assertEqual(read_rows(self.out), [])

    def test_word_count_equals_tr_sort_uniq(self):
        words = re.findall("[A-Za-z]+", read_text(TEXT))
        expected = sorted(
            f"{word},{n}" for word, n in collections.Counter(w.lower() for w in words).items())
        piped = subprocess.run(
            ["sh", "-c",
             f"LC_ALL=C tr -cs 'A-Za-z' '\\n' <{TEXT} | LC_ALL=C tr A-Z a-z | grep . | LC_ALL=C sort"
             " | uniq -c | awk '{print $2\",\"$1}' | LC_ALL=C sort"],
            stdout=subprocess.PIPE, text=True, check=True).stdout.split()
        self.assertEqual(piped, expected)
        for parallelism, batch_rows in LAYOUTS:
            run("word_count", "--input", TEXT, "--output", self.out, "--overwrite", "--parallelism",
                parallelism, "-D", f"execution.batch-rows={batch_rows}")
            self.assertEqual(read_rows(self.out), expected)

    def test_airport_sessions_equal_the_oracle(self):
        expected = flight_oracle.sessions(FLIGHTS, 30 * 60_000)
        for parallelism, batch_rows in LAYOUTS:
            run("airport_sessions", "--input", FLIGHTS, "--output", self.out, "--overwrite",
                "--gap", "30m", "--parallelism", parallelism,
                "-D", f"execution.batch-rows={batch_rows}")
            self.assertEqual(read_rows(self.out), expected)

    def test_rule_alerts_equal_the_oracle(self):
        expected, unmatched = flight_oracle.alerts(FLIGHTS, RULES)
        self.assertGreater(len(expected), 100)
        for parallelism, batch_rows in LAYOUTS:
            run("rule_alerts", "--input", FLIGHTS, "--rules", RULES, "--output", self.out,
                "--overwrite", "--parallelism", parallelism,
                "-D", f"execution.batch-rows={batch_rows}")
            self.assertEqual(read_rows(self.out), expected)
            self.assertEqual(read_rows(self.out + "/unmatched"), unmatched)

    def test_delay_streaks_equal_the_oracle(self):
        expected = flight_oracle.streaks(FLIGHTS, 3, 6 * HOUR)
        self.assertGreater(len(expected), 100)
        for parallelism, batch_rows in LAYOUTS:
            run("delay_streaks", "--input", FLIGHTS, "--output", self.out, "--overwrite",
                "--parallelism", parallelism, "-D", f"execution.batch-rows={batch_rows}")
            self.assertEqual(read_rows(self.out), expected)

    def refused(self, code, *flags, says):
        before = set(glob.glob(f"{self.out}/**", recursive=True))
        _, err = run("flight_delays", *flags, code=code)
        lines = [line for line in err.splitlines() if line.strip()]
        self.assertEqual(len(lines), 1, err)
        for words in says:
            self.assertIn(words, lines[0])
        self.assertEqual(set(glob.glob(f"{self.out}/**", recursive=True)), before)

    def test_bad_arguments_get_one_clear_line_and_exit_2(self):
        good = ["--input", FLIGHTS, "--output", self.out]
        self.refused(2, "--input", "/no/such/file.csv", "--output", self.out,
                     says=["/no/such/file.csv"])
        self.refused(2, *good, "--colour", "red", says=["colour"])
        self.refused(2, *good, "--parallelism", "0", says=["parallelism"])
        self.refused(2, *good, "--window", "0", says=["window"])
        self.refused(2, *good, "--window", "soon", says=["window", "soon"])
        self.refused(2, "--output", self.out, says=["input"])
        empty = f"{self.root}/empty"
        os.mkdir(empty)
        self.refused(2, "--input", empty, "--output", self.out, says=[empty])
        wrong = f"{self.root}/wrong.csv"
        with open(wrong, "w") as file:
            file.write("scheduled,delay,origin\n")
        self.refused(2, "--input", wrong, "--output", self.out,
                     says=["wrong.csv", "delay_min", "distance_mi", "destination"])

    def test_an_output_that_cannot_be_made_is_named(self):
        file = f"{self.root}/file"
        with open(file, "w"):
            pass
        self.refused(2, "--input", FLIGHTS, "--output", file, says=[file])
        self.refused(2, "--input", FLIGHTS, "--output", f"{file}/below", says=[f"{file}/below"])

    def test_a_full_disk_ends_the_job_and_leaves_nothing_that_looks_complete(self):
        # A file that may not grow is what a full disk is to its writer; SIGXFSZ stays ignored.
        done = subprocess.run(
            ["jobs/flight_delays", "--input", FLIGHTS, "--output", self.out, "--parallelism", "2"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, restore_signals=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)))
        self.assertEqual(done.returncode, 1, done.stderr)
        lines = done.stderr.strip().splitlines()
        self.assertEqual(len(lines), 1, done.stderr)
        self.assertIn(self.out, lines[0])
        self.assertIn("File too large", lines[0])
        self.assertIn("flight_delays FAILED: ", done.stdout)
        left = [path for path in glob.glob(f"{self.out}/**", recursive=True) if os.path.isfile(path)]
        self.assertEqual(left, [])

    def test_an_output_in_the_way_is_not_touched_without_overwrite(self):
        os.mkdir(self.out)
        with open(f"{self.out}/part-0-0.csv", "w") as file:
            file.write("mine\n")
        self.refused(2, "--input", FLIGHTS, "--output", self.out, says=[self.out])
        self.assertEqual(read_text(f"{self.out}/part-0-0.csv"), "mine\n")
        # Nor with it, when there is nothing to read instead.
        self.refused(2, "--input", "/no/such/file.csv", "--output", self.out, "--overwrite",
                     says=["/no/such/file.csv"])
        self.assertEqual(read_text(f"{self.out}/part-0-0.csv"), "mine\n")

    def test_help_lists_every_flag(self):
        done = subprocess.run(["jobs/flight_delays", "--help"], stdout=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 0)
        for flag in ("--input", "--output", "--window", "--max-out-of-orderness", "--parallelism",
                     "--on-bad-record", "--summary"):
            self.assertIn(flag, done.stdout)

    def test_the_summary_line_is_readable(self):
        done = subprocess.run(
            ["jobs/flight_delays", "--input", FLIGHTS, "--output", self.out, "--parallelism", "1"],
            stdout=subprocess.PIPE, text=True, check=True)
        self.assertRegex(done.stdout.strip().splitlines()[-1],
                         r"^flight_delays FINISHED: 20000 records in, .* 124 late")


if __name__ == "__main__":
    if "--rocksdb" in sys.argv:
        sys.argv.remove("--rocksdb")
        COMMON_FLAGS = ROCKSDB_FLAGS
        LAYOUTS = [(1, 1024), (3, 2)]
    unittest.main(verbosity=2)
