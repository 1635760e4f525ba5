#!/usr/bin/env python3
"""Audit of a job under SIGKILLs and rescales 2 -> 4 -> 3: every number comes out once, with the next
count of its key, in the order of its key; also what a reader sees meanwhile is never taken back.

Usage: audit_test.py [--seconds N] [--seed N] [--stuck]
"""
import argparse
import csv
import glob
import json
import os
import random
import signal
import statistics
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "../recovery"))
import job_runs  # noqa: E402
from cluster_test import ask, private_runtime  # noqa: E402
from local_cluster import LocalCluster  # noqa: E402

PROGRAM = "tests/cluster/audit_job"
SOON = 60
RATE = 4000
PARALLELISMS = (4, 3, 2)


class Audit:
    """One run and what was seen of its output so far."""

    def __init__(self, rows, extra=()):
        self.root = tempfile.mkdtemp(dir=os.environ.get("TEST_TMPDIR"))
        self.rows = rows
        self.arguments = ["--rows", str(rows), "--rate", str(RATE), "--output", f"{self.root}/out",
                          *extra]
        self.flags = ["-p", "2", "--summary", "json", "--checkpoint-interval", "200ms",
                      "--checkpoint-dir", f"{self.root}/checkpoints",
                      "-D", "restart-strategy.exponential-delay.initial-backoff=50ms",
                      "-D", "restart-strategy.exponential-delay.max-backoff=200ms"]
        self.seen = set()  # Files that were read, which never change.
        self.ids = bytearray(rows)
        self.per_key = {}

    def cluster(self, worker_flags=()):
        return LocalCluster(PROGRAM, self.arguments, self.flags, worker_flags)

    def newest_checkpoint(self):
        return job_runs.newest_checkpoint(f"{self.root}/checkpoints/audit")

    def progress(self, cluster, count):
        first = self.newest_checkpoint()
        deadline = time.monotonic() + SOON
        while self.newest_checkpoint() < first + count:
            assert time.monotonic() < deadline, f"no checkpoints come\n{cluster.log()}"
            if not cluster.manager.is_alive():
                return False
            time.sleep(0.01)
        return True

    def read(self):
        """Takes in what has become visible. Twice is a violation at once."""
        for path in sorted(glob.glob(f"{self.root}/out/*")):
            name = os.path.basename(path)
            if name.startswith((".", "_")) or name in self.seen:
                continue
            self.seen.add(name)
            with open(path, encoding="utf-8") as file:
                for row in csv.DictReader(file):
                    number, key = int(row["id"]), int(row["key"])
                    assert self.ids[number] == 0, f"number {number} came out twice"
                    assert row["in_order"] == "1", f"number {number} came too late for key {key}"
                    self.ids[number] = 1
                    self.per_key.setdefault(key, []).append((int(row["count"]), number))

    def judge(self):
        """After the end: nothing is missing, and the counts are those of an undisturbed run."""
        self.read()
        missing = self.rows - sum(self.ids)
        assert missing == 0, f"{missing} numbers are missing, first {self.ids.index(0)}"
        for key, rows in self.per_key.items():
            rows.sort()
            assert [count for count, _ in rows] == list(range(1, len(rows) + 1)), f"key {key}"
            numbers = [number for _, number in rows]
            assert numbers == sorted(numbers), f"key {key} was counted out of order"


def kill_one(cluster, workers, random_):
    victim = random_.choice(workers)
    victim.kill()
    workers.remove(victim)
    workers.append(cluster.start_worker(slots=2))


def rescale(audit, cluster, environment, parallelism):
    """Seconds until the job ran on with the parallelism; asked for again while it just restarts."""
    begin = time.monotonic()
    while time.monotonic() < begin + SOON and cluster.manager.is_alive():
        mark = len(cluster.manager.lines)
        try:
            answer = ask(environment["SLUICE_RUNTIME_DIR"], cluster.manager,
                         "/v1/jobs/audit/rescale", {"parallelism": parallelism})
        except (OSError, ValueError) as error:  # It is just going over to another run.
            print(f"asked again: {error}", file=sys.stderr)
            time.sleep(0.1)
            continue
        assert answer["state"] == "RESCALING", answer
        while True:
            said = [(at, line) for at, line in cluster.manager.lines[mark:]
                    if f"rescaled to parallelism {parallelism}" in line or "no savepoint" in line]
            if said or not cluster.manager.is_alive():
                break
            time.sleep(0.01)
        if said and "no savepoint" not in said[-1][1]:
            audit.progress(cluster, 1)
            return said[-1][0] - begin
        time.sleep(0.1)
    assert not cluster.manager.is_alive(), f"not rescaled to {parallelism}\n{cluster.log()}"
    return None  # The job had just finished.


def run_audit(seconds, seed):
    random_ = random.Random(seed)
    audit = Audit(rows=seconds * RATE * 3 // 2)
    environment = private_runtime(audit)
    report = {"seconds": seconds, "seed": seed, "rows": audit.rows, "kills": 0, "rescales": 0,
              "rescale_s": [], "looks": 0}
    begin = time.monotonic()
    with audit.cluster() as cluster:
        cluster.start_manager(environment=environment)
        workers = [cluster.start_worker(slots=2) for _ in range(3)]
        end = time.monotonic() + seconds
        while time.monotonic() < end and audit.progress(cluster, 2):
            kill_one(cluster, workers, random_)
            report["kills"] += 1
            if not audit.progress(cluster, 2):
                break
            parallelism = PARALLELISMS[report["rescales"] % len(PARALLELISMS)]
            took = rescale(audit, cluster, environment, parallelism)
            if took is None:
                break
            report["rescale_s"].append(round(took, 3))
            report["rescales"] += 1
            audit.read()
            report["looks"] += 1
        status = cluster.manager.end(seconds + SOON)
        assert status == 0, f"exit {status}\n{cluster.log()}"
        summary = json.loads(cluster.manager.output)
    audit.judge()
    report["took_s"] = round(time.monotonic() - begin, 1)
    downtimes = sorted(report["rescale_s"])
    if downtimes:
        report["rescale_s"] = {"median": statistics.median(downtimes), "max": downtimes[-1],
                               "p95": downtimes[len(downtimes) * 95 // 100]}
    report["restarts"] = summary["restarts"]
    # A TaskManager that had no task may be killed without one.
    assert report["kills"] >= 2 and report["rescales"] >= 2 and report["restarts"] >= 1, report
    print(json.dumps(report), flush=True)


def run_stuck():
    """A task that spins for ever in user code ends its process, and goes on elsewhere."""
    audit = Audit(rows=20_000)
    marker = f"{audit.root}/marker"
    audit.arguments += ["--stuck-at", "9000", "--stuck-marker", marker]
    with audit.cluster(worker_flags=["-D", "task.stuck-timeout=2s"]) as cluster:
        cluster.start_manager()
        workers = [cluster.start_worker(slots=1) for _ in range(3)]
        line = None
        deadline = time.monotonic() + SOON
        while line is None and time.monotonic() < deadline:
            line = next((worker for worker in workers if not worker.is_alive()), None)
            time.sleep(0.01)
        assert line is not None, f"no process ended\n{cluster.log()}"
        assert line.end(SOON) == 75 and "has not come back from user code" in line.log(), line.log()
        assert os.path.exists(marker)
        assert cluster.manager.end(SOON) == 0, cluster.log()
        assert '"restarts":0' not in cluster.manager.output, cluster.manager.output
    audit.judge()
    print("stuck: ok", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=45)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stuck", action="store_true")
    arguments = parser.parse_args()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if arguments.stuck:
        run_stuck()
    else:
        run_audit(arguments.seconds, arguments.seed)


if __name__ == "__main__":
    main()
