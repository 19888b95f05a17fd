"""Dead letters: what goes into their table, and that each record is in one of the two, once."""

from __future__ import annotations

import os
from collections import Counter

import pytest
from deltalake import DeltaTable, Field, Schema
from deltalake.schema import ArrayType, PrimitiveType, StructType
from harness.payloads import json_values
from harness.processes import ROOT, max_resident_mb, wait_until
from harness.service import FAULTY_BINARY
from harness.tables import Table, assert_files_are_as_stated, assert_log_is_contiguous
from pyarrow.fs import FileType

KILLED = 128 + 9
STOPPED = 1
MIB = 1024 * 1024
GENEROUS = {"max.message.bytes": str(12 * MIB)}
JSON = {"DLQ_VALIDATE_JSON": "true"}

HEADER = StructType(
    [
        Field("key", PrimitiveType("string"), nullable=True),
        Field("value", PrimitiveType("binary"), nullable=True),
    ]
)
FIRST_TEN = [
    ("error_message", PrimitiveType("string"), False),
    ("error_type", PrimitiveType("string"), False),
    ("original_payload", PrimitiveType("string"), False),
    ("kafka_topic", PrimitiveType("string"), False),
    ("_kafka_partition", PrimitiveType("integer"), True),
    ("_kafka_offset", PrimitiveType("long"), True),
    ("_ingested_at", PrimitiveType("timestamp"), True),
    ("session_id", PrimitiveType("string"), True),
    ("correlation_id", PrimitiveType("string"), True),
    ("causation_id", PrimitiveType("string"), True),
]
COLUMNS = [
    *FIRST_TEN,
    ("_original_bytes", PrimitiveType("binary"), True),
    ("_kafka_key", PrimitiveType("binary"), True),
    ("_kafka_headers", ArrayType(HEADER, contains_null=True), True),
    ("_kafka_timestamp", PrimitiveType("timestamp"), True),
]

# Each: the value, its error type with the JSON check, and what the message says.
ODD = {
    "good": (b'{"a": 1}', None, ""),
    "null": (None, None, ""),
    "duplicate-keys": (b'{"a": 1, "a": 2}', None, ""),
    "numbers-out-of-range": (b'{"a": 1e999, "b": 123456789012345678901234567890}', None, ""),
    "depth-1024": (b"[" * 1024 + b"]" * 1024, None, ""),
    "empty": (b"", "JSON_PARSE_ERROR", "at byte 0: the text ends too early"),
    "invalid-utf8": (b'{"a": "\xff\xfe"}', "ENCODING_ERROR", "not valid UTF-8 at byte 7"),
    "raw-surrogate": (b'{"a": "\xed\xa0\x80"}', "ENCODING_ERROR", "at byte 7"),
    "bom": (b"\xef\xbb\xbf{}", "JSON_PARSE_ERROR", "at byte 0: a byte order mark"),
    "nul-bytes": (b'{"a": "\x00"}', "JSON_PARSE_ERROR", "at byte 7: a control character"),
    "only-nul": (b"\x00" * 100, "JSON_PARSE_ERROR", "at byte 0: expected a value"),
    "half-surrogate": (b'{"a": "\\ud800"}', "JSON_PARSE_ERROR", "at byte 7: half a surrogate pair"),
    "truncated": (b'{"a": [1, 2', "JSON_PARSE_ERROR", "at byte 11: the text ends too early"),
    "trailing": (b'{"a": 1} {"b": 2}', "JSON_PARSE_ERROR", "at byte 9: more text after the value"),
    "depth-100000": (
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        "JSON_PARSE_ERROR",
        "at byte 5120: nested deeper than 1024",
    ),
    "ten-mebibytes": (b'{"a": "' + b"x" * 10 * MIB, "JSON_PARSE_ERROR", "a string without end"),
}


@pytest.fixture
def dead(bucket, topic) -> Table:
    return Table.of_dead_letters(bucket, topic)


def copy(start, environment, code: int = 0) -> str:
    """Runs to the end of the topics; returns the log."""
    instance = start(environment, "run", "--once")
    assert instance.wait_exit(90) == code, instance.tail()
    return instance.log()


def letters_of(dead: Table) -> list[dict]:
    # Python's calendar ends with the year 9999.
    rows = dead.arrow().drop_columns(["_ingested_at", "_kafka_timestamp"]).to_pylist()
    return sorted(rows, key=lambda row: (row["_kafka_partition"], row["_kafka_offset"]))


def columns_of(table: Table) -> list[tuple]:
    return [(field.name, field.type, field.nullable) for field in table.delta_rs().schema().fields]


def assert_once_in_either(broker, table: Table, dead: Table, group: str) -> None:
    """The table and its dead letters hold what was sent, once each, by two readers."""
    expected = Counter((r.partition, r.offset, r.value) for r in broker.read_visible(table.topic))
    letters = Counter(
        (row["_kafka_partition"], row["_kafka_offset"], row["_original_bytes"])
        for row in letters_of(dead)
    )
    assert Counter(table.rows_by_delta_rs()) + letters == expected
    by_duckdb = Counter(
        dead.duckdb(
            "SELECT _kafka_partition, _kafka_offset, _original_bytes FROM delta_scan('{table}')"
        )
    )
    assert by_duckdb == letters
    assert Counter(table.rows_by_duckdb()) + letters == expected
    uuid = broker.topic_uuid(table.topic)
    ends = broker.end_offsets(table.topic)
    assert table.progress(group, uuid) == ends
    for partition, decided in dead.progress(group, uuid).items():
        assert decided <= ends[partition]
    for one in (table, dead):
        assert_log_is_contiguous(one)
        assert_files_are_as_stated(one)


def test_the_table_is_there_from_the_start(broker, topic, dead, group, environment, start):
    copy(start, environment(topic))
    assert columns_of(dead) == COLUMNS
    assert dead.metadata()["partitionColumns"] == []
    assert dead.protocol() == {"minReaderVersion": 1, "minWriterVersion": 2}
    assert letters_of(dead) == []


def test_each_odd_value_is_where_it_belongs(broker, new_topic, bucket, group, environment, start):
    topic = new_topic(1, **GENEROUS)
    table, dead = Table(bucket, topic), Table.of_dead_letters(bucket, topic)
    producer = broker.producer(**{"message.max.bytes": 12 * MIB})
    for value, _, _ in ODD.values():
        producer.produce(topic, value, partition=0)
    assert producer.flush(60) == 0
    log = copy(start, environment(topic, MEMORY_LIMIT_MB="64", **JSON))

    assert_once_in_either(broker, table, dead, group)
    letters = {row["_kafka_offset"]: row for row in letters_of(dead)}
    for offset, (name, (value, error, message)) in enumerate(ODD.items()):
        if error is None:
            assert offset not in letters, name
            continue
        letter = letters[offset]
        assert letter["error_type"] == error, name
        assert message in letter["error_message"], name
        assert letter["original_payload"] == value.decode(errors="replace"), name
        assert letter["_original_bytes"] == value, name
        assert letter["kafka_topic"] == topic
    counted = Counter(error for _, error, _ in ODD.values() if error)
    assert f"{counted['JSON_PARSE_ERROR']} JSON_PARSE_ERROR" in log
    assert "offset 5 goes to the dead letters: JSON_PARSE_ERROR" in log


def test_only_the_encoding_counts_without_checks(
    broker, topic, table, dead, group, environment, start
):
    values = [value for name, (value, _, _) in ODD.items() if name != "ten-mebibytes"]
    broker.produce(topic, values)
    copy(start, environment(topic))
    assert_once_in_either(broker, table, dead, group)
    assert {row["error_type"] for row in letters_of(dead)} == {"ENCODING_ERROR"}
    assert len(letters_of(dead)) == 2


def test_the_query_of_the_readme(broker, topic, dead, group, environment, start):
    broker.produce(topic, [b"no JSON"] * 3 + [b"\xff"] + [b"{}"])
    copy(start, environment(topic, **JSON))
    section = (ROOT / "README.md").read_text().partition("## Dead letters")[2]
    query = section.split("```")[1]
    named = "s3://rideshare-bronze/dlq_bronze_trips"
    assert named in query
    query = query.replace(named, "{table}").rstrip().rstrip(";")
    found = dead.duckdb(f"SELECT error_type, records FROM ({query})")
    assert found == [("JSON_PARSE_ERROR", 3), ("ENCODING_ERROR", 1)]


def test_headers_times_and_ids_are_kept(broker, new_topic, bucket, group, environment, start):
    topic = new_topic(
        1,
        **{
            "message.timestamp.before.max.ms": str(2**63 - 1),
            "message.timestamp.after.max.ms": str(2**63 - 1),
        },
    )
    table, dead = Table(bucket, topic), Table.of_dead_letters(bucket, topic)
    many = [(f"h{number % 7}", b"%d" % number) for number in range(10_000)]
    bad = b'{"session_id": "s", \xff'
    sent = [
        (b"k", [], 1_700_000_000_123),
        (None, many, 2),
        (b"", [("a", None), ("a", b""), ("\u00fc", b"\xff\x00")], 253_402_300_800_000),
        (b"\xff", None, 1),
        (b"before 1970", [], -315_576_000_000),
        (b"none", [], -1),
    ]
    producer = broker.producer()
    for key, headers, timestamp in sent:
        producer.produce(topic, bad, key, 0, headers=headers, timestamp=timestamp)
    assert producer.flush(20) == 0
    copy(start, environment(topic))
    assert_once_in_either(broker, table, dead, group)
    read = dead.duckdb(
        "SELECT _kafka_key, _kafka_headers, epoch_us(_kafka_timestamp), session_id "
        "FROM delta_scan('{table}') ORDER BY _kafka_offset"
    )
    assert read == [
        (
            key,
            [{"key": name, "value": content} for name, content in headers] if headers else None,
            None if timestamp == -1 else timestamp * 1000,
            None,
        )
        for key, headers, timestamp in sent
    ]


def test_the_original_ten_columns_get_the_others(
    broker, topic, table, dead, group, environment, start
):
    import pyarrow as pa
    from deltalake import write_deltalake

    options = dead.store.options()
    DeltaTable.create(
        dead.uri,
        Schema([Field(name, kind, nullable=null) for name, kind, null in FIRST_TEN]),
        name="theirs",
        description="of the original",
        storage_options=options,
    )
    before = dead.metadata()
    old = {name: pa.array(["old"]) for name, kind, _ in FIRST_TEN if kind == FIRST_TEN[0][1]}
    old |= {
        "_kafka_partition": pa.array([7], pa.int32()),
        "_kafka_offset": pa.array([1], pa.int64()),
        "_ingested_at": pa.array([1_700_000_000_000_000], pa.timestamp("us", "UTC")),
    }
    in_order = pa.table(
        {name: old[name] for name, _, _ in FIRST_TEN},
        schema=pa.schema(
            [pa.field(name, old[name].type, nullable=null) for name, _, null in FIRST_TEN]
        ),
    )
    write_deltalake(dead.uri, in_order, mode="append", storage_options=options)
    broker.produce(topic, [b"{}", b"\xff"], partition=0)
    copy(start, environment(topic))

    assert columns_of(dead) == COLUMNS
    dead._commits.clear()
    after = dead.metadata()
    assert {**before, "schemaString": ""} == {**after, "schemaString": ""}
    read = dead.duckdb(
        "SELECT _kafka_partition, session_id, _original_bytes, _kafka_key "
        "FROM delta_scan('{table}') ORDER BY _kafka_partition"
    )
    assert read == [(0, None, b"\xff", None), (7, "old", None, None)]


def test_killed_between_the_commits_what_was_decided_stays(
    broker, topic, table, dead, group, environment, start
):
    values = [b"{}", b"no JSON", b"\xff", None, b'{"a": 1}'] * 10
    for check in ("true", "false"):
        broker.produce(topic, values)
        killed = start(
            environment(
                topic,
                DLQ_VALIDATE_JSON=check,
                BRONZE_KILL_POINT="dead_letters_after_commit",
            ),
            binary=FAULTY_BINARY,
        )
        assert killed.wait_exit(60) == KILLED, killed.tail()
        copy(start, environment(topic, DLQ_VALIDATE_JSON="false" if check == "true" else "true"))
        assert_once_in_either(broker, table, dead, group)
    assert {row["error_type"] for row in letters_of(dead)} == {
        "JSON_PARSE_ERROR",
        "ENCODING_ERROR",
    }


def test_a_flood_of_bad_messages_in_little_memory(
    broker, topic, table, dead, group, environment, start
):
    noise = [b"\xff" + os.urandom(700) for _ in range(1_000)]
    for _ in range(60):
        broker.produce(topic, noise)
    instance = start(environment(topic, MEMORY_LIMIT_MB="64", BATCH_INTERVAL_SECONDS="600"))
    wait_until(
        lambda: instance.health() and instance.wait_answering().body["dlq_messages"] > 0,
        60,
        "dead letters are written early, by memory",
    )
    peak = max_resident_mb(instance.pid)
    instance.stop(60)
    copy(start, environment(topic))
    assert peak < 120
    assert dead.delta_rs().to_pyarrow_dataset().count_rows() == 60_000
    assert_once_in_either(broker, table, dead, group)


def test_only_bad_messages_are_written_in_time(broker, topic, dead, group, environment, start):
    broker.produce(topic, [b"\xff"] * 50)
    instance = start(environment(topic, BATCH_INTERVAL_SECONDS="0.5"))
    broker.wait_caught_up(group, topic)
    health = wait_until(
        lambda: (health := instance.health()) and health.body["dlq_messages"] == 50 and health,
        10,
        "/health counts them",
    )
    assert health.is_healthy and health.body["messages_written"] == 0
    assert health.body["last_write"] is not None
    instance.stop()
    assert len(letters_of(dead)) == 50


def test_off_a_failed_check_stops_the_partition(
    broker, new_topic, bucket, group, environment, start
):
    topic = new_topic(2)
    broker.produce(topic, [b"{}", b"no JSON", b"{}"], partition=0)
    broker.produce(topic, json_values(20), partition=1)
    log = copy(start, environment(topic, DLQ_ENABLED="false", **JSON), STOPPED)
    assert "DLQ_ENABLED=false with DLQ_VALIDATE_JSON" in log
    assert "partition 0 is stopped: the record at offset 1 cannot be written (JSON_PARSE" in log
    assert len(Table(bucket, topic).rows_by_delta_rs()) == 21
    files = bucket.filesystem()
    listed = files.get_file_info([Table.of_dead_letters(bucket, topic).name])
    assert listed[0].type == FileType.NotFound
