#!/usr/bin/env python3
"""A session of real processes: jobs side by side, jobs that misbehave, agents and JobManagers that die."""
import glob
import http.client
import json
import os
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "../support"))
from local_session import JOB, SLUICED, Session  # noqa: E402
from processes import WAIT_S, is_alive, until  # noqa: E402


class SessionTest(Session):
    def test_jobs_run_side_by_side_and_are_steered_by_their_ids(self):
        self.start_manager()
        self.start_agent(2)
        self.start_agent(2)
        first, second = self.start_steady(), self.run_job("crash", "--at", "-1")
        until(lambda: self.runs(second), "the second job runs")
        listed = {job["id"]: job for job in self.look("list")}
        self.assertEqual(set(listed), {first, second})
        self.assertEqual(listed[second]["name"], "crash")
        self.assertEqual(sum(agent["slots_free"] for agent in self.look("taskmanagers")), 0)

        third = self.run_job("spinning", "--at", "-1")
        until(lambda: "waiting for slots: 2 are needed" in self.summary(third)["reason"],
              "the third job says what it waits for")
        self.assertIn("savepoint-", self.look("stop", second)["path"])
        self.ended(second, "FINISHED")
        until(lambda: self.runs(third), "the third job gets the slots of the second")
        self.assertIn("savepoint-", self.look("savepoint", first)["path"])
        self.look("checkpoint", first)
        self.assertGreater(len(self.look("actors", first)), 0)
        self.assertIn("deed", self.sluice("graph", third))
        until(lambda: sum(agent["tasks"] for agent in self.look("taskmanagers")) == 8,
              "agents count the tasks of their workers")
        log = self.sluice("logs", third)
        self.assertIn("joined", log)  # Of its master; and of the workers, which are elsewhere:
        self.assertRegex(log, r"agent-\d worker-\d+: misbehaving_job: registered as|"
                              r"agent-\d worker-\d+: spinning: registered as")
        self.assertNotIn("steady: registered", log)
        self.sluice("cancel", third)
        self.ended(third, "CANCELLED")
        self.assertEqual(self.summary(first)["restarts"], 0)
        until(lambda: not self.processes_of(second) + self.processes_of(third),
              "processes of ended jobs are gone")
        # What a job and its workers said can still be read.
        log = self.sluice("logs", second)
        self.assertRegex(log, r"agent-\d worker-\d+: (misbehaving_job|crash): registered as")
        with open(f"{self.scratch}/manager/audit.log", encoding="utf-8") as file:
            audit = file.read()
        self.assertIn(f"job {first}", audit)
        self.assertIn(f"POST /v1/jobs/{third}/cancel", audit)

    def test_jobs_that_misbehave_leave_the_others_alone(self):
        self.start_manager()
        self.start_agent(2)
        steady = self.start_steady()
        self.start_agent(2, "--memory", "700MB")
        crash = self.run_job("crash", "--at", "100", checkpoints=False)
        self.assertIn("killed by SIGSEGV", self.ended(crash, "FAILED")["reason"])
        hungry = self.run_job("hungry", "--at", "100", checkpoints=False)
        self.assertIn("more memory than the", self.ended(hungry, "FAILED")["reason"])
        spinning = self.run_job("spinning", "--at", "100")
        until(lambda: self.runs(spinning), "the job that will spin runs")
        builder = self.run_job("stuck_builder")
        until(lambda: self.processes_of(builder), "the builder spins")
        for job in (spinning, builder):
            self.sluice("cancel", job)
            self.ended(job, "CANCELLED")
            until(lambda: not self.processes_of(job), "its processes are gone")
        look = self.look("status", steady)
        self.assertEqual((look["summary"]["restarts"], look["failures"]), (0, []), self.log())
        outcomes = {c["outcome"] for c in look["checkpoints"]}
        self.assertLessEqual(outcomes, {"complete", "pending"})
        before = self.completed(steady)
        until(lambda: self.completed(steady) > before + 2, "the steady job goes on")

    def test_a_job_whose_agent_dies_goes_on_in_slots_of_others(self):
        self.start_manager()
        victim = self.start_agent(2)
        job = self.start_steady()
        workers = [pid for pid in self.processes_of(job) if self.parent(pid) == victim.pid]
        self.assertEqual(len(workers), 1)
        victim.kill()
        until(lambda: not is_alive(workers[0]), "workers die with their agent")
        until(lambda: "waiting for slots" in self.summary(job)["reason"], "the job waits")
        done = self.completed(job)
        self.start_agent(2)
        until(lambda: self.runs(job) and self.completed(job) > done, "the job goes on")
        self.assertGreater(self.summary(job)["restarts"], 0)

    def parent(self, pid):
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return int(file.read().rpartition(")")[2].split()[1])

    def test_a_new_jobmanager_goes_on_with_the_jobs_of_the_old_one(self):
        ha, rows = f"{self.scratch}/ha", 20_000
        manager = self.start_manager("--ha-dir", ha)
        self.start_agent(4)
        finished = self.run_job("spinning", "--at", "-1", "--rows", "100")
        self.ended(finished, "FINISHED")
        job = self.run_job("steady", "--rows", str(rows))
        cancelled = self.run_job("crash", "--at", "-1")
        until(lambda: self.runs(cancelled), "the other job runs")
        until(lambda: self.runs(job) and self.completed(job) > 2, "the job takes checkpoints")
        self.sluice("cancel", cancelled)
        done = self.completed(job)
        old = self.processes_of(job)
        manager.kill()
        manager.wait()
        until(lambda: not any(self.parent_is(pid, manager.pid) for pid in old if is_alive(pid)),
              "masters die with the JobManager")
        self.start_manager("--ha-dir", ha)
        until(lambda: self.runs(job) and self.completed(job) > done, "the job goes on")
        self.assertIn("checkpoint", self.look("status", job)["restored_from"])
        until(lambda: not any(is_alive(pid) for pid in old), "the old processes are gone")
        self.ended(job, "FINISHED")
        self.assert_exactly_once(rows)
        for ended, state in ((finished, "FINISHED"), (cancelled, "CANCELLED")):
            self.assertEqual(self.summary(ended)["state"], state)
            self.assertEqual(self.processes_of(ended), [])

    def parent_is(self, pid, parent):
        try:
            return self.parent(pid) == parent
        except (FileNotFoundError, ProcessLookupError):
            return False

    def test_a_rescaled_job_gets_more_slots_and_gives_them_back(self):
        self.start_manager()
        self.start_agent(2)
        self.start_agent(2)
        job = self.start_steady()
        self.assertIn("free", self.sluice("rescale", job, "-p", "8", status=1))
        self.sluice("rescale", job, "-p", "4")
        until(lambda: self.runs(job) and self.look("status", job)["slots"] == 4, "4 slots are used")
        self.assertEqual(sum(agent["slots_free"] for agent in self.look("taskmanagers")), 0)
        self.sluice("rescale", job, "-p", "1")
        until(lambda: self.runs(job) and self.look("status", job)["slots"] == 1, "1 slot is used")
        until(lambda: sum(agent["slots_free"] for agent in self.look("taskmanagers")) > 0,
              "an idle worker gives its slots back")

    def test_what_is_not_permitted_is_refused(self):
        self.start_manager()
        self.assertIn("--role is the session's to say",
                      self.sluice("run", "-d", JOB, "--role", "taskmanager", status=1))
        failed = self.sluice("run", "-d", "/bin/true").strip()
        self.assertIn("exit status 0", self.ended(failed, "FAILED")["reason"])
        absent = self.sluice("run", "-d", JOB, "--job", "absent").strip()
        self.assertIn("no job 'absent' here", self.ended(absent, "FAILED")["reason"])
        [path] = glob.glob(f"{self.scratch}/run/*.json")
        with open(path, encoding="utf-8") as file:
            endpoint = json.load(file)
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)

        def ask(method, path, body=b"", token="operate_token", **headers):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)
            if token:
                headers["Authorization"] = f"Bearer {endpoint[token]}"
            connection.request(method, path, body, headers)
            status = connection.getresponse().status
            connection.close()
            return status

        zeros = "/v1/session/artefacts/" + "0" * 64
        self.assertEqual(ask("PUT", zeros, b"something else"), 500)  # Its hash is another one.
        self.assertEqual(ask("GET", zeros), 404)
        self.assertEqual(ask("GET", "/v1/session/artefacts/..%2f..%2fetc%2fpasswd"), 404)
        self.assertEqual(ask("PUT", "/v1/session/artefacts/../../x", b"x"), 404)
        self.assertEqual(ask("POST", "/v1/session/jobs", b"{}", token=None), 401)
        self.assertEqual(ask("POST", "/v1/session/jobs", b"{}", token="read_token"), 403)
        self.assertEqual(ask("POST", "/v1/session/jobs", b"{}", Origin="http://x"), 403)
        self.assertEqual(ask("POST", "/v1/session/jobs", b"{}"), 400)
        self.assertEqual(ask("POST", "/v1/session/jobs", **{"Content-Length": str(2 << 20)}), 413)
        self.assertEqual(ask("PUT", zeros, **{"Content-Length": str(2 << 40)}), 400)
        refused = subprocess.run([SLUICED, "--role", "jobmanager", "--bind", "0.0.0.0:0", "--work-dir",
                                  f"{self.scratch}/open"], env=self.env, capture_output=True,
                                 text=True, timeout=WAIT_S, check=False)
        self.assertEqual(refused.returncode, 2)
        self.assertIn("needs TLS", refused.stderr)


if __name__ == "__main__":
    unittest.main()
