"""Hosts for tests: network namespaces on a bridge, with addresses of their own and links that can be cut.

Needs root, network namespaces and the `ip` tool; available() says whether they are there.
"""
import os
import subprocess

PREFIX = f"sl{os.getpid() % 100000}"


def ip(*words):
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def available():
    """Says what is missing, too."""
    probe = subprocess.run(["ip", "netns", "add", f"{PREFIX}p"], capture_output=True, check=False) \
        if os.geteuid() == 0 else None
    if probe is None or probe.returncode != 0:
        print("skipped: network namespaces need root and the ip tool")
        return False
    ip("netns", "del", f"{PREFIX}p")
    return True


class Hosts:
    """A bridge with one namespace per host, 10.117.0.1, .2 and so on. Use as a context."""

    def __init__(self, count):
        self.count = count
        self.bridge = f"{PREFIX}b"

    def __enter__(self):
        ip("link", "add", self.bridge, "type", "bridge")
        ip("link", "set", self.bridge, "up")
        for host in range(1, self.count + 1):
            name, outside, inside = self.name(host), f"{PREFIX}o{host}", f"{PREFIX}i{host}"
            ip("netns", "add", name)
            ip("link", "add", outside, "type", "veth", "peer", "name", inside)
            ip("link", "set", inside, "netns", name)
            ip("link", "set", outside, "master", self.bridge, "up")
            ip("-n", name, "addr", "add", f"{self.address(host)}/24", "dev", inside)
            ip("-n", name, "link", "set", inside, "up")
            ip("-n", name, "link", "set", "lo", "up")
        return self

    def __exit__(self, *_):
        for host in range(1, self.count + 1):
            # At once, both ends; a namespace's own are only removed some time after it.
            subprocess.run(["ip", "link", "del", f"{PREFIX}o{host}"], check=False)
            subprocess.run(["ip", "netns", "del", self.name(host)], check=False)
        subprocess.run(["ip", "link", "del", self.bridge], check=False)

    def name(self, host):
        return f"{PREFIX}h{host}"

    def address(self, host):
        return f"10.117.0.{host}"

    def device(self, host):
        return f"{PREFIX}i{host}"

    def inside(self, host):
        """What is put before a command that is to run there."""
        return ["ip", "netns", "exec", self.name(host)]

    def cut(self, host):
        ip("link", "set", f"{PREFIX}o{host}", "down")

    def heal(self, host):
        ip("link", "set", f"{PREFIX}o{host}", "up")
