#!/usr/bin/env python3
"""A session as over a network: JobManager and agents at addresses of their own (127.0.0.2 and on), with
mutual TLS on every connection. Who has no certificate of the session's CA gets nowhere."""
import os
import socket
import ssl
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "../support"))
import certificates  # noqa: E402
from local_session import JOB, SLUICE, SLUICED, Session  # noqa: E402
from processes import WAIT_S, until  # noqa: E402

ROWS = 20_000  # A window of a second for each 1000, of 100 keys.


class SessionTlsTest(Session):
    HOST = "127.0.0.2"

    def setUp(self):
        super().setUp()
        certificates.make(self.scratch, [f"127.0.0.{host}" for host in range(2, 6)])
        self.env.update(certificates.environment(self.scratch))
        self.good = certificates.tls_flags(self.scratch, "good")

    def start_session(self):
        """Two agents of one slot, each like a host of its own."""
        manager = self.start_manager("--allow-submission", *self.good)
        for host in (3, 4):
            self.start_agent(1, "--bind", f"127.0.0.{host}:0", *self.good)
        return manager

    def without(self, *names, **others):
        """An environment of somebody else."""
        env = {key: value for key, value in self.env.items() if key not in names}
        return dict(env, SLUICE_RUNTIME_DIR=f"{self.scratch}/elsewhere", **others)

    def refused(self, env, *words):
        done = subprocess.run([SLUICE, *words], env=env, capture_output=True, text=True,
                              timeout=WAIT_S, check=False)
        self.assertEqual(done.returncode, 1, f"{done}\n{self.log()}")
        return done.stderr

    def speak_tls(self, address, certificate):
        """What a server says to a TLS client; b"" when it has sent it away."""
        host, port = address.rsplit(":", 1)
        context = ssl.create_default_context(cafile=f"{self.scratch}/goodca.pem")
        if certificate:
            context.load_cert_chain(f"{self.scratch}/{certificate}.pem",
                                    f"{self.scratch}/{certificate}.key")
        try:
            with socket.create_connection((host, int(port)), timeout=WAIT_S) as plain, \
                    context.wrap_socket(plain, server_hostname=host) as secure:
                return secure.recv(1)
        except (ssl.SSLError, ConnectionResetError):
            return b""

    def test_a_job_runs_over_tls_to_its_end(self):
        self.start_session()
        job = self.run_job("steady", "--rows", str(ROWS), "--rate", "10000")
        nodes = until(lambda: {task["node"] for task in self.look("status", job)["tasks"]
                               if task["node"]}, "tasks are placed")
        self.assertEqual({node.split(":")[0] for node in nodes}, {"127.0.0.3", "127.0.0.4"})
        for node in nodes:
            # The exchange between them: nobody takes part without a certificate of the CA.
            self.assertEqual(self.speak_tls(node, None), b"")
            self.assertEqual(self.speak_tls(node, "evil"), b"")
            self.assertNotEqual(self.speak_tls(node, "good"), b"")
        self.ended(job, "FINISHED")
        self.assert_exactly_once(ROWS)

    def test_a_job_is_steered_over_tls(self):
        self.start_session()
        job = self.start_steady()
        self.assertIn("savepoint-", self.look("savepoint", job)["path"])
        self.sluice("cancel", job)
        self.ended(job, "CANCELLED")
        waited = self.sluice("run", "-p", "2", JOB, "--job", "steady", "--rows", "1000", "--output",
                             f"{self.scratch}/out-second")
        self.assertIn("FINISHED: 1000 records in", waited)
        with open(f"{self.scratch}/manager/audit.log", encoding="utf-8") as file:
            audit = file.read()
        self.assertIn(f"POST /v1/jobs/{job}/cancel", audit)
        self.assertIn("CN=good", audit)  # Who it was.

    def test_who_has_no_certificate_gets_nowhere(self):
        self.start_session()
        os.mkdir(f"{self.scratch}/elsewhere", 0o700)
        nobody = self.without("SLUICE_TLS_CERT", "SLUICE_TLS_KEY", "SLUICE_TLS_CA")
        stranger = self.without(SLUICE_TLS_CERT=f"{self.scratch}/evil.pem",
                                SLUICE_TLS_KEY=f"{self.scratch}/evil.key")
        for words in (("run", "-d", JOB, "--job", "steady"), ("list",), ("cancel", "steady")):
            self.assertIn("--tls-cert, --tls-key and --tls-ca", self.refused(nobody, *words))
            self.assertIn("does not accept certificate", self.refused(stranger, *words))
        # A client that trusts another authority does not talk to this session either.
        trusting = self.without(SLUICE_TLS_CA=f"{self.scratch}/evilca.pem")
        self.assertIn("SSL", self.refused(trusting, "list"))
        evil = self.start("evil", "--role", "taskmanager", "--jobmanager",
                          f"{self.HOST}:{self.port}", "--bind", "127.0.0.5:0",
                          *certificates.tls_flags(self.scratch, "evil"))
        until(lambda: "does not accept certificate" in self.log(), "the agent is told why")
        self.assertIsNone(evil.poll())
        self.assertEqual(len(self.look("taskmanagers")), 2)
        self.assertEqual(self.look("list"), [])

    def test_what_is_not_safe_is_refused_at_the_start(self):
        self.start_manager(*self.good)
        self.assertIn("--allow-submission", self.sluice("run", "-d", JOB, "--job", "steady", status=1))

        def start(*flags):
            done = subprocess.run([SLUICED, "--role", "jobmanager", "--work-dir",
                                   f"{self.scratch}/refused", *flags], env=self.env,
                                  capture_output=True, text=True, timeout=WAIT_S, check=False)
            self.assertEqual(done.returncode, 2, done)
            return done.stderr
        self.assertIn("go together", start("--bind", "127.0.0.2:0", *self.good[:2]))
        self.assertIn("needs TLS", start("--bind", "127.0.0.2:0"))
        self.assertIn("other hosts reach", start("--bind", "0.0.0.0:0", *self.good))
        absent = [f"--tls-cert={self.scratch}/absent.pem", *self.good[1:]]
        self.assertIn("absent.pem", start("--bind", "127.0.0.2:0", *absent))


if __name__ == "__main__":
    unittest.main()
