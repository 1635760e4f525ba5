#!/usr/bin/env python3
"""Faults of the network between two TaskManagers, made by a proxy in front of each: whatever happens
to a connection, what the job writes is what one undisturbed run would have written."""
import os
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "../support"))
import cluster_test  # noqa: E402
from cluster_test import FLIGHTS, HOUR, SOON, Job, finished  # noqa: E402
from tcp_proxy import TcpProxy  # noqa: E402

AIRPORT = b"ORD"  # In nearly every batch of flights, and in nothing else.


def land(proxies, fault):
    """Asks every proxy for the fault and waits until one of them has done it."""
    before = sum(proxy.landed for proxy in proxies)
    for proxy in proxies:
        fault(proxy)
    deadline = time.monotonic() + SOON
    while sum(proxy.landed for proxy in proxies) == before:
        assert time.monotonic() < deadline, "the fault never landed"
        time.sleep(0.01)


def run(fault, check):
    """Runs the job over two TaskManagers that reach each other through proxies only."""
    job = Job(rate=8000)
    with TcpProxy() as first, TcpProxy() as second, job.cluster(parallelism=4) as cluster:
        cluster.start_manager()
        proxies = (first, second)
        for proxy in proxies:
            worker = cluster.start_worker(slots=2, flags=["--advertise", f"127.0.0.1:{proxy.port}"])
            proxy.target = ("127.0.0.1", worker.port())
        job.wait_for_checkpoints(cluster, 3)
        fault(job, cluster, proxies)
        check(finished(cluster), cluster)
        job.check_output(cluster)


def test_flipped_byte():
    """Noticed by the checksum of the frame, which fails the attempt."""
    def fault(job, cluster, proxies):
        land(proxies, lambda proxy: proxy.flip_byte_of(AIRPORT))
        cluster.manager.wait_for("restarting from checkpoint", SOON)

    def check(output, cluster):
        assert "does not match its checksum" in cluster.manager.log(), cluster.manager.log()
        assert '"restarts":0' not in output, output
    run(fault, check)


def test_cut_inside_a_frame():
    """The attempt restarts over a new connection; nothing of the half frame is used."""
    def fault(job, cluster, proxies):
        for _ in range(3):
            mark = len(cluster.manager.lines)
            land(proxies, lambda proxy: proxy.cut_inside(AIRPORT))
            cluster.manager.wait_for("restarting from checkpoint", SOON, mark)
            job.wait_for_checkpoints(cluster, 1)

    def check(output, cluster):
        assert '"restarts":0' not in output, output
    run(fault, check)


def test_lost_message():
    """A credit goes to an address that nobody has. No frame and no checksum tells of it; the count of
    messages does, and the attempt restarts."""
    def fault(job, cluster, proxies):
        land(proxies, lambda proxy: proxy.lose_message_of(b"sluice.CreditFrame"))
        cluster.manager.wait_for("restarting from checkpoint", SOON)

    def check(output, cluster):
        assert "were lost: " in cluster.manager.log(), cluster.manager.log()
        assert '"restarts":0' not in output, output
    run(fault, check)


def test_slow_link():
    """Each piece of data takes a tenth of a second longer: slower, and no fault."""
    def fault(job, cluster, proxies):
        for proxy in proxies:
            proxy.delay_s = 0.1
        job.wait_for_checkpoints(cluster, 2)
        for proxy in proxies:
            proxy.delay_s = 0

    def check(output, cluster):
        assert '"restarts":0' in output, output
    run(fault, check)


def main():
    tests = {name[5:]: test for name, test in globals().items() if name.startswith("test_")}
    cluster_test.EXPECTED.extend(cluster_test.flight_oracle.delays(FLIGHTS, HOUR, 9 * HOUR)[0])
    for name in sys.argv[1:] or tests:
        start = time.monotonic()
        tests[name]()
        print(f"{name}: ok, {time.monotonic() - start:.1f} s", flush=True)


if __name__ == "__main__":
    main()
