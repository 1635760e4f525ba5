#!/usr/bin/env python3
"""What a cluster costs: throughput of two TaskManagers over the loopback interface against the same
job embedded, the time to the first record, the time from SIGKILL of a TaskManager until the job
runs again, how long 200 tasks on 8 x 8 slots take to deploy and what memory they need, and how fast
the JobManager answers while every core is busy. Under five minutes.

  bazel build -c opt //tests/bench:bid_exchange_job
  tests/bench/cluster_bench.py [--rows N] [--kills N] [--runs N] [--result FILE]   default:
                               tests/bench/results/cluster.json

Prints one JSON object. Half of the channels of the keyed exchange are remote.
"""
import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/cluster"))
sys.path.insert(0, os.path.join(ROOT, "tests/recovery"))
from job_runs import newest_checkpoint  # noqa: E402
from local_cluster import LocalCluster, Process  # noqa: E402

PROGRAM = os.path.join(ROOT, "bazel-bin/tests/bench/bid_exchange_job")
LONG = 300


def embedded(rows):
    process = Process("embedded", [PROGRAM, "--rows", str(rows), "-p", "2", "--summary", "json"])
    assert process.end(LONG) == 0, process.log()
    return json.loads(process.output)


def distributed(rows):
    arguments = ["--rows", str(rows)]
    with LocalCluster(PROGRAM, arguments, ["-p", "2", "--summary", "json"]) as cluster:
        cluster.start_manager()
        for _ in range(2):
            cluster.start_worker(slots=1)
        assert cluster.manager.end(LONG) == 0, cluster.log()
        return json.loads(cluster.manager.output)


def throughput(rows, runs):
    ratios, rates = [], []
    for _ in range(runs):
        alone, together = embedded(rows), distributed(rows)
        assert alone["records_in"] == together["records_in"] == rows
        rates.append((rows / alone["seconds"], rows / together["seconds"]))
        ratios.append(rates[-1][1] / rates[-1][0])
    return {"rows": rows, "runs": runs,
            "embedded_rows_per_s": round(statistics.median(r[0] for r in rates)),
            "cluster_rows_per_s": round(statistics.median(r[1] for r in rates)),
            "ratio": round(statistics.median(ratios), 3)}


def start_up():
    """One JobManager and two TaskManagers from nothing to the end of a job of one record."""
    start = time.monotonic()
    with LocalCluster(PROGRAM, ["--rows", "1"], ["-p", "2"]) as cluster:
        cluster.start_manager()
        for _ in range(2):
            cluster.start_worker(slots=1)
        assert cluster.manager.end(LONG) == 0, cluster.log()
        return time.monotonic() - start


def recovery(kills, keys, rate):
    """Kill-to-running, over `kills` kills, with about `keys` keys in state."""
    root = tempfile.mkdtemp()
    arguments = ["--rows", str(10**12), "--keys", str(keys), "--rate", str(rate)]
    flags = ["-p", "2", "--checkpoint-dir", root, "--checkpoint-interval", "1s",
             "-D", "restart-strategy.exponential-delay.initial-backoff=10ms",
             "-D", "restart-strategy.exponential-delay.max-backoff=10ms"]
    times = []
    with LocalCluster(PROGRAM, arguments, flags) as cluster:
        cluster.start_manager()
        workers = [cluster.start_worker(slots=1) for _ in range(2)]
        for worker in workers:
            worker.wait_for("registered", LONG)
        time.sleep(3 * keys / rate)  # Most keys have been seen.
        for kill in range(kills):
            newest = newest_checkpoint(f"{root}/bid_exchange")
            while newest_checkpoint(f"{root}/bid_exchange") <= newest:
                time.sleep(0.05)
            spare = cluster.start_worker(slots=1)
            spare.wait_for("registered", LONG)
            mark = len(cluster.manager.lines)
            start = time.monotonic()
            workers[kill % 2].kill()
            at, _ = cluster.manager.wait_for("the job runs again", LONG, mark)
            times.append(at - start)
            workers[kill % 2] = spare
    return {"kills": kills, "keys": keys, "median_s": round(statistics.median(times), 3),
            "max_s": round(max(times), 3)}


def memory_mib(process):
    with open(f"/proc/{process.process.pid}/status", encoding="utf-8") as file:
        line = next(line for line in file if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


class Observed:
    """A JobManager with an endpoint of its own that can be asked."""

    def __init__(self):
        self.runtime = tempfile.mkdtemp()
        self.environment = dict(os.environ, SLUICE_RUNTIME_DIR=self.runtime)

    def ask(self, manager, path):
        path_of_file = f"{self.runtime}/{manager.process.pid}.json"
        while not os.path.exists(path_of_file):  # It listens before that.
            assert manager.is_alive(), manager.log()
            time.sleep(0.01)
        with open(path_of_file, encoding="utf-8") as file:
            endpoint = json.load(file)
        request = urllib.request.Request(
            f"http://{endpoint['host']}:{endpoint['port']}{path}",
            headers={"Authorization": f"Bearer {endpoint['read_token']}"})
        with urllib.request.urlopen(request, timeout=LONG) as answer:
            return json.load(answer)


def deployment():
    """200 tasks on 8 TaskManagers of 8 slots: from the slot that completes them to all running."""
    managers, slots, parallelism, tasks = 8, 8, 50, 200
    observed = Observed()
    arguments = ["--rows", str(10**12), "--rate", "1000", "--hops", "2"]
    begin = time.monotonic()
    with LocalCluster(PROGRAM, arguments, ["-p", str(parallelism)]) as cluster:
        cluster.start_manager(environment=observed.environment)
        workers = [cluster.start_worker(slots=slots) for _ in range(managers)]
        while observed.ask(cluster.manager, "/v1/jobs")[0]["tasks_running"] < tasks:
            assert cluster.manager.is_alive(), cluster.log()
            time.sleep(0.02)
        end = time.monotonic()
        joined = sorted(at for at, line in cluster.manager.lines if " joined with " in line)
        enough = joined[-(-parallelism // slots) - 1]
        time.sleep(1)
        memory = [memory_mib(worker) for worker in workers]
        return {"task_managers": managers, "slots": managers * slots, "tasks": tasks,
                "deploy_s": round(end - enough, 3), "processes_to_running_s": round(end - begin, 3),
                "jobmanager_mib": round(memory_mib(cluster.manager), 1),
                "all_mib": round(sum(memory) + memory_mib(cluster.manager), 1)}


def control_latency(looks):
    """Looks at a job on two TaskManagers that keeps every core busy."""
    observed, times = Observed(), []
    with LocalCluster(PROGRAM, ["--rows", str(10**12)], ["-p", "2"]) as cluster:
        cluster.start_manager(environment=observed.environment)
        for _ in range(2):
            cluster.start_worker(slots=1)
        while observed.ask(cluster.manager, "/v1/jobs")[0]["records_in"] < 100_000:
            time.sleep(0.05)
        for _ in range(looks):
            start = time.monotonic()
            observed.ask(cluster.manager, "/v1/jobs/bid_exchange")
            times.append((time.monotonic() - start) * 1000)
            time.sleep(0.02)
    times.sort()
    return {"looks": looks, "median_ms": round(statistics.median(times), 1),
            "p95_ms": round(times[int(looks * 0.95)], 1), "max_ms": round(times[-1], 1)}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--rate", type=int, default=200_000)
    parser.add_argument("--result", default=os.path.join(ROOT, "tests/bench/results/cluster.json"))
    arguments = parser.parse_args()
    result = {"benchmark": "cluster", "machine": f"{os.cpu_count()} cores, {platform.machine()}",
              "config": "opt", "load_at_start": os.getloadavg()[0],
              "throughput": throughput(arguments.rows, arguments.runs),
              "start_to_end_of_one_record_s": round(
                  statistics.median(start_up() for _ in range(5)), 3),
              "recovery": recovery(arguments.kills, arguments.keys, arguments.rate),
              "deployment": deployment(),
              "control": control_latency(200)}
    text = json.dumps(result, indent=1)
    print(text)
    with open(arguments.result, "w", encoding="utf-8") as file:
        file.write(text + "\n")


if __name__ == "__main__":
    main()
