#!/usr/bin/env python3
"""Faults of the network between two TaskManagers, made by a proxy in front of each, and between them and
the JobManager, made by a proxy on the way of each: whatever happens to a connection, what the job writes
is what one undisturbed run would have written."""
import os
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "../support"))
import cluster_test  # noqa: E402
from cluster_test import SOON, Job, finished  # noqa: E402
from tcp_proxy import TcpProxy  # noqa: E402

SILENT = 5  # Seconds; the job would wait for longer if a fault were not noticed.

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


def test_lost_hello():
    """Who has dialled says so again until the other side is heard, which does not wait for ever; what was
    sent before it knew is missed, as ever."""
    job = Job(rate=0)
    with TcpProxy() as first, TcpProxy() as second, job.cluster(parallelism=4) as cluster:
        cluster.start_manager()
        proxies = (first, second)
        for proxy in proxies:
            proxy.lose_message_of(b"sluice.Hello")
            worker = cluster.start_worker(slots=2, flags=["--advertise", f"127.0.0.1:{proxy.port}"])
            proxy.target = ("127.0.0.1", worker.port())
        output = finished(cluster)
        assert sum(proxy.landed for proxy in proxies) == 1, "the fault never landed"
        assert "no connection within" not in cluster.manager.log(), cluster.manager.log()
        assert '"status":"FINISHED"' in output, output
        job.check_output(cluster)


def test_cut_seen_by_one_side():
    """The other one takes the connection for alive: the job must not wait until it knows better."""
    def fault(job, cluster, proxies):
        for dialler in (False, True):
            mark = len(cluster.manager.lines)
            land(proxies, lambda proxy, dialler=dialler: proxy.cut_for_one(dialler))
            cluster.manager.wait_for("restarting from checkpoint", SOON, mark)
            cluster.manager.wait_for("the job runs again", SILENT, mark)
            job.wait_for_checkpoints(cluster, 1)

    def check(output, cluster):
        assert "no connection within" not in cluster.manager.log(), cluster.manager.log()
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


# ---- between JobManager and TaskManagers --------------------------------------------------------

def run_controlled(check, at_start=None, fault=None, rate=24000):
    """Runs the job over two TaskManagers that reach their JobManager through a proxy each. Faults of
    `at_start` are asked for before the TaskManagers are there, those of `fault` while the job runs."""
    job = Job(rate=rate, flags=["-D", "restart-strategy.exponential-delay.max-backoff=100ms"])
    with TcpProxy() as first, TcpProxy() as second, job.cluster(parallelism=4) as cluster:
        cluster.start_manager()
        proxies = (first, second)
        for proxy in proxies:
            proxy.target = ("127.0.0.1", cluster.port)
            if at_start:
                at_start(proxy)
        workers = [cluster.start_worker(slots=2, manager_port=proxy.port) for proxy in proxies]
        if fault:
            fault(job, cluster, proxies)
        output = finished(cluster)
        if at_start:
            assert all(proxy.landed for proxy in proxies), "the fault never landed"
        for worker in workers:
            assert worker.end(SILENT) == 0, cluster.log()
        check(output, cluster)
        job.check_output(cluster)


def strike(text, fault=TcpProxy.lose_message_of):
    """A fault that hits the first message of one TaskManager that has the text, and waits until the
    job has started again because of it."""
    def do(job, cluster, proxies):
        job.wait_for_checkpoints(cluster, 3)
        mark = len(cluster.manager.lines)
        land(proxies[:1], lambda proxy: fault(proxy, text))
        cluster.manager.wait_for("it registers again: ", SILENT, mark)
        cluster.manager.wait_for("restarting from checkpoint", SOON, mark)
    return do


def was_missed(output, cluster):
    assert "only the first" in cluster.manager.log(), cluster.manager.log()
    assert '"restarts":0' not in output, output


def test_lost_command():
    """What follows a command that never arrived is not obeyed: the TaskManager registers again."""
    run_controlled(was_missed, fault=strike(b"sluice.TaskCommand"))


def test_lost_report():
    """The same for what a task reports."""
    run_controlled(was_missed, fault=strike(b"sluice.TaskReport"))


def test_damaged_command():
    """A command of which a byte was flipped is not obeyed, and then it is one that never arrived."""
    def check(output, cluster):
        assert "a message of the JobManager was damaged" in cluster.log(), cluster.log()
        was_missed(output, cluster)
    run_controlled(check, fault=strike(b"sluice.TaskCommand", TcpProxy.damage_message_of))


def test_damaged_report():
    """The same for a report."""
    def check(output, cluster):
        assert "TaskManager 127.0.0.1" in cluster.manager.log(), cluster.log()
        assert "was damaged on its way" in cluster.manager.log(), cluster.log()
        was_missed(output, cluster)
    run_controlled(check, fault=strike(b"sluice.TaskReport", TcpProxy.damage_message_of))


def test_flipped_headers():
    """One bit in each field of a header: kind, flags, size, number, sender, receiver. Some of them lose the
    message, some end the connection, some mean nothing; the job gets on."""
    def fault(job, cluster, proxies):
        for text in (b"sluice.TaskReport", b"sluice.TaskCommand"):
            for at in (0, 3, 7, 15, 23, 31):
                land(proxies, lambda proxy, text=text, at=at: proxy.flip_header_of(text, at))
                job.wait_for_checkpoints(cluster, 1)

    def check(output, cluster):
        assert '"restarts":0' not in output, output
    run_controlled(check, fault=fault, rate=8000)


def test_lost_deployment():
    """Nothing follows it: what the next heartbeat tells is the only sign."""
    run_controlled(was_missed, rate=0,
                   at_start=lambda proxy: proxy.lose_message_of(b"sluice.DeployTasks"))


def test_lost_registration():
    """A TaskManager whose registration is not answered, because that or the answer was lost, tries again;
    one whose order to end was lost gets it again."""
    for text in (b"sluice.RegisterTaskManager", b"sluice.TaskManagerRegistered", b"sluice.EndProcess"):
        run_controlled(lambda output, cluster: None, rate=0,
                       at_start=lambda proxy, text=text: proxy.lose_message_of(text))


def test_lost_heartbeats():
    """Heartbeats, their answers and numbers for the display come again: not one of them is missed."""
    def fault(job, cluster, proxies):
        for text in (b"sluice.Heartbeat", b"sluice.HeartbeatAnswered"):
            land(proxies, lambda proxy, text=text: proxy.lose_message_of(text))

    def check(output, cluster):
        assert '"restarts":0' in output, output
    run_controlled(check, fault=fault)


if __name__ == "__main__":
    cluster_test.run_tests(globals())
