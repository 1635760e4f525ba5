"""Running the queries as a user does and reading what they wrote."""
import collections
import csv
import glob
import json
import subprocess

import oracle

# Queries whose result is a changing table.
UPDATING = ("q4", "q9", "q15", "q17", "q18", "q19")


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


def add_up_windows(header, rows):
    """q12 by its invariants: windows of 10 s on the wall clock, one row each per bidder; returns what the
    counts add up to."""
    assert header == ["bidder", "bid_count", "starttime", "endtime"], header
    totals, seen = collections.Counter(), set()
    for bidder, count, start, end in rows:
        begin = oracle.parse_time(start)
        assert begin % oracle.WINDOW == 0 and oracle.parse_time(end) == begin + oracle.WINDOW, (start, end)
        assert int(count) > 0 and (bidder, start) not in seen, (bidder, start, count)
        seen.add((bidder, start))
        totals[bidder] += int(count)
    return [(bidder, str(count)) for bidder, count in totals.items()]


def difference(query, header, rows, expected):
    """Nothing, or what is wrong with the final rows of a query."""
    if query == "q12":
        rows = add_up_windows(header, rows)
    elif expected and header != oracle.columns(query):
        return f"columns {header}"
    rows = sorted(rows)
    if rows == expected:
        return None
    missing = collections.Counter(expected) - collections.Counter(rows)
    extra = collections.Counter(rows) - collections.Counter(expected)
    return f"{len(rows)} rows, expected {len(expected)}; missing {list(missing)[:2]} extra {list(extra)[:2]}"
