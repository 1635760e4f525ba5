#!/usr/bin/env python3
"""A job that is killed again and again, at random and at each fail point, and started with
`-s latest` until it ends, writes what one undisturbed run would have written.

A reader watches the output all the time: a part is visible whole or not at all, never changes, and
holds no row twice. Usage: kill_test.py [--runs N] [--seed S]
"""
import argparse
import glob
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../golden"))
import flight_oracle  # noqa: E402

FLIGHTS = "jobs/data/us_flights_2001q1.csv"
HOUR = flight_oracle.HOUR
FAIL_POINTS = ("barrier_sent", "snapshot_written", "metadata_written", "checkpoint_complete",
               "commit_half_done", "restoring")
STARTS_MAX = 60


class Reader(threading.Thread):
    """Remembers every part it sees and finds parts that change, tear or go away."""

    def __init__(self, directory):
        super().__init__(daemon=True)
        self.directory, self.seen, self.problems = directory, {}, []
        self.done = threading.Event()

    def run(self):
        while not self.done.wait(0.005):
            self.look()

    def look(self):
        for path in glob.glob(f"{self.directory}/**/part-*", recursive=True):
            try:
                with open(path, newline="") as file:
                    text = file.read()
            except FileNotFoundError:
                self.problems.append(f"{path} went away")
                continue
            if not text.endswith("\n"):
                self.problems.append(f"{path} is torn")
            if self.seen.setdefault(path, text) != text:
                self.problems.append(f"{path} changed")
        for path in self.seen:
            if not os.path.exists(path):
                self.problems.append(f"{path} was removed")


def rows_of(directory):
    rows = []
    for path in glob.glob(f"{directory}/part-*"):
        with open(path, newline="") as file:
            rows += file.read().split("\n")[1:-1]
    return sorted(rows)


class Run:
    """One job from its first start to its end."""

    def __init__(self, seed, backend, fail_point=None):
        self.random = random.Random(seed)
        self.backend, self.fail_point = backend, fail_point
        self.root = tempfile.mkdtemp(dir=os.environ.get("TEST_TMPDIR"))
        self.out = f"{self.root}/out"
        self.kills = self.starts = 0
        self.log = []

    def start(self, last):
        self.starts += 1
        environment = dict(os.environ)
        # Nothing is restored by the first start, which is killed at a time of its own.
        at_random = self.fail_point is None or (self.fail_point == "restoring" and self.starts == 1)
        if not at_random and not last:
            most = 3 if self.fail_point == "restoring" else 9
            passes = self.random.randint(1, most)
            environment["SLUICE_FAIL_POINT"] = f"{self.fail_point}:{passes}"
        parallelism = self.random.choice([1, 2, 3])
        self.timeout = self.random.uniform(0.02, 0.6) if at_random and not last else None
        return subprocess.Popen(
            ["jobs/flight_delays", "--input", FLIGHTS, "--output", self.out,
             "--max-out-of-orderness", "9h", "--rate", "30000", "-p", str(parallelism),
             "--checkpoint-interval", "40ms", "--checkpoint-dir", f"{self.root}/checkpoints",
             "--state-backend", self.backend, "-D", "execution.checkpointing.num-retained=2",
             "-D", "restart-strategy.type=none", "-s", "latest", "--summary", "json"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
            stdin=subprocess.DEVNULL)

    def until_end(self, kills_max):
        while self.starts < STARTS_MAX:
            last = self.kills >= kills_max
            process = self.start(last)
            try:
                _, errors = process.communicate(timeout=self.timeout)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                _, errors = process.communicate()
            self.log.append(f"start {self.starts}: exit {process.returncode}: {errors.strip()}")
            if process.returncode == 0:
                return
            assert process.returncode == -signal.SIGKILL, "\n".join(self.log)
            self.kills += 1
        raise AssertionError("the job does not end:\n" + "\n".join(self.log))


def check(seed, backend, fail_point, kills_max, expected):
    run = Run(seed, backend, fail_point)
    reader = Reader(run.out)
    reader.start()
    run.until_end(kills_max)
    reader.done.set()
    reader.join()
    reader.look()
    what = f"seed {seed} {backend} {fail_point or 'random'}:\n" + "\n".join(run.log)
    rows = rows_of(run.out)
    assert not reader.problems, f"{reader.problems[:5]} {what}"
    assert len(rows) == len(set(rows)), f"{len(rows) - len(set(rows))} rows twice; {what}"
    missing, extra = set(expected) - set(rows), set(rows) - set(expected)
    assert rows == expected, f"missing {sorted(missing)[:3]} extra {sorted(extra)[:3]}; {what}"
    assert rows_of(run.out + "/late") == [], what
    left = glob.glob(f"{run.root}/checkpoints/flight_delays/chk-*")
    assert len(left) <= 2, f"{left} {what}"
    shutil.rmtree(run.root)
    return run.kills


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--backends", default="hashmap")
    arguments = parser.parse_args()
    expected, _ = flight_oracle.delays(FLIGHTS, HOUR, 9 * HOUR)
    kills = 0
    for backend in arguments.backends.split(","):
        for run in range(arguments.runs):
            kills += check(arguments.seed + run, backend, None, 6, expected)
        for fail_point in FAIL_POINTS:
            landed = check(arguments.seed, backend, fail_point, 3, expected)
            assert landed > 0, f"{fail_point} was never reached"
            kills += landed
    print(f"{kills} kills, every row once")
    assert kills >= 10, "too few faults landed"


if __name__ == "__main__":
    main()
