#!/usr/bin/env python3
"""Every Nexmark query as a user runs it, against the oracle: exact equality of the final rows on the
frozen events at several parallelisms, with checkpoints and without, on small worlds full of ties and
late events, and of the changelog applied row by row.

With --large: the same on large worlds of several shapes, at every parallelism.
"""
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import oracle  # noqa: E402
import query_runs  # noqa: E402
import worlds  # noqa: E402

# The frozen events are made by the generator and known by their hash.
FROZEN = ("--count", "100000", "--event-rate", "1000")
FROZEN_SHA256 = "f4412b476a2f6b84e159d5129f078b5d70befb0e7122942813f7436402f9a93a"
PARALLELISMS = (1, 2, 4)
BACKENDS = ("hashmap", "rocksdb")
SMALL_WORLDS = (1, 2, 3)
LARGE_WORLDS = (0, 1, 2, 3, 4, 5)
LARGE_EVENTS = 100_000


class QueryTest(unittest.TestCase):
    maxDiff = 2000

    @classmethod
    def setUpClass(cls):
        cls.root = tempfile.mkdtemp(dir=os.environ.get("TEST_TMPDIR"))

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.root, ignore_errors=True)

    def run_query(self, query, events, *flags):
        out = f"{self.root}/out"
        summary = query_runs.run_job(query, "--events", events, "--output", out, "--overwrite", *flags)
        header, rows = query_runs.read_output(out)
        shutil.rmtree(out)
        return summary, header, rows

    def check_query(self, query, events, expected, *flags):
        summary, header, rows = self.run_query(query, events, "--output-mode", "final", *flags)
        self.assertIsNone(query_runs.difference(query, header, rows, expected))
        self.assertEqual(summary["dead_letter"], 0)
        return summary

    def write_events(self, name, events, **style):
        path = f"{self.root}/{name}.jsonl"
        with open(path, "w", encoding="utf-8") as file:
            for event in events:
                file.write(json.dumps(event, **style) + "\n")
        return path


def state_flags(backend):
    """On disk next to nothing stays in memory but open windows, which have to."""
    flags = ["--state-backend", backend]
    return flags if backend == "hashmap" else [*flags, "-D", "state.backend.memory=4mb"]


class NexmarkTest(QueryTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.frozen = f"{cls.root}/frozen.jsonl"
        subprocess.run(["tools/bench/nexmark_events", *FROZEN, "--output", cls.frozen], check=True)
        cls.frozen_database = oracle.load(cls.frozen)

    def check_frozen(self, query):
        expected = oracle.run(query, self.frozen_database)
        for backend in BACKENDS:
            for parallelism in PARALLELISMS:
                with self.subTest(parallelism=parallelism, backend=backend):
                    self.check_query(query, self.frozen, expected, "--parallelism", parallelism,
                                     *state_flags(backend))
            with self.subTest(checkpoints=True, backend=backend):
                checkpoints = f"{self.root}/checkpoints"
                summary = self.check_query(
                    query, self.frozen, expected, "--parallelism", 2, *state_flags(backend),
                    "--checkpoint-dir", checkpoints, "--checkpoint-interval", "20ms")
                self.assertGreater(summary["checkpoints"], 0)
                shutil.rmtree(checkpoints)

    def test_frozen_events_are_the_ones_that_were_frozen(self):
        with open(self.frozen, "rb") as file:
            self.assertEqual(hashlib.sha256(file.read()).hexdigest(), FROZEN_SHA256)

    def test_changelogs_add_up_to_the_final_table(self):
        for query in query_runs.UPDATING:
            with self.subTest(query=query):
                _, header, rows = self.run_query(query, self.frozen, "--parallelism", 2)
                self.assertEqual(header, ["op", *oracle.columns(query)])
                self.assertTrue(any(row[0] == "+U" for row in rows))
                left = [tuple(row) for row in query_runs.apply_changelog(rows)]
                self.assertEqual(left, oracle.run(query, self.frozen_database))

    def test_small_worlds(self):
        for number in SMALL_WORLDS:
            events = self.write_events(f"small-{number}", worlds.small_world(number),
                                       ensure_ascii=number == 2)
            database = oracle.load(events)
            for query in oracle.NAMES:
                with self.subTest(query=query, world=number):
                    self.check_query(query, events, oracle.run(query, database), "--parallelism", number,
                                     "-D", f"execution.batch-rows={number - 1}")


class LargeWorldTest(QueryTest):
    """One test for each world."""

    def check_world(self, number):
        events = self.write_events(f"large-{number}", worlds.large_world(number, LARGE_EVENTS))
        database = oracle.load(events)
        for query in oracle.NAMES:
            expected = oracle.run(query, database)
            for backend in BACKENDS:
                for parallelism in PARALLELISMS:
                    with self.subTest(query=query, parallelism=parallelism, backend=backend):
                        self.check_query(query, events, expected, "--parallelism", parallelism,
                                         *state_flags(backend))
        os.remove(events)


for name in oracle.NAMES:
    setattr(NexmarkTest, f"test_frozen_events_{name}", lambda self, query=name: self.check_frozen(query))
for world in LARGE_WORLDS:
    setattr(LargeWorldTest, f"test_large_world_{world}", lambda self, number=world: self.check_world(number))

if __name__ == "__main__":
    if "--large" in sys.argv:
        sys.argv.remove("--large")
        del NexmarkTest
    else:
        del LargeWorldTest
    unittest.main()
