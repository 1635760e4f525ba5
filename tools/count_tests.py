#!/usr/bin/env python3
"""Prints `N passed, N failed` from Bazel's build events; exits 1 unless every test passed.

Usage: count_tests.py EVENTS_FILE BAZEL_EXIT_STATUS

A target that could not be built counts as failed, and so does a build that broke without naming
one: a green line must never hide a red build.
"""

import json
import sys


def count(lines, bazel_status):
    """Returns (passed, failed, names of the failed)."""
    passed, failed = set(), set()
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue  # Bazel died while writing it; its exit status tells.
        event_id = event.get("id", {})
        if "testSummary" in event_id:
            good = event.get("testSummary", {}).get("overallStatus") in ("PASSED", "FLAKY")
            (passed if good else failed).add(event_id["testSummary"]["label"])
        if "targetCompleted" in event_id and not event.get("completed", {}).get("success"):
            failed.add(event_id["targetCompleted"]["label"])
    failed -= passed
    if bazel_status != 0 and not failed:
        failed.add("the build")
    return len(passed), len(failed), sorted(failed)


def main():
    try:
        with open(sys.argv[1], encoding="utf-8") as events:
            passed, failed, names = count(events, int(sys.argv[2]))
    except OSError:
        passed, failed, names = 0, 1, ["the build"]
    for name in names:
        print("FAILED " + name)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
