"""Runs all benchmarks one after the other and repeats their results at the end.

Run by `make bench`, some eight minutes. BENCH_FOLDER: where small_commits has its table. What
was told also goes to build/reports/bench.txt. At the end it tells which targets are reached
(targets.py). One that is not does not make the exit code non-zero: figures depend on the machine.
A benchmark that fails does.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import targets

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = ROOT / "build" / "release"
REPORTS = ROOT / "build" / "reports"
REPORT = REPORTS / "bench.txt"
PYTHON = [sys.executable, "-u"]
FOLDER = os.environ.get("BENCH_FOLDER")
# What it is, how it is run, and the line after which results begin (none = with the first).
SMALL_COMMITS = "3 of 7: small commits as a table ages"
STEPS = [
    (
        "1, 2 of 7: a drain beside a bare loop; the same in half a core and 256 MB",
        [*PYTHON, str(ROOT / "bench" / "drain.py")],
        "medians:",
    ),
    (
        SMALL_COMMITS,
        [str(PROGRAMS / "small_commits"), *([FOLDER] if FOLDER else [])],
        None,
    ),
    ("4 of 7: a steady trickle", [*PYTHON, str(ROOT / "bench" / "steady.py")], None),
    (
        "5 of 7: being scraped, and hostile HTTP clients",
        [*PYTHON, str(ROOT / "bench" / "observing.py")],
        "figures:",
    ),
    (
        "6 of 7: 500 topics of four partitions in 256 MB",
        [*PYTHON, str(ROOT / "bench" / "many_topics.py")],
        "figures:",
    ),
    (
        "7 of 7: decode, schema, columns, Parquet",
        [str(PROGRAMS / "micro"), "--benchmark_min_time=1"],
        "Benchmark ",
    ),
]


def run(command: list[str]) -> tuple[int, list[str]]:
    """Shows what the command tells while it tells it."""
    lines = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line.rstrip())
    return process.returncode, lines


def results(lines: list[str], begin: str | None) -> list[str]:
    if begin is None:
        return lines
    starts = [number for number, line in enumerate(lines) if line.startswith(begin)]
    return lines[starts[0] + 1 :] if starts else lines


def main() -> None:
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    targets.forget(REPORTS)
    failed = False
    summary = []
    small_commits: list[str] = []
    for title, command, begin in STEPS:
        print(f"\n=== {title}", flush=True)
        begun = time.monotonic()
        code, lines = run(command)
        failed = failed or code != 0
        if title == SMALL_COMMITS:
            small_commits = lines
        ending = "" if code == 0 else f", failed with exit code {code}"
        summary += [f"--- {title} ({time.monotonic() - begun:.0f} s{ending})"]
        summary += results(lines, begin)
    summary += ["--- targets", *targets.table(targets.figures_of(REPORTS, small_commits))]
    print("\n=== summary", *summary, sep="\n")
    REPORTS.mkdir(parents=True, exist_ok=True)
    REPORT.write_text("\n".join(summary) + "\n")
    sys.exit(failed)


if __name__ == "__main__":
    main()
