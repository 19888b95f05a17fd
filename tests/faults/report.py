"""What a run of the fault tests did and saw; as JSON, and as the table in docs/guarantees.md.

    python tests/faults/report.py build/reports/faults.json docs/guarantees.md

puts the result of a run into the document, between its two marks.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import re
import sys
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING

import rows

if TYPE_CHECKING:
    from oracle import Verdict

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "build" / "reports" / "faults.json"
BEGIN = "<!-- the result of the last full run: written by tests/faults/report.py -->"
END = "<!-- end of the result -->"

WHERE = """**The faults, and which tests are about them** (paths are below `tests/`, except those of
`bridge/`). The result is that of the tests in `faults/` in this run; those of other suites are part
of every `make test`."""

# The store did what was asked, and the client is told something else.
AMBIGUOUS = {
    "503": "503 although it was done",
    "500": "500 although it was done",
    "reset": "connection reset although it was done",
    "late": "answered only after the client gave up, although it was done",
    "409": "409 although it was done",
}

LEAST = {"kills": 300, "long_stops": 40, "rebalances": 100}
LEAST_AMBIGUOUS = 100


@dataclass
class Counts:
    """Sums over all tests; threads of a test add to it."""

    kills: int = 0
    # Stops by SIGSTOP that were longer than the session time-out.
    long_stops: int = 0
    ambiguous: Counter[str] = field(default_factory=Counter)
    rebalances: int = 0
    # Compared with Kafka, once each.
    records: int = 0
    duplicates: int = 0
    losses: int = 0
    tables: int = 0
    commit_ms: list[int] = field(default_factory=list)
    retries: int = 0
    other: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def add(self, **amounts: int) -> None:
        """add(kills=1, terminations=2): a name that is no field is counted under `other`."""
        with self._lock:
            for name, amount in amounts.items():
                if name in LEAST:
                    setattr(self, name, getattr(self, name) + amount)
                else:
                    self.other[name] += amount

    def add_ambiguous(self, kind: str) -> None:
        assert kind in AMBIGUOUS, kind
        with self._lock:
            self.ambiguous[kind] += 1

    def add_verdict(self, verdict: Verdict) -> None:
        with self._lock:
            self.tables += 1
            self.records += verdict.records
            self.duplicates += verdict.duplicates
            self.losses += verdict.losses

    def add_commits(self, milliseconds: list[int], retries: int) -> None:
        with self._lock:
            self.commit_ms += milliseconds
            self.retries += retries

    def state(self) -> dict:
        """All of it as plain values, for another process to `absorb`."""
        with self._lock:
            values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {n: dict(v) if isinstance(v, Counter) else v for n, v in values.items()}

    def absorb(self, state: dict) -> None:
        with self._lock:
            for name, value in state.items():
                mine = getattr(self, name)
                setattr(self, name, mine + type(mine)(value) if value else mine)

    def summary(self) -> dict:
        with self._lock:
            content = {
                name: getattr(self, name)
                for name in (*LEAST, "records", "duplicates", "losses", "tables", "retries")
            }
            content["ambiguous"] = {kind: self.ambiguous[kind] for kind in AMBIGUOUS}
            content["other"] = dict(sorted(self.other.items()))
            content["commits"] = len(self.commit_ms)
            content["commit_ms_p50"] = percentile(self.commit_ms, 50)
            content["commit_ms_p99"] = percentile(self.commit_ms, 99)
        return content

    def lines(self) -> list[str]:
        content = self.summary()
        ambiguous = ", ".join(f"{kind} {count}" for kind, count in content["ambiguous"].items())
        other = ", ".join(f"{name} {count}" for name, count in content["other"].items())
        return [
            f"SIGKILLs {self.kills}, long stops {self.long_stops}, rebalances {self.rebalances}",
            f"ambiguous answers: {ambiguous}",
            f"others: {other}",
            f"records {self.records} in {self.tables} tables, duplicates {self.duplicates}, "
            f"losses {self.losses}",
            f"commits timed {content['commits']}: p50 {content['commit_ms_p50']} ms, "
            f"p99 {content['commit_ms_p99']} ms; tried again {self.retries} times",
        ]


@dataclass(frozen=True)
class Outcome:
    name: str
    outcome: str
    seconds: float


@dataclass
class Report:
    seed: int
    full: bool
    machine: str = field(default_factory=lambda: machine())
    date: str = field(default_factory=lambda: datetime.date.today().isoformat())
    begun: float = field(default_factory=time.monotonic)
    seconds: int = 0
    passed: bool = False
    counts: Counts = field(default_factory=Counts)
    outcomes: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)


def percentile(values: list[int], percent: int) -> int | None:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] if ordered else None


def shortfalls(counts: Counts) -> list[str]:
    """What a full run did less often than it must."""
    found = [
        f"{name}: {getattr(counts, name)} of {least}"
        for name, least in LEAST.items()
        if getattr(counts, name) < least
    ]
    found += [
        f"ambiguous answers of kind {kind}: {counts.ambiguous[kind]} of {LEAST_AMBIGUOUS}"
        for kind in AMBIGUOUS
        if counts.ambiguous[kind] < LEAST_AMBIGUOUS
    ]
    return found


def write(report: Report, path: Path = FILE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "date": report.date,
        "machine": report.machine,
        "seed": report.seed,
        "full": report.full,
        "passed": report.passed,
        "seconds": report.seconds,
        "counts": report.counts.summary(),
        "tests": [asdict(outcome) for outcome in report.outcomes],
    }
    path.write_text(json.dumps(content, indent=2) + "\n")


def machine() -> str:
    """Cores, memory and processor."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    models = re.findall(r"^model name\s*: (.+)$", text, re.M)
    model = models[0] if models else platform.machine()
    return f"{os.cpu_count()} cores ({model}), {memory:.0f} GiB"


def figures(content: dict) -> list[str]:
    counts = content["counts"]
    other = counts["other"]
    passed = sum(test["outcome"] == "passed" for test in content["tests"])
    rows = [
        ("date", content["date"]),
        ("machine", content.get("machine", "not noted")),
        ("seed", content["seed"]),
        ("duration", f"{content['seconds'] / 60:.0f} min"),
        ("of it, all faults mixed at random", f"{other.get('soak_minutes', 0):g} min"),
        ("tests passed", f"{passed} of {len(content['tests'])}"),
        ("`kill -9`", counts["kills"]),
        ("stops longer than the session time-out", counts["long_stops"]),
        *((AMBIGUOUS[kind], count) for kind, count in counts["ambiguous"].items()),
        ("landed too late: the service had put that version", other.get("landed_too_late", 0)),
        ("rebalances between living members of a group", counts["rebalances"]),
        ("tables judged", counts["tables"]),
        ("records compared with Kafka", f"{counts['records']:,}"),
        ("records compared by number, too many to hold", f"{other.get('records_counted', 0):,}"),
        ("**duplicates**", f"**{counts['duplicates']}**"),
        ("**losses**", f"**{counts['losses']}**"),
        ("commits that were tried again or looked for", other.get("tried_again", 0)),
    ]
    if counts["commits"]:
        times = f"p50 {counts['commit_ms_p50']} ms, p99 {counts['commit_ms_p99']} ms"
        rows += [
            ("one commit, eight instances on the same two tables", times),
            (
                "of these commits, and more tries that they took",
                f"{counts['commits']}, {counts['retries']}",
            ),
        ]
    return ["| full run | |", "|---|---:|", *(f"| {name} | {value} |" for name, value in rows)]


def row_by_row(content: dict) -> list[str]:
    outcomes = {test["name"]: test for test in content["tests"]}
    lines = [rows.HEAD, "|---:|---|---|---|---:|"]
    for row, fault in rows.FAULTS.items():
        tests = [outcomes[name] for name in rows.of_run(row, list(outcomes))]
        passed = sum(test["outcome"] == "passed" for test in tests)
        seconds = sum(test["seconds"] for test in tests)
        result = f"{passed} of {len(tests)} passed"
        lines.append(f"| {row} | {fault} | {rows.tests_of(row)} | {result} | {seconds:.0f} |")
    return lines


def as_markdown(content: dict) -> str:
    return "\n".join([*figures(content), "", WHERE, "", *row_by_row(content)])


def put_into(document: Path, content: dict) -> None:
    """Replaces what is between the marks."""
    if not content["full"] or not content["passed"]:
        raise SystemExit("only a full run that passed goes into the document")
    names = [test["name"] for test in content["tests"]]
    if untested := [row for row in rows.FAULTS if not rows.of_run(row, names)]:
        raise SystemExit(f"no test of the rows {untested} was in that run")
    text = document.read_text()
    before, _, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise SystemExit(f"{document} does not have the marks")
    document.write_text(f"{before}{BEGIN}\n{as_markdown(content)}\n{END}{after}")


if __name__ == "__main__":
    put_into(Path(sys.argv[2]), json.loads(Path(sys.argv[1]).read_text()))
