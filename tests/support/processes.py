"""Processes that a test waits for but did not start itself, and waiting in general."""
import time

WAIT_S = 60  # Only a hang takes so long.


def state_of(pid):
    """The letter of a process's state, as in `ps`, or "gone"."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # The second one when it ends between open and read.
        return "gone"


def is_alive(pid):
    """Whether it has neither ended nor waits for its parent to look at its end."""
    return state_of(pid) not in ("gone", "Z")


def until(condition, what):
    """The first truthy value of the condition."""
    deadline = time.monotonic() + WAIT_S
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what}: not after {WAIT_S} s"
        time.sleep(0.05)
