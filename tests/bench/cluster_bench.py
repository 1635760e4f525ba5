#!/usr/bin/env python3
"""What a cluster costs, and how that compares with the aims: throughput of two TaskManagers over the
loopback interface against the same job embedded, the latency of a hop between them at half load, the
time to the first record, the time from SIGKILL of a TaskManager until the job runs again, how long 200
tasks on 8 x 8 slots take to deploy and what memory they need, and how fast the JobManager answers, takes
checkpoints and cancels while every core is busy. About three minutes; nothing else should run meanwhile.

  bazel build //tests/bench:bid_exchange_job //tools:sluice
  tests/bench/cluster_bench.py [--rows N] [--kills N] [--runs N] [--result FILE]   default:
                               tests/bench/results/cluster.json

Prints a line for each aim and writes all numbers into the file. Half of the channels of the keyed exchange
are remote. The two TaskManagers share the machine's cores as `tools/cluster` has it; throughput with as many
threads in each as there are cores, the default, is measured as well.
"""
import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/cluster"))
sys.path.insert(0, os.path.join(ROOT, "tests/recovery"))
sys.path.insert(0, os.path.join(ROOT, "tests/bench"))
from goals import commit, goal, machine, share, show  # noqa: E402
from job_runs import newest_checkpoint  # noqa: E402
from local_cluster import LocalCluster, Process  # noqa: E402

PROGRAM = os.path.join(ROOT, "bazel-bin/tests/bench/bid_exchange_job")
SLUICE = os.path.join(ROOT, "bazel-bin/tools/sluice")
LONG = 300
SHARED_CORES = ["-D", f"scheduler.threads={max(1, os.cpu_count() // 2)}"]


def embedded(rows):
    process = Process("embedded", [PROGRAM, "--rows", str(rows), "-p", "2", "--summary", "json"])
    assert process.end(LONG) == 0, process.log()
    return json.loads(process.output)


def distributed(rows, flags=SHARED_CORES):
    arguments = ["--rows", str(rows)]
    with LocalCluster(PROGRAM, arguments, ["-p", "2", "--summary", "json"]) as cluster:
        cluster.start_manager()
        for _ in range(2):
            cluster.start_worker(slots=1, flags=flags)
        assert cluster.manager.end(LONG) == 0, cluster.log()
        return json.loads(cluster.manager.output)


def with_cpu(run, rows):
    """Rows per second, and the processor time of all its processes for a row in ns."""
    def used():
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime
    before = used()
    result = run(rows)
    assert result["records_in"] == rows
    return rows / result["seconds"], (used() - before) / rows * 1e9


def throughput(rows, runs):
    """In turns, so that both have the same neighbours. A cluster's time includes the start of its
    TaskManagers, so a run must be long."""
    alone, together, crowded = [], [], []
    for _ in range(runs):
        alone.append(with_cpu(embedded, rows))
        together.append(with_cpu(distributed, rows))
        crowded.append(with_cpu(lambda rows: distributed(rows, flags=()), rows))

    def median(runs, index):
        return round(statistics.median(run[index] for run in runs))
    return {"rows": rows, "runs": runs,
            "embedded_rows_per_s": median(alone, 0), "cluster_rows_per_s": median(together, 0),
            "embedded_cpu_ns_per_row": median(alone, 1),
            "cluster_cpu_ns_per_row": median(together, 1),
            "ratios": [round(b[0] / a[0], 3) for a, b in zip(alone, together)],
            "ratios_with_a_thread_per_core": [round(b[0] / a[0], 3) for a, b in zip(alone, crowded)],
            "cpu_ratios": [round(a[1] / b[1], 3) for a, b in zip(alone, together)]}


def hop_latency(rate, seconds):
    """From the making of a record in one TaskManager until the other one's task has it."""
    files = f"{tempfile.mkdtemp()}/latency"
    arguments = ["--rows", str(rate * seconds), "--rate", str(rate), "--latency", files]
    with LocalCluster(PROGRAM, arguments, ["-p", "2", "--summary", "json"]) as cluster:
        cluster.start_manager()
        for _ in range(2):
            cluster.start_worker(slots=1, flags=SHARED_CORES)
        assert cluster.manager.end(LONG) == 0, cluster.log()
        took = json.loads(cluster.manager.output)["seconds"]
    tasks = []
    for subtask in range(2):
        with open(f"{files}-{subtask}", encoding="utf-8") as file:
            tasks.append([int(number) for number in file.read().split()])
    assert all(count > rate * seconds / 8 for count, *_ in tasks), tasks
    return {"rate": rate, "seconds": round(took, 1), "records": sum(task[0] for task in tasks),
            "median_ms": [round(task[1] / 1000, 3) for task in tasks],
            "p99_ms": [round(task[2] / 1000, 3) for task in tasks],
            "max_ms": [round(task[3] / 1000, 3) for task in tasks]}


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
    return {"kills": kills, "keys": keys, "times_s": [round(each, 3) for each in times]}


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


def timed_ms(action):
    start = time.monotonic()
    action()
    return (time.monotonic() - start) * 1000


def control_latency(looks, cancels):
    """Looks at a job on two TaskManagers that keeps every core busy, as one request and as a whole
    `sluice` process; how long its checkpoints take, from the trigger on; and `sluice cancel`."""
    result = {"request_ms": [], "status_ms": [], "checkpoint_ms": [], "alignment_ms": [],
              "cancel_ms": []}
    flags = ["-p", "2", "--checkpoint-interval", "100ms", "--checkpoint-dir"]
    for _ in range(cancels):
        observed = Observed()
        arguments = ["--rows", str(10**12), "--keys", "1000"]
        with LocalCluster(PROGRAM, arguments, [*flags, tempfile.mkdtemp()]) as cluster:
            cluster.start_manager(environment=observed.environment)
            there = ["--jobmanager", f"127.0.0.1:{cluster.port}"]

            def sluice(*words):
                subprocess.run([SLUICE, *words, *there], env=observed.environment, check=True,
                               stdout=subprocess.DEVNULL, timeout=LONG)
            for _ in range(2):
                cluster.start_worker(slots=1)
            while observed.ask(cluster.manager, "/v1/jobs")[0]["records_in"] < 100_000:
                time.sleep(0.05)
            for _ in range(looks // cancels):
                result["request_ms"].append(timed_ms(
                    lambda: observed.ask(cluster.manager, "/v1/jobs/bid_exchange")))
                result["status_ms"].append(timed_ms(lambda: sluice("status")))
                time.sleep(0.02)
            for taken in observed.ask(cluster.manager, "/v1/jobs/bid_exchange")["checkpoints"]:
                if taken["outcome"] == "complete":
                    result["checkpoint_ms"].append(taken["duration_ms"])
                    result["alignment_ms"].append(taken["alignment_ms"])
            result["cancel_ms"].append(timed_ms(lambda: sluice("cancel")))
    return {key: {"n": len(values), "median": round(statistics.median(values), 1),
                  "p95": round(share(values, 0.95), 1), "max": round(max(values), 1)}
            for key, values in result.items()}


def judge(result):
    """The aims, each with what was measured."""
    control, deployed = result["control"], result["deployment"]

    def within(name, values, bound, unit):
        return goal(name, values, ("<=", bound), unit, False)
    return [goal("two TaskManagers: ratio to embedded", result["throughput"]["ratios"], (">=", 0.5), "x", True),
            within("a hop between TaskManagers at half load: p99", result["hop"]["p99_ms"], 10, "ms"),
            within("start of three processes to the end of a record", result["start_up_s"], 1, "s"),
            within("SIGKILL to running again, 1 M keys", result["recovery"]["times_s"], 2, "s"),
            within("200 tasks on 8 x 8 slots: deployment", [deployed["deploy_s"]], 2, "s"),
            within("200 tasks on 8 x 8 slots: JobManager", [deployed["jobmanager_mib"]], 200, "MiB"),
            within("200 tasks on 8 x 8 slots: all processes", [deployed["all_mib"]], 1536, "MiB"),
            within("all cores busy: a request, p95", [control["request_ms"]["p95"]], 50, "ms"),
            within("all cores busy: sluice status, p95", [control["status_ms"]["p95"]], 50, "ms"),
            within("all cores busy: sluice cancel, median", [control["cancel_ms"]["median"]], 50, "ms"),
            within("all cores busy: barriers' alignment, p95", [control["alignment_ms"]["p95"]], 50, "ms")]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--rate", type=int, default=200_000)
    parser.add_argument("--hop-seconds", type=int, default=10)
    parser.add_argument("--only-throughput", action="store_true", help="print it, write nothing")
    parser.add_argument("--result", default=os.path.join(ROOT, "tests/bench/results/cluster.json"))
    arguments = parser.parse_args()
    result = {"benchmark": "cluster", "machine": machine(), "commit": commit(), "config": "opt"}
    result["throughput"] = throughput(arguments.rows, arguments.runs)
    if arguments.only_throughput:
        print(json.dumps(result["throughput"], indent=1))
        return
    half = result["throughput"]["cluster_rows_per_s"] // 2
    result["hop"] = hop_latency(half, arguments.hop_seconds)
    result["start_up_s"] = [round(start_up(), 3) for _ in range(5)]
    result["recovery"] = recovery(arguments.kills, arguments.keys, arguments.rate)
    result["deployment"] = deployment()
    result["control"] = control_latency(200, 5)
    result["goals"] = judge(result)
    for each in result["goals"]:
        show(each)
    with open(arguments.result, "w", encoding="utf-8") as file:
        file.write(json.dumps(result, indent=1) + "\n")
    sys.exit(0 if all(each["met"] for each in result["goals"] if each["decides"]) else 1)


if __name__ == "__main__":
    main()
