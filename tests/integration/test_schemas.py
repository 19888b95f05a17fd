"""Values are checked by the schema of their topic: the service, verify and replay agree on it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from harness.service import KAFKA_TIMING, Finished, run_command
from harness.tables import Table

TRIP = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["fare"],
    "properties": {"fare": {"type": "number", "maximum": 100}},
}
# Each: the value, its error type, and what the message says.
SENT = [
    (b'{"fare": 12.5}', None, ""),
    (b'{"fare": 250}', "SCHEMA_VALIDATION_ERROR", "/fare: 250 is greater than the maximum of 100"),
    (None, None, ""),
    (b'{"fare": "free"}', "SCHEMA_VALIDATION_ERROR", '/fare: "free" is not of type "number"'),
    (b'{"fare": 1', "JSON_PARSE_ERROR", "at byte 10"),
    (b'{"tip": 1}', "SCHEMA_VALIDATION_ERROR", '"fare" is a required property'),
    (b'{"fare": "\xff"}', "ENCODING_ERROR", "not valid UTF-8 at byte 10"),
]


@pytest.fixture
def schemas(tmp_path: Path) -> Path:
    folder = tmp_path / "schemas"
    folder.mkdir()
    return folder


def checked_by(schemas: Path) -> dict[str, str]:
    return {"DLQ_VALIDATE_SCHEMA": "true", "DLQ_SCHEMA_DIR": str(schemas)}


def command(name: str, environment: dict[str, str], *arguments: str) -> Finished:
    return run_command(name, *arguments, environment={**KAFKA_TIMING, **environment}, timeout=120)


def test_what_a_schema_refuses_is_dead_until_the_schema_allows_it(
    broker, new_topic, bucket, group, environment, start, schemas
):
    topic = new_topic(1)
    table, dead = Table(bucket, topic), Table.of_dead_letters(bucket, topic)
    (schemas / f"{topic}.json").write_text(json.dumps(TRIP))
    broker.produce(topic, [value for value, _, _ in SENT], partition=0)
    settings = environment(topic, **checked_by(schemas))
    instance = start(settings, "run", "--once")
    assert instance.wait_exit(60) == 0, instance.tail()

    letters = {row["_kafka_offset"]: row for row in dead.arrow().to_pylist()}
    for offset, (value, error, message) in enumerate(SENT):
        assert (offset in letters) == (error is not None), value
        if error:
            assert letters[offset]["error_type"] == error, value
            assert message in letters[offset]["error_message"], value
    rows = Counter(row[1:] for row in table.rows_by_delta_rs())
    assert rows == Counter(
        (offset, value) for offset, (value, error, _) in enumerate(SENT) if error is None
    )
    verified = command("verify", settings, "--json")
    assert verified.exit_code == 0, verified.text

    wider = {**TRIP, "properties": {"fare": {"type": ["number", "string"], "maximum": 300}}}
    (schemas / f"{topic}.json").write_text(json.dumps(wider))
    for replayed in (2, 0):
        done = command("replay", settings, "--json")
        assert done.exit_code == 0, done.text
        counted = Counter()
        for count in json.loads(done.output)["topics"][0]["counts"]:
            counted[count["outcome"]] += count["letters"]
        assert counted["replayed"] == replayed, done.text
        assert counted["still_bad"] == 3, done.text
    offsets = Counter(row[1] for row in table.rows_by_delta_rs())
    assert offsets == Counter([0, 1, 2, 3])
    verified = command("verify", settings, "--json")
    assert verified.exit_code == 0, verified.text


def test_a_topic_without_a_schema_passes_and_is_named(
    broker, topic, bucket, environment, start, schemas
):
    broker.produce(topic, [b'{"anything": true}'])
    instance = start(environment(topic, **checked_by(schemas)), "run", "--once")
    assert instance.wait_exit(60) == 0, instance.tail()
    assert len(list(Table(bucket, topic).rows_by_delta_rs())) == 1
    assert instance.log().count("there is no schema of this topic") == 1


def test_broken_schemas_are_all_named_at_the_start(topic, environment, schemas):
    (schemas / f"{topic}.json").write_text('{"type": "object",\n "properties": }')
    (schemas / "payment_event.json").write_text('{"type": "text"}')
    done = command("run", environment(topic, "payments", **checked_by(schemas)))
    assert done.exit_code == 2, done.text
    assert f"DLQ_SCHEMA_DIR: {topic}.json:2:16" in done.text
    assert "DLQ_SCHEMA_DIR: payment_event.json#/type" in done.text
    missing = command("run", environment(topic, **checked_by(schemas / "nowhere")))
    assert missing.exit_code == 2, missing.text
    assert "DLQ_SCHEMA_DIR" in missing.text
