#!/usr/bin/env python3
"""Checks each C++ file on its own: that a header compiles alone, and what clang-tidy says.

Usage: check_sources.py headers|clang-tidy [--changed] [FILE...]

A file that passed is remembered by the hash of everything it includes from this tree, so a second
run looks only at what an edit can have changed. --changed takes the files that differ from the
last commit or in it. Exits 1 when a file fails.
"""

import argparse
import concurrent.futures
import functools
import hashlib
import os
import re
import subprocess
import sys
import tempfile

INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)
# The defines are those that third_party/BUILD gives to whoever uses a library.
LANGUAGE = ["-std=c++20", "-march=x86-64-v2", "-I.", "-DCPPHTTPLIB_OPENSSL_SUPPORT"]
HEADER_COMMAND = ["g++", *LANGUAGE, "-fsyntax-only", "-Wall", "-Wextra", "-Werror",
                  "-Wno-missing-field-initializers", "-x", "c++", "-"]
TIDY_COMMAND = ["clang-tidy-14", "--quiet"]
MUST_NOT_COMPILE = "tests/compile_fail/"
CACHE_DIR = os.environ.get("SLUICE_CHECK_CACHE",
                           os.path.expanduser("~/.cache/sluice/check"))


def git(*arguments):
    """The lines git prints; none if it refuses."""
    done = subprocess.run(["git", *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          check=False)
    return done.stdout.decode().splitlines() if done.returncode == 0 else []


@functools.lru_cache(maxsize=None)
def text_of(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def closure(path):
    """The file and all it includes from this tree, directly or not, in a fixed order.

    Generated headers stand for the .proto they come from.
    """
    seen, waiting = set(), [path]
    while waiting:
        current = waiting.pop()
        if current.endswith(".pb.h"):
            current = current[:-len(".pb.h")] + ".proto"
        if current in seen or not os.path.isfile(current):
            continue
        seen.add(current)
        if current.endswith(".proto"):
            waiting += re.findall(r'^\s*import\s+"([^"]+)"', text_of(current), re.MULTILINE)
        else:
            waiting += INCLUDE.findall(text_of(current))
    return sorted(seen)


def key_of(path, rules):
    digest = hashlib.sha256(rules.encode())
    digest.update(path.encode())
    for part in closure(path):
        digest.update(part.encode())
        digest.update(text_of(part).encode())
    return digest.hexdigest()


def is_proven_by_its_source(header):
    """A source whose first include is its own header has compiled that header alone."""
    first = re.search(r"^\s*#\s*include\s*(\S+)", text_of(header[:-2] + ".cc"), re.MULTILINE)
    return first is not None and first.group(1) == f'"{header}"'


def check_header(path, generated_dir):
    done = subprocess.run([*HEADER_COMMAND, "-I", generated_dir], input=f'#include "{path}"\n',
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode == 0, done.stdout


def check_clang_tidy(path, generated_dir):
    done = subprocess.run([*TIDY_COMMAND, path, "--", *LANGUAGE, "-I", generated_dir],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    # What goes to stderr are counts of suppressed warnings, unless the tool itself failed.
    return done.returncode == 0, done.stdout or done.stderr


def generate_protos(generated_dir):
    protos = git("ls-files", "*.proto")
    if protos:
        subprocess.run(["protoc", "--proto_path=.", f"--cpp_out={generated_dir}", *protos],
                       check=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("check", choices=["headers", "clang-tidy"])
    parser.add_argument("--changed", action="store_true")
    parser.add_argument("files", nargs="*")
    arguments = parser.parse_args()
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

    ending = ".h" if arguments.check == "headers" else ".cc"
    files = arguments.files or git("ls-files")
    if arguments.changed:
        changed = set(git("diff", "--name-only", "HEAD"))
        changed |= set(git("diff", "--name-only", "HEAD~1", "HEAD"))
        # A changed header is read by clang-tidy through its own source.
        files = [path for path in files
                 if path in changed or re.sub(r"\.cc$", ".h", path) in changed]
    files = [path for path in files if path.endswith(ending) and os.path.isfile(path)
             and not path.startswith(MUST_NOT_COMPILE)]

    if arguments.check == "headers":
        files = [path for path in files if not is_proven_by_its_source(path)]
        rules, run = " ".join(HEADER_COMMAND), check_header
    else:
        rules, run = " ".join(TIDY_COMMAND + LANGUAGE) + text_of(".clang-tidy"), check_clang_tidy

    passed_dir = os.path.join(CACHE_DIR, arguments.check)
    os.makedirs(passed_dir, exist_ok=True)
    marks = {path: os.path.join(passed_dir, key_of(path, rules)) for path in files}
    stale = [path for path in files if not os.path.exists(marks[path])]
    # The longest first, so that the last worker is not left alone with it.
    stale.sort(key=lambda path: -len(closure(path)))

    failures = 0
    with tempfile.TemporaryDirectory() as generated_dir, \
            concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        if stale:
            generate_protos(generated_dir)
        for path, (good, log) in zip(stale, pool.map(lambda path: run(path, generated_dir), stale)):
            if good:
                with open(marks[path], "w", encoding="utf-8"):
                    pass
            else:
                failures += 1
                print(f"{path}:\n{log.rstrip()}")
    print(f"{len(files)} files, {len(files) - len(stale)} known to be good, {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
