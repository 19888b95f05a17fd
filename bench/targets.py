"""What the figures of `make bench` should be, and which of them are."""

from __future__ import annotations

import json
import operator
import re
from dataclasses import dataclass
from pathlib import Path

Figures = dict[str, float]


@dataclass(frozen=True)
class Target:
    what: str
    comparison: str  # "at most", "at least" or "under"
    bound: float
    unit: str

    def reached(self, figure: float) -> bool:
        compare = {"at most": operator.le, "at least": operator.ge, "under": operator.lt}
        return compare[self.comparison](figure, self.bound)


TARGETS = [
    Target("drain: wall time to the bare loop", "at most", 2, "x"),
    Target("drain: CPU-seconds a GB of payload", "at most", 3.5, "s"),
    Target("drain: peak resident", "at most", 112, "MB"),
    Target("drain: stored smaller", "at least", 3.5, "x"),
    Target("half a core, 256 MB: messages a second", "at least", 200_000, ""),
    Target("60 messages a second: resident", "at most", 32, "MB"),
    Target("60 messages a second: visible, p99", "under", 1.5, "s"),
    Target("idle: of a core", "under", 0.3, "%"),
    Target("commit at version 100,000 to one at 100", "at most", 1.3, "x"),
    Target("opening a table", "under", 1, "s"),
]


def of_drain(report: dict) -> Figures:
    """The worse of local disk and MinIO."""
    medians, payload = report["medians"], report["payload_bytes"]
    runs = [medians["local disk"], medians["MinIO"]]
    seconds = max(run["seconds"] for run in runs)
    figures = {
        "drain: wall time to the bare loop": seconds / medians["bare loop"]["seconds"],
        "drain: CPU-seconds a GB of payload": max(run["cpu_seconds"] for run in runs)
        / (payload / 1e9),
        "drain: peak resident": max(run["peak_mb"] for run in runs),
        "drain: stored smaller": payload / max(run["stored_bytes"] for run in runs),
    }
    if boxed := medians.get("half a core"):
        figures["half a core, 256 MB: messages a second"] = report["records"] / boxed["seconds"]
    return figures


def of_steady(report: dict) -> Figures:
    return {
        "60 messages a second: resident": report["resident_mb"],
        "60 messages a second: visible, p99": report["freshness_p99_seconds"],
        "idle: of a core": report["idle_core"] * 100,
    }


def of_small_commits(lines: list[str]) -> Figures:
    told = "\n".join(lines)
    commits = {
        int(version): float(ms)
        for version, ms in re.findall(r"version (\d+): a commit takes ([\d.]+) ms", told)
    }
    opened = [float(ms) for ms in re.findall(r"opened in ([\d.]+) ms", told)]
    figures = {}
    if {100, 100_000} <= commits.keys():
        figures["commit at version 100,000 to one at 100"] = commits[100_000] / commits[100]
    if opened:
        figures["opening a table"] = max(opened) / 1000
    return figures


# Which benchmarks write a report that is looked at: build/reports/NAME.json.
OF_REPORTS = {"drain": of_drain, "steady": of_steady}


def forget(reports: Path) -> None:
    """So that none of an earlier run is taken for one of this."""
    for name in OF_REPORTS:
        (reports / f"{name}.json").unlink(missing_ok=True)


def figures_of(reports: Path, small_commits: list[str]) -> Figures:
    """Of what was measured; `reports` is the folder of the benchmarks' reports."""
    figures = of_small_commits(small_commits)
    for name, of in OF_REPORTS.items():
        report = reports / f"{name}.json"
        if report.exists():
            figures |= of(json.loads(report.read_text()))
    return figures


def table(figures: Figures) -> list[str]:
    lines = []
    for target in TARGETS:
        figure = figures.get(target.what)
        verdict = "not measured"
        if figure is not None:
            verdict = "reached" if target.reached(figure) else "NOT REACHED"
        measured = "" if figure is None else f"{figure:,.4g} {target.unit}"
        bound = f"{target.comparison} {target.bound:,g} {target.unit}"
        lines.append(f"{target.what:42} {measured:>12}   {bound:20} {verdict}")
    return lines
