"""Documents as /status gives them: made-up ones, and how a page that shows one is compared."""

from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

NOW = datetime(2026, 11, 29, 5, 40, tzinfo=timezone.utc)
TYPES = ("ENCODING_ERROR", "JSON_PARSE_ERROR", "SCHEMA_VALIDATION_ERROR")
NAMES = (
    *("gps_pings", "trips", "driver_status", "surge_updates"),
    *("ratings", "payments", "driver_profiles", "rider_profiles"),
)


def time_text(ago_s: float = 0) -> str:
    at = NOW - timedelta(seconds=ago_s)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"


def partition(number: int, *, end: int = 1_000_000, lag: int = 0, **more: object) -> dict:
    return {
        "partition": number,
        "state": "reading",
        "position": end - lag // 2,
        "committed": end - lag,
        "end": end,
        "lag": lag,
        "retention_risk_seconds": None,
        "reason": "",
        **more,
    }


def topic(name: str, *, partitions: int = 3, rows: int = 3_000_000, **more: object) -> dict:
    made = {
        "topic": name,
        "table": f"bronze_{name}",
        "state": "copying",
        "reason": "",
        "rows_committed": rows,
        "bytes_committed": rows * 217 + 13,
        "messages_consumed": rows + 1_234,
        "dead_letters": dict.fromkeys(TYPES, 0),
        "lag": 0,
        "lag_seconds": 0.0,
        "oldest_unwritten_seconds": 4.125,
        "last_commit": {
            "at": time_text(3.25),
            "version": 4_211,
            "rows": 12_480,
            "bytes": 2_700_160,
            "token": "0b6f2a7c-7d41-4a57-9b1e-5d2f6e0c9a11",
            "seconds": 0.184,
        },
        "last_error": None,
        "partitions": [partition(n, end=rows // partitions + n) for n in range(partitions)],
        "retention_risk_seconds": None,
    }
    return {**made, **more}


def waves(steps: int, level: float) -> list[int]:
    """Looks like work: slow and fast waves, never below zero."""
    return [
        max(0, round(level * (1 + 0.35 * math.sin(i / 40) + 0.12 * math.sin(i / 2.3))))
        for i in range(steps)
    ]


def history(steps: int = 360, level: float = 50_000, lag: list[int | None] | None = None) -> dict:
    rows = waves(steps, level)
    return {
        "step_seconds": 10,
        "end": time_text(),
        "rows": rows,
        "bytes": [217 * n for n in rows],
        "lag": waves(steps, level / 12) if lag is None else lag,
    }


def verdict(tone: str, headline: str, doing: str = "", advice: str = "") -> dict:
    return {"tone": tone, "headline": headline, "doing": doing, "advice": advice}


def status(topics: list[dict] | None = None, **more: object) -> dict:
    topics = [topic(name) for name in NAMES] if topics is None else topics
    places = [p for t in topics for p in t["partitions"]]
    by_type = {kind: sum(t["dead_letters"][kind] for t in topics) for kind in TYPES}
    made = {
        "version": "0.1.0",
        "now": time_text(),
        "started_at": time_text(93_784.5),
        "healthy": True,
        "ready": True,
        "live": True,
        "reasons": [],
        "verdict": verdict(
            "well",
            "All is well",
            f"Copying {len(topics)} topics at 5,107 rows a second, nothing is late.",
            "Nothing to do.",
        ),
        "consumer_group": "bronze-ingestion",
        "batch_interval_seconds": 10.0,
        "kafka": {
            "bootstrap": "broker-1:9092,broker-2:9092",
            "reachable": True,
            "last_answer_seconds": 0.42,
            "rebalances": 3,
        },
        "store": {
            "base": "s3a://rideshare-bronze",
            "reachable": True,
            "last_answer_seconds": 1.75,
        },
        "partitions": {
            "assigned": len(places),
            "paused": sum(p["state"] == "paused" for p in places),
            "stopped": sum(p["state"] == "stopped" for p in places),
        },
        "memory": {
            "budget_bytes": 268_435_456,
            "buffered_bytes": 12_582_912,
            "resident_bytes": 113_246_208,
            "intake": "open",
        },
        "totals": {
            "rows_committed": sum(t["rows_committed"] for t in topics),
            "bytes_committed": sum(t["bytes_committed"] for t in topics),
            "messages_consumed": sum(t["messages_consumed"] for t in topics),
            "commits": 75_027,
            "retries": 2,
            "files_written": 75_031,
            "checkpoints": 750,
            "dead_letters": sum(by_type.values()),
            "lag": sum(t["lag"] or 0 for t in topics),
        },
        "rates": {
            "over_seconds": 60,
            "rows_per_second": 5_107.317,
            "bytes_per_second": 1_108_287.733,
        },
        "dead_letters": by_type,
        "topics": topics,
        "refused": [],
        "errors": [],
        "history": history(),
    }
    return {**copy.deepcopy(made), **more}


# --- what is left out ---------------------------------------------------------------------------

NO_LETTERS = dict.fromkeys(TYPES, 0)
TOPIC_DEFAULTS = {
    "reason": "",
    "dead_letters": NO_LETTERS,
    "lag": None,
    "lag_seconds": None,
    "last_commit": None,
    "last_error": None,
    "retention_risk_seconds": None,
}
PARTITION_DEFAULTS = {
    "state": "reading",
    "position": None,
    "committed": None,
    "end": None,
    "lag": None,
    "retention_risk_seconds": None,
    "reason": "",
}


def complete(document: dict) -> dict:
    """With what the service leaves out of topics and partitions."""
    topics = [
        {
            **TOPIC_DEFAULTS,
            **topic,
            "partitions": [{**PARTITION_DEFAULTS, **p} for p in topic["partitions"]],
        }
        for topic in document["topics"]
    ]
    return {**document, "topics": topics}


def said(document: dict, defaults: dict) -> dict:
    return {
        key: value
        for key, value in document.items()
        if key not in defaults or value != defaults[key]
    }


def sparse(document: dict, partitions: bool = True) -> dict:
    """As the service says it; without `partitions` as /status/topics does."""
    topics = []
    for whole in document.get("topics", []):
        topic = said(whole, TOPIC_DEFAULTS)
        topic["partitions"] = [said(p, PARTITION_DEFAULTS) for p in whole["partitions"]]
        if not partitions:
            del topic["partitions"]
        topics.append(topic)
    return {**document, "topics": topics}


# --- comparing ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Value:
    """One element of the page that shows a value: the exact one, and what people read."""

    path: str
    exact: str
    kind: str
    text: str
    title: str
    hidden: bool


def leaves(document: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Every value of the document by its path; topics by name, other lists by number.

    The series of the history are one value each: a chart shows one.
    """
    if path.startswith("history.") or not isinstance(document, (dict, list)):
        yield path, document
    elif isinstance(document, dict):
        for key, value in document.items():
            yield from leaves(value, f"{path}.{key}" if path else key)
    else:
        for number, value in enumerate(document):
            name = value["topic"] if path == "topics" else number
            yield from leaves(value, f"{path}.{name}")


def differences(document: dict, shown: list[Value]) -> list[str]:
    """What the page shows otherwise than the document says, or not at all."""
    told = dict(leaves(document))
    absent = [path for path, value in told.items() if value is None]
    wrong = []
    for value in shown:
        expected = told.get(value.path, MISSING)
        if expected is MISSING and any(value.path.startswith(f"{path}.") for path in absent):
            expected = None
        exact = json.loads(value.exact) if value.exact else MISSING
        if expected is MISSING or exact != expected or type(exact) is bool is not type(expected):
            wrong.append(f"{value.path}: shown {value.exact}, told {expected!r}")
        elif not value.path.startswith("history.") and not reads_as(value, expected, document):
            wrong.append(f"{value.path}: {value.text!r} does not say {expected!r}")
    # The step and the end of the history are its axis, and what the rates are over is in words; the
    # verdict is the banner; what is told of nothing needs no place.
    paths = {value.path for value in shown}
    for path, expected in told.items():
        within = any(shown_path.startswith(f"{path}.") for shown_path in paths)
        elsewhere = path in ELSEWHERE or path.startswith("verdict.")
        if path not in paths and not (expected is None and within) and not elsewhere:
            wrong.append(f"{path} is not shown")
    return wrong


MISSING = object()
ELSEWHERE = ("history.step_seconds", "history.end", "rates.over_seconds")
BYTES = {"B": 0, "KiB": 1, "MiB": 2, "GiB": 3, "TiB": 4, "PiB": 5}
SECONDS = {"ms": 0.001, "s": 1, "min": 60, "h": 3600, "d": 86_400, "days": 86_400}


def amount(text: str, units: dict[str, float]) -> float:
    return sum(float(n) * units[unit] for n, unit in re.findall(r"([\d.]+) (\w+)", text))


def near(shown: float, exact: float, share: float = 0.02, least: float = 0.0) -> bool:
    return abs(shown - exact) <= max(share * abs(exact), least)


def reads_as(value: Value, expected: object, document: dict) -> bool:
    """Whether the text for people says it too, as exactly as its form allows."""
    if expected is None:
        return value.text == "–" and (value.kind != "risk" or value.hidden)
    if value.kind == "bytes":
        number, unit = value.text.split(" ")
        exact_too = value.title == f"{expected:,.0f} bytes"
        return exact_too and near(float(number), expected / 1024 ** BYTES[unit], 0, 0.051)
    if value.kind == "rate":
        shown = float(value.text.replace(",", ""))
        return near(shown, expected, 0, 0.051 if expected < 9.95 else 0.501)
    if value.kind in ("seconds", "ago"):
        return near(amount(value.text, SECONDS), expected, 0.06, 0.0006)
    if value.kind == "risk":
        return near(amount(value.text, SECONDS), expected, 0.35)
    if value.kind == "age":
        ago = parse_time(document["now"]) - parse_time(expected)
        return value.title == expected and near(amount(value.text, SECONDS), ago, 0.06, 0.5)
    if value.kind == "time":
        return value.text == expected[11:19] and value.title == expected
    if value.kind == "times":
        return value.hidden if expected == 1 else value.text == f"({expected:,} times)"
    if value.kind == "state":
        return value.text == expected.replace("_", " ")
    if value.kind == "flag":
        return value.text in (("yes", "answers") if expected else ("no", "does not answer"))
    return value.text == (f"{expected:,}" if isinstance(expected, int) else expected)


def parse_time(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
