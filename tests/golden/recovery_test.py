#!/usr/bin/env python3
"""Every golden job once more, killed and restored: its rows are those of an undisturbed run.

The matrix is jobs times ways. Each start goes on from the newest checkpoint and is killed when the
next one or the one after is complete, before what it promises is committed. A new way to take checkpoints or to
keep state is one line in WAYS, a new job one in JOBS.

Usage: recovery_test.py [--full]     --full takes the ways marked so, too
"""
import argparse
import glob
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile

FLIGHTS = "jobs/data/us_flights_2001q1.csv"
RULES = "jobs/data/delay_rules.csv"
STARTS_MAX = 400
RESTORES_MIN = 3
SLOWER_MAX = 3

# Windows of panes stay in memory, whatever it is for others: those of 9 hours must fit.
PANE_FLAGS = ["-D", "state.backend.memory=16mb"]

# Name, flags, and how many records a second are read, so that several checkpoints fall into a run.
JOBS = (
    ("flight_delays", ["--input", FLIGHTS, "--max-out-of-orderness", "9h"], 40000),
    ("airport_sessions", ["--input", FLIGHTS, "--gap", "30m"], 40000),
    ("rule_alerts", ["--input", FLIGHTS, "--rules", RULES], 40000),
    ("delay_streaks", ["--input", FLIGHTS], 40000),
    ("word_count", ["--input", "LICENSE"], 500),
)

# Name, parallelisms of the starts in turn, flags, whether only --full takes it.
WAYS = (
    ("restored in between", [2], [], False),
    ("restored at another parallelism", [2, 4, 3, 1, 8], [], False),
    ("rocksdb, restored at another parallelism", [2, 4, 3, 1, 8],
     ["--state-backend", "rocksdb", "-D", "state.backend.memory=64kb"], False),
    ("unaligned, restored at another parallelism", [2, 4, 3, 1, 8],
     ["-D", "execution.checkpointing.unaligned.enabled=true"], False),
    ("restored in between, one row a batch", [1], ["-D", "execution.batch-rows=1"], True),
)


def rows_of(out):
    """All rows below a directory by folder, sorted."""
    rows = {}
    for path in glob.glob(f"{out}/**/part-*", recursive=True):
        with open(path, newline="") as file:
            lines = file.read().split("\n")[:-1]
        has_header = path.endswith(".csv")
        rows.setdefault(os.path.dirname(os.path.relpath(path, out)), []).extend(
            lines[1:] if has_header else lines)
    return {folder: sorted(lines) for folder, lines in rows.items() if lines}


def start(job, flags, fail_point=None):
    environment = dict(os.environ)
    if fail_point:
        environment["SLUICE_FAIL_POINT"] = fail_point
    return subprocess.run([f"jobs/{job}", *map(str, flags)], env=environment, timeout=120,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True)


def check(job, flags, rate, way, parallelisms, more):
    """On a busy machine few checkpoints fall into a run: then it is made longer."""
    for slower in range(SLOWER_MAX):
        if restores_of(job, flags, max(1, rate // 4 ** slower), way, parallelisms,
                       more) >= RESTORES_MIN:
            return
    raise AssertionError(f"{job} {way}: less than {RESTORES_MIN} restores")


def restores_of(job, flags, rate, way, parallelisms, more):
    """How often the job was restored until it had written what it has to."""
    root = tempfile.mkdtemp(dir=os.environ.get("TEST_TMPDIR"))
    undisturbed = start(job, [*flags, "--output", f"{root}/expected", "-p", 1])
    assert undisturbed.returncode == 0, undisturbed.stderr
    expected = rows_of(f"{root}/expected")
    restores = -1
    for number, parallelism in zip(range(STARTS_MAX), itertools.cycle(parallelisms)):
        # With the first one alone a job whose input has ended would never see its last checkpoint.
        done = start(job, [*flags, "--output", f"{root}/out", "-p", parallelism, "--checkpoint-dir",
                           f"{root}/checkpoints", "--checkpoint-interval", "20ms", "--rate", rate, "-s", "latest",
                           *more], fail_point=f"checkpoint_complete:{number % 2 + 1}")
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, f"{job} {way}: {done}"
        restores += 1
    else:
        raise AssertionError(f"{job} {way}: {STARTS_MAX} starts and no end")
    rows = rows_of(f"{root}/out")
    for folder in {*expected, *rows}:
        want, have = expected.get(folder, []), rows.get(folder, [])
        missing, extra = set(want) - set(have), set(have) - set(want)
        assert want == have, (f"{job} {way}, folder '{folder}': {len(have)} rows, not {len(want)}; "
                              f"missing {sorted(missing)[:3]}, extra {sorted(extra)[:3]}")
    print(f"{job}, {way}: {restores + 1} restores, {sum(map(len, rows.values()))} rows", flush=True)
    shutil.rmtree(root)
    return restores


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--full", action="store_true")
    arguments = parser.parse_args()
    for job, flags, rate in JOBS:
        for way, parallelisms, more, is_full in WAYS:
            if arguments.full or not is_full:
                panes = PANE_FLAGS if "rocksdb" in more and job == "flight_delays" else []
                check(job, flags, rate, way, parallelisms, [*more, *panes])


if __name__ == "__main__":
    sys.exit(main())
