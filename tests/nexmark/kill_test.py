#!/usr/bin/env python3
"""Nexmark queries that are killed with SIGKILL at random times and started with `-s latest`, each time at
another parallelism, until they end, write what the oracle expects: rows that never change, changelogs
that add up, and counts on the wall clock that lose nothing.

    kill_test.py [--queries q5,q9 | all] [--kills N] [--seed S] [--backends hashmap,rocksdb]
"""
import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import oracle  # noqa: E402
import query_runs  # noqa: E402

EVENTS = 60_000
EVENT_RATE = 1_000
RATE = 60_000  # A second without kills.
FIRST_KILL_S, LAST_KILL_S = 0.1, 0.8
LAST_RUN_S = 120


def run_until_end(query, backend, mode, root, choose, kills_max):
    """How many kills hit a running job; its results are in root/out."""
    kills = 0
    for start in range(kills_max + 1):
        words = [f"jobs/nexmark/{query}", "--count", str(EVENTS), "--event-rate", str(EVENT_RATE),
                 "--rate", str(RATE), "--output", f"{root}/out", "--output-mode", mode,
                 "--parallelism", str(choose.choice((1, 2, 3))), "--state-backend", backend,
                 "--checkpoint-dir", f"{root}/checkpoints", "--checkpoint-interval", "30ms",
                 "-D", "restart-strategy.type=none", "-s", "latest"]
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True)
        try:
            wait = choose.uniform(FIRST_KILL_S, LAST_KILL_S) if start < kills_max else LAST_RUN_S
            _, errors = process.communicate(timeout=wait)
            assert process.returncode == 0, f"{query}: exit {process.returncode}: {errors}"
            return kills
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            kills += 1
    raise AssertionError(f"{query} does not end in {LAST_RUN_S} s")


def check(query, backend, mode, database, choose, kills_max):
    """Kills that hit."""
    root = tempfile.mkdtemp(dir=os.environ.get("TEST_TMPDIR"))
    kills = run_until_end(query, backend, mode, root, choose, kills_max)
    header, rows = query_runs.read_output(f"{root}/out")
    if mode == "changelog":
        assert header[0] == "op", header
        header, rows = header[1:], query_runs.apply_changelog(rows)
    wrong = query_runs.difference(query, header, rows, oracle.run(query, database))
    assert wrong is None, f"{query} {backend} {mode} after {kills} kills: {wrong}; see {root}"
    shutil.rmtree(root)
    return kills


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--queries", default="all")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--backends", default="hashmap")
    arguments = parser.parse_args()
    queries = oracle.NAMES if arguments.queries == "all" else arguments.queries.split(",")
    with tempfile.TemporaryDirectory() as directory:
        events = f"{directory}/events.jsonl"
        subprocess.run(["tools/bench/nexmark_events", "--count", str(EVENTS), "--event-rate",
                        str(EVENT_RATE), "--output", events], check=True)
        database = oracle.load(events)
    choose = random.Random(arguments.seed)
    kills = runs = 0
    for backend in arguments.backends.split(","):
        for query in queries:
            for mode in ("final", "changelog") if query in query_runs.UPDATING else ("final",):
                kills += check(query, backend, mode, database, choose, arguments.kills)
                runs += 1
    print(f"{runs} runs, {kills} kills, all results as expected")
    assert kills >= runs, "too few kills hit a running job"


if __name__ == "__main__":
    main()
