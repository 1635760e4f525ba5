#!/usr/bin/env python3
"""Processes of a cluster that die, or stand still, at the moments that hurt most: at fail points, all at
once, during a rescale, faster than checkpoints complete (F1, F2, F5, F6, F24). What is written is what
one undisturbed run would have written, and a reader never sees what is taken back.

Usage: fail_points_test.py [NAME...]     names of tests below, without "test_"
"""
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "../recovery"))
import cluster_test  # noqa: E402
from cluster_test import PROGRAM, SLUICE, SOON, Job, finished, private_runtime, sluice  # noqa: E402
from kill_test import Reader  # noqa: E402

QUICK = ["-D", "heartbeat.interval=100ms", "-D", "heartbeat.timeout=1500ms"]
BACK_S = 30  # Seconds from the last fault to a new checkpoint.


class Watched:
    """A job and a reader of its output, which is asked at the end."""

    def __init__(self, **settings):
        self.job = Job(**settings)
        self.reader = Reader(self.job.out)

    def __enter__(self):
        self.reader.start()
        return self.job

    def __exit__(self, kind, *_):
        self.reader.done.set()
        self.reader.join()
        if kind is None:
            assert self.reader.seen, "the reader saw nothing"
            assert not self.reader.problems, self.reader.problems[:5]
            shutil.rmtree(self.job.root)


def fails_at(point):
    return dict(os.environ, SLUICE_FAIL_POINT=point)


def check_end(job, cluster, restarts_min=1):
    output = json.loads(finished(cluster))
    assert output["restarts"] >= restarts_min, output
    check_rows(job, cluster)


def check_rows(job, cluster):
    rows = job.rows()
    assert rows == cluster_test.EXPECTED, (
        f"{len(rows)} rows instead of {len(cluster_test.EXPECTED)}\n{cluster.log()}")


def registered(worker):
    """A TaskManager that nobody knows yet is missed by nobody."""
    worker.wait_for("registered", SOON)
    return worker


def test_task_managers_die_at_fail_points():
    """One after the other: each gets tasks, because the other TaskManager has one slot only."""
    with Watched(rate=8000, interval="50ms") as job, job.cluster(parallelism=2) as cluster:
        cluster.start_manager()
        cluster.start_worker(slots=1)
        for point in ("snapshot_written:3", "restoring:1", "torn_write:12", "commit_half_done:2"):
            victim = cluster.start_worker(slots=1, environment=fails_at(point))
            assert victim.end(SOON) == -signal.SIGKILL, f"{point}\n{cluster.log()}"
        cluster.start_worker(slots=1)
        check_end(job, cluster, restarts_min=3)


def test_job_managers_die_at_fail_points():
    """Each one goes on from the newest checkpoint with the TaskManagers of the one before."""
    with Watched(rate=8000, interval="50ms") as job:
        with job.cluster(parallelism=2, flags=["--ha-dir", f"{job.root}/ha"]) as cluster:
            points = ("barrier_sent:3", "metadata_written:3", "checkpoint_complete:3")
            for number, point in enumerate(points):
                manager = cluster.start_manager(environment=fails_at(point))
                for _ in range(2 if number == 0 else 0):
                    cluster.start_worker(slots=1)
                assert manager.end(SOON) == -signal.SIGKILL, f"{point}\n{cluster.log()}"
            cluster.start_manager()
            cluster.manager.wait_for("starting from checkpoint", SOON)
            check_end(job, cluster, restarts_min=0)


def test_who_stands_still_at_a_fail_point_does_no_harm_when_it_wakes():
    """In the middle of a snapshot, and in the middle of a commit."""
    with Watched(rate=4000, interval="50ms") as job:
        with job.cluster(parallelism=2, flags=QUICK) as cluster:
            cluster.start_manager()
            cluster.start_worker(slots=1)
            frozen = []
            for point in ("snapshot_written:3:stop", "commit_half_done:2:stop"):
                mark = len(cluster.manager.lines)
                frozen.append(cluster.start_worker(slots=1, environment=fails_at(point)))
                cluster.manager.wait_for("is lost: no heartbeat", SOON, mark)
            cluster.start_worker(slots=1)
            job.wait_for_checkpoints(cluster, 2)
            for each in frozen:
                each.send(signal.SIGCONT)
                assert each.end(SOON) == 75, cluster.log()
            check_end(job, cluster, restarts_min=2)


def test_all_die_at_once():
    """Only what is on the disk is left, three times."""
    with Watched(rate=8000, interval="50ms") as job:
        with job.cluster(parallelism=2, flags=["--ha-dir", f"{job.root}/ha"]) as cluster:
            for _ in range(3):
                cluster.start_manager()
                for _ in range(2):
                    cluster.start_worker(slots=1)
                job.wait_for_checkpoints(cluster, 2)
                living = [each for each in cluster.processes if each.is_alive()]
                assert len(living) == 3, cluster.log()
                for each in living:
                    each.send(signal.SIGKILL)
                for each in living:
                    assert each.end(SOON) == -signal.SIGKILL, cluster.log()
            cluster.start_manager()
            cluster.manager.wait_for("starting from checkpoint", SOON)
            for _ in range(2):
                cluster.start_worker(slots=1)
            check_end(job, cluster, restarts_min=0)


def test_kills_during_rescales():
    """2 -> 4 -> 3 -> 2, each with a TaskManager that dies meanwhile; then once in peace."""
    random_ = random.Random(5)
    with Watched(rate=4000, interval="50ms") as job:
        environment = private_runtime(job)
        with job.cluster(parallelism=2) as cluster:
            cluster.start_manager(environment=environment)
            workers = [registered(cluster.start_worker(slots=2)) for _ in range(3)]
            there = ["--jobmanager", f"127.0.0.1:{cluster.port}"]
            for parallelism in ("4", "3", "2"):
                job.wait_for_checkpoints(cluster, 2)
                mark = len(cluster.manager.lines)
                with subprocess.Popen([SLUICE, "rescale", "-p", parallelism, *there], env=environment,
                                      stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL) as asking:
                    cluster.manager.wait_for("/rescale", SOON, mark)
                    time.sleep(random_.uniform(0, 0.02))
                    victim = workers.pop(random_.randrange(len(workers)))
                    victim.kill()
                    cluster.manager.wait_for(f"{victim.port()} is lost", SOON, mark)
                    asking.communicate(timeout=SOON)
                workers.append(registered(cluster.start_worker(slots=2)))
                job.wait_for_checkpoints(cluster, 1)
            look = json.loads(sluice("status", "--json", *there, environment=environment))
            wanted = 3 if max(each["parallelism"] for each in look["vertices"]) != 3 else 4
            mark = len(cluster.manager.lines)
            sluice("rescale", "-p", str(wanted), *there, environment=environment)
            cluster.manager.wait_for(f"rescaled to parallelism {wanted}", SOON, mark)
            finished(cluster)
            check_rows(job, cluster)


def test_rescale_whose_commit_is_cut_off():
    """The savepoint is complete, half of its output is not shown: the next run shows the rest."""
    with Watched(rate=8000, interval="1h") as job:
        environment = private_runtime(job)
        with job.cluster(parallelism=2) as cluster:
            cluster.start_manager(environment=environment)
            registered(cluster.start_worker(slots=1))
            victim = registered(cluster.start_worker(slots=1, environment=fails_at("commit_half_done:1")))
            there = ["--jobmanager", f"127.0.0.1:{cluster.port}"]
            deadline = time.monotonic() + SOON
            while json.loads(sluice("status", "--json", *there, environment=environment))[
                    "summary"]["records_out"] < 200:
                assert time.monotonic() < deadline, cluster.log()
            with subprocess.Popen([SLUICE, "rescale", "-p", "1", *there], env=environment,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as asking:
                assert victim.end(SOON) == -signal.SIGKILL, cluster.log()
                asking.communicate(timeout=SOON)
            cluster.manager.wait_for("is complete but not all of its output is committed", SOON)
            cluster.manager.wait_for("rescaled to parallelism 1", SOON)
            finished(cluster)
            check_rows(job, cluster)


def test_kills_faster_than_checkpoints():
    """Nothing gets on meanwhile; afterwards it does at once."""
    random_ = random.Random(6)
    with Watched(rate=8000, interval="300ms") as job, job.cluster(parallelism=2) as cluster:
        cluster.start_manager()
        workers = [cluster.start_worker(slots=1) for _ in range(3)]
        job.wait_for_checkpoints(cluster, 1)
        for _ in range(12):
            time.sleep(random_.uniform(0, 0.25))
            registered(workers.pop(random_.randrange(len(workers)))).kill()
            workers.append(cluster.start_worker(slots=1))
        calm = time.monotonic()
        job.wait_for_checkpoints(cluster, 1)
        assert time.monotonic() - calm < BACK_S, cluster.log()
        lost = sum("is lost" in line for _, line in cluster.manager.lines)
        assert lost == 12, f"{lost} of 12 kills were noticed\n{cluster.log()}"
        check_end(job, cluster)


def test_a_cancelled_job_stays_cancelled():
    """Also for a JobManager that is started again (R1)."""
    job = Job(rate=500)
    environment = private_runtime(job)
    ha = ["--ha-dir", f"{job.root}/ha"]
    with job.cluster(parallelism=2, flags=ha) as cluster:
        cluster.start_manager(environment=environment)
        cluster.start_worker(slots=2)
        job.wait_for_checkpoints(cluster, 2)
        sluice("cancel", "--jobmanager", f"127.0.0.1:{cluster.port}", environment=environment)
        assert cluster.manager.end(SOON) == 1, cluster.log()
        before = job.rows()
        again = subprocess.run(
            [PROGRAM, *job.arguments, *job.flags, *ha, "--role", "jobmanager", "--bind",
             "127.0.0.1:0"], capture_output=True, text=True, timeout=SOON, check=False)
        assert again.returncode == 1 and '"status":"CANCELLED"' in again.stdout, again
        assert "has ended in an earlier run" in again.stderr, again
        assert job.rows() == before
    shutil.rmtree(job.root)


if __name__ == "__main__":
    cluster_test.run_tests(globals())
