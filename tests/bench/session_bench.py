#!/usr/bin/env python3
"""How long a job that is submitted to a running session takes to its first record, and how fast the
session answers and cancels; the latter also while a job keeps every core busy. About a minute; nothing
else should run meanwhile.

  bazel build //tools:sluice //tools:sluiced //tests/session:misbehaving_job
  tests/bench/session_bench.py [--rounds N] [--result FILE]     default: tests/bench/results/session.json

Counted from the start of the `sluice run -d` process until the sink of the job makes its file, which it
does for the first record that has come through the source, an exchange and a window; each job is
cancelled before the next one. The first submission, which sends the executable, is told apart from the
others. Prints a line for each aim and writes all numbers into the file.
"""
import argparse
import http.client
import glob
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/bench"))
from goals import commit, goal, machine, share, show  # noqa: E402

LOOK_S = 0.003
PATIENCE_S = 30


class Bench:
    def __init__(self):
        self.sluice, self.sluiced, self.job = (
            os.path.join(ROOT, "bazel-bin", name)
            for name in ("tools/sluice", "tools/sluiced", "tests/session/misbehaving_job"))
        self.scratch = tempfile.mkdtemp()
        os.mkdir(f"{self.scratch}/run", 0o700)
        self.env = dict(os.environ, SLUICE_RUNTIME_DIR=f"{self.scratch}/run")
        self.processes = []
        self.start("manager", "--role", "jobmanager", "--bind", "127.0.0.1:0")
        self.endpoint = self.wait(self.read_endpoint)
        self.env["SLUICE_JOBMANAGER"] = f"127.0.0.1:{self.endpoint['port']}"
        for number in (1, 2):
            self.start(f"agent-{number}", "--role", "taskmanager", "--jobmanager",
                       self.env["SLUICE_JOBMANAGER"], "--slots", "2")
        self.wait(lambda: len(self.ask("/v1/taskmanagers")) == 2)
        self.rounds = 0

    def start(self, name, *flags):
        self.processes.append(subprocess.Popen(
            [self.sluiced, *flags, "--work-dir", f"{self.scratch}/{name}"], env=self.env,
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def wait(self, condition):
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            value = condition()
            if value:
                return value
            time.sleep(LOOK_S)
        raise SystemExit("a session that does not get on; is the machine busy?")

    def read_endpoint(self):
        for path in glob.glob(f"{self.scratch}/run/*.json"):
            with open(path, encoding="utf-8") as file:
                return json.load(file)
        return None

    def ask(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.endpoint["port"])
        connection.request("GET", path, headers={
            "Authorization": f"Bearer {self.endpoint['read_token']}"})
        answer = json.load(connection.getresponse())
        connection.close()
        return answer

    def call(self, *words):
        return subprocess.run([self.sluice, *words], env=self.env, capture_output=True, text=True,
                              check=True).stdout.strip()

    def run(self, job, out, rate, parallelism):
        return self.call("run", "-d", "-p", str(parallelism), self.job, "--job", job, "--rate",
                         str(rate), "--at", "-1", "--output", out)

    def round(self, parallelism=2):
        self.rounds += 1
        out = f"{self.scratch}/out-{self.rounds}"
        began = time.monotonic()
        job = self.run("steady", out, 100_000, parallelism)
        submitted = time.monotonic()
        self.wait(lambda: glob.glob(f"{out}/.part-*"))
        first = time.monotonic()
        self.call("cancel", job)
        return {"submit_ms": (submitted - began) * 1e3, "first_record_ms": (first - began) * 1e3,
                "cancel_ms": (time.monotonic() - first) * 1e3}

    def while_busy(self, rounds):
        """The same, and looks, beside a job that takes all the processor time it can get."""
        busy = self.run("spinning", f"{self.scratch}/out-busy", 0, 2)
        self.wait(lambda: self.ask(f"/v1/jobs/{busy}")["summary"]["records_in"] > 100_000)
        result = []
        for _ in range(rounds):
            began = time.monotonic()
            self.call("status", busy)
            looked = (time.monotonic() - began) * 1e3
            result.append({"status_ms": looked, **self.round()})
        self.call("cancel", busy)
        return result

    def end(self):
        for process in self.processes:
            process.kill()
            process.wait()
        shutil.rmtree(self.scratch)


def spread(rounds, key):
    values = [one[key] for one in rounds]
    return {"median": round(statistics.median(values), 1), "p95": round(share(values, 0.95), 1),
            "max": round(max(values), 1)}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--result", default=os.path.join(ROOT, "tests/bench/results/session.json"))
    arguments = parser.parse_args()
    result = {"benchmark": "session", "machine": machine(), "commit": commit(), "config": "opt",
              "rounds": arguments.rounds}
    bench = Bench()
    try:
        with_upload = bench.round()
        rounds = [bench.round() for _ in range(arguments.rounds)]
        busy = bench.while_busy(arguments.rounds)
    finally:
        bench.end()
    result["executable_mib"] = round(os.path.getsize(bench.job) / (1 << 20), 1)
    result["first_record_with_upload_ms"] = round(with_upload["first_record_ms"], 1)
    for key in ("submit_ms", "first_record_ms", "cancel_ms"):
        result[key] = spread(rounds, key)
    result["all_cores_busy"] = {key: spread(busy, key) for key in
                                ("submit_ms", "first_record_ms", "status_ms", "cancel_ms")}

    def within(name, rounds, key, bound):
        return goal(name, [one[key] for one in rounds], ("<=", bound), "ms", False)
    result["goals"] = [
        within("submission to the first record", rounds, "first_record_ms", 300),
        within("sluice cancel", rounds, "cancel_ms", 50),
        within("all cores busy: sluice status", busy, "status_ms", 50),
        within("all cores busy: sluice cancel", busy, "cancel_ms", 50)]
    for each in result["goals"]:
        show(each)
    with open(arguments.result, "w", encoding="utf-8") as file:
        file.write(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
