#!/usr/bin/env python3
"""Makes the archives of one version: make_archives.py PROGRAM VERSION (see README.md)."""
import itertools
import os
import shutil
import sys
import tarfile

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../recovery"))
import job_runs  # noqa: E402

FLIGHTS_COUNT = 3000


def start(program, root, parallelism):
    return job_runs.start(
        program, "--job", "v1", "--input", "flights.csv", "--output", "out", "--rate", 4000, "-p",
        parallelism, "--checkpoint-dir", "checkpoints", "--checkpoint-interval", "50ms", "-D",
        "execution.checkpointing.num-retained=2", cwd=root)


def main():
    program, version = os.path.abspath(sys.argv[1]), sys.argv[2]
    for kind, parallelism in (("savepoint", 3), ("checkpoint", 1)):
        place = job_runs.Place()
        with open(job_runs.FLIGHTS) as flights, open(f"{place.root}/flights.csv", "w") as some:
            some.writelines(itertools.islice(flights, FLIGHTS_COUNT + 1))
        job = start(program, place.root, parallelism)
        job_runs.wait_until(
            lambda: max(job_runs.complete_checkpoints(f"{place.checkpoints}/v1"), default=0) >= 8,
            "eight checkpoints", job)
        if kind == "savepoint":
            done = job_runs.stop(job)
            assert done.code == 0, done
            os.rename(os.path.join(place.root, done.summary["savepoint"]),
                      f"{place.root}/savepoint")
            shutil.rmtree(place.checkpoints)
        else:
            job.kill()
            job_runs.wait(job)
            os.remove(f"{place.checkpoints}/v1/_lock")
            listing = job_runs.savepoint_tool("list", place.checkpoints, "--json").output
            assert '"delta":true' in listing, "the newest checkpoint has no delta: try again"
        with tarfile.open(os.path.join(HERE, f"{kind}_{version}.tar.gz"), "w:gz") as archive:
            for name in sorted(os.listdir(place.root)):
                archive.add(os.path.join(place.root, name), name)
        place.remove()


if __name__ == "__main__":
    main()
