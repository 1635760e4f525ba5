#!/usr/bin/env python3
"""Faults around a running job: a full disk (F13), I/O errors and fsync that fails (F14), damage to local
state (F17), too little memory (F19), too few descriptors (F20), records that poison (F21). Each must have landed, be told, and leave the output right.

What needs root or strace says "skipped" where it cannot be had.
"""
import gzip
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../golden"))
import flight_oracle  # noqa: E402
import job_runs  # noqa: E402

FLIGHT_DELAYS = "jobs/flight_delays"
EVOLVING = "tests/recovery/evolving_job"
HOUR = flight_oracle.HOUR
HEADER = "scheduled,delay_min,distance_mi,origin,destination"


def counts_in(text, words):
    return sum(words in line for line in text.splitlines())


class FaultsTest(job_runs.JobTestCase):
    @classmethod
    def setUpClass(cls):
        cls.rows, _ = flight_oracle.delays(job_runs.FLIGHTS, HOUR, 9 * HOUR)

    def setUp(self):
        super().setUp()
        self.job_directory = f"{self.place.checkpoints}/flight_delays"
        self.errors = f"{self.place.root}/errors"

    def flags(self, *more, rate=0, parallelism=2, interval="50ms"):
        return ("--input", job_runs.FLIGHTS, "--output", self.place.out(), "--max-out-of-orderness",
                "9h", "--rate", rate, "-p", parallelism, "--checkpoint-dir", self.place.checkpoints,
                "--checkpoint-interval", interval, *more)

    def start(self, program, *flags, **popen):
        """Its standard error goes to a file that can be read while it runs."""
        with open(self.errors, "w") as errors:
            process = job_runs.start(program, *flags, stderr=errors, **popen)
        self.processes.append(process)
        return process

    def told(self):
        with open(self.errors) as file:
            return file.read()

    def newest(self):
        return job_runs.newest_checkpoint(self.job_directory)

    def until_checkpoint(self, number, process):
        job_runs.wait_until(lambda: self.newest() >= number, f"checkpoint {number}", process)

    def finish_from_latest(self):
        done = job_runs.run(FLIGHT_DELAYS, *self.flags("-s", "latest"))
        self.assertEqual(done.code, 0, done)
        self.check_rows()

    def check_rows(self):
        self.assertEqual(job_runs.rows_of(self.place.out()), self.rows)
        self.assertEqual(job_runs.hidden_files(self.place.out()), [])

    # ---- F13 ------------------------------------------------------------------------------------

    def mount(self, directory, size):
        """A disk of that size; a function that makes it larger."""
        if os.geteuid() != 0:
            self.skipTest("skipped: mounting a tmpfs needs root")
        os.makedirs(directory)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", directory],
                                 capture_output=True, text=True)
        if mounted.returncode != 0:
            self.skipTest(f"skipped: no tmpfs here: {mounted.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", directory], check=True)
        return lambda: subprocess.run(["mount", "-o", "remount,size=64m", directory], check=True)

    def small_disk(self):
        """Checkpoints go to a disk of 2 MiB; a function that fills it and one that frees it."""
        self.mount(self.place.checkpoints, "2m")
        filler = f"{self.place.checkpoints}/filler"

        def fill():
            with open(filler, "ab", buffering=0) as file:
                try:
                    while True:
                        file.write(b"x" * 4096)
                except OSError:
                    pass

        return fill, lambda: os.remove(filler)

    def test_a_full_disk_costs_checkpoints_but_not_the_job(self):
        fill, free = self.small_disk()
        job = self.start(FLIGHT_DELAYS, *self.flags(
            "-D", "execution.checkpointing.tolerable-failed-checkpoints=100000", rate=6000))
        self.until_checkpoint(3, job)
        fill()
        job_runs.wait_until(lambda: counts_in(self.told(), "No space left on device") >= 3,
                            "three failed checkpoints", job)
        kept = self.newest()
        self.assertGreaterEqual(kept, 3)
        listed = job_runs.savepoint_tool("list", self.place.checkpoints)
        self.assertEqual(listed.code, 0, listed)
        free()
        job_runs.wait_until(lambda: self.newest() > kept + 2, "checkpoints again", job)
        done = job_runs.wait(job)
        self.assertEqual(done.code, 0, self.told())
        self.assertEqual(done.summary["restarts"], 0)
        self.assertIn(self.job_directory, self.told())
        self.check_rows()

    def test_more_failures_than_are_tolerable_fail_the_job_with_the_reason(self):
        fill, free = self.small_disk()
        job = self.start(FLIGHT_DELAYS, *self.flags(
            "-D", "restart-strategy.type=none", "-D",
            "execution.checkpointing.tolerable-failed-checkpoints=2", rate=6000))
        self.until_checkpoint(3, job)
        fill()
        done = job_runs.wait(job)
        self.assertEqual(done.code, 1, done)
        self.assertIn("3 checkpoints in a row failed, 2 are tolerable", done.summary["error"])
        self.assertIn("No space left on device", done.summary["error"])
        free()
        self.finish_from_latest()

    def test_a_job_that_tolerates_no_failure_starts_again_when_there_is_room(self):
        fill, free = self.small_disk()
        job = self.start(FLIGHT_DELAYS, *self.flags(
            "-D", "restart-strategy.exponential-delay.initial-backoff=20ms", "-D",
            "restart-strategy.exponential-delay.max-backoff=200ms", rate=6000))
        self.until_checkpoint(3, job)
        fill()
        job_runs.wait_until(lambda: counts_in(self.told(), "restart in ") >= 2, "two restarts", job)
        free()
        done = job_runs.wait(job)
        self.assertEqual(done.code, 0, self.told())
        self.assertGreaterEqual(done.summary["restarts"], 1)
        self.check_rows()

    def test_a_full_disk_for_the_output_is_named_and_nothing_half_written_is_seen(self):
        enlarge = self.mount(self.place.out(), "200k")
        done = job_runs.wait(self.start(FLIGHT_DELAYS, *self.flags(
            "-D", "restart-strategy.type=none", rate=8000)))
        self.assertEqual(done.code, 1, done)
        self.assertIn("No space left on device", done.summary["error"])
        self.assertIn(self.place.out(), done.summary["error"])
        seen = job_runs.rows_of(self.place.out())
        self.assertGreater(len(seen), 100)
        self.assertEqual(set(seen) - set(self.rows), set())
        enlarge()
        self.finish_from_latest()

    def test_a_full_disk_for_local_state_is_named_and_costs_no_record(self):
        local = f"{self.place.root}/local"
        enlarge = self.mount(local, "400k")
        flags = ("--job", "v1", "--totals-only", "--input", job_runs.FLIGHTS, "--output",
                 self.place.out(), "-p", 2, "--rate", 20000, "--checkpoint-dir",
                 self.place.checkpoints, "--checkpoint-interval", "50ms", "--state-backend",
                 "rocksdb", "-D", "state.backend.memory=64kb", "-D",
                 f"state.backend.directory={local}", "-D", "restart-strategy.type=none")
        done = job_runs.wait(self.start(EVOLVING, *flags))
        self.assertEqual(done.code, 1, done)
        self.assertIn("No space left on device", done.summary["error"])
        self.assertIn(local, done.summary["error"])
        enlarge()
        done = job_runs.run(EVOLVING, *flags, "-s", "latest")
        self.assertEqual(done.code, 0, done)
        counted = [row.split(",") for row in job_runs.rows_of(self.place.out() + "/totals")]
        self.assertEqual(sum(int(row[3]) for row in counted if row[0] == "total"), 20000)

    def test_a_log_that_takes_nothing_more_does_not_harm_the_job(self):
        with open("/dev/full", "w") as full:
            done = job_runs.wait(job_runs.start(FLIGHT_DELAYS, *self.flags(), stderr=full))
        self.assertEqual(done.code, 0, done)
        self.check_rows()

    # ---- F14 ------------------------------------------------------------------------------------

    def test_sync_that_fails_is_never_trusted(self):
        # Each thread counts for itself; the first one syncs six times before the job runs.
        self.check_injected("fdatasync,fsync", "EIO", "9..30+7", "Input/output error")

    def test_writes_that_fail_are_told(self):
        self.check_injected("write", "EIO", "30+40", None)

    def check_injected(self, calls, error, when, told):
        strace = shutil.which("strace")
        if strace is None or subprocess.run([strace, "-f", "-o", "/dev/null", "true"],
                                            capture_output=True).returncode != 0:
            self.skipTest("skipped: no strace that may trace")
        trace = f"{self.place.root}/trace"
        job = self.start(strace, "-f", "-o", trace, "-e", f"trace={calls}", "-e",
                         f"inject={calls}:error={error}:when={when}", FLIGHT_DELAYS, *self.flags(
                             "-D", "restart-strategy.exponential-delay.initial-backoff=20ms", "-D",
                             "restart-strategy.exponential-delay.max-backoff=100ms", rate=8000))
        done = job_runs.wait(job)
        with open(trace) as file:
            landed = file.read().count("(INJECTED)")
        self.assertGreaterEqual(landed, 3)
        if done.code != 0:
            self.finish_from_latest()
        if told:
            self.assertIn(told, self.told())
        self.check_rows()

    # ---- F17 ------------------------------------------------------------------------------------

    def test_damage_to_the_local_state_of_rocksdb_is_not_even_looked_at(self):
        local = f"{self.place.root}/local"
        os.makedirs(local)
        self.job_directory = f"{self.place.checkpoints}/v1"
        # Little memory, so that rows are on disk.
        flags = ("--job", "v1", "--totals-only", "--input", job_runs.FLIGHTS, "--output",
                 self.place.out(), "-p", 2, "--rate", 10000, "--checkpoint-dir",
                 self.place.checkpoints, "--checkpoint-interval", "50ms", "--state-backend",
                 "rocksdb", "-D", "state.backend.memory=64kb", "-D",
                 f"state.backend.directory={local}", "-s", "latest")
        damaged = 0
        for _ in range(3):
            job = self.start(EVOLVING, *flags)
            self.until_checkpoint(self.newest() + 4, job)
            job.kill()
            job_runs.wait(job)
            for folder, _, names in os.walk(local):
                for name in names:
                    path = os.path.join(folder, name)
                    with open(path, "r+b") as file:
                        file.write(os.urandom(min(os.path.getsize(path), 4096)))
                        file.truncate(max(0, os.path.getsize(path) - 3))
                    damaged += name.endswith((".sst", ".log")) or name.startswith("MANIFEST")
        self.assertGreaterEqual(damaged, 3)
        done = job_runs.run(EVOLVING, *flags)
        self.assertEqual(done.code, 0, done)
        counted = [row.split(",") for row in job_runs.rows_of(self.place.out() + "/totals")]
        for kind in ("total", "route", "visits"):
            self.assertEqual(sum(int(row[3]) for row in counted if row[0] == kind), 20000)

    # ---- F19 ------------------------------------------------------------------------------------

    def test_state_that_does_not_fit_the_memory_fails_the_job_instead_of_restarting_it(self):
        job = self.start(EVOLVING, "--job", "v1", "--totals-only", "--input", job_runs.FLIGHTS,
                         "--output", self.place.out(), "-p", 2, "--checkpoint-dir",
                         self.place.checkpoints, "--checkpoint-interval", "50ms",
                         "--state-backend", "hashmap", "-D", "state.backend.memory=16kb")
        done = job_runs.wait(job)
        self.assertEqual(done.code, 1, done)
        self.assertIn("raise state.backend.memory", done.summary["error"])
        self.assertEqual(done.summary["restarts"], 0)

    def test_too_little_memory_is_a_clean_failure_that_can_be_continued(self):
        words = f"{self.place.root}/words.txt"
        draw = random.Random(7)
        with open(words, "w") as file:
            for _ in range(400_000):
                file.write("".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=24)) + "\n")
        flags = ("--input", words, "--output", self.place.out(), "-p", 1, "--checkpoint-dir",
                 self.place.checkpoints, "--checkpoint-interval", "20ms", "-D",
                 "restart-strategy.type=none", "-D", "scheduler.threads=2")

        def limit():
            # MALLOC_ARENA_MAX keeps the allocator from reserving address space for each thread.
            resource.setrlimit(resource.RLIMIT_AS, (150 << 20, 150 << 20))

        job = self.start("jobs/word_count", *flags, preexec_fn=limit,
                         environment={"MALLOC_ARENA_MAX": "1"})
        done = job_runs.wait(job)
        # Whether the author's code or the engine asked for the byte too much decides which.
        self.assertIn(done.code, (1, -signal.SIGABRT), f"{done} {self.told()}")
        self.assertRegex(self.told(), "memory|bad_alloc")
        done = job_runs.run("jobs/word_count", *flags, "-s", "latest")
        self.assertEqual(done.code, 0, done)
        with open(words) as file:
            expected = sorted({f"{word},1" for word in file.read().split()})
        self.assertEqual(job_runs.rows_of(self.place.out()), expected)

    # ---- F20 ----

    def test_too_few_descriptors_are_named_and_cost_no_record(self):
        failed = 0
        for count in (6, 7, 8, 9, 10, 12, 14):
            with self.subTest(descriptors=count):
                job = self.start(FLIGHT_DELAYS, *self.flags(
                    "-D", "restart-strategy.type=none", "-s", "latest", parallelism=4),
                    preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (count, count)))
                done = job_runs.wait(job)
                if done.code != 0:
                    failed += 1
                    self.assertIn(done.code, (1, 2), self.told())
                    self.assertIn("Too many open files", self.told())
                    done = job_runs.run(FLIGHT_DELAYS, *self.flags("-s", "latest"))
                self.assertEqual(done.code, 0, done)
                self.check_rows()
                self.place.remove()
                os.mkdir(self.place.root)
        self.assertGreaterEqual(failed, 3)

    # ---- F21 ------------------------------------------------------------------------------------

    def write_flights(self, lines):
        path = f"{self.place.root}/flights.csv"
        with open(path, "wb") as file:
            file.write("\n".join([HEADER, ""]).encode() + b"\n".join(lines) + b"\n")
        return path

    def test_text_that_is_no_utf8_goes_through_state_and_back_as_it_came(self):
        origin = b"\xff\xfe\x00A\x80"
        path = self.write_flights([b"2001-01-01T01:00:00Z,5,7," + origin + b",BBB"] * 3)
        done = job_runs.run(FLIGHT_DELAYS, *self.flags()[2:], "--input", path)
        self.assertEqual(done.code, 0, done)
        parts = [os.path.join(self.place.out(), name) for name in os.listdir(self.place.out())
                 if name.startswith("part-")]
        with open(parts[0], "rb") as file:
            self.assertIn(b"," + origin + b",3,", file.read())
        dumped = job_runs.savepoint_tool("list", self.place.checkpoints, "--json")
        self.assertEqual(dumped.code, 0, dumped)

    def test_a_record_of_100_mib_is_kept_or_told_and_the_others_are_counted(self):
        good = b"2001-01-01T01:00:00Z,5,7,AAA,BBB"
        huge = b"2001-01-01T01:10:00Z,5,7," + b"C" * (100 << 20) + b",BBB"
        path = self.write_flights([good, huge, good])
        done = job_runs.run(FLIGHT_DELAYS, *self.flags(parallelism=1)[2:], "--input", path)
        self.assertEqual(done.code, 0, done)
        self.assertEqual(done.summary["records_in"] + done.summary["dead_letter"], 3)
        counted = sum(int(row.split(",")[3]) for row in job_runs.rows_of(self.place.out()))
        self.assertEqual(counted, done.summary["records_in"])

    def test_a_function_that_always_throws_ends_the_job_and_loses_nothing(self):
        flags = ("--job", "v1", "--totals-only", "--input", job_runs.FLIGHTS, "-p", 2,
                 "--checkpoint-dir", self.place.checkpoints, "--checkpoint-interval", "10ms")
        restarts = ("-D", "restart-strategy.type=fixed-delay", "-D",
                    "restart-strategy.fixed-delay.attempts=3", "-D",
                    "restart-strategy.fixed-delay.delay=10ms")
        done = job_runs.run(EVOLVING, *flags, "--output", self.place.out(), "--rate", 20000,
                            "--poison", "throw", "--poison-at", 3000, *restarts)
        self.assertEqual(done.code, 1, done)
        self.assertEqual(done.summary["restarts"], 3)
        self.assertIn("a poisoned record", done.summary["error"])
        self.assertIn("map", done.summary["error"])
        done = job_runs.run(EVOLVING, *flags, "--output", self.place.out(), "-s", "latest")
        self.assertEqual(done.code, 0, done)
        whole = job_runs.run(EVOLVING, *flags[:-4], "--output", self.place.out("whole"))
        self.assertEqual(whole.code, 0, whole)
        self.assertEqual(job_runs.rows_of(self.place.out() + "/totals"),
                         job_runs.rows_of(self.place.out("whole") + "/totals"))

    def test_a_function_that_never_returns_is_named_and_does_not_hold_the_process(self):
        flags = ("--job", "v1", "--totals-only", "--input", job_runs.FLIGHTS, "-p", 1, "--output",
                 self.place.out(), "--checkpoint-dir", self.place.checkpoints,
                 "--checkpoint-interval", "20ms", "-D", "task.cancellation.timeout=200ms", "-D",
                 "execution.checkpointing.timeout=300ms", "-D", "restart-strategy.type=none")
        done = job_runs.wait(self.start(EVOLVING, *flags, "--rate", 20000, "--poison", "loop",
                                        "--poison-at", 4000), timeout=60)
        self.assertEqual(done.code, 1, self.told())
        self.assertIn("subtasks have not acknowledged", done.summary["error"])
        done = job_runs.run(EVOLVING, *flags, "-s", "latest")
        self.assertEqual(done.code, 0, done)
        counted = [row.split(",") for row in job_runs.rows_of(self.place.out() + "/totals")]
        self.assertEqual(sum(int(row[3]) for row in counted if row[0] == "total"), 20000)

    # ---- sources --------------------------------------------------------------------------------

    def test_compressed_input_goes_on_where_the_checkpoint_says(self):
        path = f"{self.place.root}/flights.csv.gz"
        with open(job_runs.FLIGHTS, "rb") as plain, gzip.open(path, "wb") as packed:
            shutil.copyfileobj(plain, packed)
        flags = self.flags("-s", "latest", rate=20000)[2:]
        kills = 0
        for _ in range(30):
            job = self.start(FLIGHT_DELAYS, *flags, "--input", path)
            started = self.newest()
            deadline = time.monotonic() + 60
            while job.poll() is None and self.newest() < started + 3 and \
                    time.monotonic() < deadline:
                time.sleep(0.002)
            if kills < 5 and job.poll() is None:
                job.send_signal(signal.SIGKILL)
                job_runs.wait(job)
                kills += 1
                continue
            done = job_runs.wait(job)
            self.assertEqual(done.code, 0, self.told())
            break
        self.assertGreaterEqual(kills, 3)
        self.check_rows()


if __name__ == "__main__":
    unittest.main(verbosity=2)
