#!/usr/bin/env python3
"""A job that is killed again and again and started with `-s latest` until it ends, writes what one
undisturbed run would have written (faults F1, F5, F6, F15, F24).

It is killed at random times, at each fail point, faster than it takes checkpoints, and while it stops
with a savepoint; nearly every start has another parallelism. A reader watches the output all the
time: a part is visible whole or not at all, never changes, and holds no row twice.

Usage: kill_test.py [--runs N] [--seed S] [--configurations NAME,...]
"""
import argparse
import glob
import json
import os
import random
import resource
import signal
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../golden"))
import flight_oracle  # noqa: E402
import job_runs  # noqa: E402

HOUR = flight_oracle.HOUR
JOB = "jobs/flight_delays"
RETAINED = 2
STARTS_MAX = 80
MEMORY_KIB_MAX = 400 * 1024

# A name and the flags that make it: one line for each way to take checkpoints or keep state.
CONFIGURATIONS = {
    "hashmap": [],
    "rocksdb": ["--state-backend", "rocksdb", "-D", "state.backend.memory=4mb"],
    "unaligned": ["-D", "execution.checkpointing.unaligned.enabled=true"],
}

# How a start ends early. Fail points are passed many times in a start; which pass dies is drawn.
FAIL_POINTS = {
    "barrier_sent": 9,
    "snapshot_written": 9,
    "torn_write": 60,
    "metadata_written": 9,
    "checkpoint_complete": 9,
    "commit_half_done": 9,
    "restoring": 3,
}
# Kills at times drawn from these seconds after the start.
TIMES = {
    "random": (0.02, 0.6),
    "impatient": (0.0, 0.06),
}


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


class Run:
    """One job from its first start to its end."""

    def __init__(self, seed, configuration, way):
        self.random = random.Random(f"{seed} {configuration} {way}")
        self.configuration, self.way = configuration, way
        self.place = job_runs.Place()
        self.out = self.place.out()
        self.kills = self.starts = 0
        self.log = []

    def start(self, environment):
        self.starts += 1
        parallelism = self.random.choice([1, 2, 3, 4])
        return job_runs.start(
            JOB, "--input", job_runs.FLIGHTS, "--output", self.out, "--max-out-of-orderness", "9h",
            "--rate", "40000", "-p", parallelism, "--checkpoint-interval", "40ms",
            "--checkpoint-dir", self.place.checkpoints, "-D",
            f"execution.checkpointing.num-retained={RETAINED}", "-D", "restart-strategy.type=none",
            "-s", "latest", *CONFIGURATIONS[self.configuration], environment=environment)

    def start_once(self, last):
        """One start, and how it ended."""
        if last:
            return job_runs.wait(self.start({}))
        # Nothing is restored by the first start, which is killed at a time of its own.
        if self.way in FAIL_POINTS and not (self.way == "restoring" and self.starts == 0):
            passes = self.random.randint(1, FAIL_POINTS[self.way])
            return job_runs.wait(self.start({"SLUICE_FAIL_POINT": f"{self.way}:{passes}"}))
        process = self.start({})
        try:
            early, late = TIMES.get(self.way, TIMES["random"])
            return job_runs.wait(process, self.random.uniform(early, late))
        except subprocess.TimeoutExpired:
            pass
        if self.way == "stopping":
            process.send_signal(signal.SIGINT)
            try:
                return job_runs.wait(process, self.random.uniform(0, 0.03))
            except subprocess.TimeoutExpired:
                pass
        process.send_signal(signal.SIGKILL)
        return job_runs.wait(process)

    def until_end(self, kills_max):
        while self.starts < STARTS_MAX:
            done = self.start_once(self.kills >= kills_max)
            self.log.append(f"start {self.starts}: exit {done.code}: {done.errors.strip()}")
            if done.code == 0 and "savepoint" not in done.summary:
                return
            assert done.code in (0, -signal.SIGKILL), "\n".join(self.log)
            self.kills += done.code != 0
        raise AssertionError("the job does not end:\n" + "\n".join(self.log))

    def check_checkpoints(self):
        """Every complete checkpoint can be read whole, and nothing else is left (I5, I10)."""
        directory = f"{self.place.checkpoints}/flight_delays"
        ids = job_runs.complete_checkpoints(directory)
        assert 1 <= len(ids) <= RETAINED, ids
        needed = set()
        for id in ids:
            listing = job_runs.savepoint_tool("list", f"{directory}/chk-{id}", "--json")
            assert listing.code == 0, listing
            needed.update(file["path"] for op in json.loads(listing.output)["operators"]
                          for file in op["files"])
        left = set(glob.glob(f"{directory}/shared/*")) - needed
        assert not left, f"nobody needs {left}"


def check(seed, configuration, way, kills_max, expected):
    run = Run(seed, configuration, way)
    reader = Reader(run.out)
    reader.start()
    run.until_end(kills_max)
    reader.done.set()
    reader.join()
    reader.look()
    what = f"seed {seed} {configuration} {way}:\n" + "\n".join(run.log)
    rows = job_runs.rows_of(run.out)
    assert not reader.problems, f"{reader.problems[:5]} {what}"
    assert len(rows) == len(set(rows)), f"{len(rows) - len(set(rows))} rows twice; {what}"
    missing, extra = set(expected) - set(rows), set(rows) - set(expected)
    assert rows == expected, f"missing {sorted(missing)[:3]} extra {sorted(extra)[:3]}; {what}"
    assert job_runs.rows_of(run.out + "/late") == [], what
    hidden = job_runs.hidden_files(run.out)
    assert not hidden, f"{hidden} {what}"
    run.check_checkpoints()
    run.place.remove()
    return run.kills


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--configurations", default=",".join(CONFIGURATIONS))
    parser.add_argument("--kills-min", type=int, default=20)
    arguments = parser.parse_args()
    expected, _ = flight_oracle.delays(job_runs.FLIGHTS, HOUR, 9 * HOUR)
    landed = {}
    for configuration in arguments.configurations.split(","):
        for seed in range(arguments.seed, arguments.seed + arguments.runs):
            for way in (*FAIL_POINTS, *TIMES, "stopping"):
                kills_max = 8 if way in TIMES else 3
                kills = check(seed, configuration, way, kills_max, expected)
                landed[way] = landed.get(way, 0) + kills
    kills = sum(landed.values())
    print(f"{kills} kills, every row once: {landed}")
    assert all(landed.values()), f"a fault never landed: {landed}"
    assert kills >= arguments.kills_min, "too few faults landed"
    memory_kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert memory_kib < MEMORY_KIB_MAX, f"{memory_kib} KiB"


if __name__ == "__main__":
    main()
