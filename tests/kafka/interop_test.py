#!/usr/bin/env python3
"""Jobs beside tools that no one here wrote: kcat and Kafka's own console consumer and producer,
verifiable producer and consumer, and transaction tool read and write the same topics. Also what a
user sees when something is wrong with topics or brokers."""
import json
import os
import signal
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../golden"))
sys.path.insert(0, os.path.join(HERE, "../cluster"))
import flight_oracle  # noqa: E402
import kafka_world  # noqa: E402
from kafka_world import BROKER, eventually, kcat_read, make_topic, run, tool  # noqa: E402
from local_cluster import LocalCluster  # noqa: E402

FLIGHTS = "jobs/data/us_flights_2001q1.csv"


class InteropTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = tempfile.mkdtemp(dir=os.environ.get("TEST_TMPDIR"))

    def checkpoints(self):
        return f"{self.root}/{self.id()}"

    def job(self, name, *flags, check=True):
        program = "tests/kafka/audit_job" if name == "audit_job" else f"jobs/{name}"
        return run(program, "--brokers", BROKER, *flags, "--checkpoint-interval", "500ms",
                   "--checkpoint-dir", self.checkpoints(), "--summary", "json", "-D",
                   "restart-strategy.type=none", check=check)

    def audit(self, source, target, *flags, interval="200ms"):
        """The words of its command."""
        return ["tests/kafka/audit_job", "--brokers", BROKER, "--input-topic", source, "--output-topic", target,
                "--checkpoint-interval", interval, "--checkpoint-dir", self.checkpoints(), *flags]

    def start_audit(self, source, target, *flags, interval="200ms"):
        return subprocess.Popen(self.audit(source, target, *flags, interval=interval),
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True)

    def wait_for(self, topic, count):
        seen = eventually(lambda: len(kcat_read(topic)) >= count and kcat_read(topic))
        self.assertTrue(seen, f"{topic}: {kcat_read(topic)[:10]}, wanted {count}")
        return seen

    def test_flights_go_through_the_pipeline_as_through_files(self):
        # One partition: of several, the one with the late flight may be read before the others have
        # said how late it is.
        self.job("flights_to_kafka", "--input", FLIGHTS, "--topic", "flights", "--partitions", "1")
        # Poison from kcat, a tombstone, and from Kafka's own producer a flight that is far too late.
        run("kcat", "-P", "-b", BROKER, "-t", "flights", "-p", "0", text="no flight\n")
        run("kcat", "-P", "-b", BROKER, "-t", "flights", "-K:", "-Z", text="SFO:\n")
        late = {"scheduled": "1999-01-01T00:00:00Z", "delay_min": 1, "distance_mi": 2,
                "origin": "SFO", "destination": "LAX"}
        tool("console-producer", "--topic", "flights", text=json.dumps(late) + "\n")
        done = self.job("kafka_pipeline", "--bounded", "--max-out-of-orderness", "9h", "-p", "1")
        summary = json.loads(done.stdout.splitlines()[-1])
        self.assertEqual(summary["dead_letter"], 1)

        expected, _ = flight_oracle.delays(FLIGHTS, flight_oracle.HOUR, 9 * flight_oracle.HOUR)
        eventually(lambda: len(kcat_read("delays")) >= len(expected))
        rows = []
        for key, value in (line.split(" ", 1) for line in kcat_read("delays", "%k %s\n")):
            row = json.loads(value)
            self.assertEqual(key, row["origin"])
            rows.append(",".join(str(cell) for cell in row.values()))
        self.assertEqual(sorted(rows), sorted(expected))
        (again,) = self.wait_for("flights-late", 1)
        self.assertEqual(json.loads(again)["destination"], "LAX")
        self.wait_for("flights-dead", 1)
        (dead,) = kcat_read("flights-dead", "%s|%h\n")
        self.assertTrue(dead.startswith("no flight|topic=flights,partition=0,offset="), dead)
        self.assertIn("reason=", dead)

        # Kafka's own consumer sees the same.
        seen = tool("console-consumer", "--topic", "delays", "--from-beginning",
                    "--isolation-level", "read_committed", "--max-messages", len(expected),
                    "--timeout-ms", 20000)
        self.assertEqual(len(seen.stdout.splitlines()), len(expected))

    def test_verifiable_producer_and_consumer_and_the_transaction_tool(self):
        make_topic("numbers")
        make_topic("counted")
        sent = tool("verifiable-producer", "--topic", "numbers", "--max-messages", 5000)
        acked = [json.loads(line) for line in sent.stdout.splitlines() if line.startswith("{")]
        self.assertEqual(sum(1 for line in acked if line["name"] == "producer_send_success"), 5000)
        self.job("audit_job", "--bounded", "--input-topic", "numbers", "--output-topic", "counted",
                 "-p", "2")
        values = [tuple(map(int, line.split(","))) for line in self.wait_for("counted", 5000)]
        self.assertEqual(sorted(number for number, _ in values), list(range(5000)))
        self.assertEqual(sorted(count for _, count in values), list(range(1, 5001)))
        got = tool("verifiable-consumer", "--topic", "counted", "--group-id", "interop",
                   "--max-messages", 5000, "--reset-policy", "earliest", "--verbose")
        data = [json.loads(line) for line in got.stdout.splitlines() if line.startswith("{")]
        self.assertEqual(sum(1 for line in data if line["name"] == "record_data"), 5000)
        listed = tool("transactions", "list").stdout
        ids = ("sluice-audit_job-out-0", "sluice-audit_job-out-1")
        mine = [line for line in listed.splitlines() if line.startswith(ids)]
        self.assertEqual(len(mine), 2, listed)
        for line in mine:
            self.assertIn("CompleteCommit", line)

    def test_an_unknown_topic_and_a_broker_that_is_not_there_are_one_clear_line(self):
        done = self.job("kafka_pipeline", "--input-topic", "nowhere", check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("topic 'nowhere' does not exist", done.stderr)
        done = run("jobs/kafka_pipeline", "--brokers", "127.0.0.1:1", check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("127.0.0.1:1", done.stderr)
        self.assertIn("refused", done.stderr)

    def test_partitions_raised_while_running_are_read(self):
        make_topic("grows", 1)
        make_topic("grown", 1)
        job = self.start_audit("grows", "grown", "--discovery", "500ms")
        try:
            run("kcat", "-P", "-b", BROKER, "-t", "grows", "-K:", text="a:1\na:2\n")
            self.wait_for("grown", 2)
            tool("topics", "--alter", "--topic", "grows", "--partitions", 3)
            run("kcat", "-P", "-b", BROKER, "-t", "grows", "-p", "2", "-K:", text="b:3\n")
            self.assertEqual(sorted(self.wait_for("grown", 3)), ["1,1", "2,2", "3,1"])
        finally:
            job.send_signal(signal.SIGINT)
            job.communicate(timeout=60)

    def test_a_large_epoch_does_not_wait_for_the_interval(self):
        make_topic("many", 1)
        make_topic("soon", 1)
        job = self.start_audit("many", "soon", "--epoch-bytes", "10000", interval="1h")
        try:
            run("kcat", "-P", "-b", BROKER, "-t", "many", "-K:", text="".join(f"k:{n}\n" for n in range(1000)))
            seen = [line.split(",")[0] for line in self.wait_for("soon", 200)]
            self.assertEqual(seen, [str(n) for n in range(len(seen))])
        finally:
            job.send_signal(signal.SIGINT)
            job.communicate(timeout=60)

    def test_a_large_epoch_of_a_cluster_does_not_wait_for_the_interval(self):
        make_topic("spread", 1)
        make_topic("gathered", 1)
        program, *arguments = self.audit("spread", "gathered", "--epoch-bytes", "3000", interval="1h")
        with LocalCluster(program, arguments, ["-p", "2"]) as cluster:
            cluster.start_manager()
            for _ in range(2):
                cluster.start_worker(slots=1)
            run("kcat", "-P", "-b", BROKER, "-t", "spread", "-K:",
                text="".join(f"k{n % 7}:{n}\n" for n in range(1000)))
            seen = {int(line.split(",")[0]) for line in self.wait_for("gathered", 200)}
            self.assertLessEqual(seen, set(range(1000)))
            self.assertGreaterEqual(len(seen), 200)

    def test_a_source_is_rescaled_by_savepoints(self):
        make_topic("scaled", 4)
        make_topic("rescaled", 1)
        start, done = (), 0
        for parallelism in (1, 3, 2):
            job = self.start_audit("scaled", "rescaled", "-p", str(parallelism), *start)
            try:
                for partition in range(4):
                    lines = "".join(f"k{partition}:{n}\n" for n in range(done + partition, done + 400, 4))
                    run("kcat", "-P", "-b", BROKER, "-t", "scaled", "-p", partition, "-K:", text=lines)
                done += 400
                self.wait_for("rescaled", done)
                job.send_signal(signal.SIGINT)
                output, errors = job.communicate(timeout=60)
            finally:
                job.kill()
            stopped = [line for line in (output + errors).splitlines() if "with savepoint" in line]
            self.assertEqual(len(stopped), 1, output + errors)
            start = ("-s", stopped[0].split("with savepoint ")[1].strip())
        rows = [tuple(map(int, line.split(","))) for line in kcat_read("rescaled")]
        self.assertEqual(sorted(number for number, _ in rows), list(range(done)))
        # Each key was counted without a gap through all three runs.
        for key in range(4):
            counts = [count for number, count in sorted(rows) if number % 4 == key]
            self.assertEqual(counts, list(range(1, done // 4 + 1)))

    def test_a_topic_deleted_while_running_fails_the_job_with_its_name(self):
        make_topic("dies", 1)
        make_topic("survives", 1)
        job = self.start_audit("dies", "survives", "--discovery", "500ms", "-D",
                               "restart-strategy.type=none")
        try:
            run("kcat", "-P", "-b", BROKER, "-t", "dies", "-K:", text="a:1\na:2\n")
            self.wait_for("survives", 2)
            tool("topics", "--delete", "--topic", "dies")
            _, errors = job.communicate(timeout=60)
        finally:
            job.kill()
        self.assertEqual(job.returncode, 1, errors)
        self.assertIn("dies", errors)
        self.assertEqual(kcat_read("survives"), ["1,1", "2,2"])

    def test_a_results_topic_deleted_while_running_fails_the_job_and_loses_nothing(self):
        make_topic("feeds", 1)
        make_topic("doomed", 1)
        flags = ("-D", "restart-strategy.type=none")
        job = self.start_audit("feeds", "doomed", *flags)
        try:
            run("kcat", "-P", "-b", BROKER, "-t", "feeds", "-K:", text="a:1\na:2\n")
            self.wait_for("doomed", 2)
            tool("topics", "--delete", "--topic", "doomed")
            run("kcat", "-P", "-b", BROKER, "-t", "feeds", "-K:", text="a:3\n")
            _, errors = job.communicate(timeout=120)
        finally:
            job.kill()
        self.assertEqual(job.returncode, 1, errors)
        self.assertIn("doomed", errors)
        # Markers belong to the topic and go with it, so nobody knows any more what it held: what was
        # not committed is in the checkpoint, and is written when the user says so.
        make_topic("doomed", 1)
        job = self.start_audit("feeds", "doomed", *flags, "-s", "latest")
        _, errors = job.communicate(timeout=60)
        self.assertNotEqual(job.returncode, 0)
        self.assertIn("allow repeats", errors)
        job = self.start_audit("feeds", "doomed", *flags, "-s", "latest", "--allow-repeats")
        try:
            self.assertEqual(self.wait_for("doomed", 1), ["3,3"])
        finally:
            job.send_signal(signal.SIGINT)
            job.communicate(timeout=60)


if __name__ == "__main__":
    # A deleted topic must not come back by itself.
    kafka_world.main("--property", "log.initial.task.delay.ms=500", "--property",
                     "log.retention.check.interval.ms=500", "--property", "auto.create.topics.enable=false")
