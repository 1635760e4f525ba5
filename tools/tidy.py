#!/usr/bin/env python3
"""Checks of layout and habit that no compiler makes: who may include whom, banned calls with their
replacement, sizes, leftovers, and documents that name files which are gone.

Usage: tidy.py [FILE...]     without files: every file git tracks

Prints one line per finding, `path:line: rule: text`, and exits 1 if any is an error. A line that
must break a rule says so and why: `// tidy:allow(rule): reason`.
"""

import os
import re
import subprocess
import sys

FILE_LINES_MAX = 800
FUNCTION_LINES_WARN = 80

FOLDERS = ("actors", "api", "connectors", "control", "core", "docs", "graph", "jobs", "operators", "proto",
           "session", "sql", "state", "tests", "third_party", "tools")

# Library, the paths whose files may include it.
LIBRARY_USERS = (
    ("caf/", ("actors/", "tests/")),
    ("rocksdb/", ("state/rocksdb/", "tests/")),
    ("nlohmann/", ("connectors/", "control/", "session/", "tools/", "core/options_file", "tests/")),
    ("doctest/", ("tests/",)),
    ("benchmark/", ("tests/",)),
    ("librdkafka/", ("connectors/kafka/", "tests/")),
)

# Folder, the paths whose headers it may include. Folders not listed here are free, apart from
# CLOSED below; Bazel's visibility checks the same edges from the other side.
FOLDER_USES = (
    ("core/", ("core/",)),
    ("state/api/", ("core/", "state/api/")),
    ("state/", ("core/", "proto/", "state/")),
    ("graph/", ("core/", "graph/", "proto/")),
    ("operators/", ("core/", "operators/", "state/api/")),
)

# Folder, the paths whose files may include its headers.
CLOSED = (
    ("actors/cluster_client.h", ("actors/", "api/", "control/", "jobs/", "session/", "tests/", "tools/")),
    ("actors/leader_epoch.h", ("actors/", "tests/", "tools/")),
    ("actors/", ("actors/", "tests/")),
    ("state/rocksdb/", ("actors/", "state/rocksdb/", "tests/")),
    ("jobs/", ("jobs/", "tests/")),
    ("tests/", ("tests/",)),
)

# Rule, pattern in code without comments and strings, where it is allowed, what to use instead.
BANNED = (
    ("sleep", r"\b(?:sleep_for|sleep_until|usleep|nanosleep)\b|(?<![\w.>:])sleep\s*\(", (),
     "wait on a condition variable, or on a timer of the given Clock"),
    ("clock", r"\b(?:system_clock|steady_clock|high_resolution_clock)::now\b|\bgettimeofday\s*\("
     r"|\bclock_gettime\s*\(|(?<![\w.>])(?:std::)?time\s*\(\s*(?:nullptr|NULL|0)\s*\)",
     ("core/clock.cc", "tests/bench/"), "take a Clock by constructor (core/clock.h)"),
    ("random", r"(?<![\w.>])(?:std::)?s?rand\s*\(|\brandom_device\b|\bmt19937(?:_64)?\b",
     ("core/random.cc", "core/random.h"), "take a Random by constructor (core/random.h)"),
    ("new", r"\bnew\s+[A-Za-z_:]|(?<!operator )\bdelete\s+[A-Za-z_:*(]|\bdelete\s*\[",
     ("core/arena", "state/api/"), "make_unique, a container, or placement into an arena"),
    ("detached", r"\bspawn\w*\s*<[^;()]*\bdetached\b|\bcaf::detached\b", ("actors/spawn_task.cc",),
     "only actors/spawn_task.cc starts actors with a thread of their own"),
    ("assert", r"(?<![\w:])assert\s*\(", (), "SLUICE_CHECK stays on in release (core/check.h)"),
    ("using-std", r"\busing\s+namespace\s+std\s*;", (), "name what is used"),
)

HEADER_BANNED = (
    ("using-namespace", r"\busing\s+namespace\b(?!.*_literals;)", (),
     "a header must not open a namespace for those who include it"),
)

# A file is named by its concept; these words name none.
VAGUE_NAMES = re.compile(r"(?:^|_)(?:utils?|common|helpers?|misc)(?:_|$)")

# Paths of one machine mean nothing on another.
MACHINE_PATH = re.compile(r"(?<![\w.$}/:])/(?:home|root|work|mnt|Users)/\w")

_CODE_NOISE = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"([^()\\ \n]{0,16})\(.*?\)\1"|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9A-Za-z_])'(?:\\.|[^'\\\n])+'",
    re.DOTALL)
_PREPROCESSOR = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.MULTILINE)
_FUNCTION_HEAD = re.compile(
    r"\)\s*(?:const|noexcept|override|final|mutable|&|\s|requires\b[^;{}]*|->[^;{}]*|:\s[^;{}]*)*$")
# A private constructor keeps make_unique out: what is handed to an owner's constructor at once is owned,
# a counted object ends itself, and a function's static that is never destroyed is not lost.
_OWNED_AT_ONCE = re.compile(r"[\w>][({]\s*new\b|\bdelete this;|\bstatic\b[^;]*= \*new\b")
_INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
_ALLOW = re.compile(r"tidy:allow\(([\w-]+)\):\s*\S")


class Findings:
    """What was found, in the order of the files."""

    def __init__(self):
        self.errors = []
        self.warnings = []

    def error(self, path, line, rule, text):
        self.errors.append(f"{path}:{line}: {rule}: {text}")

    def warn(self, path, line, rule, text):
        self.warnings.append(f"{path}:{line}: warning: {rule}: {text}")


def without_comments_and_strings(text):
    """The code alone, every line where it was."""
    def blank(match):
        found = match.group(0)
        kept = "" if found.startswith("/") else '""'
        return kept + "\n" * found.count("\n")
    return _CODE_NOISE.sub(blank, text)


def check_source(path, text, findings):
    """All rules of one .h or .cc file."""
    lines = text.split("\n")
    allowed = {number: set(_ALLOW.findall(line)) for number, line in enumerate(lines, 1)
               if "tidy:allow" in line}

    def report(line, rule, message):
        # The reason may stand on the line itself or on the one above.
        if rule not in allowed.get(line, ()) and rule not in allowed.get(line - 1, ()):
            findings.error(path, line, rule, message)

    code = without_comments_and_strings(text)
    check_source_includes(path, lines, report)
    check_source_calls(path, code, report)
    if path.endswith(".h"):
        check_source_header(lines, report)
    check_source_functions(path, code, findings)


def check_source_includes(path, lines, report):
    for number, line in enumerate(lines, 1):
        match = _INCLUDE.match(line)
        if not match:
            continue
        quote, included = match.groups()
        for library, users in LIBRARY_USERS:
            if included.startswith(library) and not path.startswith(users):
                report(number, "include", f"<{included}> belongs to {', '.join(users)}")
        ours = included.startswith(tuple(folder + "/" for folder in FOLDERS))
        if quote == '"' and not ours:
            report(number, "include", f'"{included}": quotes are for paths from the root')
        if quote == "<" or not ours:
            continue
        for folder, uses in FOLDER_USES:
            if path.startswith(folder):
                if not included.startswith(uses):
                    report(number, "include", f"{folder} sees only {', '.join(uses)}")
                break
        for closed, users in CLOSED:
            if included.startswith(closed):
                if not path.startswith(users):
                    report(number, "include", f"{included} is open to {', '.join(users)}")
                break


def check_source_calls(path, code, report):
    rules = BANNED + (HEADER_BANNED if path.endswith(".h") else ())
    previous = ""
    for number, line in enumerate(code.split("\n"), 1):
        # An owner's constructor may begin on the line before.
        joined, previous = previous.strip()[-1:] + line.strip(), line
        for rule, pattern, places, instead in rules:
            if places and path.startswith(places):
                continue
            if re.search(pattern, line):
                if rule == "new" and (_OWNED_AT_ONCE.search(line) or joined.startswith("(new")):
                    continue
                report(number, rule, instead)


def check_source_header(lines, report):
    first = next((line for line in lines if line.strip()), "")
    if first.strip() == "#pragma once":
        first = next((line for line in lines[lines.index(first) + 1:] if line.strip()), "")
    if not first.startswith(("//", "/*")):
        report(1, "purpose", "a header begins by saying what it is, before any include")
    if "#pragma once" not in (line.strip() for line in lines):
        report(1, "pragma-once", "missing")


def check_source_functions(path, code, findings):
    """Warns of functions too long for a screen. Braces decide, so macros may hide some."""
    code = _PREPROCESSOR.sub(lambda match: "\n" * match.group(0).count("\n"), code)
    depth_is_function = []
    start = {}
    previous = ""
    line = 1
    for character in code:
        if character == "\n":
            line += 1
        elif character == "{":
            head = previous.strip()
            inside = any(depth_is_function)
            depth_is_function.append(not inside and bool(_FUNCTION_HEAD.search(head)))
            start[len(depth_is_function)] = line
            previous = ""
            continue
        elif character == "}":
            if depth_is_function:
                length = line - start[len(depth_is_function)] + 1
                if depth_is_function.pop() and length > FUNCTION_LINES_WARN:
                    findings.warn(path, line - length + 1, "function-length",
                                  f"{length} lines; {FUNCTION_LINES_WARN} fit a screen")
            previous = ""
            continue
        elif character == ";":
            previous = ""
            continue
        previous += character


def check_any(path, text, findings):
    """The rules of every text file."""
    if path.startswith("tools/tidy.py") or path.startswith("tests/unit/tools/tidy_test"):
        return  # They spell out what they look for.
    lines = text.split("\n")
    if len(lines) > FILE_LINES_MAX and path.endswith((".cc", ".h", ".py", ".proto", ".bzl")):
        findings.error(path, len(lines), "file-length",
                       f"{len(lines)} lines; split by concept before {FILE_LINES_MAX}")
    for number, line in enumerate(lines, 1):
        if re.search(r"\b(?:FIXME|XXX)\b", line):
            findings.error(path, number, "leftover", "finish it or open an issue")
        if re.search(r"\bTODO\b(?!\(#\d+\))", line):
            findings.error(path, number, "leftover", "write TODO(#issue)")
        if MACHINE_PATH.search(line):
            findings.error(path, number, "machine-path", "a path of one machine")
        if re.match(r"(?:<{7}|>{7}) ", line):
            findings.error(path, number, "leftover", "a merge conflict")


def check_name(path, findings):
    stem = os.path.basename(path).split(".")[0]
    if path.endswith((".h", ".cc", ".py")) and VAGUE_NAMES.search(stem):
        findings.error(path, 1, "file-name", "name the file by its concept")


def check_document(path, text, exists, read, findings):
    """One title, and every file and function it names is there."""
    in_code = False
    titles = 0
    for number, line in enumerate(text.split("\n"), 1):
        if line.lstrip().startswith("```"):
            in_code = not in_code
        if in_code:
            continue
        titles += line.startswith("# ")
        for quoted in re.findall(r"`([^`]+)`", line):
            problem = check_document_reference(quoted, exists, read)
            if problem:
                findings.error(path, number, "document", problem)
    if titles != 1:
        findings.error(path, 1, "document", f"{titles} titles; a document has one")


def check_document_reference(quoted, exists, read):
    """`folder/file.cc`, `folder/file name` and `folder/file.h:name` must exist; None if they do."""
    match = re.fullmatch(r"((?:%s)/[\w./-]*)(?:[: ]+([\w:~ ()]+))?" % "|".join(FOLDERS), quoted)
    if not match:
        return None
    place, names = match.groups()
    found = [place + ending for ending in ("", ".h", ".cc") if exists(place + ending)]
    if not found:
        return f"{place} does not exist"
    if names and not place.endswith("/"):
        text = "".join(read(file) for file in found)
        for name in re.findall(r"[A-Za-z_]\w+", names):
            if not re.search(r"\b%s\b" % name, text):
                return f"{place} has no {name}"
    return None


def check_built(sources, read_build, findings):
    """Every source is named in its folder's BUILD file: what is not built is dead."""
    for path in sources:
        folder, name = os.path.split(path)
        inside = name
        # A folder without BUILD belongs to the package above it.
        while folder and read_build(folder) is None:
            folder, last = os.path.split(folder)
            inside = f"{last}/{inside}"
        build = read_build(folder)
        if build is None:
            continue
        if not any(f'"{name}"' in build for name in (inside, os.path.splitext(inside)[0])) \
                and "glob(" not in build:
            findings.error(path, 1, "dead-file", f"not named in {os.path.join(folder, 'BUILD')}")


def check_files(paths, read):
    """Runs every rule on the given files; `read` returns a text or None."""
    findings = Findings()
    known = set(paths)

    def exists(place):
        folder = place.rstrip("/") + "/"
        return place in known or any(path.startswith(folder) for path in known)

    builds = {}

    def read_build(folder):
        if folder not in builds:
            name = f"{folder}/BUILD" if folder else "BUILD"
            # Lists of names stand in .bzl files beside it.
            lists = [p for p in known if p.endswith(".bzl") and os.path.dirname(p) == folder]
            builds[folder] = "".join(map(read, [name] + lists)) if name in known else None
        return builds[folder]

    sources = []
    for path in sorted(paths):
        text = read(path)
        if text is None or path == "LICENSE" or path.endswith((".csv", ".json")):
            continue
        check_any(path, text, findings)
        check_name(path, findings)
        if path.endswith((".h", ".cc")):
            sources.append(path)
            check_source(path, text, findings)
        elif path.endswith(".md"):
            check_document(path, text, exists, read, findings)
    check_built(sources, read_build, findings)
    return findings


def tracked_files():
    listed = subprocess.run(["git", "ls-files", "-z"], check=True, stdout=subprocess.PIPE)
    return [path for path in listed.stdout.decode().split("\0") if os.path.isfile(path)]


def read_file(path):
    """The text of a file, or None where it holds bytes."""
    with open(path, "rb") as file:
        content = file.read()
    return None if b"\0" in content else content.decode("utf-8", errors="replace")


def main():
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    everything = sorted({*tracked_files(), *filter(os.path.isfile, sys.argv[1:])})
    findings = check_files(everything, read_file)
    wanted = tuple(f"{path}:" for path in sys.argv[1:])
    for finding in findings.warnings + findings.errors:
        if not wanted or finding.startswith(wanted):
            print(finding)
    errors = [error for error in findings.errors if not wanted or error.startswith(wanted)]
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
