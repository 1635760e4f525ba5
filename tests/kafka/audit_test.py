#!/usr/bin/env python3
"""Numbered records through an exactly-once job between two topics while everything fails.

The job is killed at random and at each fail point, frozen for less and for more than its
transactions live, started again beside its frozen self, at other parallelisms, always with
`-s latest`; transactions are left to expire; the broker is restarted, killed and frozen. A
read_committed reader that runs all the time and one afterwards see each number once, each key in
order, and per key the counts 1, 2, 3, ... that its state must give.

Both readers and the writer are kcat, which shares no code of ours.

Usage: audit_test.py [--records N] [--faults N] [--seed S]
"""
import argparse
import collections
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../support"))
from processes import state_of  # noqa: E402

JOB = "tests/kafka/audit_job"
KEYS = 97
PARTITIONS = 4
TRANSACTION_S = 3
PROGRESS_S_MAX = 90
# In how many parts input follows while a fail point is waited for.
FEEDS = 8
FAIL_POINTS = ("barrier_sent", "snapshot_written", "metadata_written", "checkpoint_complete",
               "commit_half_done", "kafka_epoch_written", "kafka_marker_sent", "kafka_committed")
CANNOT_BE_HAD = 3


class Broker:
    def __init__(self, directory):
        self.directory = directory
        self.port = 30000 + os.getpid() % 1000 * 2
        self.bootstrap = f"127.0.0.1:{self.port}"

    def script(self, *words):
        return subprocess.run(["tools/kafka", *words], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def start(self):
        return self.script("start", "--port", str(self.port), "--dir", self.directory, "--owner",
                           str(os.getpid()))

    def pid(self):
        with open(f"{self.directory}/pid", encoding="utf-8") as file:
            return int(file.read())

    def restart(self, kill):
        if kill:
            os.kill(self.pid(), signal.SIGKILL)
        self.script("stop", "--dir", self.directory)
        started = self.start()
        assert started.returncode == 0, started.stdout

    def freeze(self, seconds):
        os.kill(self.pid(), signal.SIGSTOP)
        time.sleep(seconds)
        os.kill(self.pid(), signal.SIGCONT)

    def stop(self):
        self.script("stop", "--dir", self.directory)


class Seen:
    """What one reader saw; problems are kept, not raised, so that the run shows all of them."""

    def __init__(self):
        self.numbers = set()
        self.last = {}
        self.problems = []

    def take(self, line):
        key, number, count = line.replace(",", " ").split()
        number, count = int(number), int(count)
        if number in self.numbers:
            self.problems.append(f"{number} twice")
        self.numbers.add(number)
        last_number, last_count = self.last.get(key, (-1, 0))
        if number <= last_number:
            self.problems.append(f"{key}: {number} after {last_number}")
        if count != last_count + 1:
            self.problems.append(f"{key}: count {count} after {last_count} at {number}")
        self.last[key] = (number, count)


class Reader(threading.Thread):
    """Reads committed results all the time."""

    def __init__(self, bootstrap):
        super().__init__(daemon=True)
        self.seen = Seen()
        self.longest_silence = 0.0
        self.process = subprocess.Popen(
            ["kcat", "-C", "-E", "-u", "-q", "-b", bootstrap, "-t", "out", "-o", "beginning",
             "-X", "isolation.level=read_committed", "-X", "fetch.wait.max.ms=50",
             "-f", "%k %s\n"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def run(self):
        for line in self.process.stdout:
            self.seen.take(line)

    def count(self):
        return len(self.seen.numbers)

    def wait_for(self, count, what):
        """Until so many results were seen."""
        begin = time.monotonic()
        while self.count() < count:
            silence = time.monotonic() - begin
            self.longest_silence = max(self.longest_silence, silence)
            assert self.process.poll() is None, "the reader ended"
            if silence > PROGRESS_S_MAX:
                return False
            time.sleep(0.02)
        self.longest_silence = max(self.longest_silence, time.monotonic() - begin)
        return True


def read_all(bootstrap):
    seen = Seen()
    done = subprocess.run(
        ["kcat", "-C", "-e", "-q", "-b", bootstrap, "-t", "out", "-o", "beginning",
         "-X", "isolation.level=read_committed", "-f", "%k %s\n"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, timeout=300)
    assert done.returncode == 0
    for line in done.stdout.splitlines():
        seen.take(line)
    return seen


class Audit:
    def __init__(self, records, faults, seed):
        self.random = random.Random(seed)
        self.records, self.faults = records, faults
        self.root = tempfile.mkdtemp(dir=os.environ.get("TEST_TMPDIR"))
        self.broker = Broker(f"{self.root}/broker")
        self.landed = collections.Counter()
        self.starts = 0
        self.checkpoints = f"{self.root}/checkpoints-0"
        self.log = open(f"{self.root}/jobs.log", "w+", encoding="utf-8")
        self.job = None
        self.old = []
        self.fed = 0

    # -- the job --

    def start(self, fail_point=None):
        """With a fail point, which needs something to commit, more input follows."""
        self.starts += 1
        environment = dict(os.environ)
        environment.pop("SLUICE_FAIL_POINT", None)
        if fail_point:
            environment["SLUICE_FAIL_POINT"] = fail_point
        self.log.write(f"--- start {self.starts} {fail_point or ''}\n")
        self.log.flush()
        self.job = subprocess.Popen(
            [JOB, "--brokers", self.broker.bootstrap, "--transaction-timeout-ms",
             str(TRANSACTION_S * 1000), "-p", str(self.random.choice([1, 2, 3])),
             "--checkpoint-interval", "200ms", "--checkpoint-dir", self.checkpoints,
             "-D", "execution.checkpointing.num-retained=3",
             "-D", "execution.checkpointing.tolerable-failed-checkpoints=100",
             "-D", "restart-strategy.type=fixed-delay",
             "-D", "restart-strategy.fixed-delay.attempts=1000",
             "-D", "restart-strategy.fixed-delay.delay=200ms", "-s", "latest"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=environment)
        if fail_point:
            for _ in range(FEEDS):
                self.feed(self.share // (2 * FEEDS))
                time.sleep(0.25)

    def ensure_job(self):
        """A job that ended by itself, e.g. because another run had taken over, is started again."""
        if self.job.poll() is not None:
            self.start()

    def kill(self, job):
        if job.poll() is None:
            job.send_signal(signal.SIGKILL)
        job.wait()

    def wait_until(self, condition, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if condition():
                return True
            time.sleep(0.01)
        return False

    # -- input --

    def feed(self, count):
        """Writes `count` more records and waits until the broker has them."""
        count = min(count, self.records - self.fed)
        lines = "".join(f"k{n % KEYS}:{n}\n" for n in range(self.fed, self.fed + count))
        self.fed += count
        subprocess.run(["kcat", "-P", "-E", "-q", "-b", self.broker.bootstrap, "-t", "in", "-K:",
                        "-X", "enable.idempotence=true"], input=lines, text=True, check=True,
                       stderr=subprocess.DEVNULL, timeout=120)

    # -- faults: each says whether it landed --

    def fault_kill(self):
        time.sleep(self.random.uniform(0, 0.5))
        landed = self.job.poll() is None
        self.kill(self.job)
        self.start()
        return landed

    def fault_fail_point(self):
        point = self.points[self.landed["fail point"] % len(self.points)]
        self.kill(self.job)
        self.start(f"{point}:{self.random.randint(1, 3)}")
        job = self.job
        landed = self.wait_until(lambda: job.poll() is not None, 10)
        self.kill(job)
        self.start()
        return landed

    def fault_expire(self):
        """Dies inside a transaction; nobody ends it, and readers must get past it all the same."""
        self.kill(self.job)
        self.start("kafka_epoch_written:1")
        job = self.job
        landed = self.wait_until(lambda: job.poll() is not None, 10)
        self.kill(job)
        if landed:
            time.sleep(TRANSACTION_S + 1.5)
        self.start()
        return landed

    def fault_freeze_inside(self):
        """Frozen inside a transaction until it has expired, then goes on with it."""
        self.kill(self.job)
        point = self.random.choice(["kafka_epoch_written", "kafka_marker_sent"])
        self.start(f"{point}:1:stop")
        landed = self.wait_until(lambda: state_of(self.job.pid) == "T", 10)
        if landed:
            time.sleep(TRANSACTION_S + 1.5)
            self.job.send_signal(signal.SIGCONT)
        else:
            self.kill(self.job)
            self.start()
        return landed

    def fault_freeze(self):
        self.job.send_signal(signal.SIGSTOP)
        landed = self.wait_until(lambda: state_of(self.job.pid) == "T", 1)
        time.sleep(self.random.choice([0.3, 1.0, TRANSACTION_S + 1]))
        self.job.send_signal(signal.SIGCONT)
        return landed

    def fault_zombie(self):
        """Frozen inside a transaction; a new run takes over; the old one wakes up and goes on. The new
        one has a copy of the checkpoints, as a machine that took a snapshot of the disk would: in one
        directory it is refused while the old one lives."""
        self.kill(self.job)
        point = self.random.choice(["kafka_epoch_written", "kafka_marker_sent", "commit_half_done"])
        self.start(f"{point}:1:stop")
        old = self.job
        landed = self.wait_until(lambda: state_of(old.pid) == "T", 10)
        if landed:
            copy = f"{self.root}/checkpoints-{self.starts}"
            shutil.copytree(self.checkpoints, copy)
            self.checkpoints = copy
        else:
            self.kill(old)
        self.start()
        before = self.fed
        self.feed(self.share // 4)
        # Woken before the new run has shut it out, the old one would be the one whose word counts.
        if landed and self.reader.wait_for(before + 1, "beside a frozen run"):
            old.send_signal(signal.SIGCONT)
            time.sleep(self.random.uniform(0.2, 1.5))
        self.kill(old)
        return landed

    def fault_broker_restart(self):
        self.broker.restart(kill=False)
        return True

    def fault_broker_kill(self):
        self.broker.restart(kill=True)
        return True

    def fault_broker_freeze(self):
        self.broker.freeze(self.random.choice([0.5, 2.0]))
        return True

    KINDS = (("kill", 5), ("fail point", 8), ("freeze", 3), ("freeze inside", 2), ("expire", 2),
             ("zombie", 3), ("broker restart", 1), ("broker kill", 1), ("broker freeze", 1))

    def plan(self):
        """Each kind at least once, the rest by weight."""
        kinds = [kind for kind, _ in self.KINDS]
        weights = [weight for _, weight in self.KINDS]
        plan = kinds[:self.faults]
        plan += self.random.choices(kinds, weights, k=self.faults - len(plan))
        self.random.shuffle(plan)
        return plan

    def run(self):
        plan = self.plan()
        self.points = list(FAIL_POINTS)
        self.random.shuffle(self.points)
        for topic in ("in", "out"):
            made = self.broker.script("tool", "topics", "--bootstrap-server", self.broker.bootstrap,
                                      "--create", "--topic", topic, "--partitions", str(PARTITIONS))
            assert made.returncode == 0, made.stdout
        self.reader = Reader(self.broker.bootstrap)
        self.reader.start()
        self.start()
        self.share = self.records // (len(plan) + 1)
        for index, kind in enumerate(plan):
            self.progress(self.fed, f"before fault {index} ({kind})")
            self.feed(self.share // 2)
            self.progress(self.fed - self.share // 2 + 1, f"at fault {index} ({kind})")
            if getattr(self, "fault_" + kind.replace(" ", "_"))():
                self.landed[kind] += 1
            self.ensure_job()
            assert not self.reader.seen.problems, (kind, self.reader.seen.problems[:10])
        self.feed(self.records)
        self.progress(self.records, "at the end")
        self.end_job()
        self.reader.process.send_signal(signal.SIGTERM)
        self.reader.process.wait()

    def progress(self, count, where):
        while not self.reader.wait_for(count, where):
            raise AssertionError(f"no progress {where}: {self.reader.count()} of {count}, "
                                 f"{self.fed} written")
        self.ensure_job()

    def end_job(self):
        self.ensure_job()
        self.job.send_signal(signal.SIGINT)
        try:
            self.job.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.kill(self.job)
            raise AssertionError("the job does not stop") from None

    def check(self):
        after = read_all(self.broker.bootstrap)
        for who, seen in (("during", self.reader.seen), ("after", after)):
            assert not seen.problems, f"reader {who}: {seen.problems[:10]}"
            missing = set(range(self.records)) - seen.numbers
            assert not missing, f"reader {who}: {len(missing)} missing, e.g. {sorted(missing)[:5]}"
            assert len(seen.numbers) == self.records, f"reader {who}: {len(seen.numbers)} numbers"

    def tail(self):
        self.log.flush()
        self.log.seek(0)
        return "".join(self.log.readlines()[-60:])

    def close(self):
        if self.job and self.job.poll() is None:
            self.kill(self.job)
        self.broker.stop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--records", type=int, default=60_000)
    parser.add_argument("--faults", type=int, default=14)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="leave the files")
    arguments = parser.parse_args()
    audit = Audit(arguments.records, arguments.faults, arguments.seed)
    started = audit.broker.start()
    if started.returncode == CANNOT_BE_HAD and "SLUICE_REQUIRE_KAFKA" not in os.environ:
        print("skipped: no Kafka: " + " ".join(started.stdout.split()))
        return
    assert started.returncode == 0, started.stdout
    begin = time.monotonic()
    try:
        audit.run()
        audit.check()
    except BaseException:
        print(audit.tail(), file=sys.stderr)
        print(f"seed {arguments.seed}, landed {dict(audit.landed)}", file=sys.stderr)
        raise
    finally:
        audit.close()
    if not arguments.keep:
        shutil.rmtree(audit.root)
    faults = sum(audit.landed.values())
    print(f"{arguments.records} records, each once and in order for both readers; seed "
          f"{arguments.seed}, {audit.starts} starts, {time.monotonic() - begin:.0f} s, longest wait "
          f"for results {audit.reader.longest_silence:.1f} s")
    for kind, count in sorted(audit.landed.items()):
        print(f"  {kind}: {count}")
    print(f"{faults} faults landed")
    # The few that miss met a job that had just ended.
    assert faults >= arguments.faults * 0.9, "too few faults landed"
    assert arguments.faults < len(Audit.KINDS) or len(audit.landed) == len(Audit.KINDS), "a kind is missing"


if __name__ == "__main__":
    main()
