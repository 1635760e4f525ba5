#!/usr/bin/env python3
"""Every Nexmark query over a JobManager and two TaskManagers writes what it writes embedded.

Usage: nexmark_cluster_test.py QUERY...
"""
import os
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "../nexmark"))
import query_runs  # noqa: E402
from local_cluster import LocalCluster  # noqa: E402

EVENTS = ["--count", "20000", "--event-rate", "1000", "--output-mode", "final"]
SOON = 60


def rows_of(query, directory):
    header, rows = query_runs.read_output(directory)
    # The windows of q12 lie on the wall clock: what they add up to is the same.
    return sorted(query_runs.add_up_windows(header, rows) if query == "q12" else rows)


def check(query, root):
    program = f"jobs/nexmark/{query}"
    alone, together = f"{root}/{query}-alone", f"{root}/{query}-together"
    done = subprocess.run([program, *EVENTS, "--output", alone, "-p", "2"], capture_output=True,
                          text=True, timeout=SOON, check=False)
    assert done.returncode == 0, done
    with LocalCluster(program, [*EVENTS, "--output", together], ["-p", "2"]) as cluster:
        cluster.start_manager()
        for _ in range(2):
            cluster.start_worker(slots=1)
        assert cluster.manager.end(SOON) == 0, cluster.log()
    expected, rows = rows_of(query, alone), rows_of(query, together)
    assert expected, f"{query} writes nothing"
    assert rows == expected, f"{query}: {len(rows)} rows, embedded {len(expected)}"
    return len(rows)


def main():
    with tempfile.TemporaryDirectory(dir=os.environ.get("TEST_TMPDIR")) as root:
        for name in sys.argv[1:]:
            start = time.monotonic()
            rows = check(name, root)
            print(f"{name}: ok, {rows} rows, {time.monotonic() - start:.1f} s", flush=True)


if __name__ == "__main__":
    main()
