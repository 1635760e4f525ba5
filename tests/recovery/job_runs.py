"""Runs of job programs for the tests of this folder: start, stop with a savepoint, kill, look at
what was written and at what `savepoint` tells."""
import glob
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

FLIGHTS = "jobs/data/us_flights_2001q1.csv"
TOOL = "tools/savepoint"
WAIT_S = 120


class Finished:
    """A program that has ended."""

    def __init__(self, process, output, errors):
        self.code = process.returncode
        self.output, self.errors = output, errors

    @property
    def summary(self):
        return json.loads(self.output.strip().splitlines()[-1])

    def __str__(self):
        return f"exit {self.code}\n{self.output}\n{self.errors}"


class Place:
    """A directory for one test, with the checkpoints and outputs of its jobs."""

    def __init__(self):
        self.root = tempfile.mkdtemp(dir=os.environ.get("TEST_TMPDIR"))
        self.checkpoints = f"{self.root}/checkpoints"

    def remove(self):
        shutil.rmtree(self.root, ignore_errors=True)

    def out(self, name="out"):
        return f"{self.root}/{name}"

    def savepoints(self):
        return sorted(glob.glob(f"{self.root}/**/savepoint-*", recursive=True),
                      key=lambda path: int(path.rsplit("-", 1)[1]))


class JobTestCase(unittest.TestCase):
    """A test with a place of its own; processes it keeps do not outlive it."""

    def setUp(self):
        self.place = Place()
        self.processes = []

    def tearDown(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.communicate()
        self.place.remove()


def start(program, *flags, environment=None, stderr=subprocess.PIPE, **popen):
    return subprocess.Popen(
        [program, *map(str, flags), "--summary", "json"], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=stderr, text=True,
        env={**os.environ, **(environment or {})}, **popen)


def wait(process, timeout=WAIT_S):
    output, errors = process.communicate(timeout=timeout)
    return Finished(process, output, errors)


def run(program, *flags, **options):
    return wait(start(program, *flags, **options))


def wait_until(true, what, process=None):
    """Looks every few milliseconds; the test fails when it does not come true, or the process ends
    before."""
    deadline = time.monotonic() + WAIT_S
    while not true():
        if process is not None and process.poll() is not None:
            raise AssertionError(f"ended before {what}: {wait(process)}")
        if time.monotonic() > deadline:
            raise AssertionError(f"no {what} after {WAIT_S} s")
        time.sleep(0.005)


def stop(process):
    """Stop with savepoint."""
    process.send_signal(signal.SIGINT)
    return wait(process)


def complete_checkpoints(directory):
    """Numbers of the complete checkpoints of a job, in order."""
    return sorted(int(path.split("/")[-2].split("-")[1])
                  for path in glob.glob(f"{directory}/chk-*/_metadata"))


def newest_checkpoint(directory):
    """Number of the newest complete checkpoint of a job; 0: there is none."""
    return max(complete_checkpoints(directory), default=0)


def rows_of(directory):
    """All rows of the CSV parts of a directory, without headers, sorted."""
    rows = []
    for path in glob.glob(f"{directory}/part-*"):
        with open(path, newline="") as file:
            rows += file.read().split("\n")[1:-1]
    return sorted(rows)


def hidden_files(directory):
    return [path for path in glob.glob(f"{directory}/**/.*", recursive=True)
            if os.path.isfile(path)]


def savepoint_tool(*words):
    done = subprocess.run([TOOL, *map(str, words)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=WAIT_S)
    return Finished(done, done.stdout, done.stderr)
