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
import cluster_test  # noqa: E402
from cluster_test import FLIGHTS, HOUR, PROGRAM, SOON, Job, finished  # noqa: E402
from local_cluster import LocalCluster, Process  # noqa: E402

TESTS = ("short_partition", "long_partition", "partition_between_workers", "one_way_partition",
         "flapping_link", "slow_link")
TC = shutil.which("tc", path="/usr/sbin:/sbin:/usr/bin:/bin")
PREFIX = f"sl{os.getpid() % 100000}"
HEARTBEATS = ["-D", "heartbeat.interval=100ms", "-D", "heartbeat.timeout=2s"]


def ip(*words):
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


class Hosts:
    """A bridge with one namespace per host, 10.117.0.1, .2 and so on."""

    def __init__(self, count):
        self.count = count
        self.bridge = f"{PREFIX}b"

    def __enter__(self):
        ip("link", "add", self.bridge, "type", "bridge")
        ip("link", "set", self.bridge, "up")
        for host in range(1, self.count + 1):
            name, outside, inside = f"{PREFIX}h{host}", f"{PREFIX}o{host}", f"{PREFIX}i{host}"
            ip("netns", "add", name)
            ip("link", "add", outside, "type", "veth", "peer", "name", inside)
            ip("link", "set", inside, "netns", name)
            ip("link", "set", outside, "master", self.bridge, "up")
            ip("-n", name, "addr", "add", f"10.117.0.{host}/24", "dev", inside)
            ip("-n", name, "link", "set", inside, "up")
            ip("-n", name, "link", "set", "lo", "up")
        return self

    def __exit__(self, *_):
        for host in range(1, self.count + 1):
            # At once, both ends; a namespace's own are only removed some time after it.
            subprocess.run(["ip", "link", "del", f"{PREFIX}o{host}"], check=False)
            subprocess.run(["ip", "netns", "del", f"{PREFIX}h{host}"], check=False)
        subprocess.run(["ip", "link", "del", self.bridge], check=False)

    def inside(self, host):
        return ["ip", "netns", "exec", f"{PREFIX}h{host}"]

    def cut(self, host):
        ip("link", "set", f"{PREFIX}o{host}", "down")

    def heal(self, host):
        ip("link", "set", f"{PREFIX}o{host}", "up")


def start(cluster, hosts, job, host, role, flags=()):
    bind = f"10.117.0.{host}:6123"
    command = [PROGRAM, *job.arguments, "--role", role, "--bind", bind, "--insecure", *flags]
    if role == "taskmanager":
        command += ["--jobmanager", "10.117.0.1:6123", "--slots", "2"]
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
            ip("-n", f"{PREFIX}h{host}", "route", "add", "blackhole", f"10.117.0.{5 - host}/32")
        time.sleep(1)
        for host in (2, 3):
            ip("-n", f"{PREFIX}h{host}", "route", "del", "blackhole", f"10.117.0.{5 - host}/32")
        finished(cluster)
        job.check_output(cluster)


def test_one_way_partition(hosts):
    """The JobManager hears the TaskManager, and its answers do not arrive: the lease decides."""
    job, cluster, workers = run(hosts, 3)
    with cluster:
        victim, manager = workers[0], f"{PREFIX}h1"
        ip("-n", manager, "route", "add", "blackhole", "10.117.0.2/32")
        victim.wait_for("no word within the lease", SOON)
        cluster.manager.wait_for("restarting from checkpoint", SOON)
        job.wait_for_checkpoints(cluster, 2)
        ip("-n", manager, "route", "del", "blackhole", "10.117.0.2/32")
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
        device = f"{PREFIX}i2"
        subprocess.run([*hosts.inside(2), TC, "qdisc", "add", "dev", device, "root", "tbf", "rate",
                        "1mbit", "burst", "10kb", "latency", "200ms"], check=True)
        job.wait_for_checkpoints(cluster, 3)
        subprocess.run([*hosts.inside(2), TC, "qdisc", "del", "dev", device, "root"], check=True)
        output = finished(cluster)
        assert '"restarts":0' in output, output
        job.check_output(cluster)


def main():
    probe = subprocess.run(["ip", "netns", "add", f"{PREFIX}p"], capture_output=True, check=False) \
        if os.geteuid() == 0 else None
    if probe is None or probe.returncode != 0:
        print("skipped: network namespaces need root and the ip tool")
        return
    ip("netns", "del", f"{PREFIX}p")
    cluster_test.EXPECTED.extend(cluster_test.flight_oracle.delays(FLIGHTS, HOUR, 9 * HOUR)[0])
    for name in sys.argv[1:] or TESTS:
        begin = time.monotonic()
        with Hosts(4) as hosts:
            globals()[f"test_{name}"](hosts)
        print(f"{name}: ok, {time.monotonic() - begin:.1f} s", flush=True)


if __name__ == "__main__":
    main()
