#!/usr/bin/env python3
"""Event time over partitions, by whole jobs: a silent partition holds windows back unless it counts as
idle, and alignment keeps partitions from running ahead, in one subtask and between two."""
import os
import signal
import subprocess
import tempfile
import time
import unittest

import kafka_world
from kafka_world import BROKER, eventually, kcat_read, make_topic, run

SECOND = 1000
# Long enough that what would have happened has happened.
QUIET_SECONDS = 3


def put(topic, partition, key, times):
    run("kcat", "-P", "-b", BROKER, "-t", topic, "-p", partition, "-K:",
        text="".join(f"{key}:{at}\n" for at in times))


class WatermarkTest(unittest.TestCase):
    def start(self, name, *flags, parallelism=1):
        for topic in (f"{name}-seen", f"{name}-windows"):
            make_topic(topic, 1)
        with tempfile.TemporaryFile() as log:
            job = subprocess.Popen(
                ["tests/kafka/watermark_job", "--brokers", BROKER, "--input-topic", name, "--seen-topic",
                 f"{name}-seen", "--windows-topic", f"{name}-windows", "-p", str(parallelism), *flags],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        self.addCleanup(job.wait, 60)
        self.addCleanup(job.send_signal, signal.SIGINT)
        return job

    def seen(self, name):
        return [(key, int(at)) for key, at in (line.split(",") for line in kcat_read(f"{name}-seen"))]

    def newest(self, name, key):
        return max((at for who, at in self.seen(name) if who == key), default=-1)

    def windows(self, name):
        return sorted(tuple(line.split(",")) for line in kcat_read(f"{name}-windows"))

    def test_a_silent_partition_holds_windows_back(self):
        make_topic("silent", 2)
        self.start("silent")
        put("silent", 0, "a", range(0, 10 * SECOND, 100))
        self.assertTrue(eventually(lambda: len(self.seen("silent")) == 100), self.seen("silent"))
        time.sleep(QUIET_SECONDS)
        self.assertEqual(self.windows("silent"), [])
        # Its first record tells where it is: windows up to there fire.
        put("silent", 1, "b", [5 * SECOND])
        fired = [("a", str(start * SECOND), "10") for start in range(5)]
        self.assertTrue(eventually(lambda: self.windows("silent") == fired), self.windows("silent"))

    def test_an_idle_partition_does_not(self):
        make_topic("idle", 2)
        self.start("idle", "--idle", "500ms")
        put("idle", 0, "a", range(0, 10 * SECOND + 1, 100))
        # The watermark stays below the newest record.
        fired = [("a", str(start * SECOND), "10") for start in range(9)]
        self.assertTrue(eventually(lambda: set(fired) <= set(self.windows("idle"))), self.windows("idle"))
        # When it wakes up it counts again, and what is not late is counted.
        put("idle", 1, "b", [20 * SECOND + 100, 20 * SECOND + 200, 21 * SECOND + 1])
        put("idle", 0, "a", [21 * SECOND + 1])
        self.assertTrue(eventually(lambda: ("b", str(20 * SECOND), "2") in self.windows("idle")),
                        self.windows("idle"))

    def check_drift(self, name, parallelism):
        drift, step = 20 * SECOND, 100
        # One poll reads at most a batch of 1024 records; each subtask may have some under way.
        slack = 4 * 1024 * step
        make_topic(name, 2)
        put(name, 0, "fast", range(0, 50_000 * step, step))
        put(name, 1, "slow", range(0, 10 * SECOND, 100))
        self.start(name, "--drift", "20s", parallelism=parallelism)
        self.assertTrue(eventually(lambda: self.newest(name, "slow") == 9900 and self.newest(name, "fast") > 0))
        time.sleep(QUIET_SECONDS)
        self.assertLessEqual(self.newest(name, "fast"), 10 * SECOND + drift + slack)
        # The other one follows as the slow one goes on, and nothing is lost.
        put(name, 1, "slow", range(10 * SECOND, 2000 * SECOND, 1000))
        self.assertTrue(eventually(lambda: self.newest(name, "fast") >= 2000 * SECOND), self.newest(name, "fast"))
        time.sleep(QUIET_SECONDS)
        self.assertLessEqual(self.newest(name, "fast"), 2000 * SECOND + drift + slack)
        times = [at for key, at in self.seen(name) if key == "fast"]
        self.assertEqual(times, list(range(0, len(times) * step, step)))

    def test_alignment_bounds_how_far_a_partition_runs_ahead(self):
        self.check_drift("aligned", 1)

    def test_alignment_holds_between_subtasks(self):
        self.check_drift("aligned-two", 2)

    def test_without_alignment_a_partition_is_read_to_its_end(self):
        make_topic("free", 2)
        put("free", 0, "fast", range(0, 5_000_000, 100))
        put("free", 1, "slow", range(0, 10 * SECOND, 100))
        self.start("free")
        self.assertTrue(eventually(lambda: self.newest("free", "fast") == 4_999_900), self.newest("free", "fast"))


if __name__ == "__main__":
    kafka_world.main()
