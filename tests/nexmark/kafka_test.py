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
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "../kafka"))
import kafka_world  # noqa: E402
import query_runs  # noqa: E402
from kafka_world import BROKER, eventually, kcat_read, make_topic, run  # noqa: E402

ALL = ("q0", "q1", "q2", "q3", "q4", "q5", "q7", "q8", "q9", "q10", "q11", "q12", "q15", "q17", "q18",
       "q19", "q20")


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


def table(rows):
    """What is left after all changes, each row as text with its count: below zero when it was taken back
    without being there."""
    left = collections.Counter()
    for row in rows:
        # Changes of different keys come in any order.
        sign = -1 if row.pop("op", "+I") in ("-U", "-D") else 1
        left[json.dumps(row, sort_keys=True)] += sign
    return collections.Counter({row: count for row, count in left.items() if count != 0})


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
    assert min(wanted.values()) > 0, f"{query}: a row was taken back that was not there"
    eventually(lambda: compare(rows_of(kcat_read(topic))) == wanted)
    found = rows_of(kcat_read(topic))
    messages, left = len(found), compare(found)
    assert left == wanted, (
        f"{query}: {sum(left.values())} rows, wanted {sum(wanted.values())}; missing "
        f"{list(wanted - left)[:2]} extra {list(left - wanted)[:2]}, taken back without being there "
        f"{[row for row, count in left.items() if count < 0][:2]}")
    print(f"{query}: {messages} messages, {sum(wanted.values())} rows as from files", flush=True)


def check_queries(queries, count):
    root = tempfile.mkdtemp(dir=os.environ.get("TEST_TMPDIR"))
    events = f"{root}/events.jsonl"
    run("tools/bench/nexmark_events", "--count", count, "--event-rate", 1000, "--output", events)
    # One partition keeps the order of the file, so that equal rows are late.
    make_topic("nexmark-events", 1)
    run("kcat", "-P", "-b", BROKER, "-t", "nexmark-events", "-l", events)
    for number, query in enumerate(queries):
        check(query, root, from_files(query, events, root), number % 2 + 1)
    shutil.rmtree(root)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--queries", default=",".join(ALL))
    parser.add_argument("--events", type=int, default=20_000)
    arguments = parser.parse_args()
    kafka_world.main(tests=lambda: check_queries(arguments.queries.split(","), arguments.events))


if __name__ == "__main__":
    main()
