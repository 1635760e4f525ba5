#!/usr/bin/env python3
"""A job that is killed again and again and started with `-s latest` until it ends, writes what one
undisturbed run would have written (faults F1, F5, F6, F15, F24).

It is killed at random times, at each fail point, faster than it takes checkpoints, and while it stops
with a savepoint; nearly every start has another parallelism. A reader watches the output all the
time: a part is visible whole or not at all, never changes, and holds no row twice.

Usage: kill_test.py [--runs N] [--seed S] [--configurations NAME,...] [--backends NAME,...]
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
RETAINED = 2
STARTS_MAX = 80
MEMORY_KIB_MAX = 400 * 1024

# Names and the flags that make them: one line for each way to take checkpoints, and to keep state.
CONFIGURATIONS = {
    "aligned": [],
    "unaligned": ["-D", "execution.checkpointing.unaligned.enabled=true"],
}
BACKENDS = {
    "hashmap": [],
    "rocksdb": ["--state-backend", "rocksdb", "-D", "state.backend.memory=512kb"],
}


class FlightDelays:
    """Windows, whose rows the oracle knows."""
    program, name = "jobs/flight_delays", "flight_delays"
    arguments = ["--max-out-of-orderness", "9h"]

    def __init__(self):
        rows, _ = flight_oracle.delays(job_runs.FLIGHTS, HOUR, 9 * HOUR)
        self.expected = {"": rows, "late": []}


class Keyed:
    """State of every kind, most of which the store on disk holds; the rows are those of a run that
    nobody disturbs."""
    program, name = "tests/recovery/evolving_job", "v1"
    arguments = ["--job", "v1"]

    def __init__(self):
        place = job_runs.Place()
        done = job_runs.run(self.program, *self.arguments, "--input", job_runs.FLIGHTS, "--output",
                            place.out())
        assert done.code == 0, done
        self.expected = {kind: job_runs.rows_of(f"{place.out()}/{kind}")
                         for kind in ("totals", "panes", "sessions", "lists")}
        assert all(len(rows) > 100 for rows in self.expected.values())
        place.remove()


# Windows stay in memory on both backends, so the one on disk is tested with another job.
JOB_OF = {"hashmap": FlightDelays, "rocksdb": Keyed}
# What a change is tested with: each way once. More on demand.
PAIRS = [("aligned", "hashmap"), ("aligned", "rocksdb"), ("unaligned", "hashmap")]

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

    def __init__(self, job, seed, configuration, backend, way):
        self.random = random.Random(f"{seed} {configuration} {backend} {way}")
        self.job, self.way = job, way
        self.flags = CONFIGURATIONS[configuration] + BACKENDS[backend]
        self.place = job_runs.Place()
        self.out = self.place.out()
        self.kills = self.starts = 0
        self.log = []

    def start(self, environment):
        self.starts += 1
        parallelism = self.random.choice([1, 2, 3, 4])
        return job_runs.start(
            self.job.program, *self.job.arguments, "--input", job_runs.FLIGHTS, "--output", self.out,
            "--rate", "40000", "-p", parallelism, "--checkpoint-interval", "40ms",
            "--checkpoint-dir", self.place.checkpoints, "-D",
            f"execution.checkpointing.num-retained={RETAINED}", "-D", "restart-strategy.type=none",
            "-s", "latest", *self.flags, environment=environment)

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
            # On a busy machine SIGINT may come before the program looks for it.
            assert done.code in (0, -signal.SIGKILL, -signal.SIGINT), "\n".join(self.log)
            self.kills += done.code != 0
        raise AssertionError("the job does not end:\n" + "\n".join(self.log))

    def check_checkpoints(self):
        """Every complete checkpoint can be read whole, and nothing else is left (I5, I10)."""
        directory = f"{self.place.checkpoints}/{self.job.name}"
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


def check(job, seed, configuration, backend, way, kills_max):
    run = Run(job, seed, configuration, backend, way)
    reader = Reader(run.out)
    reader.start()
    run.until_end(kills_max)
    reader.done.set()
    reader.join()
    reader.look()
    what = f"seed {seed} {configuration} {backend} {way}:\n" + "\n".join(run.log)
    assert not reader.problems, f"{reader.problems[:5]} {what}"
    for kind, expected in job.expected.items():
        rows = job_runs.rows_of(os.path.join(run.out, kind))
        missing, extra = set(expected) - set(rows), set(rows) - set(expected)
        assert rows == expected, (f"{kind}: {len(rows)} rows instead of {len(expected)}, missing "
                                  f"{sorted(missing)[:3]} extra {sorted(extra)[:3]}; {what}")
    hidden = job_runs.hidden_files(run.out)
    assert not hidden, f"{hidden} {what}"
    run.check_checkpoints()
    run.place.remove()
    return run.kills


def pairs(arguments):
    if arguments.configurations is None and arguments.backends is None:
        return PAIRS
    configurations = (arguments.configurations or ",".join(CONFIGURATIONS)).split(",")
    backends = (arguments.backends or ",".join(BACKENDS)).split(",")
    return [(configuration, backend) for configuration in configurations for backend in backends]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--configurations", help=f"of {', '.join(CONFIGURATIONS)}")
    parser.add_argument("--backends", help=f"of {', '.join(BACKENDS)}")
    parser.add_argument("--kills-min", type=int, default=20)
    arguments = parser.parse_args()
    jobs = {backend: job() for backend, job in JOB_OF.items()}
    landed = {}
    for configuration, backend in pairs(arguments):
        for seed in range(arguments.seed, arguments.seed + arguments.runs):
            for way in (*FAIL_POINTS, *TIMES, "stopping"):
                kills_max = 8 if way in TIMES else 3
                kills = check(jobs[backend], seed, configuration, backend, way, kills_max)
                landed[way] = landed.get(way, 0) + kills
    kills = sum(landed.values())
    print(f"{kills} kills, every row once: {landed}")
    assert all(landed.values()), f"a fault never landed: {landed}"
    assert kills >= arguments.kills_min, "too few faults landed"
    memory_kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert memory_kib < MEMORY_KIB_MAX, f"{memory_kib} KiB"


if __name__ == "__main__":
    main()
