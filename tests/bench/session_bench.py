#!/usr/bin/env python3
"""How long a job that is submitted to a running session takes to its first record.

Usage: session_bench.py SLUICE SLUICED JOB [--rounds N]   (JOB: //tests/session:misbehaving_job)

Counted from the start of the `sluice run -d` process until the sink of the job makes its file, which it
does for the first record that has come through the source, an exchange and a window; each job is
cancelled before the next one. The first submission, which sends the executable, is told apart from the
others.
"""
import argparse
import http.client
import glob
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time

LOOK_S = 0.003
PATIENCE_S = 30


class Bench:
    def __init__(self, arguments):
        self.sluice, self.sluiced = map(os.path.abspath, (arguments.sluice, arguments.sluiced))
        self.job = os.path.abspath(arguments.job)
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

    def round(self):
        self.rounds += 1
        out = f"{self.scratch}/out-{self.rounds}"
        began = time.monotonic()
        job = self.call("run", "-d", "-p", "2", self.job, "--job", "steady", "--rate", "100000",
                        "--output", out)
        submitted = time.monotonic()
        self.wait(lambda: glob.glob(f"{out}/.part-*"))
        first = time.monotonic()
        self.call("cancel", job)
        return {"submit_ms": (submitted - began) * 1e3, "first_record_ms": (first - began) * 1e3,
                "cancel_ms": (time.monotonic() - first) * 1e3}

    def end(self):
        for process in self.processes:
            process.kill()
            process.wait()
        shutil.rmtree(self.scratch)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("sluice", "sluiced", "job"):
        parser.add_argument(name)
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    bench = Bench(arguments)
    try:
        with_upload = bench.round()
        rounds = [bench.round() for _ in range(arguments.rounds)]
    finally:
        bench.end()

    def spread(key):
        values = sorted(one[key] for one in rounds)
        return {"median": round(statistics.median(values), 1), "max": round(values[-1], 1)}
    print(json.dumps({
        "rounds": arguments.rounds, "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 1),
        "executable_mib": round(os.path.getsize(arguments.job) / (1 << 20), 1),
        "first_record_with_upload_ms": round(with_upload["first_record_ms"], 1),
        **{key: spread(key) for key in ("submit_ms", "first_record_ms", "cancel_ms")}}, indent=1))


if __name__ == "__main__":
    main()
