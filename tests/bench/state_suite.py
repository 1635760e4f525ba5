#!/usr/bin/env python3
"""What keyed state, checkpoints and restores cost, against what they may cost: all in a few minutes.

    bazel build //tests/bench:state_backend_bench //tests/bench:blocked_sink_bench //jobs/nexmark:q5 &&
        tests/bench/state_suite.py --json tests/bench/results/state.json

Three sets of figures: of the tables alone (state_backend_bench); of a whole job, Nexmark q5 as fast as it
can, with a checkpoint each 100 ms and with none, in turns; and of a job whose sink takes nothing, or takes
long, with unaligned checkpoints (--seconds 60 for a minute of each).
"""
import argparse
import datetime
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
# Of --keys. What is read and written directly with RocksDB for comparison takes long.
PARTS = {"memory": 1, "skewed": 1, "uniform": 0.2, "checkpoint": 1, "restore": 1}
PROGRAMS = ["tests/bench/state_backend_bench", "tests/bench/blocked_sink_bench", "jobs/nexmark/q5"]
INTERVAL_LOSS_MAX = 0.1


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    return {"cpu": model, "cores": os.cpu_count()}


def table_figures(part, keys, seconds_max):
    directory = tempfile.mkdtemp()
    try:
        done = subprocess.run(
            [f"{ROOT}/bazel-bin/tests/bench/state_backend_bench", "--keys", str(keys),
             "--directory", directory, "--only", part],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=True,
            timeout=seconds_max)
        return json.loads(done.stdout)["figures"]
    except subprocess.TimeoutExpired as late:
        # Each figure is told as soon as it is known.
        told = (late.stderr or b"").decode().splitlines()
        return [json.loads(line) for line in told if line.lstrip().startswith("{")] + [
            {"name": f"{part}_not_done_in_s", "value": seconds_max, "met": False}]
    finally:
        shutil.rmtree(directory)


def blocked_figures(seconds):
    """Checkpoints while the sink stands still."""
    done = subprocess.run([f"{ROOT}/bazel-bin/tests/bench/blocked_sink_bench", str(seconds)],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    return json.loads(done.stdout)["figures"]


def q5_seconds(count, flags):
    """Wall and processor time of one run."""
    directory = tempfile.mkdtemp()
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    try:
        subprocess.run(
            [f"{ROOT}/bazel-bin/jobs/nexmark/q5", "--count", str(count), "--summary", "json",
             "-D", "rest.enabled=false", *[flag.format(directory=directory) for flag in flags]],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return (time.monotonic() - began,
                after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    finally:
        shutil.rmtree(directory)


def interval_loss(count, runs):
    """What checkpoints each 100 ms cost a job whose state fits the memory."""
    with_checkpoints = ["--checkpoint-dir", "{directory}", "--checkpoint-interval", "100ms"]
    plain, checkpointed = [], []
    for _ in range(runs):
        plain.append(q5_seconds(count, []))
        checkpointed.append(q5_seconds(count, with_checkpoints))
    figures = []
    for name, of in (("wall", 0), ("cpu", 1)):
        loss = 1 - (statistics.median(run[of] for run in plain)
                    / statistics.median(run[of] for run in checkpointed))
        figures.append({"name": f"q5_checkpoints_each_100_ms_loss_{name}", "value": round(loss, 3),
                        "at_most": INTERVAL_LOSS_MAX, "met": loss <= INTERVAL_LOSS_MAX})
    return figures


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--keys", type=int, default=10_000_000)
    parser.add_argument("--count", type=int, default=10_000_000, help="events of each run of q5")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds-max", type=int, default=120, help="for each part of the tables")
    parser.add_argument("--seconds", type=int, default=10, help="for each sink that stands still")
    parser.add_argument("--only", help=f"comma separated, of {', '.join(PARTS)}, blocked, interval")
    parser.add_argument("--json")
    arguments = parser.parse_args()
    only = arguments.only.split(",") if arguments.only else [*PARTS, "blocked", "interval"]
    if not all(os.path.exists(f"{ROOT}/bazel-bin/{program}") for program in PROGRAMS):
        targets = " ".join("//" + ":".join(program.rsplit("/", 1)) for program in PROGRAMS)
        sys.exit(f"first: bazel build {targets}")
    result = {
        "benchmark": "state", "machine": machine(), "keys": arguments.keys,
        "date": datetime.date.today().isoformat(),
        "commit": subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"],
                                 stdout=subprocess.PIPE, text=True, check=True).stdout.strip(),
        "keys_of_parts": {part: int(arguments.keys * share) for part, share in PARTS.items()},
        "load_at_start": round(os.getloadavg()[0], 1),
        "figures": [],
    }
    for part in only:
        began = time.monotonic()
        if part == "interval":
            figures = interval_loss(arguments.count, arguments.runs)
        elif part == "blocked":
            figures = blocked_figures(arguments.seconds)
        else:
            figures = table_figures(part, int(arguments.keys * PARTS[part]), arguments.seconds_max)
        result["figures"] += figures
        for figure in figures:
            print(json.dumps(figure), flush=True)
        print(f"{part}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    aims = [figure for figure in result["figures"] if "met" in figure]
    missed = [figure["name"] for figure in aims if not figure["met"]]
    print(f"{len(aims) - len(missed)} of {len(aims)} aims met"
          + (f"; missed: {', '.join(missed)}" if missed else ""))
    if arguments.json:
        os.makedirs(os.path.dirname(arguments.json), exist_ok=True)
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=2)
            file.write("\n")


if __name__ == "__main__":
    main()
