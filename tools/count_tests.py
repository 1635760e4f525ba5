#!/usr/bin/env python3
"""Prints `N passed, N failed` from Bazel's build events; exits 1 unless every test passed.

Usage: count_tests.py EVENTS_FILE BAZEL_EXIT_STATUS

A target that could not be built counts as failed, and so does a build that broke without naming
one: a green line must never hide a red build. A test that passed and printed `skipped: REASON`
checked less than it should have; its reasons are shown, so that nothing is left out in silence.
"""

import json
import sys
import urllib.parse


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


def skipped(lines):
    """Returns the lines `LABEL: skipped: REASON` of tests that left something out."""
    reasons = set()
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        label = event.get("id", {}).get("testResult", {}).get("label")
        for output in event.get("testResult", {}).get("testActionOutput", []) if label else []:
            if output.get("name") != "test.log":
                continue
            try:
                path = urllib.parse.unquote(urllib.parse.urlparse(output.get("uri", "")).path)
                with open(path, encoding="utf-8", errors="replace") as log:
                    reasons |= {f"{label}: {text.strip()}" for text in log
                                if text.startswith("skipped: ")}
            except OSError:
                continue  # Only the log's text is lost; the outcome is counted above.
    return sorted(reasons)


def main():
    try:
        with open(sys.argv[1], encoding="utf-8") as events:
            lines = events.readlines()
        passed, failed, names = count(lines, int(sys.argv[2]))
    except OSError:
        lines, passed, failed, names = [], 0, 1, ["the build"]
    for text in skipped(lines):
        print(text)
    for name in names:
        print("FAILED " + name)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
