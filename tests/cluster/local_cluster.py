"""A cluster of real processes on this machine, for tests: one JobManager and any number of
TaskManagers of a job's program, each with its log read while it runs."""
import os
import re
import signal
import subprocess
import threading
import time

LISTENING = re.compile(r"listening on (\S+):(\d+)")


class Process:
    """One process of the cluster and the lines it writes to stderr, with the time they came."""

    def __init__(self, name, command, environment=None, prefix=()):
        self.name = name
        self.lines = []
        self.changed = threading.Condition()
        self.process = subprocess.Popen(
            [*prefix, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            errors="backslashreplace", stdin=subprocess.DEVNULL, env=environment)
        self.output = ""
        self.readers = [threading.Thread(target=self._read_errors, daemon=True),
                        threading.Thread(target=self._read_output, daemon=True)]
        for reader in self.readers:
            reader.start()

    def _read_errors(self):
        for line in self.process.stderr:
            with self.changed:
                self.lines.append((time.monotonic(), line.rstrip("\n")))
                self.changed.notify_all()

    def _read_output(self):
        self.output = self.process.stdout.read()

    def wait_for(self, text, timeout=30, after=0):
        """The first line from line number `after` on that has the text, as (time, line)."""
        deadline = time.monotonic() + timeout
        with self.changed:
            while True:
                for at, line in self.lines[after:]:
                    if text in line:
                        return at, line
                left = deadline - time.monotonic()
                if left <= 0 or (self.process.poll() is not None and not self.readers[0].is_alive()):
                    raise AssertionError(f"{self.name} never said '{text}':\n{self.log()}")
                self.changed.wait(min(left, 0.1))

    def port(self):
        return int(LISTENING.search(self.wait_for("listening on")[1]).group(2))

    def send(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.send(signal.SIGKILL)
        self.process.wait()

    def end(self, timeout=60):
        """Waits for the process; its exit status."""
        status = self.process.wait(timeout)
        for reader in self.readers:
            reader.join(5)
        return status

    def is_alive(self):
        return self.process.poll() is None

    def log(self):
        with self.changed:
            return "\n".join(f"{self.name}: {line}" for _, line in self.lines)


class LocalCluster:
    """Use as a context: whatever still runs at the end is killed."""

    def __init__(self, program, arguments, manager_flags=(), worker_flags=()):
        self.program, self.arguments = program, list(arguments)
        self.manager_flags, self.worker_flags = list(manager_flags), list(worker_flags)
        self.processes = []
        self.manager = None
        self.port = 0
        self.started = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            if process.is_alive():
                process.send(signal.SIGCONT)
                process.kill()

    def start_manager(self, flags=(), environment=None):
        self.manager = Process(
            "jobmanager", [self.program, *self.arguments, "--role", "jobmanager", "--bind",
                           f"127.0.0.1:{self.port}", *self.manager_flags, *flags], environment)
        self.processes.append(self.manager)
        self.port = self.manager.port()
        return self.manager

    def start_worker(self, slots=2, flags=(), arguments=None, environment=None, manager_port=None):
        """`manager_port`: where it looks for the JobManager, if not where that one listens."""
        self.started += 1
        worker = Process(
            f"taskmanager {self.started}",
            [self.program, *(arguments or self.arguments), "--role", "taskmanager", "--jobmanager",
             f"127.0.0.1:{manager_port or self.port}", "--bind", "127.0.0.1:0", "--slots", str(slots),
             *self.worker_flags, *flags], environment)
        self.processes.append(worker)
        return worker

    def log(self):
        return "\n".join(process.log() for process in self.processes)
