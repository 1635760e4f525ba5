#!/usr/bin/env python3
"""Measures what the engine itself costs and compares it with what it may cost.

    bazel run //tests/bench:engine [-- --runs 3 --quick --json tests/bench/results/engine.json]

Every comparison is a ratio of two things measured in turn in one run; a ratio out of bounds is exit
status 1. Rates and times depend on the machine: they are shown beside what the goals say for two
cores, and never decide. Nothing else should run on the machine.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from goals import commit, goal, machine, show  # noqa: E402

BENCH = "tests/bench"


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a tenth of the records, ten seconds of flood")
    parser.add_argument("--only", default="", help="names of benchmarks, with commas between")
    parser.add_argument("--config", default="opt", help="the Bazel config it was built with, for the record")
    parser.add_argument("--json", metavar="FILE", help="all numbers; relative to where you are")
    return parser.parse_args()


def run_json(*words):
    """Every line of a program's output that is a JSON object."""
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


class Engine:
    def __init__(self, arguments):
        self.runs = arguments.runs
        self.quick = arguments.quick

    def rows(self, full):
        return str(full // 10 if self.quick else full)

    def exchange(self):
        """2 + 2 subtasks and a keyed exchange, against two threads and a bounded queue."""
        runs = [run_json(f"{BENCH}/exchange_bench", self.rows(20_000_000))[0] for _ in range(self.runs)]
        return [goal("exchange: ratio to the work by hand", [r["ratio"] for r in runs], (">=", 0.5), "x", True),
                goal("exchange: rate", [r["sluice_mrows_s"] for r in runs], (">=", 20), "M records/s", False)]

    def chain(self):
        """source, map, filter, map, sink against one loop over the same records."""
        rounds = {1: 1, 20: 20}
        ratios, loop_ns = {ns: [] for ns in rounds}, {ns: [] for ns in rounds}
        for _ in range(self.runs):
            done = subprocess.run([f"{BENCH}/task_bench", "--benchmark_format=json",
                                   "--benchmark_filter=hand_written_loop|chain<[0-9]+, true, false>"],
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
            results = {b["name"]: b for b in json.loads(done.stdout)["benchmarks"]}
            for ns, count in rounds.items():
                loop = results[f"hand_written_loop<{count}>"]
                ratios[ns].append(results[f"chain<{count}, true, false>"]["cpu_time"] / loop["cpu_time"])
                loop_ns[ns].append(1e9 / loop["items_per_second"])
        return [goal("chain with 20 ns of work: ratio to one loop", ratios[20], ("<=", 1.25), "x", True),
                goal("chain with 20 ns of work: what the loop takes", loop_ns[20], ("<=", 25), "ns", False),
                goal("chain with 1 ns of work: ratio to one loop", ratios[1], ("<=", 3), "x", True),
                goal("chain with 1 ns of work: what the loop takes", loop_ns[1], ("<=", 2), "ns", False)]

    def windows(self):
        """10 s every 2 s against 10 min every 1 s, per record in and row out."""
        runs = [run_json(f"{BENCH}/window_bench", self.rows(10_000_000))[0] for _ in range(self.runs)]
        return [goal("sliding windows: ratio of wide to narrow", [r["ratio"] for r in runs], ("<=", 1.5), "x", True)]

    def latency(self):
        """One exchange, at 1,000 records/s and at half of what it can do."""
        seconds = "2" if self.quick else "5"
        low, half = [], []
        for _ in range(self.runs):
            results = run_json(f"{BENCH}/latency_bench", seconds)
            low.append(results[0]["p99_us"] / 1000)
            half.append(results[1]["p99_us"] / 1000)
        return [goal("latency at 1,000 records/s: p99", low, ("<=", 2), "ms", False),
                goal("latency at half the largest rate: p99", half, ("<=", 5), "ms", False)]

    def flood(self):
        """A source that floods a slow sink: the resident set stays as it is."""
        result = run_json(f"{BENCH}/flood_bench", "10" if self.quick else "60")[0]
        return [goal("flood: largest resident set by smallest", [result["rss_max_mib"] / result["rss_min_mib"]],
                     ("<=", 1.2), "x", True)]

    def startup(self):
        """word_count on a small file, the whole process."""
        walls = []
        for _ in range(20):
            out = tempfile.mkdtemp()
            start = time.perf_counter()
            subprocess.run(["jobs/word_count", "--input", "LICENSE", "--output", f"{out}/words"], check=True,
                           stdout=subprocess.DEVNULL)
            walls.append((time.perf_counter() - start) * 1000)
            shutil.rmtree(out)
        return [goal("start to end of word_count on a small file", walls[1:], ("<=", 300), "ms", False)]


def main():
    arguments = parse_arguments()
    engine = Engine(arguments)
    report = {"machine": machine(), "commit": commit(), "config": arguments.config, "runs": arguments.runs,
              "quick": arguments.quick, "goals": []}
    if report["machine"]["load_before"] > 0.5:
        print(f"engine: the machine is busy (load {report['machine']['load_before']}): rates and times will be "
              "worse than they are", file=sys.stderr)
    names = ["exchange", "chain", "windows", "latency", "flood", "startup"]
    for name in arguments.only.split(",") if arguments.only else names:
        if name not in names:
            sys.exit(f"engine: no benchmark {name}; there are: {' '.join(names)}")
        for result in getattr(engine, name)():
            show(result)
            report["goals"].append(result)
    if arguments.json:
        path = os.path.join(os.environ.get("BUILD_WORKING_DIRECTORY", ""), arguments.json)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=1)
            file.write("\n")
    sys.exit(0 if all(r["met"] for r in report["goals"] if r["decides"]) else 1)


if __name__ == "__main__":
    main()
