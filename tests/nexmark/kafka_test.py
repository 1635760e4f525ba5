#!/usr/bin/env python3
"""Nexmark queries from a topic to a topic, exactly once, against the same queries on files: equal rows,
and for changing tables the equal table after all changes.

Usage: kafka_test.py [--queries q0,q5]   all without; --events N
"""
import argparse
import collections
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import query_runs  # noqa: E402

ALL = ("q0", "q1", "q2", "q3", "q4", "q5", "q7", "q8", "q9", "q10", "q11", "q12", "q15", "q17", "q18",
       "q19", "q20")
PORT = 24000 + os.getpid() % 1000 * 2
BROKER = f"127.0.0.1:{PORT}"
CANNOT_BE_HAD = 3
# A commit is answered a moment before every partition shows it; only a loss takes so long.
SHOWN_S = 30


def call(*words, **how):
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=120, **how)
    assert done.returncode == 0, f"{words}: exit {done.returncode}: {done.stderr}"
    return done.stdout


def rows_of(lines):
    return [json.loads(line) for line in lines]


def from_files(query, events, root):
    out = f"{root}/{query}"
    query_runs.run_job(query, "--events", events, "--output", out, "--format", "json")
    lines = []
    for path in glob.glob(f"{out}/**/part-*", recursive=True):
        with open(path, encoding="utf-8") as file:
            lines += file.read().splitlines()
    return rows_of(lines)


def run_on_kafka(query, root, parallelism):
    """The topic with the results."""
    topic = f"results-{query}"
    query_runs.run_job(query, "--source", "kafka", "--sink", "kafka", "--brokers", BROKER,
                       "--results-topic", topic, "-p", parallelism, "--checkpoint-interval", "500ms",
                       "--checkpoint-dir", f"{root}/checkpoints-{query}")
    return topic


def committed_rows(topic):
    return rows_of(call("kcat", "-C", "-e", "-q", "-b", BROKER, "-t", topic, "-o", "beginning", "-X",
                        "isolation.level=read_committed", "-f", "%s\n").splitlines())


class ChangesMissing(AssertionError):
    pass


def table(rows):
    """What is left after all changes, each row as text with its count."""
    left = collections.Counter()
    for row in rows:
        # Changes of different keys come in any order.
        sign = -1 if row.pop("op", "+I") in ("-U", "-D") else 1
        left[json.dumps(row, sort_keys=True)] += sign
    if any(count < 0 for count in left.values()):
        raise ChangesMissing("a row was taken back that was not there")
    return +left


def counts_of_windows(rows):
    """q12 depends on the wall clock: what its counts add up to does not."""
    totals = collections.Counter()
    for row in rows:
        totals[row["bidder"]] += row["bid_count"]
    return totals


def check(query, root, expected, parallelism):
    topic = run_on_kafka(query, root, parallelism)
    compare = counts_of_windows if query == "q12" else table
    wanted = compare(expected)
    assert wanted, f"{query} gives no rows"
    deadline = time.monotonic() + SHOWN_S
    while True:
        found = committed_rows(topic)
        messages = len(found)
        try:
            left = compare(found)
        except ChangesMissing:
            left = collections.Counter()
        missing, extra = wanted - left, left - wanted
        if not missing and not extra:
            print(f"{query}: {messages} messages, {sum(wanted.values())} rows as from files", flush=True)
            return
        assert time.monotonic() < deadline, (
            f"{query}: {sum(left.values())} rows, wanted {sum(wanted.values())}; missing "
            f"{list(missing)[:2]} extra {list(extra)[:2]}")
        time.sleep(0.2)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--queries", default=",".join(ALL))
    parser.add_argument("--events", type=int, default=20_000)
    arguments = parser.parse_args()
    root = tempfile.mkdtemp(dir=os.environ.get("TEST_TMPDIR"))
    started = subprocess.run(
        ["tools/kafka", "start", "--port", str(PORT), "--dir", f"{root}/broker", "--owner",
         str(os.getpid())], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if started.returncode == CANNOT_BE_HAD and "SLUICE_REQUIRE_KAFKA" not in os.environ:
        print("skipped: no Kafka: " + " ".join(started.stdout.split()))
        return
    assert started.returncode == 0, started.stdout
    try:
        events = f"{root}/events.jsonl"
        call("tools/bench/nexmark_events", "--count", arguments.events, "--event-rate", 1000, "--output",
             events)
        # One partition keeps the order of the file, so that equal rows are late.
        call("tools/kafka", "tool", "topics", "--bootstrap-server", BROKER, "--create", "--topic",
             "nexmark-events", "--partitions", 1)
        call("kcat", "-P", "-b", BROKER, "-t", "nexmark-events", "-l", events)
        for number, query in enumerate(arguments.queries.split(",")):
            check(query, root, from_files(query, events, root), number % 2 + 1)
    finally:
        subprocess.run(["tools/kafka", "stop", "--dir", f"{root}/broker"], check=False)
    shutil.rmtree(root)


if __name__ == "__main__":
    main()
