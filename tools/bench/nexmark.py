#!/usr/bin/env python3
"""Measures the Nexmark queries: throughput, processor time, memory and latency of each.

    bazel run //tools/bench:nexmark -- --queries q0,q5 --events 10M --parallelism 2 --runs 3 --json out.json

Each query is a process of its own, so that processor time and memory are its own. A small run warms the
disk cache; then `--runs` runs as fast as they can, of which the median counts and the spread is shown;
then as many at half the rate of the median, for latency, of which the one with the median p99 counts. Nothing
else should run on the machine.

--variant 'NAME=FLAGS' runs every query with other flags of the job, too, in turns (A B A B), and shows the
ratios: --variant 'checkpoints=--checkpoint-interval 1s'. FLAGS may have --cores N: the run gets only the
first N cores.
"""
import argparse
import json
import os
import platform
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

QUERIES = ("q0 q1 q2 q3 q4 q5 q7 q8 q9 q10 q11 q12 q15 q17 q18 q19 q20").split()
WARM_UP_EVENTS = 200_000
# The same queries written by hand over the same generator.
LOOP = "tools/bench/nexmark_loop"
LOOP_EVENTS = 5_000_000


def parse_count(text):
    """10M, 1.5K, 200000."""
    factor = {"K": 1_000, "M": 1_000_000, "G": 1_000_000_000}.get(text[-1:].upper(), 1)
    try:
        return int(float(text[:-1] if factor > 1 else text) * factor)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number such as 10M") from None


def parse_variant(text):
    """("checkpoints", {"--checkpoint-interval": "1s"})"""
    name, equals, flags = text.partition("=")
    words = shlex.split(flags)
    if not equals or len(words) % 2 or any(not flag.startswith("-") for flag in words[::2]):
        raise argparse.ArgumentTypeError(f"'{text}' is not NAME=--flag value ...")
    return name, dict(zip(words[::2], words[1::2]))


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--queries", default="all", help="q0,q5,... or all")
    parser.add_argument("--events", type=parse_count, default=10_000_000, help="events per run")
    parser.add_argument("--event-rate", type=parse_count, default=100_000,
                        help="events per second of event time")
    parser.add_argument("--parallelism", type=int, default=os.cpu_count())
    parser.add_argument("--state-backend", choices=("hashmap", "rocksdb"), default="hashmap")
    parser.add_argument("--checkpoint-interval", help="e.g. 1s; without, no checkpoints")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0,
                        help="as many events as take this long, but at least --events")
    parser.add_argument("--variant", dest="variants", action="append", default=[], metavar="NAME=FLAGS",
                        type=parse_variant, help="run with these flags, too, and show the ratios")
    parser.add_argument("--no-loops", action="store_true", help="do not measure the hand-written loops")
    parser.add_argument("--latency-seconds", type=float, default=5, help="of each run for latency; 0 = none")
    parser.add_argument("--json", metavar="FILE", help="all numbers, for write_benchmarks_doc")
    parser.add_argument("-D", dest="options", action="append", default=[], metavar="KEY=VALUE",
                        help="an option for every job")
    arguments = parser.parse_args()
    arguments.queries = QUERIES if arguments.queries == "all" else arguments.queries.split(",")
    unknown = [query for query in arguments.queries if query not in QUERIES]
    if unknown:
        parser.error(f"no query {', '.join(unknown)}; there are: {' '.join(QUERIES)}")
    if arguments.runs < 1 or arguments.events < 1:
        parser.error("--runs and --events must be at least 1")
    return arguments


def caller_path(path):
    """Relative paths are the caller's; bazel run starts this elsewhere."""
    return os.path.join(os.environ.get("BUILD_WORKING_DIRECTORY", ""), path)


class RunFailed(Exception):
    pass


def run_process(words):
    """Runs a program to its end; wall and processor seconds, peak memory, and its last line. The memory is
    what the program says of itself: what wait4 gives counts this interpreter before the exec, too."""
    begin = time.monotonic()
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=errors, text=True)
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - begin
        if process.returncode != 0:
            errors.seek(0)
            raise RunFailed(f"{' '.join(words)}: exit {process.returncode}: {errors.read().strip()}")
    summary = json.loads(output.strip().splitlines()[-1])
    return {"wall_s": wall, "cpu_s": usage.ru_utime + usage.ru_stime,
            "peak_memory_mb": summary["peak_memory_bytes"] / 2**20, "summary": summary}


def summarize(runs):
    """Medians, spread and what the run in the middle says."""
    rates = [run["events_per_s"] for run in runs]
    middle = sorted(runs, key=lambda run: run["events_per_s"])[len(runs) // 2]
    return {
        "events_per_s": statistics.median(rates),
        "events_per_core_s": statistics.median(run["events_per_core_s"] for run in runs),
        "spread": (max(rates) - min(rates)) / statistics.median(rates),
        "peak_memory_mb": max(run["peak_memory_mb"] for run in runs),
        "state_bytes": middle["summary"].get("state_bytes"),
        "checkpoints": middle["summary"].get("checkpoints"),
        "checkpoint_ms": middle["summary"].get("checkpoint_ms"),
        "runs": runs,
    }


class Driver:
    def __init__(self, arguments, directory):
        self.arguments = arguments
        self.checkpoints = os.path.join(directory, "checkpoints")

    def run_query(self, query, *more, variant=None):
        """Runs a query with the driver's flags, those of the variant instead of them, and `more`."""
        flags = {"--event-rate": str(self.arguments.event_rate),
                 "--parallelism": str(self.arguments.parallelism),
                 "--state-backend": self.arguments.state_backend, "--summary": "json"}
        if self.arguments.checkpoint_interval:
            flags["--checkpoint-interval"] = self.arguments.checkpoint_interval
        flags.update(variant or {})
        cores = flags.pop("--cores", None)
        if "--checkpoint-interval" in flags:
            shutil.rmtree(self.checkpoints, ignore_errors=True)
            flags["--checkpoint-dir"] = self.checkpoints
        words = [] if cores is None else ["taskset", "-c", f"0-{int(cores) - 1}"]
        words += [f"jobs/nexmark/{query}", *(word for flag in flags.items() for word in flag), *more]
        for option in self.arguments.options:
            words += ["-D", option]
        return run_process(words)

    def choose_events(self, query):
        """A small run warms up; a longer one says how many events take --seconds."""
        events = self.arguments.events
        self.run_query(query, "--count", str(min(WARM_UP_EVENTS, events)))
        if self.arguments.seconds <= 0:
            return events
        probe = self.run_query(query, "--count", str(events))
        return max(events, int(events * self.arguments.seconds / probe["wall_s"]))

    def run_in_turns(self, query, events):
        """The runs of the driver's own flags and of each variant."""
        variants = [("", None), *self.arguments.variants]
        runs = {name: [] for name, _ in variants}
        for _ in range(self.arguments.runs):
            for name, flags in variants:
                run = self.run_query(query, "--count", str(events), variant=flags)
                run["events_per_s"] = events / run["wall_s"]
                run["events_per_core_s"] = events / run["cpu_s"]
                runs[name].append(run)
        return runs

    def measure(self, query):
        """All numbers of one query."""
        events = self.choose_events(query)
        runs = self.run_in_turns(query, events)
        result = {"events": events, **summarize(runs.pop(""))}
        result["variants"] = {}
        for name, measured in runs.items():
            variant = summarize(measured)
            variant["ratio"] = variant["events_per_s"] / result["events_per_s"]
            variant["ratio_per_core"] = variant["events_per_core_s"] / result["events_per_core_s"]
            result["variants"][name] = variant
        if self.arguments.latency_seconds > 0:
            result["latency"] = self.measure_latency(query, int(result["events_per_s"] / 2))
        return result

    def measure_latency(self, query, rate):
        """What the run in the middle says: one pause of the machine is a hundredth of a run."""
        runs = sorted((self.run_for_latency(query, rate) for _ in range(self.arguments.runs)),
                      key=lambda run: run.get("p99", 0))
        return {**runs[len(runs) // 2], "p99_of_runs": [run.get("p99") for run in runs]}

    def run_for_latency(self, query, rate):
        run = self.run_query(query, "--count", "0", "--rate", str(rate),
                             "--run-for", f"{int(self.arguments.latency_seconds * 1000)}ms",
                             "-D", "metrics.latency.interval=1ms")
        latency = run["summary"].get("latency_us") or {}
        return {"rate": rate, "reached": run["summary"]["records_in"] / run["summary"]["seconds"],
                **latency}


def measure_loops(queries, event_rate):
    """What a loop without an engine reaches on one core."""
    done = subprocess.run([LOOP, "--count", str(LOOP_EVENTS), "--event-rate", str(event_rate)],
                          check=True, capture_output=True, text=True)
    loops = json.loads(done.stdout)
    return {query: loops[query] for query in queries}


def machine():
    def first_of(path, prefix):
        with open(path, encoding="utf-8") as file:
            for line in file:
                if line.startswith(prefix):
                    return line.split(":", 1)[1].strip()
        return "?"

    return {
        "cpu": first_of("/proc/cpuinfo", "model name"),
        "cores": os.cpu_count(),
        "memory_gb": round(int(first_of("/proc/meminfo", "MemTotal").split()[0]) / 1024**2, 1),
        "system": f"{platform.system()} {platform.release()}",
        "load_before": os.getloadavg()[0],
    }


def commit():
    # The sources are where bazel was called from; without git the commit is not known.
    try:
        done = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True,
                              cwd=os.environ.get("BUILD_WORKSPACE_DIRECTORY"), check=False)
        return done.stdout.strip() or "?"
    except OSError:
        return "?"


def show_number(value, unit=""):
    return "-" if value is None else f"{value:,.0f}{unit}"


def print_row(query, result):
    latency = result.get("latency", {})
    print(f"{query:5}{result['events_per_s'] / 1e6:9.2f} M{result['events_per_core_s'] / 1e6:9.2f} M"
          f"{result['spread'] * 100:8.1f} %{result['peak_memory_mb']:9.0f} MB"
          f"{show_number(latency.get('p50')):>10}{show_number(latency.get('p99')):>10}"
          f"{show_number(latency.get('p9999')):>10}{show_number(result['checkpoints']):>8}", flush=True)
    for name, variant in result["variants"].items():
        print(f"      {name}: {variant['ratio']:.2f} of the rate, {variant['ratio_per_core']:.2f} per core, "
              f"{variant['peak_memory_mb']:.0f} MB, {show_number(variant['checkpoints'])} checkpoints",
              flush=True)


def main():
    arguments = parse_arguments()
    report = {
        "machine": machine(), "commit": commit(), "command": shlex.join(sys.argv[1:]),
        "settings": {key: value for key, value in vars(arguments).items() if key != "json"},
        "loops": {} if arguments.no_loops else measure_loops(arguments.queries, arguments.event_rate),
        "queries": {},
    }
    print(f"{'query':5}{'events/s':>11}{'per core':>11}{'spread':>10}{'memory':>12}"
          f"{'p50 us':>10}{'p99 us':>10}{'p99.99':>10}{'chkpts':>8}")
    failed = False
    with tempfile.TemporaryDirectory() as directory:
        driver = Driver(arguments, directory)
        for query in arguments.queries:
            try:
                report["queries"][query] = driver.measure(query)
                print_row(query, report["queries"][query])
            except (RunFailed, json.JSONDecodeError, IndexError, KeyError) as error:
                failed = True
                report["queries"][query] = {"error": str(error)}
                print(f"{query:5}failed: {error}", flush=True)
    if arguments.json:
        with open(caller_path(arguments.json), "w", encoding="utf-8") as file:
            json.dump(report, file, indent=1)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
