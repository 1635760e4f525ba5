#!/usr/bin/env python3
"""A session over several hosts: the JobManager, two agents and who gives the commands are in network
namespaces of their own, with mutual TLS between all of them, and the link of a host can be cut."""
import os
import sys
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "../support"))
import certificates  # noqa: E402
import network_hosts  # noqa: E402
from local_session import Session  # noqa: E402
from processes import until  # noqa: E402

HOST_OF = {"manager": 1, "agent-1": 2, "agent-2": 3, "sluice": 4}


class SessionHostsTest(Session):
    HOST = "10.117.0.1"

    def setUp(self):
        self.hosts = network_hosts.Hosts(len(HOST_OF))
        self.addCleanup(self.hosts.__exit__)
        self.hosts.__enter__()
        super().setUp()
        certificates.make(self.scratch, [self.hosts.address(host) for host in HOST_OF.values()])
        self.env.update(certificates.environment(self.scratch))
        self.good = certificates.tls_flags(self.scratch, "good")
        self.start_manager("--allow-submission", "--placement", "spread", "--agent-timeout", "2s",
                           *self.good)
        for host in (2, 3):
            self.start_agent(2, "--bind", f"{self.hosts.address(host)}:0", *self.good)

    def before(self, name):
        return self.hosts.inside(HOST_OF[name])

    def hosts_of(self, job):
        return {task["node"].split(":")[0] for task in self.look("status", job)["tasks"]
                if task["node"] and task["state"] == "RUNNING"}

    def test_a_job_outlives_the_host_of_half_of_its_tasks(self):
        rows = 40_000
        job = self.run_job("steady", "--rows", str(rows), "--rate", "2500")
        both = {self.hosts.address(2), self.hosts.address(3)}
        until(lambda: self.runs(job) and self.hosts_of(job) == both, "tasks run on both hosts")
        until(lambda: self.completed(job) > 2, "the job takes checkpoints")
        self.hosts.cut(2)
        until(lambda: self.summary(job)["restarts"] > 0, "the loss of a host is noticed")
        until(lambda: self.runs(job) and self.hosts_of(job) == {self.hosts.address(3)},
              "its tasks run on the other one")
        done = self.completed(job)
        until(lambda: self.completed(job) > done, "the job goes on")
        self.hosts.heal(2)
        self.ended(job, "FINISHED")
        self.assert_exactly_once(rows)
        until(lambda: len(self.look("taskmanagers")) == 2, "the agent lends its slots again")


if __name__ == "__main__":
    if network_hosts.available():
        unittest.main()
