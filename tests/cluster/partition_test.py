#!/usr/bin/env python3
"""TaskManagers in network namespaces, so that links can be cut: a partition shorter than the lease
changes nothing, a longer one costs the TaskManager its tasks and it comes back by itself.

Needs root, network namespaces and the `ip` and `tc` tools; says that it was skipped without them.
"""
import os
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "../support"))
import cluster_test  # noqa: E402
from cluster_test import FLIGHTS, HOUR, PROGRAM, SOON, Job, finished  # noqa: E402
from local_cluster import LocalCluster, Process  # noqa: E402
import network_hosts  # noqa: E402
from network_hosts import Hosts, ip  # noqa: E402

TESTS = ("short_partition", "long_partition", "partition_between_workers", "one_way_partition",
         "flapping_link", "slow_link")
TC = shutil.which("tc", path="/usr/sbin:/sbin:/usr/bin:/bin")
HEARTBEATS = ["-D", "heartbeat.interval=100ms", "-D", "heartbeat.timeout=2s"]


def start(cluster, hosts, job, host, role, flags=()):
    bind = f"{hosts.address(host)}:6123"
    command = [PROGRAM, *job.arguments, "--role", role, "--bind", bind, "--insecure", *flags]
    if role == "taskmanager":
        command += ["--jobmanager", f"{hosts.address(1)}:6123", "--slots", "2"]
    process = Process(f"{role} {host}", command, prefix=hosts.inside(host))
    cluster.processes.append(process)
    process.wait_for("listening on", SOON)
    return process


def run(hosts, workers):
    job = Job(flags=HEARTBEATS)
    cluster = LocalCluster(PROGRAM, job.arguments)
    cluster.manager = start(cluster, hosts, job, 1, "jobmanager", [*job.flags, "-p", "4"])
    started = []
    for host in range(2, 2 + workers):
        started.append(start(cluster, hosts, job, host, "taskmanager"))
        started[-1].wait_for("registered", SOON)  # The first two have the tasks.
    job.wait_for_checkpoints(cluster, 2)
    return job, cluster, started


def test_short_partition(hosts):
    job, cluster, _ = run(hosts, 2)
    with cluster:
        hosts.cut(2)
        time.sleep(0.7)
        hosts.heal(2)
        output = finished(cluster)
        assert '"restarts":0' in output, output
        job.check_output(cluster)


def test_long_partition(hosts):
    job, cluster, workers = run(hosts, 3)
    with cluster:
        victim = workers[0]
        host = int(victim.name.split()[-1])
        hosts.cut(host)
        cluster.manager.wait_for("is lost: no heartbeat", SOON)
        victim.wait_for("no word within the lease", SOON)
        job.wait_for_checkpoints(cluster, 2)
        hosts.heal(host)
        victim.wait_for("registered again", SOON)
        finished(cluster)
        job.check_output(cluster)


def test_partition_between_workers(hosts):
    """Two TaskManagers lose each other but not the JobManager: the attempt fails, the job goes on."""
    job, cluster, _ = run(hosts, 2)
    with cluster:
        for host in (2, 3):
            ip("-n", hosts.name(host), "route", "add", "blackhole", f"{hosts.address(5 - host)}/32")
        time.sleep(1)
        for host in (2, 3):
            ip("-n", hosts.name(host), "route", "del", "blackhole", f"{hosts.address(5 - host)}/32")
        finished(cluster)
        job.check_output(cluster)


def test_one_way_partition(hosts):
    """The JobManager hears the TaskManager, and its answers do not arrive: the lease decides."""
    job, cluster, workers = run(hosts, 3)
    with cluster:
        victim, manager = workers[0], hosts.name(1)
        ip("-n", manager, "route", "add", "blackhole", f"{hosts.address(2)}/32")
        victim.wait_for("no word within the lease", SOON)
        cluster.manager.wait_for("restarting from checkpoint", SOON)
        job.wait_for_checkpoints(cluster, 2)
        ip("-n", manager, "route", "del", "blackhole", f"{hosts.address(2)}/32")
        victim.wait_for("registered again", SOON)
        finished(cluster)
        job.check_output(cluster)


def test_flapping_link(hosts):
    """Down and up again and again, for less and for more than a lease: no attempt runs twice."""
    job, cluster, _ = run(hosts, 3)
    with cluster:
        for down_s, up_s in ((0.2, 0.3), (0.4, 0.2), (2.5, 0.3), (0.3, 0.5), (2.2, 1.0)):
            hosts.cut(2)
            time.sleep(down_s)
            hosts.heal(2)
            time.sleep(up_s)
        job.wait_for_checkpoints(cluster, 2)
        finished(cluster)
        assert "is lost" in cluster.manager.log(), cluster.manager.log()
        job.check_output(cluster)


def test_slow_link(hosts):
    """A link of one megabit: the job gets slow, and nobody is taken for dead."""
    if TC is None:
        print("skipped: slow_link: the tc tool is not there")
        return
    job, cluster, _ = run(hosts, 2)
    with cluster:
        device = hosts.device(2)
        subprocess.run([*hosts.inside(2), TC, "qdisc", "add", "dev", device, "root", "tbf", "rate",
                        "1mbit", "burst", "10kb", "latency", "200ms"], check=True)
        job.wait_for_checkpoints(cluster, 3)
        subprocess.run([*hosts.inside(2), TC, "qdisc", "del", "dev", device, "root"], check=True)
        output = finished(cluster)
        assert '"restarts":0' in output, output
        job.check_output(cluster)


def main():
    if not network_hosts.available():
        return
    cluster_test.EXPECTED.extend(cluster_test.flight_oracle.delays(FLIGHTS, HOUR, 9 * HOUR)[0])
    for name in sys.argv[1:] or TESTS:
        begin = time.monotonic()
        with Hosts(4) as hosts:
            globals()[f"test_{name}"](hosts)
        print(f"{name}: ok, {time.monotonic() - begin:.1f} s", flush=True)


if __name__ == "__main__":
    main()
