"""A session of real processes on this machine, for tests: its JobManager, agents, and commands to it.

Command line of a test: SLUICE SLUICED JOB [TEST...]
"""
import csv
import glob
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../support"))
from processes import WAIT_S, until  # noqa: E402

SLUICE, SLUICED, JOB = (os.path.abspath(sys.argv.pop(1)) for _ in range(3))


class Session(unittest.TestCase):
    HOST = "127.0.0.1"

    def setUp(self):
        self.scratch = tempfile.mkdtemp(dir=os.environ.get("TEST_TMPDIR"))
        self.env = dict(os.environ, SLUICE_RUNTIME_DIR=f"{self.scratch}/run")
        os.mkdir(f"{self.scratch}/run", 0o700)
        self.env.pop("SLUICE_JOBMANAGER", None)
        self.processes = []
        self.port = 0
        self.agents = 0

    def tearDown(self):
        for process in self.processes:
            process.kill()
            process.wait()

    def log(self):
        text = ""
        for path in sorted(glob.glob(f"{self.scratch}/*.log")):
            with open(path, encoding="utf-8") as file:
                text += f"== {path}\n{file.read()}"
        return text

    # -- processes --

    def before(self, _name):
        """What is put before the command of a process: of the manager, an agent, or sluice."""
        return []

    def start(self, name, *flags):
        with open(f"{self.scratch}/{name}.log", "ab") as log:
            process = subprocess.Popen([*self.before(name), SLUICED, *flags, "--work-dir",
                                        f"{self.scratch}/{name}"],
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env)
        self.processes.append(process)
        return process

    def start_manager(self, *flags):
        log = f"{self.scratch}/manager.log"
        begin = os.path.getsize(log) if os.path.exists(log) else 0
        manager = self.start("manager", "--role", "jobmanager", "--bind", f"{self.HOST}:{self.port}",
                             "--cancel-grace", "1s", *flags)

        def listens():
            assert manager.poll() is None, self.log()
            with open(log, encoding="utf-8") as file:
                file.seek(begin)
                return re.search(rf"listening on {re.escape(self.HOST)}:(\d+)", file.read())
        self.port = int(until(listens, "the JobManager listens").group(1))
        self.env["SLUICE_JOBMANAGER"] = f"{self.HOST}:{self.port}"
        return manager

    def start_agent(self, slots=2, *flags):
        self.agents += 1
        before = len(self.look("taskmanagers"))
        agent = self.start(f"agent-{self.agents}", "--role", "taskmanager", "--jobmanager",
                           f"{self.HOST}:{self.port}", "--slots", str(slots), "--name",
                           f"agent-{self.agents}", *flags)
        until(lambda: len(self.look("taskmanagers")) > before, "the agent lends its slots")
        return agent

    # -- commands --

    def sluice(self, *words, status=0):
        done = subprocess.run([*self.before("sluice"), SLUICE, *words], env=self.env, capture_output=True, text=True,
                              timeout=WAIT_S, check=False)
        self.assertEqual(done.returncode, status, f"{words}: {done.stdout}{done.stderr}\n{self.log()}")
        return done.stdout if status == 0 else done.stderr

    def look(self, *words):
        return json.loads(self.sluice(*words, "--json"))

    def run_job(self, name, *flags, parallelism=2, checkpoints=True):
        """Its id."""
        words = ["run", "-d", "-p", str(parallelism)]
        if checkpoints:
            words += ["-D", "execution.checkpointing.interval=100ms", "-D",
                      f"execution.checkpointing.dir={self.scratch}/checkpoints/{name}"]
        return self.sluice(*words, JOB, "--job", name, "--output", f"{self.scratch}/out-{name}",
                           *flags).strip()

    def summary(self, job):
        return self.look("status", job)["summary"]

    def runs(self, job):
        summary = self.summary(job)
        self.assertNotIn(summary["state"], ("FAILED", "CANCELLED", "FINISHED"), summary)
        return summary["state"] == "RUNNING" and summary["records_in"] > 0

    def start_steady(self):
        job = self.run_job("steady")
        until(lambda: self.runs(job) and self.completed(job) > 2, "the job takes checkpoints")
        return job

    def completed(self, job):
        ids = [c["id"] for c in self.look("checkpoints", job) if c["outcome"] == "complete"]
        return max(ids, default=0)

    def ended(self, job, state):
        summary = until(lambda: (s := self.summary(job))["state"] in
                        ("FAILED", "CANCELLED", "FINISHED") and s, f"{job} ends")
        self.assertEqual(summary["state"], state, f"{summary}\n{self.log()}")
        return summary

    def rows(self, name):
        """What a job has written for good, as lists of fields."""
        rows = []
        for path in glob.glob(f"{self.scratch}/out-{name}/part-*"):
            with open(path, encoding="utf-8") as file:
                rows += list(csv.reader(file))[1:]
        return rows

    def assert_exactly_once(self, rows):
        """The output of a job `steady` that has had so many: the newest of each second and key."""
        expected = [second * 1000 + 900 + key for second in range(rows // 1000) for key in range(100)]
        self.assertEqual(sorted(int(row[0]) for row in self.rows("steady")), expected)

    def processes_of(self, job):
        """Process ids of a job's master and workers, by their command lines."""
        found = []
        for path in glob.glob("/proc/[0-9]*/cmdline"):
            try:
                with open(path, "rb") as file:
                    words = file.read().split(b"\0")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if job.encode() in words and b"--cluster-id" in words:
                found.append(int(path.split("/")[2]))
        return found
