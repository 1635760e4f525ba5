#!/usr/bin/env python3
"""Tests of tools/tidy.py: each rule with a text that breaks it and one that does not."""

import sys
import unittest

sys.path.insert(0, "tools")
import tidy  # noqa: E402


def errors(files):
    """What tidy says about a tree given as {path: text}."""
    return tidy.check_files(list(files), files.get).errors


def rules(path, text):
    """The names of the rules one file breaks."""
    return [error.split(": ")[1] for error in errors({path: text})]


class IncludeTest(unittest.TestCase):
    def test_caf_is_refused_outside_actors_and_tests(self):
        text = "#include <caf/all.hpp>\n"
        self.assertEqual(rules("operators/join_operator.cc", text), ["include"])
        self.assertEqual(rules("actors/task_actor.cc", text), [])
        self.assertEqual(rules("tests/sim/sim_test.cc", text), [])

    def test_rocksdb_is_for_its_folder_only(self):
        text = "#include <rocksdb/db.h>\n"
        self.assertEqual(rules("state/snapshot.cc", text), ["include"])
        self.assertEqual(rules("state/rocksdb/rocksdb_store.cc", text), [])

    def test_json_in_core_is_for_option_loading(self):
        text = "#include <nlohmann/json.hpp>\n"
        self.assertEqual(rules("core/status.cc", text), ["include"])
        self.assertEqual(rules("core/options_file.cc", text), [])

    def test_lower_folders_do_not_see_higher_ones(self):
        self.assertEqual(rules("core/batch.cc", '#include "graph/chain_operators.h"\n'), ["include"])
        self.assertEqual(rules("operators/input_gate.cc", '#include "state/api/table.h"\n'), [])
        self.assertEqual(rules("operators/input_gate.cc", '#include "state/snapshot.h"\n'),
                         ["include"])

    def test_tools_see_actors_through_the_client_alone(self):
        self.assertEqual(rules("tools/sluice.cc", '#include "actors/cluster_client.h"\n'), [])
        self.assertEqual(rules("tools/sluice.cc", '#include "actors/messages.h"\n'), ["include"])

    def test_foreign_headers_are_not_quoted(self):
        self.assertEqual(rules("core/batch.cc", '#include "zstd.h"\n'), ["include"])


class BannedCallTest(unittest.TestCase):
    def test_each_banned_call_is_found(self):
        for rule, line in (
                ("sleep", "std::this_thread::sleep_for(1ms);"),
                ("clock", "auto now = std::chrono::system_clock::now();"),
                ("clock", "auto now = time(nullptr);"),
                ("random", "int n = rand();"),
                ("random", "std::random_device device;"),
                ("new", "auto* task = new Task(1);"),
                ("new", "delete task;"),
                ("detached", "system.spawn<caf::blocking_actor, caf::detached>(f);"),
                ("assert", "assert(a == b);"),
                ("using-std", "using namespace std;")):
            with self.subTest(line=line):
                self.assertEqual(rules("operators/x_operator.cc", f"void f() {{\n{line}\n}}\n"),
                                 [rule])

    def test_likenesses_are_left_alone(self):
        for line in ("static_assert(sizeof(int) == 4);",
                     "// never call rand() or new Task here",
                     'log("assert(x) and sleep_for");',
                     "new (place) Task(1);",
                     "Task(const Task&) = delete;",
                     "return std::unique_ptr<Task>(new Task());",
                     "return Ref<Task>(new Task());",
                     "event.time(0);",
                     "using namespace std::chrono_literals;"):
            with self.subTest(line=line):
                self.assertEqual(rules("operators/x_operator.cc", line + "\n"), [])

    def test_the_one_place_may(self):
        self.assertEqual(rules("core/clock.cc", "auto t = std::chrono::system_clock::now();\n"), [])
        self.assertEqual(rules("actors/spawn_task.cc", "spawn<A, detached>();\n"), [])

    def test_an_exception_needs_a_reason(self):
        self.assertEqual(rules("core/x.cc", "new T;  // tidy:allow(new): owned by the C library\n"),
                         [])
        self.assertEqual(rules("core/x.cc", "new T;  // tidy:allow(new):\n"), ["new"])
        self.assertEqual(rules("core/x.cc", "new T;  // tidy:allow(clock): wrong rule\n"), ["new"])

    def test_a_digit_separator_does_not_open_a_character(self):
        self.assertEqual(rules("core/x.cc", "int a = 1'000;\nint* b = new int;\nint c = 2'000;\n"),
                         ["new"])

    def test_a_raw_string_is_no_code(self):
        self.assertEqual(rules("core/x.cc", 'auto s = R"(new T; "quoted" rand())";\n'), [])


class HeaderTest(unittest.TestCase):
    def test_a_good_header_passes(self):
        self.assertEqual(rules("core/x.h", "// What x is.\n#pragma once\n\n#include <vector>\n"), [])
        self.assertEqual(rules("core/x.h", "#pragma once\n\n// What x is.\n#include <vector>\n"), [])

    def test_purpose_and_guard_are_demanded(self):
        self.assertEqual(rules("core/x.h", "#pragma once\n#include <vector>\n// Late.\n"), ["purpose"])
        self.assertEqual(rules("core/x.h", "// What x is.\n#include <vector>\n"), ["pragma-once"])

    def test_a_header_opens_no_namespace(self):
        text = "// What x is.\n#pragma once\nusing namespace sluice;\n"
        self.assertEqual(rules("core/x.h", text), ["using-namespace"])


class SizeTest(unittest.TestCase):
    def test_a_file_of_800_lines_passes_and_one_more_does_not(self):
        self.assertEqual(rules("core/x.cc", "\n" * 799), [])
        self.assertEqual(rules("core/x.cc", "\n" * 800), ["file-length"])

    def test_a_long_function_warns_only(self):
        text = "namespace a {\nint f(int x) const noexcept {\n" + "  g();\n" * 100 + "}\n}\n"
        findings = tidy.check_files(["core/x.cc"], {"core/x.cc": text}.get)
        self.assertEqual(findings.errors, [])
        self.assertEqual(len(findings.warnings), 1)
        self.assertIn("core/x.cc:2: warning: function-length: 102 lines", findings.warnings[0])

    def test_a_long_class_of_short_functions_is_silent(self):
        text = "class A {\n" + "  int f() {\n    return 1;\n  }\n" * 100 + "};\n"
        self.assertEqual(tidy.check_files(["core/x.cc"], {"core/x.cc": text}.get).warnings, [])


class LeftoverTest(unittest.TestCase):
    def test_reminders(self):
        self.assertEqual(rules("core/x.cc", "// FIXME later\n"), ["leftover"])
        self.assertEqual(rules("core/x.cc", "// TODO: later\n"), ["leftover"])
        self.assertEqual(rules("core/x.cc", "// TODO(#12): later\n"), [])

    def test_machine_paths(self):
        self.assertEqual(rules("tools/run", "cd /home/anna/sluice\n"), ["machine-path"])
        self.assertEqual(rules("tools/run", "cd $HOME/mnt/x; cat docs/mnt/y\n"), [])

    def test_vague_names(self):
        self.assertEqual(rules("core/hash_utils.cc", ""), ["file-name"])
        self.assertEqual(rules("core/common.cc", ""), ["file-name"])
        self.assertEqual(rules("core/community.cc", ""), [])


class DocumentTest(unittest.TestCase):
    TREE = {"core/clock.h": "// Time.\n#pragma once\nclass Clock;\nvoid advance();\n"}

    def problems(self, text):
        return [error.split(": ", 2)[2] for error in errors({**self.TREE, "docs/a.md": text})]

    def test_what_is_there_passes(self):
        self.assertEqual(self.problems(
            "# A\n`core/clock.h` `core/clock` `core/` `core/clock.h advance` `core/clock.h:Clock`"
            " `a/b` `core/clock.h:advance()`\n"), [])

    def test_what_is_gone_is_named(self):
        self.assertEqual(self.problems("# A\n`core/cloak.h`\n"), ["core/cloak.h does not exist"])
        self.assertEqual(self.problems("# A\n`core/clock.h retreat`\n"),
                         ["core/clock.h has no retreat"])

    def test_one_title(self):
        self.assertEqual(self.problems("# A\n# B\n"), ["2 titles; a document has one"])
        self.assertEqual(self.problems("# A\n```\n# a comment\n```\n"), [])


class DeadFileTest(unittest.TestCase):
    def test_a_source_no_build_file_names(self):
        tree = {"core/BUILD": 'srcs = ["clock.cc"]', "core/clock.cc": "", "core/cloak.cc": ""}
        self.assertEqual(errors(tree), ["core/cloak.cc:1: dead-file: not named in core/BUILD"])

    def test_a_folder_without_build_belongs_to_the_one_above(self):
        tree = {"core/BUILD": 'srcs = ["time/clock.cc"]', "core/time/clock.cc": ""}
        self.assertEqual(errors(tree), [])


if __name__ == "__main__":
    unittest.main()
