"""What the source may log: its calls, and the events and fields that docs/logging.md tells of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .processes import ROOT

SOURCES = sorted(path for path in (ROOT / "src").rglob("*") if path.suffix in (".cpp", ".h"))
LITERALS = r'((?:"(?:[^"\\]|\\.)*"\s*)+)'
PLAIN = re.compile(r"spdlog::(warn|error|critical)\(\s*" + LITERALS)
TELL = re.compile(r"\btell\(([^{}\"]*),\s*\{([^{}]*)\},\s*" + LITERALS)
TRAITS = re.compile(r'LogEventTraits\{LogEvent::(k\w+), "(\w+)", (\w+), k(\w+)\}')
LEVELS = {"err": "error", "critical": "error"}


@dataclass(frozen=True)
class Event:
    name: str
    level: str
    repeats: str


@dataclass(frozen=True)
class Call:
    path: Path
    # More than one where the call chooses between them.
    events: tuple[Event, ...]
    fields: frozenset[str]
    # The fixed text; `{}` stands for values.
    text: str


def events() -> dict[str, Event]:
    """By the name of the enumerator, in the order of the table in C++."""
    table = (ROOT / "src" / "base" / "log_event.cpp").read_text()
    return {
        enumerator: Event(name, LEVELS.get(level, level), repeats.lower())
        for enumerator, name, level, repeats in TRAITS.findall(table)
    }


def joined(literals: str) -> str:
    return "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literals))


def event_calls() -> Iterator[Call]:
    known = events()
    for path in SOURCES:
        for which, fields, literals in TELL.findall(path.read_text()):
            named = re.findall(r"LogEvent::(k\w+)", which)
            yield Call(
                path,
                tuple(known[enumerator] for enumerator in named),
                frozenset(re.findall(r"\.(\w+) =(?!=)", fields)),
                joined(literals),
            )


def troubles() -> Iterator[tuple[Path, str]]:
    """The fixed texts of warnings and errors."""
    for path in SOURCES:
        for _, literals in PLAIN.findall(path.read_text()):
            yield path, joined(literals)
    for call in event_calls():
        if any(event.level in ("warn", "error") for event in call.events):
            yield call.path, call.text


# --- docs/logging.md ----------------------------------------------------------------------------


def rows_under(heading: str) -> list[list[str]]:
    text = (ROOT / "docs" / "logging.md").read_text()
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def documented_fields() -> dict[str, type]:
    kinds = {"string": str, "integer": int}
    return {name: kinds[kind] for name, kind, _ in rows_under("Fields")}


@dataclass(frozen=True)
class Documented:
    event: Event
    fields: frozenset[str]
    # Of `fields`: may be missing.
    optional: frozenset[str]


def documented_events() -> dict[str, Documented]:
    found = {}
    for name, level, _when, fields, repeats in rows_under("Events"):
        names = re.findall(r"\(?\w+\)?", fields)
        found[name] = Documented(
            Event(name, level, repeats),
            frozenset(field.strip("()") for field in names),
            frozenset(field.strip("()") for field in names if field.startswith("(")),
        )
    return found
