#!/usr/bin/env python3
"""Start to end of word_count on a small file, as a whole process: median of 20 runs.

    bazel build //jobs:word_count && tests/bench/startup_bench.py

Prints one JSON line with milliseconds of wall time.
"""
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time

RUNS = 20
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))


def main():
    job = os.path.join(ROOT, "bazel-bin/jobs/word_count")
    walls = []
    for _ in range(RUNS + 1):
        out = tempfile.mkdtemp()
        start = time.perf_counter()
        subprocess.run([job, "--input", os.path.join(ROOT, "LICENSE"), "--output", out + "/o"],
                       check=True, stdout=subprocess.DEVNULL)
        walls.append((time.perf_counter() - start) * 1000)
        shutil.rmtree(out)
    walls = sorted(walls[1:])
    print(json.dumps({"benchmark": "startup", "runs": RUNS, "median_ms": round(statistics.median(walls), 1),
                      "min_ms": round(walls[0], 1), "max_ms": round(walls[-1], 1)}))


if __name__ == "__main__":
    main()
