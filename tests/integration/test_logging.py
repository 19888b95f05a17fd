"""The log for programs: LOG_FORMAT=json, and what docs/logging.md promises of it."""

from __future__ import annotations

import json
import re

import pytest
from deltalake import write_deltalake
from harness.log_calls import (
    SOURCES,
    documented_events,
    documented_fields,
    event_calls,
    events,
    rows_under,
)
from harness.payloads import FOREIGN_ROWS, INVALID_UTF8, Stream, json_values
from harness.processes import wait_until
from harness.service import run_command
from harness.tables import Commit, Table
from test_conflicts import Foreigner
from test_observability import metrics

OF_EVERY_LINE = {"ts", "level", "msg"}
EVENTS = documented_events()
FIELDS = documented_fields()


# --- the source and the documentation -----------------------------------------------------------


def test_the_events_of_the_source_are_those_that_are_documented():
    assert [documented.event for documented in EVENTS.values()] == list(events().values())


def test_each_mention_of_an_event_is_a_call_that_was_understood():
    mentions = sum(
        len(re.findall(r"LogEvent::k\w+", path.read_text()))
        for path in SOURCES
        if path.stem != "log_event"
    )
    assert mentions == sum(len(call.events) for call in event_calls())


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_is_told_with_the_fields_that_are_documented(name):
    told = [call.fields for call in event_calls() if name in {event.name for event in call.events}]
    assert told, "nothing tells it"
    assert frozenset().union(*told) == EVENTS[name].fields
    assert EVENTS[name].fields - frozenset.intersection(*told) == EVENTS[name].optional


def test_the_fields_of_the_source_are_those_that_are_documented():
    header = next(path for path in SOURCES if path.name == "log_event.h").read_text()
    kinds = {
        name: str if kind == "std::string_view" else int
        for kind, name in re.findall(r"^  (std::[^=\n]+) (\w+) = \{\};$", header, re.MULTILINE)
    }
    assert kinds | {"suppressed": int, "event": str, **dict.fromkeys(OF_EVERY_LINE, str)} == FIELDS


def test_each_operation_is_documented():
    text = "".join(path.read_text() for path in SOURCES)
    used = set(re.findall(r'\.operation = "(\w+)"', text))
    used |= set(re.findall(r'wait_and\(Stage::k\w+, "(\w+)"', text))
    (meaning,) = [meaning for name, _, meaning in rows_under("Fields") if name == "operation"]
    documented = set(re.findall(r"`(\w+)`", meaning))
    assert used <= documented
    for word in documented:
        assert f'"{word}"' in text, word


# --- lines of a running service -----------------------------------------------------------------


def parsed(log: str) -> list[dict]:
    """All lines, each of them checked."""
    lines = [json.loads(line) for line in log.splitlines()]
    for line in lines:
        assert_as_documented(line)
    return lines


def assert_as_documented(line: dict) -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["ts"]), line
    assert line["level"] in ("trace", "debug", "info", "warn", "error"), line
    for name, value in line.items():
        assert type(value) is FIELDS[name], f"{name} of {line}"
    if "event" not in line:
        assert set(line) == OF_EVERY_LINE, line
        return
    documented = EVENTS[line["event"]]
    assert line["level"] == documented.event.level, line
    fields = set(line) - OF_EVERY_LINE - {"event", "suppressed"}
    assert fields <= documented.fields, line
    if "suppressed" in line:
        assert documented.event.repeats == "counted", line
    else:
        assert fields >= documented.fields - documented.optional, line


def of(lines: list[dict], *names: str) -> list[dict]:
    return [line for line in lines if line.get("event") in names]


def tokens(commit: Commit) -> str:
    return commit.info["operationParameters"]["bronzeToken"]


@pytest.fixture
def tell(environment):
    return lambda *topics, **variables: environment(*topics, LOG_FORMAT="json", **variables)


def test_a_run_from_start_to_end_and_its_commits_in_the_tables(
    broker, bucket, topic, table, tell, start
):
    instance = start(tell(topic))
    broker.produce(topic, [*json_values(20), *[INVALID_UTF8] * 5], partition=1)
    instance.wait_written(20)
    instance.wait_log("dead_letter_commit")
    instance.stop()
    lines = parsed(instance.log())

    order = [line["event"] for line in of(lines, *EVENTS)]
    begin = ["started", "assigned", "registered", "partition_started", "dead_letter"]
    course = [*begin, "dead_letter_commit", "commit", "signal", "shutdown", "exit"]
    assert sorted(course, key=order.index) == course
    assert order[-1] == "exit"
    (begun,) = of(lines, "started")
    assert run_command("--version").output.split() == ["bronze", begun["release"]]
    assert sum(line["partitions"] for line in of(lines, "assigned")) == 3
    started = of(lines, "partition_started")
    assert sorted((line["partition"], line["offset"]) for line in started) == [
        (0, 0),
        (1, 0),
        (2, 0),
    ]
    letter, others = of(lines, "dead_letter")
    assert (letter["partition"], letter["offset"]) == (1, 20)
    assert others["suppressed"] == 5 - 2, "those left out but the one that it stands for"
    assert letter["error_type"] == "ENCODING_ERROR"
    assert of(lines, "signal")[0]["signal"] == "SIGTERM"
    assert of(lines, "exit")[0]["exit_code"] == 0
    assert {line["topic"] for line in lines if "topic" in line} == {topic}

    rows = of(lines, "commit", "registered")
    assert sum(line.get("rows", 0) for line in rows) == 20
    dead = of(lines, "dead_letter_commit")
    assert sum(line["rows"] for line in dead) == 5
    for lines_of_table, of_table in (rows, table), (dead, Table.of_dead_letters(bucket, topic)):
        entries = {commit.version: commit for commit in of_table.commits() if commit.txns}
        # Every commit that moved progress has its line, and each line its commit.
        assert {line["version"]: line["token"] for line in lines_of_table} == {
            version: tokens(commit) for version, commit in entries.items()
        }
        for line in lines_of_table:
            if "rows" not in line:
                continue
            assert entries[line["version"]].row_count == line["rows"]
            sizes = sum(add["size"] for add in entries[line["version"]].adds)
            assert sizes == line["stored_bytes"]


def test_a_storm_of_conflicts_is_one_line_a_minute_and_none_is_lost(
    broker, topic, table, group, tell, start
):
    broker.produce(topic, json_values(30))
    instance = start(tell(topic, BATCH_INTERVAL_SECONDS="0.1"))
    broker.wait_caught_up(group, topic)

    def append() -> None:
        write_deltalake(
            table.uri, FOREIGN_ROWS, mode="append", storage_options=table.store.options()
        )

    def conflicts() -> int:
        return int(metrics(instance)[f'bronze_commits_total{{topic="{topic}",outcome="conflict"}}'])

    with Foreigner(append, 0), Foreigner(append, 0), Stream(broker, topic):
        wait_until(lambda: conflicts() >= 5, 90, "five conflicts")
    broker.wait_caught_up(group, topic)
    counted = wait_until(conflicts, 5, "conflicts are counted")
    instance.stop()

    lines = parsed(instance.log())
    assert not of(lines, "rewind", "fenced")
    told = of(lines, "conflict")
    assert len(told) + sum(line.get("suppressed", 0) for line in told) == counted
    assert len(told) < counted
    assert {line["topic"] for line in told} == {topic}
    committed = {line["token"] for line in of(lines, "commit")}
    assert {line["token"] for line in told if "token" in line} <= committed


def test_a_store_that_goes_away_and_comes_back(broker, minio, topic, group, tell, start):
    broker.produce(topic, json_values(30))
    instance = start(tell(topic))
    broker.wait_caught_up(group, topic)

    minio.stop()
    try:
        broker.produce(topic, json_values(30))
        instance.wait_log('"event":"retry"', timeout=60)
        broker.produce(topic, json_values(30))
        instance.wait_log('"event":"paused"', timeout=60)
    finally:
        minio.start()
    broker.wait_caught_up(group, topic, timeout=90)
    instance.wait_log('"event":"resumed"', timeout=60)
    instance.stop()

    lines = parsed(instance.log())
    (first, *more) = [line for line in of(lines, "retry") if line["operation"] == "upload"]
    assert "suppressed" not in first
    assert all("suppressed" in line for line in more)
    assert of(lines, "paused")[0]["reason"] == "writes do not succeed"
    assert first["token"] in {line["token"] for line in of(lines, "commit")}


def test_a_partition_that_stops(broker, topic, tell, start):
    broker.produce(topic, [b"{}", INVALID_UTF8], partition=2)
    instance = start(tell(topic, DLQ_ENABLED="false"), "run", "--once")
    assert instance.wait_exit(60) == 1
    lines = parsed(instance.log())
    (stopped,) = of(lines, "partition_stopped")
    assert stopped["partition"] == 2
    assert stopped["reason"].startswith("the record at offset 1 cannot be written")
    assert of(lines, "exit")[0]["exit_code"] == 1


def test_a_start_that_fails_says_why(topic, tell, start):
    instance = start(tell(topic, AWS_SECRET_ACCESS_KEY="not-the-secret"))
    assert instance.wait_exit(60) == 1
    lines = parsed(instance.log())
    (failed,) = of(lines, "failed")
    assert "AWS_SECRET_ACCESS_KEY" in failed["reason"]
    assert of(lines, "exit")[0]["exit_code"] == 1


def test_kafka_is_waited_for_by_name(topic, tell, start):
    instance = start(tell(topic, KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1"))
    instance.wait_log('"event":"waiting"', times=2)
    instance.stop(codes=(0, 4))
    lines = parsed(instance.log())
    assert {line["waiting_for"] for line in of(lines, "waiting")} == {"kafka"}
    (warning,) = of(lines, "kafka_warning")[:1]
    assert warning["error_type"] == "_TRANSPORT"
