"""A broker of the test's own, and the tools of others to look at it.

Where Kafka cannot be had main() says so and passes, unless SLUICE_REQUIRE_KAFKA is set.
"""
import os
import subprocess
import tempfile
import time
import unittest

PORT = 18000 + os.getpid() % 1000 * 2
BROKER = f"127.0.0.1:{PORT}"
COMMITTED = ("-X", "isolation.level=read_committed")
CANNOT_BE_HAD = 3


def run(*words, text="", timeout=120, check=True):
    done = subprocess.run([str(word) for word in words], input=text, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=timeout)
    if check:
        assert done.returncode == 0, f"{words}: exit {done.returncode}: {done.stdout} {done.stderr}"
    return done


def tool(name, *words, **how):
    return run("tools/kafka", "tool", name, "--bootstrap-server", BROKER, *words, **how)


def make_topic(name, partitions=4):
    tool("topics", "--create", "--topic", name, "--partitions", partitions)


def kcat_read(topic, form="%s\n"):
    return run("kcat", "-C", "-e", "-q", "-b", BROKER, "-t", topic, "-o", "beginning", *COMMITTED,
               "-f", form).stdout.splitlines()


def eventually(condition, seconds=60):
    """A commit is answered a moment before every partition shows it."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value
        time.sleep(0.2)


def main(*properties, tests=unittest.main):
    """Runs the tests of the program beside a broker; `properties` are options of tools/kafka."""
    directory = tempfile.mkdtemp(dir=os.environ.get("TEST_TMPDIR")) + "/broker"
    started = run("tools/kafka", "start", "--port", PORT, "--dir", directory, "--owner", os.getpid(),
                  *properties, check=False)
    if started.returncode == CANNOT_BE_HAD and "SLUICE_REQUIRE_KAFKA" not in os.environ:
        print("skipped: no Kafka: " + " ".join(started.stderr.split()))
        return
    assert started.returncode == 0, started.stderr
    try:
        tests()
    finally:
        run("tools/kafka", "stop", "--dir", directory, check=False)
