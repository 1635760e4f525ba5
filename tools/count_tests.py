"""Prints `N passed, N failed` from Bazel's build events; exits 1 unless every test passed.

Usage: count_tests.py EVENTS_FILE BAZEL_EXIT_STATUS

A test that could not be built counts as failed, and so does a build that broke without naming a
test: a green line must never hide a red build.
"""

import json
import sys


def count(lines, bazel_status):
    """Returns (passed, failed, names of the failed)."""
    passed, failed, expected = set(), set(), set()
    for line in lines:
        if not line.strip():
            continue
        event = json.loads(line)
        event_id = event.get("id", {})
        if "testSummary" in event_id:
            label = event_id["testSummary"]["label"]
            good = event.get("testSummary", {}).get("overallStatus") in ("PASSED", "FLAKY")
            (passed if good else failed).add(label)
        if "targetConfigured" in event_id and "configured" in event:
            if event["configured"].get("testSize"):
                expected.add(event_id["targetConfigured"]["label"])
        if "targetCompleted" in event_id and "aborted" in event:
            failed.add(event_id["targetCompleted"]["label"])
    failed -= passed
    if bazel_status != 0 and not failed:
        failed.add("the build")
    return len(passed), len(failed), sorted(failed)


def main():
    with open(sys.argv[1], encoding="utf-8") as events:
        passed, failed, names = count(events, int(sys.argv[2]))
    for name in names:
        print("FAILED " + name)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
