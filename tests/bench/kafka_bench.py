#!/usr/bin/env python3
"""Speed and latency of the Kafka connector against a broker of its own.

    bazel build //tests/bench:kafka_bench && tests/bench/kafka_bench.py --json tests/bench/results/kafka.json

Exit status 3: Kafka cannot be had on this machine.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
PORT = 28500


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    return {"cpu": model, "cores": os.cpu_count()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json")
    arguments = parser.parse_args()
    kafka = f"{ROOT}/tools/kafka"
    directory = tempfile.mkdtemp()
    started = subprocess.run([kafka, "start", "--port", str(PORT), "--dir", directory, "--memory", "1g",
                              "--owner", str(os.getpid())])
    if started.returncode:
        sys.exit(started.returncode)
    bench = [f"{ROOT}/bazel-bin/tests/bench/kafka_bench", f"127.0.0.1:{PORT}"]

    def run(*words):
        done = subprocess.run([*bench, *map(str, words)], stdout=subprocess.PIPE, text=True, check=True)
        print(done.stdout, end="", flush=True)
        return json.loads(done.stdout)

    try:
        result = {
            "benchmark": "kafka", "machine": machine(),
            "commit": subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"],
                                     stdout=subprocess.PIPE, text=True, check=True).stdout.strip(),
            "speed": run("speed", arguments.messages, arguments.runs),
            "latency": [run("latency", 10_000, 25, 1000), run("latency", 100_000, 15, 1000)],
        }
    finally:
        subprocess.run([kafka, "stop", "--dir", directory, "--clean"], check=True)
    if arguments.json:
        os.makedirs(os.path.dirname(arguments.json), exist_ok=True)
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=2)
            file.write("\n")


if __name__ == "__main__":
    main()
