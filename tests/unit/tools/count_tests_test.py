#!/usr/bin/env python3
"""Tests of tools/count_tests.py: no red build may end in a green line."""

import json
import sys
import tempfile
import unittest
import urllib.parse

sys.path.insert(0, "tools")
import count_tests  # noqa: E402


def configured(label):
    return json.dumps({"id": {"targetConfigured": {"label": label}},
                       "configured": {"targetKind": "cc_test rule", "testSize": "SMALL"}})


def completed(label, success):
    return json.dumps({"id": {"targetCompleted": {"label": label}},
                       "completed": {"success": True} if success else {}})


def summary(label, status):
    return json.dumps({"id": {"testSummary": {"label": label}},
                       "testSummary": {"overallStatus": status}})


class CountTest(unittest.TestCase):
    def test_passed_and_failed_are_counted(self):
        events = [summary("//a:x", "PASSED"), summary("//a:y", "FAILED"), summary("//a:z", "TIMEOUT")]
        self.assertEqual(count_tests.count(events, 3), (1, 2, ["//a:y", "//a:z"]))

    def test_a_target_that_does_not_build_is_a_failure(self):
        events = [summary("//a:x", "PASSED"), configured("//a:y"), completed("//a:y", False)]
        self.assertEqual(count_tests.count(events, 1), (1, 1, ["//a:y"]))

    def test_a_failure_without_a_name_is_one_too(self):
        self.assertEqual(count_tests.count([summary("//a:x", "PASSED")], 1),
                         (1, 1, ["the build"]))

    def test_what_a_passed_test_left_out_is_shown(self):
        with tempfile.NamedTemporaryFile("w", suffix=" log") as log:
            log.write("something\nskipped: no Kafka: no java\nskipped: no Kafka: no java\n")
            log.flush()
            event = json.dumps({
                "id": {"testResult": {"label": "//a:x"}},
                "testResult": {"testActionOutput": [
                    {"name": "test.log", "uri": "file://" + urllib.parse.quote(log.name)}]}})
            self.assertEqual(count_tests.skipped([event, "{"]),
                             ["//a:x: skipped: no Kafka: no java"])

    def test_a_filtered_test_is_not_counted(self):
        events = [configured("//a:slow"), completed("//a:slow", True), summary("//a:x", "PASSED")]
        self.assertEqual(count_tests.count(events, 0), (1, 0, []))

    def test_a_last_line_cut_short_is_ignored(self):
        self.assertEqual(count_tests.count([summary("//a:x", "PASSED"), '{"id": {'], 0), (1, 0, []))


if __name__ == "__main__":
    unittest.main()
