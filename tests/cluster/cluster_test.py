#!/usr/bin/env python3
"""A job over real processes on the loopback interface: what it writes, whatever happens to its
TaskManagers, is what one undisturbed run would have written.

Usage: cluster_test.py [NAME...]     names of tests below, without "test_"
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "../golden"))
sys.path.insert(0, os.path.join(HERE, "../recovery"))
sys.path.insert(0, os.path.join(HERE, "../support"))
import certificates  # noqa: E402
import flight_oracle  # noqa: E402
import job_runs  # noqa: E402
from local_cluster import LocalCluster  # noqa: E402

FLIGHTS = "jobs/data/us_flights_2001q1.csv"
PROGRAM = "jobs/flight_delays"
SLUICE = "tools/sluice"
HOUR = flight_oracle.HOUR
SOON = 60  # Seconds; only a hang takes so long.


class Job:
    """flight_delays with its places, and what it must write."""

    def __init__(self, rate=12000, interval="100ms", flags=()):
        self.root = tempfile.mkdtemp(dir=os.environ.get("TEST_TMPDIR"))
        self.out = f"{self.root}/out"
        self.checkpoints = f"{self.root}/checkpoints"
        self.arguments = ["--input", FLIGHTS, "--output", self.out, "--max-out-of-orderness", "9h"]
        if rate:
            self.arguments += ["--rate", str(rate)]
        self.flags = ["--summary", "json", *flags]
        if interval:
            self.flags += ["--checkpoint-interval", interval, "--checkpoint-dir", self.checkpoints,
                           "-D", "restart-strategy.exponential-delay.initial-backoff=50ms"]

    def cluster(self, parallelism=6, flags=(), worker_flags=()):
        return LocalCluster(PROGRAM, self.arguments,
                            [*self.flags, "-p", str(parallelism), *flags], worker_flags)

    def rows(self):
        return job_runs.rows_of(self.out)

    def check_output(self, cluster):
        rows = self.rows()
        assert len(rows) == len(set(rows)), f"{len(rows) - len(set(rows))} rows twice"
        missing, extra = set(EXPECTED) - set(rows), set(rows) - set(EXPECTED)
        assert rows == EXPECTED, (f"missing {sorted(missing)[:3]} extra {sorted(extra)[:3]}\n"
                                  + cluster.log())
        shutil.rmtree(self.root)

    def wait_for_checkpoints(self, cluster, count):
        """Until `count` more checkpoints are complete: faults hit a job that gets on."""
        first = self.newest_checkpoint()
        deadline = time.monotonic() + SOON
        while self.newest_checkpoint() < first + count:
            assert time.monotonic() < deadline, f"no checkpoints come\n{cluster.log()}"
            assert cluster.manager.is_alive(), cluster.log()
            time.sleep(0.01)

    def newest_checkpoint(self):
        return job_runs.newest_checkpoint(f"{self.checkpoints}/flight_delays")


def finished(cluster):
    status = cluster.manager.end(SOON)
    assert status == 0, f"exit {status}: {cluster.manager.output}\n{cluster.log()}"
    return cluster.manager.output


def test_plain():
    """Without checkpoints and faults: three TaskManagers, every process ends by itself."""
    job = Job(rate=0, interval=None)
    with job.cluster() as cluster:
        cluster.start_manager()
        workers = [cluster.start_worker() for _ in range(3)]
        output = finished(cluster)
        assert '"records_in":20000' in output, output
        for worker in workers:
            assert worker.end(SOON) == 0, cluster.log()
        job.check_output(cluster)


def test_two_kills():
    """Two SIGKILLs while the job gets on, one replaced by a new TaskManager, one by free slots."""
    job = Job()
    with job.cluster() as cluster:
        cluster.start_manager()
        workers = [cluster.start_worker(slots=3) for _ in range(2)]
        for worker in workers:
            worker.wait_for("registered", SOON)
        workers.append(cluster.start_worker(slots=3))  # Has no tasks for now.
        job.wait_for_checkpoints(cluster, 3)
        killed = time.monotonic()
        workers[0].kill()
        noticed, _ = cluster.manager.wait_for("is lost", SOON)
        assert noticed - killed < 1, f"noticed after {noticed - killed:.2f} s"
        cluster.manager.wait_for("restarting from checkpoint", SOON)
        job.wait_for_checkpoints(cluster, 3)
        mark = len(cluster.manager.lines)
        workers[1].kill()
        cluster.manager.wait_for("waiting for slots", SOON, mark)
        cluster.start_worker(slots=3)
        cluster.manager.wait_for("restarting from checkpoint", SOON, mark)
        output = finished(cluster)
        assert '"restarts":0' not in output, output
        job.check_output(cluster)


def test_failover_of_one_pipeline():
    """A pipeline that fails starts again on its TaskManagers; the other one runs on beside it."""
    root = tempfile.mkdtemp(dir=os.environ.get("TEST_TMPDIR"))
    with LocalCluster("tests/cluster/two_pipelines_job", ["--directory", root, "--fails-at", "5600"],
                      ["-p", "2", "--summary", "json", "--checkpoint-interval", "50ms",
                       "--checkpoint-dir", f"{root}/checkpoints",
                       "-D", "restart-strategy.exponential-delay.initial-backoff=50ms"]) as cluster:
        cluster.start_manager()
        for _ in range(2):
            cluster.start_worker(slots=1)
        output = finished(cluster)
        assert '"restarts":1' in output, output
        assert "restart of 4 of 8 tasks" in cluster.log(), cluster.log()
    noted = {name: sorted(os.listdir(f"{root}/{name}-notes")) for name in ("steady", "failing")}
    assert noted["steady"] == ["opened-0-0", "opened-1-0"], noted
    assert noted["failing"] == ["failed-5600", "opened-0-0", "opened-0-1", "opened-1-0",
                                "opened-1-1"], noted
    expected = sorted(f"{n % 7}:{n // 7 + 1}" for n in range(6000))
    for name in noted:
        rows = []
        for part in os.listdir(f"{root}/{name}"):
            assert part.startswith("part-"), part
            with open(f"{root}/{name}/{part}") as file:
                rows += file.read().split()
        assert sorted(rows) == expected, f"{name}: {len(rows)} rows, {len(set(rows))} of them once"
    shutil.rmtree(root)


def test_waits_for_slots():
    """A job starts when enough TaskManagers have joined, and says what it waits for."""
    job = Job(rate=0, interval=None)
    with job.cluster(parallelism=4) as cluster:
        cluster.start_manager()
        cluster.start_worker(slots=2)
        cluster.manager.wait_for("waiting for slots: the job needs 4 slots, 2 of 2 are free", SOON)
        cluster.start_worker(slots=2)
        finished(cluster)
        job.check_output(cluster)


def test_frozen_worker_is_fenced():
    """A TaskManager that stands still past its lease loses its tasks and ends when it wakes."""
    job = Job()
    flags = ["-D", "heartbeat.interval=100ms", "-D", "heartbeat.timeout=1500ms"]
    with job.cluster(parallelism=4, flags=flags) as cluster:
        cluster.start_manager()
        workers = [cluster.start_worker(slots=2) for _ in range(2)]
        job.wait_for_checkpoints(cluster, 2)
        frozen = workers[0]
        frozen.send(signal.SIGSTOP)
        cluster.manager.wait_for("is lost: no heartbeat", SOON)
        cluster.start_worker(slots=2)
        cluster.manager.wait_for("restarting from checkpoint", SOON)
        job.wait_for_checkpoints(cluster, 2)
        frozen.send(signal.SIGCONT)
        assert frozen.end(SOON) == 75, cluster.log()
        finished(cluster)
        job.check_output(cluster)


def test_short_freeze_is_no_fault():
    """A pause shorter than the lease changes nothing."""
    job = Job()
    with job.cluster(parallelism=4) as cluster:
        cluster.start_manager()
        workers = [cluster.start_worker(slots=2) for _ in range(2)]
        job.wait_for_checkpoints(cluster, 2)
        workers[0].send(signal.SIGSTOP)
        time.sleep(0.5)
        workers[0].send(signal.SIGCONT)
        output = finished(cluster)
        assert '"restarts":0' in output, output
        job.check_output(cluster)


def test_other_job_is_refused():
    """A TaskManager with other arguments is refused; both sides are named."""
    job = Job(rate=0, interval=None)
    with job.cluster(parallelism=2) as cluster:
        cluster.start_manager()
        other = [word.replace("9h", "8h") for word in job.arguments]
        stranger = cluster.start_worker(arguments=other)
        assert stranger.end(SOON) == 2, cluster.log()
        assert "--max-out-of-orderness 8h" in stranger.log() and "9h" in stranger.log()
        cluster.start_worker(slots=2)
        finished(cluster)
        job.check_output(cluster)


def test_manager_restart():
    """With --ha-dir a JobManager that was killed goes on from the newest checkpoint; a second one
    is refused while the first lives; a job that has finished is not run again."""
    job = Job()
    ha = ["--ha-dir", f"{job.root}/ha"]
    with job.cluster(parallelism=4, flags=ha) as cluster:
        first = cluster.start_manager()
        for _ in range(2):
            cluster.start_worker(slots=2)
        job.wait_for_checkpoints(cluster, 3)
        second = subprocess.run(
            [PROGRAM, *job.arguments, *job.flags, *ha, "--role", "jobmanager", "--bind",
             "127.0.0.1:0"], capture_output=True, text=True, timeout=SOON, check=False)
        assert second.returncode != 0 and "another JobManager leads" in second.stderr, second
        first.kill()
        cluster.start_manager()
        cluster.manager.wait_for("starting from checkpoint", SOON)
        finished(cluster)
        assert sorted(os.listdir(f"{job.root}/ha"))[:3] == ["_lock", "epoch-1", "epoch-2"]
        again = subprocess.run(
            [PROGRAM, *job.arguments, *job.flags, *ha, "--role", "jobmanager", "--bind",
             "127.0.0.1:0"], capture_output=True, text=True, timeout=SOON, check=False)
        assert again.returncode == 0 and '"status":"FINISHED"' in again.stdout, again
        assert "has ended in an earlier run" in again.stderr, again
        job.check_output(cluster)


def ask(directory, process, path, form=None):
    """One request to the control endpoint of a process, as JSON."""
    with open(f"{directory}/{process.process.pid}.json", encoding="utf-8") as file:
        endpoint = json.load(file)
    request = urllib.request.Request(
        f"http://{endpoint['host']}:{endpoint['port']}{path}",
        data=None if form is None else urllib.parse.urlencode(form).encode(),
        headers={"Authorization": f"Bearer {endpoint['operate_token']}"})
    with urllib.request.urlopen(request, timeout=SOON) as answer:
        return json.load(answer)


def test_rescale():
    """A running job goes on with another parallelism, twice; what it writes stays the same."""
    job = Job(rate=4000)
    environment = private_runtime(job)
    runtime = environment["SLUICE_RUNTIME_DIR"]
    with job.cluster(parallelism=2) as cluster:
        cluster.start_manager(environment=environment)
        for _ in range(2):
            cluster.start_worker(slots=2)
        for parallelism in (4, 3):
            job.wait_for_checkpoints(cluster, 2)
            mark = len(cluster.manager.lines)
            answer = ask(runtime, cluster.manager, "/v1/jobs/flight_delays/rescale",
                         {"parallelism": parallelism})
            assert answer["state"] == "RESCALING", answer
            cluster.manager.wait_for(f"rescaled to parallelism {parallelism}", SOON, mark)
            job.wait_for_checkpoints(cluster, 1)
            look = ask(runtime, cluster.manager, "/v1/jobs/flight_delays")
            assert max(vertex["parallelism"] for vertex in look["vertices"]) == parallelism, look
            nodes = {task["node"] for task in look["tasks"]}
            managers = {each["node"] for each in ask(runtime, cluster.manager, "/v1/taskmanagers")}
            assert nodes <= managers and len(managers) == 2, (nodes, managers)
        output = json.loads(finished(cluster))
        assert output["restarts"] == 0 and output["records_in"] == 20000, output
        job.check_output(cluster)


def sluice(*words, environment=None, status=0):
    done = subprocess.run([SLUICE, *words], capture_output=True, text=True, timeout=SOON,
                          check=False, env=environment)
    assert done.returncode == status, f"{words}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout if status == 0 else done.stderr


def private_runtime(job):
    """An environment whose endpoint files are not those of other tests."""
    directory = f"{job.root}/runtime"
    os.mkdir(directory, 0o700)
    return dict(os.environ, SLUICE_RUNTIME_DIR=directory)


def check_far_tasks(look):
    """Tasks of other processes are in the tree of actors, with what only they know."""
    [job] = look["jobs"]
    assert len(job["tasks"]) > 3, look
    assert all(each["kind"] for each in look["actors"]), look["actors"]
    actors = {(each["node"], each["label"]) for each in look["actors"] if each["kind"] == "task"}
    for task in job["tasks"]:
        details = task["details"]
        assert (task["node"], task["name"]) in actors, look["actors"]
        assert details["looked"] > 0 and task["activity_since"] > 0, task
        assert details["inputs"] or details["outputs"], task
        for output in details["outputs"]:
            assert output["credit"] + output["in_flight"] > 0, task
    assert any(task["details"]["splits"] for task in job["tasks"]), job["tasks"]  # The file.
    nodes = {each["node"] for each in look["actors"] if each["kind"] == "task_manager"}
    assert len(nodes) == 2 and {task["node"] for task in job["tasks"]} <= nodes, nodes


def test_cli():
    """`sluice --jobmanager` looks at a cluster and steers it by the address its TaskManagers use. A
    rescale keeps the checkpoints, a cancel may delete them."""
    job = Job(rate=500)
    environment = private_runtime(job)
    retention = "execution.checkpointing.externalized-checkpoint-retention=delete-on-cancellation"
    with job.cluster(parallelism=2, flags=["-D", retention]) as cluster:
        cluster.start_manager(environment=environment)
        for _ in range(2):
            cluster.start_worker(slots=2)
        job.wait_for_checkpoints(cluster, 1)
        there = ["--jobmanager", f"localhost:{cluster.port}"]
        jobs = json.loads(sluice("list", "--json", *there, environment=environment))
        assert [each["name"] for each in jobs] == ["flight_delays"], jobs
        managers = json.loads(sluice("taskmanagers", "--json", *there, environment=environment))
        assert sorted(each["slots"] for each in managers) == [2, 2], managers
        look = json.loads(sluice("status", "--json", *there, environment=environment))
        assert {task["node"] for task in look["tasks"]} <= {each["node"] for each in managers}
        for command in ("checkpoints", "exceptions", "actors", "graph", "watermarks", "logs"):
            assert sluice(command, *there, environment=environment), command
        check_far_tasks(json.loads(sluice("actors", "--json", *there, environment=environment)))
        assert "flight_delays" in sluice("top", "--screens", "1", *there, environment=environment)
        taken = json.loads(sluice("checkpoint", "--json", *there, environment=environment))
        assert taken["state"] == "RUNNING", taken
        mark = len(cluster.manager.lines)
        sluice("rescale", "-p", "3", *there, environment=environment)
        cluster.manager.wait_for("rescaled to parallelism 3", SOON, mark)
        job.wait_for_checkpoints(cluster, 1)
        nobody = sluice("list", "--jobmanager", "127.0.0.1:1", environment=environment, status=1)
        assert "no JobManager of this user listens at 127.0.0.1:1" in nobody, nobody
        assert job.newest_checkpoint() > 0
        sluice("cancel", *there, environment=environment)
        assert cluster.manager.end(SOON) == 1, cluster.log()
        assert "checkpoints of the job were deleted" in cluster.manager.log(), cluster.log()
        assert job.newest_checkpoint() == 0
    shutil.rmtree(job.root)


def test_cli_over_tls():
    """At its --control-bind a JobManager answers whoever has a certificate of the CA, nobody else."""
    job = Job(rate=500)
    environment = private_runtime(job)
    stranger = dict(environment, SLUICE_RUNTIME_DIR=f"{job.root}/elsewhere")
    certificates.make(job.root)
    good = tls_flags(job, "good")
    flags = [*good, "--control-bind", "127.0.0.1:0"]
    with job.cluster(parallelism=2, flags=flags) as cluster:
        cluster.start_manager(environment=environment)
        cluster.start_worker(slots=2, flags=good)
        _, line = cluster.manager.wait_for("control endpoint on", SOON)
        there = ["--jobmanager", line.split()[-1]]
        job.wait_for_checkpoints(cluster, 1)
        assert "flight_delays" in sluice("list", *there, *good, environment=stranger)
        for words in (tls_flags(job, "evil"), []):
            refused = sluice("status", *there, *words, environment=stranger, status=1)
            assert "--tls-cert" in refused or "answer" in refused, refused
        sluice("cancel", *there, *good, environment=stranger)
        assert cluster.manager.end(SOON) == 1, cluster.log()
        assert "/cancel?" in cluster.manager.log() and "accepted" in cluster.manager.log()
    shutil.rmtree(job.root)


def test_stop_that_does_not_come():
    """A job without slots has nothing to stop: who asks is told so in time, and may cancel it."""
    job = Job(rate=500)
    environment = private_runtime(job)
    with job.cluster(parallelism=2) as cluster:
        cluster.start_manager(environment=environment)
        cluster.manager.wait_for("waiting for slots", SOON)
        there = ["--jobmanager", f"127.0.0.1:{cluster.port}"]
        said = sluice("stop", "--timeout", "300ms", *there, environment=environment, status=1)
        assert said == "sluice: the job has not ended after 300ms\n", said
        sluice("cancel", *there, environment=environment)
        assert cluster.manager.end(SOON) == 1, cluster.log()
    shutil.rmtree(job.root)


def test_stop_of_a_job_that_waits_for_slots():
    """There is nothing to save: who asks for a savepoint is told so, and SIGTERM ends the process."""
    job = Job()
    environment = private_runtime(job)
    with job.cluster() as cluster:
        cluster.start_manager(environment=environment)
        cluster.manager.wait_for("waiting for slots", SOON)
        refusal = sluice("stop", "--jobmanager", f"127.0.0.1:{cluster.port}", environment=environment,
                         status=1)
        assert "the job does not run, so there is nothing to save; cancel ends it" in refusal, refusal
        assert cluster.manager.is_alive(), cluster.log()
        cluster.manager.send(signal.SIGTERM)
        cluster.manager.wait_for("nothing to save; it is cancelled", SOON)
        cluster.manager.end(SOON)
        assert '"status":"CANCELLED"' in cluster.manager.output, cluster.manager.output
    shutil.rmtree(job.root)


def test_rescale_that_has_to_wait():
    """Who asks for it while the job waits for slots gets the answer when it has happened."""
    job = Job(rate=4000)
    environment = private_runtime(job)
    with job.cluster(parallelism=4) as cluster:
        cluster.start_manager(environment=environment)
        cluster.start_worker(slots=2)
        cluster.manager.wait_for("2 of 2 are free", SOON)
        there = ["--jobmanager", f"127.0.0.1:{cluster.port}"]
        with subprocess.Popen([SLUICE, "rescale", "-p", "2", *there], env=environment,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as asking:
            cluster.manager.wait_for("/rescale", SOON)
            assert asking.poll() is None
            cluster.start_worker(slots=2)
            cluster.manager.wait_for("rescaled to parallelism 2", SOON)
            assert asking.wait(SOON) == 0, asking.stdout.read()
        finished(cluster)
        job.check_output(cluster)


def test_rescale_of_a_job_that_waits_for_slots():
    """It goes on with the slots there are, from its newest checkpoint."""
    job = Job(rate=4000)
    environment = private_runtime(job)
    with job.cluster(parallelism=2) as cluster:
        cluster.start_manager(environment=environment)
        workers = [cluster.start_worker(slots=1) for _ in range(2)]
        job.wait_for_checkpoints(cluster, 2)
        workers[0].kill()
        cluster.manager.wait_for("waiting for slots", SOON)
        sluice("rescale", "-p", "1", "--jobmanager", f"127.0.0.1:{cluster.port}",
               environment=environment)
        cluster.manager.wait_for("rescaled to parallelism 1", SOON)
        finished(cluster)
        job.check_output(cluster)


def test_reactive():
    """With --reactive the parallelism follows the TaskManagers that join, and that die."""
    job = Job(rate=3000)
    environment = private_runtime(job)
    with job.cluster(flags=["--reactive"], parallelism=1) as cluster:
        cluster.start_manager(environment=environment)
        workers = [cluster.start_worker(slots=1)]
        job.wait_for_checkpoints(cluster, 1)
        workers += [cluster.start_worker(slots=1) for _ in range(2)]
        cluster.manager.wait_for("rescaled to parallelism 3", SOON)
        job.wait_for_checkpoints(cluster, 2)
        mark = len(cluster.manager.lines)
        workers[1].kill()
        cluster.manager.wait_for("rescaled to parallelism 2", SOON, mark)
        job.wait_for_checkpoints(cluster, 2)
        look = ask(environment["SLUICE_RUNTIME_DIR"], cluster.manager, "/v1/jobs/flight_delays")
        assert max(vertex["parallelism"] for vertex in look["vertices"]) == 2, look
        finished(cluster)
        job.check_output(cluster)


def test_strangers():
    """Junk, a huge length and idle connections on the ports change nothing."""
    job = Job(rate=4000)
    with job.cluster(parallelism=2) as cluster:
        cluster.start_manager()
        worker = cluster.start_worker(slots=2)
        job.wait_for_checkpoints(cluster, 1)
        sockets = []
        for port in (cluster.port, worker.port()):
            for junk in (b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 4096, b""):
                sockets.append(socket.create_connection(("127.0.0.1", port)))
                sockets[-1].sendall(junk)
        job.wait_for_checkpoints(cluster, 2)
        for each in sockets:
            each.close()
        output = finished(cluster)
        assert '"restarts":0' in output, output
        job.check_output(cluster)


def test_development_cluster():
    """`tools/cluster` starts one, shows it, and ends it; its job is stopped with a savepoint first."""
    job = Job(rate=500)
    environment = dict(private_runtime(job), SLUICE_CLUSTER_DIR=f"{job.root}/cluster")

    def cluster(*words, status=0):
        done = subprocess.run(["tools/cluster", *words], capture_output=True, text=True, timeout=SOON,
                              check=False, env=environment)
        assert done.returncode == status, f"{words}: {done}"
        return done.stdout if status == 0 else done.stderr

    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = str(holder.getsockname()[1])
    assert "no cluster was started" in cluster("status")
    words = ("start", "2", PROGRAM, "--slots", "1", "--port", port, "--", *job.arguments, *job.flags,
             "-p", "2")
    try:
        assert f"127.0.0.1:{port}, 2 TaskManagers" in cluster(*words)
        deadline = time.monotonic() + SOON
        while job.newest_checkpoint() < 2:
            assert time.monotonic() < deadline, cluster("status")
            time.sleep(0.01)
        assert cluster("status").count(" running\n") == 3
        assert "one is running already" in cluster(*words, status=1)
        assert "flight_delays" in sluice("list", "--jobmanager", f"127.0.0.1:{port}",
                                         environment=environment)
    finally:
        ended = cluster("stop")
    assert "3 processes ended" in ended, ended
    said = cluster("status")
    assert said.count(" ended\n") == 3 and "/savepoints/savepoint-" in said, said
    shutil.rmtree(job.root)


def test_port_that_is_taken():
    """Is named, and nobody waits for it."""
    job = Job(rate=0, interval=None)
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        for flags in (["--role", "jobmanager"], ["--role", "taskmanager", "--jobmanager", "127.0.0.1:1"]):
            refused = subprocess.run([PROGRAM, *job.arguments, *flags, "--bind", f"127.0.0.1:{port}"],
                                     capture_output=True, text=True, timeout=SOON, check=False)
            assert refused.returncode in (1, 2), refused
            assert f"cannot listen on 127.0.0.1:{port}" in refused.stderr, refused
    shutil.rmtree(job.root)


def test_open_bind_is_refused():
    """A listener beyond the loopback interface needs TLS or --insecure."""
    job = Job(rate=0, interval=None)
    refused = subprocess.run(
        [PROGRAM, *job.arguments, "--role", "jobmanager", "--bind", "0.0.0.0:0"],
        capture_output=True, text=True, timeout=SOON, check=False)
    assert refused.returncode == 2 and "--tls-cert" in refused.stderr, refused


def tls_flags(job, name):
    return certificates.tls_flags(job.root, name)


def test_tls():
    """With certificates the job runs; who has another authority's, an old one, or none does not get
    in, and does not disturb those who are in (a failed handshake once ended every other connection)."""
    job = Job(interval=None)
    certificates.make(job.root)
    good, evil, expired = (tls_flags(job, name) for name in ("good", "evil", "expired"))
    with job.cluster(parallelism=4, flags=good) as cluster:
        cluster.start_manager()
        strangers = [cluster.start_worker(slots=2, flags=flags) for flags in (evil, expired, [])]
        for stranger in strangers:
            stranger.wait_for("does not answer", SOON)
        idle = socket.create_connection(("127.0.0.1", cluster.port))
        workers = [cluster.start_worker(slots=2, flags=good) for _ in range(2)]
        for worker in workers:
            worker.wait_for("registered", SOON)
        for port in (cluster.port, workers[0].port(), workers[1].port()):
            for junk in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01junk"):
                with socket.create_connection(("127.0.0.1", port)) as stranger:
                    stranger.sendall(junk)
        finished(cluster)
        idle.close()
        for stranger in strangers:
            assert "registered" not in stranger.log(), stranger.log()
        job.check_output(cluster)


EXPECTED = []


def run_tests(functions):
    """Those of a module, or the ones that are named on the command line, without "test_"."""
    tests = {name[5:]: test for name, test in functions.items() if name.startswith("test_")}
    EXPECTED.extend(flight_oracle.delays(FLIGHTS, HOUR, 9 * HOUR)[0])
    for name in sys.argv[1:] or tests:
        start = time.monotonic()
        tests[name]()
        print(f"{name}: ok, {time.monotonic() - start:.1f} s", flush=True)


if __name__ == "__main__":
    run_tests(globals())
