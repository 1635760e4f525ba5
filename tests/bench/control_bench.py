#!/usr/bin/env python3
"""What looking at a job costs it, and how fast it answers while every core is busy.

Usage: control_bench.py SLUICE JOB [--rounds N]     (//tools:sluice and //tests/cli:watched_job)

Cost: the CPU time of the job's process for one look at everything (actors, and the job with details),
from a thousand looks at a job that has next to nothing to do, and the share of all cores that two
looks a second take. The throughput of a busy job with and without such looks is printed, too; on a
machine with other work it varies by more than what is to be measured. Answers: the time of one HTTP
request, and of a whole `sluice` process, with twice as many busy tasks as cores.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
import urllib.request

RUN_S = 6.0
LOOKS = 1000


def ticks_of(process):
    with open(f"/proc/{process}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


class Bench:
    def __init__(self, sluice, job):
        self.sluice, self.job = os.path.abspath(sluice), os.path.abspath(job)
        self.scratch = tempfile.mkdtemp()
        self.env = dict(os.environ, SLUICE_RUNTIME_DIR=os.path.join(self.scratch, "run"))

    def call(self, *words):
        return subprocess.run([self.sluice, *words], env=self.env, capture_output=True, text=True,
                              check=True).stdout

    def start(self, parallelism, rate=0, records=100_000):
        said = self.call("run", "-d", "-p", str(parallelism), self.job, "--job", "steady", "--rate",
                         str(rate), "--output", os.path.join(self.scratch, "out"))
        process = int(said.split("process ")[1].split(",")[0])
        while json.loads(self.call("status", "--json"))["summary"]["records_in"] < records:
            time.sleep(0.1)
        return process

    def look_at_everything(self, process):
        self.look(process, "/v1/actors")
        self.look(process, "/v1/jobs/steady?details=true")

    def cpu_ms_of_a_look(self):
        """With as many tasks as the busy job has, and nothing else to do."""
        process = self.start(os.cpu_count(), rate=10, records=1)
        before = ticks_of(process)
        began = time.monotonic()
        time.sleep(3)
        idle_per_s = (ticks_of(process) - before) / (time.monotonic() - began)
        before = ticks_of(process)
        began = time.monotonic()
        for _ in range(LOOKS):
            self.look_at_everything(process)
        spent = ticks_of(process) - before - idle_per_s * (time.monotonic() - began)
        self.call("cancel")
        return spent * 1000 / os.sysconf("SC_CLK_TCK") / LOOKS

    def look(self, process, path):
        with open(os.path.join(self.env["SLUICE_RUNTIME_DIR"], f"{process}.json")) as file:
            endpoint = json.load(file)
        request = urllib.request.Request(
            f"http://127.0.0.1:{endpoint['port']}{path}",
            headers={"Authorization": "Bearer " + endpoint["read_token"]})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def records_per_cpu_second(self, process, looked_at):
        def sample():
            return self.look(process, "/v1/jobs")[0]["records_in"], ticks_of(process)
        records, ticks = sample()
        end = time.monotonic() + RUN_S
        while time.monotonic() < end:
            if looked_at:
                self.look_at_everything(process)
            time.sleep(0.5)
        after, ticks_after = sample()
        return (after - records) * os.sysconf("SC_CLK_TCK") / (ticks_after - ticks)

    def cost(self, rounds):
        process = self.start(os.cpu_count())
        ratios = []
        for _ in range(rounds):
            alone = self.records_per_cpu_second(process, False)
            looked_at = self.records_per_cpu_second(process, True)
            again = self.records_per_cpu_second(process, False)
            ratios.append(looked_at / ((alone + again) / 2))
        self.call("cancel")
        return ratios

    def answers(self):
        process = self.start(2 * os.cpu_count())

        def timed(action):
            times = []
            for _ in range(50):
                began = time.monotonic()
                action()
                times.append((time.monotonic() - began) * 1000)
            times.sort()
            return times[len(times) // 2], times[int(len(times) * 0.95)]
        looks = timed(lambda: self.look(process, "/v1/jobs"))
        processes = timed(lambda: self.call("status", "--json"))
        began = time.monotonic()
        self.call("cancel")
        return looks, processes, (time.monotonic() - began) * 1000


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("sluice")
    parser.add_argument("job")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    bench = Bench(arguments.sluice, arguments.job)
    try:
        look_ms = bench.cpu_ms_of_a_look()
        ratios = bench.cost(arguments.rounds)
        looks, processes, cancel = bench.answers()
    finally:
        shutil.rmtree(bench.scratch, ignore_errors=True)
    print(json.dumps({
        "cpu_ms_of_a_look": round(look_ms, 3),
        "share_of_all_cores_at_two_looks_a_second":
            round(2 * look_ms / 1000 / os.cpu_count(), 5),
        "throughput_ratio_while_looked_at": round(statistics.median(ratios), 4),
        "ratios": [round(ratio, 4) for ratio in ratios],
        "look_ms": {"median": round(looks[0], 1), "p95": round(looks[1], 1)},
        "status_process_ms": {"median": round(processes[0], 1), "p95": round(processes[1], 1)},
        "cancel_ms": round(cancel, 1)}, indent=1))


if __name__ == "__main__":
    main()
