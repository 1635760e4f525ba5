#!/usr/bin/env python3
"""Every Nexmark query as a user runs it, against the oracle: exact equality of the final rows on the
frozen events at several parallelisms, on small worlds full of ties and late events, and of the
changelog applied row by row."""
import collections
import csv
import glob
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import oracle  # noqa: E402

# The frozen events are made by the generator and known by their hash.
FROZEN = ("--count", "100000", "--event-rate", "1000")
FROZEN_SHA256 = "f4412b476a2f6b84e159d5129f078b5d70befb0e7122942813f7436402f9a93a"
PARALLELISMS = (1, 2, 4)
UPDATING = ("q4", "q9", "q15", "q17", "q18", "q19")
SEEDS = (1, 2, 3)
TEXTS = ("", "x", "ü😀 日本", 'a "quoted" one', "comma, and\nline end", "back\\slash", "plain text " * 8)


def run_job(query, *flags):
    """Runs a query to its end; returns its summary."""
    done = subprocess.run(
        [f"jobs/nexmark/{query}", *map(str, flags), "--summary", "json"], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120)
    assert done.returncode == 0, f"{query}: exit {done.returncode}: {done.stderr}"
    return json.loads(done.stdout.strip().splitlines()[-1])


def read_output(directory):
    """Header and rows of all CSV parts below a directory."""
    header, rows = None, []
    for path in glob.glob(f"{directory}/**/part-*", recursive=True):
        with open(path, newline="", encoding="utf-8") as file:
            parsed = list(csv.reader(file))
        assert header in (None, parsed[0]), f"{path}: another header"
        header = parsed[0]
        rows += [tuple(row) for row in parsed[1:]]
    return header, rows


def apply_changelog(rows):
    """The table that is left after all changes; they may come in any order between subtasks."""
    table = collections.Counter()
    for op, *row in rows:
        table[tuple(row)] += 1 if op in ("+I", "+U") else -1
    assert all(count >= 0 for count in table.values()), "a row was taken back that was not there"
    return sorted(table.elements())


def small_world(seed, count=1500):
    """Events over few ids, prices and times, so that everything ties with something; up to 12 s out of
    order; some auctions come after their bids or never, some have none."""
    choose = random.Random(seed)
    base = -20_000 if seed % 2 else 86_390_000
    auctions = list(range(1, 60))
    choose.shuffle(auctions)
    people = list(range(1, 30))
    choose.shuffle(people)

    def time(step):
        late = choose.choice((0, 0, 0, 0, 500, 2000, 3999, 4000, 4001, 9000, 12000))
        ms = base + step * 50 - late
        return ms - ms % choose.choice((1, 500, 2000, 10000))

    def show(ms):
        form = choose.randrange(4)
        if form == 0:
            return ms
        text = oracle.show_time(ms)
        return (text, text[:-1], text.replace("T", " ")[:-1])[form - 1]

    for step in range(count):
        kind = choose.random()
        if kind < 0.04 and people:
            yield {"event_type": 0, "person": {
                "id": people.pop(), "name": choose.choice(TEXTS), "emailAddress": "a@b",
                "creditCard": "1", "city": choose.choice(TEXTS),
                "state": choose.choice(("OR", "ID", "CA", "WA")), "dateTime": show(time(step)),
                "extra": choose.choice(TEXTS)}}
        elif kind < 0.08 and auctions:
            start = time(step)
            yield {"event_type": 1, "person": None, "auction": {
                "id": auctions.pop(), "itemName": choose.choice(TEXTS),
                "description": choose.choice(TEXTS), "initialBid": 1, "reserve": 2,
                "dateTime": show(start), "expires": show(start + choose.choice((1, 5000, 60000))),
                "seller": choose.randrange(1, 30), "category": choose.choice((10, 10, 11)),
                "extra": choose.choice(TEXTS)}}
        else:
            yield {"event_type": 2, "bid": {
                "auction": choose.choice((7, 8, 123, choose.randrange(1, 70))),
                "bidder": choose.randrange(1, 8),
                "price": choose.choice((-7, 0, 9999, 10000, 999999, 1000000, choose.randrange(50))),
                "channel": choose.choice(TEXTS[:3]), "url": choose.choice(TEXTS[:3]),
                "dateTime": show(time(step)), "extra": choose.choice(TEXTS)}}


class NexmarkTest(unittest.TestCase):
    maxDiff = 2000

    @classmethod
    def setUpClass(cls):
        cls.root = tempfile.mkdtemp(dir=os.environ.get("TEST_TMPDIR"))
        cls.frozen = f"{cls.root}/frozen.jsonl"
        subprocess.run(["tools/bench/nexmark_events", *FROZEN, "--output", cls.frozen], check=True)
        cls.frozen_database = oracle.load(cls.frozen)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.root, ignore_errors=True)

    def run_query(self, query, events, *flags):
        out = f"{self.root}/out"
        summary = run_job(query, "--events", events, "--output", out, "--overwrite", *flags)
        header, rows = read_output(out)
        shutil.rmtree(out)
        return summary, header, rows

    def check_query(self, query, events, database, *flags):
        summary, header, rows = self.run_query(query, events, "--output-mode", "final", *flags)
        expected = oracle.run(query, database)
        if query == "q12":
            rows = self.check_windows(header, rows)
        elif expected:
            self.assertEqual(header, oracle.columns(query))
        # Only the first difference is of use among thousands of rows.
        rows = sorted(rows)
        differences = [(a, b) for a, b in zip(rows, expected) if a != b]
        self.assertEqual(differences[:1], [])
        self.assertEqual(len(rows), len(expected))
        self.assertEqual(summary["dead_letter"], 0)

    def check_windows(self, header, rows):
        """q12 by its invariants: windows of 10 s on the wall clock, one row each per bidder; returns
        what the counts add up to."""
        self.assertEqual(header, ["bidder", "bid_count", "starttime", "endtime"])
        totals, seen = collections.Counter(), set()
        for bidder, count, start, end in rows:
            begin = oracle.parse_time(start)
            self.assertEqual(begin % oracle.WINDOW, 0)
            self.assertEqual(oracle.parse_time(end), begin + oracle.WINDOW)
            self.assertGreater(int(count), 0)
            self.assertNotIn((bidder, start), seen)
            seen.add((bidder, start))
            totals[bidder] += int(count)
        return [(bidder, str(count)) for bidder, count in totals.items()]

    def test_frozen_events_are_the_ones_that_were_frozen(self):
        with open(self.frozen, "rb") as file:
            self.assertEqual(hashlib.sha256(file.read()).hexdigest(), FROZEN_SHA256)

    def test_changelogs_add_up_to_the_final_table(self):
        for query in UPDATING:
            with self.subTest(query=query):
                _, header, rows = self.run_query(query, self.frozen, "--parallelism", 2)
                self.assertEqual(header, ["op", *oracle.columns(query)])
                self.assertTrue(any(row[0] == "+U" for row in rows))
                left = [tuple(row) for row in apply_changelog(rows)]
                self.assertEqual(left, oracle.run(query, self.frozen_database))

    def test_small_worlds(self):
        for seed in SEEDS:
            events = f"{self.root}/world-{seed}.jsonl"
            with open(events, "w", encoding="utf-8") as file:
                for event in small_world(seed):
                    file.write(json.dumps(event, ensure_ascii=seed == 2) + "\n")
            database = oracle.load(events)
            for query in oracle.NAMES:
                with self.subTest(query=query, seed=seed):
                    self.check_query(query, events, database, "--parallelism", seed,
                                     "-D", f"execution.batch-rows={seed - 1}")


def add_frozen_test(query):
    def test(self):
        for parallelism in PARALLELISMS:
            with self.subTest(parallelism=parallelism):
                self.check_query(query, self.frozen, self.frozen_database,
                                 "--parallelism", parallelism)
    setattr(NexmarkTest, f"test_frozen_events_{query}", test)


for name in oracle.NAMES:
    add_frozen_test(name)

if __name__ == "__main__":
    unittest.main()
