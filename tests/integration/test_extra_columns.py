"""EXTRA_COLUMNS: what becomes of keys, headers and the like; which tables get the columns."""

from __future__ import annotations

import pytest
from deltalake import Field, Schema
from deltalake.schema import ArrayType, PrimitiveType, StructType
from harness.segments import rewrite
from harness.service import run_command
from harness.tables import Table, assert_exactly_once, statistics

SIX = [
    ("_raw_value", PrimitiveType("string")),
    ("_kafka_partition", PrimitiveType("integer")),
    ("_kafka_offset", PrimitiveType("long")),
    ("_kafka_timestamp", PrimitiveType("timestamp")),
    ("_ingested_at", PrimitiveType("timestamp")),
    ("_ingestion_date", PrimitiveType("string")),
]
HEADER = StructType(
    [
        Field("key", PrimitiveType("string"), nullable=True),
        Field("value", PrimitiveType("binary"), nullable=True),
    ]
)
EXTRA = [
    ("_kafka_topic", PrimitiveType("string")),
    ("_kafka_key", PrimitiveType("binary")),
    ("_kafka_headers", ArrayType(HEADER, contains_null=True)),
    ("_kafka_timestamp_type", PrimitiveType("string")),
]
NAMES = ", ".join(name for name, _ in EXTRA)

# Each: key, value, headers. Offsets in this order.
SENT = [
    (
        b"k",
        b"1",
        [("a", b"1"), ("b", None), ("a", b""), ("a", b"1"), ("\u00fc\u2713", b"\xff\x00")],
    ),
    (b"\xff\x00", None, None),
    (None, b"", []),
    (b"", b"x", [("", b"v")]),
    (None, b"y", [("only", None)]),
]


def send(broker, topic, records=SENT, timestamp=1_700_000_000_123, partition=0):
    producer = broker.producer()
    for key, value, headers in records:
        producer.produce(
            topic, value, key, partition=partition, headers=headers, timestamp=timestamp
        )
    assert producer.flush(20) == 0


def copy(start, environment) -> str:
    """Runs to the end of the topics; returns the log."""
    instance = start(environment, "run", "--once")
    assert instance.wait_exit(60) == 0, instance.tail()
    return instance.log()


def extras_of(records, topic, timestamp_type="create_time"):
    """The rows that the extra columns are to have."""
    return [
        (
            topic,
            key,
            [{"key": name, "value": content} for name, content in headers] if headers else None,
            timestamp_type,
        )
        for key, _, headers in records
    ]


def by_delta_rs(table: Table) -> list[tuple]:
    rows = sorted(table.arrow().to_pylist(), key=lambda row: row["_kafka_offset"])
    return [tuple(row[name] for name, _ in EXTRA) for row in rows]


def by_duckdb(table: Table) -> list[tuple]:
    return table.duckdb(f"SELECT {NAMES} FROM delta_scan('{{table}}') ORDER BY _kafka_offset")


def columns(table: Table) -> list[tuple]:
    fields = table.delta_rs().schema().fields
    assert all(field.nullable for field in fields)
    return [(field.name, field.type) for field in fields]


def create_by_delta_rs(table: Table, fields: list[tuple]) -> None:
    from deltalake import DeltaTable

    DeltaTable.create(
        table.uri,
        Schema([Field(name, kind, nullable=True) for name, kind in fields]),
        partition_by=["_ingestion_date"],
        storage_options=table.store.options(),
    )


@pytest.fixture
def topic(new_topic):
    return new_topic(1)


def test_all_columns_hold_what_was_sent(broker, topic, table, group, environment, start):
    send(broker, topic)
    log = copy(start, environment(topic, EXTRA_COLUMNS="all"))

    assert columns(table) == SIX + EXTRA
    expected = extras_of(SENT, topic)
    assert by_delta_rs(table) == expected
    assert by_duckdb(table) == expected
    assert_exactly_once(table, broker, group)
    assert table.protocol() == {"minReaderVersion": 1, "minWriterVersion": 2}
    assert "EXTRA_COLUMNS=_kafka_topic,_kafka_key,_kafka_headers,_kafka_timestamp_type" in log
    assert "the columns" not in log, "nothing is to be said of columns that are as configured"


def test_keys_and_headers_have_no_statistics(broker, topic, table, environment, start):
    send(broker, topic)
    copy(start, environment(topic, EXTRA_COLUMNS="all"))
    for add in table.live_files().values():
        for part in ("minValues", "maxValues", "nullCount"):
            told = set(statistics(add)[part])
            assert told >= {"_kafka_offset", "_kafka_topic", "_kafka_timestamp_type"}, part
            assert not told & {"_raw_value", "_kafka_key", "_kafka_headers"}, part
    found = table.duckdb(
        "SELECT _raw_value FROM delta_scan('{table}') WHERE _kafka_key = 'k'::BLOB"
        f" AND _kafka_topic = '{topic}'"
    )
    assert found == [("1",)]


def test_a_header_is_found_by_its_key(broker, topic, table, environment, start):
    send(broker, topic)
    copy(start, environment(topic, EXTRA_COLUMNS="_kafka_headers"))
    found = table.duckdb(
        "SELECT _kafka_offset, decode(list_filter(_kafka_headers, h -> h.key = 'a')[1].value)"
        " FROM delta_scan('{table}') WHERE list_contains(_kafka_headers.apply(h -> h.key), 'a')"
    )
    assert found == [(0, "1")]


def test_timestamps_that_the_broker_gave(broker, new_topic, bucket, environment, start):
    topic = new_topic(1, **{"message.timestamp.type": "LogAppendTime"})
    send(broker, topic)
    copy(start, environment(topic, EXTRA_COLUMNS="all"))
    assert by_delta_rs(Table(bucket, topic)) == extras_of(SENT, topic, "log_append_time")


def test_a_record_without_timestamp_has_no_type_of_it(broker, topic, table, environment, start):
    send(broker, topic, SENT[:1], timestamp=-1)
    copy(start, environment(topic, EXTRA_COLUMNS="all"))
    assert table.arrow()["_kafka_timestamp"].to_pylist() == [None]
    assert by_delta_rs(table) == extras_of(SENT[:1], topic, None)


def test_some_columns_in_any_order(broker, topic, table, environment, start):
    send(broker, topic)
    copy(start, environment(topic, EXTRA_COLUMNS="_kafka_timestamp_type, _kafka_key"))
    assert columns(table) == [*SIX, EXTRA[1], EXTRA[3]]
    assert sorted(table.arrow()["_kafka_key"].to_pylist(), key=str) == sorted(
        (key for key, _, _ in SENT), key=str
    )


def test_many_records_of_many_chunks(broker, topic, table, group, environment, start):
    records = [
        (
            f"key-{n}".encode() if n % 3 else None,
            f'{{"n": {n}}}'.encode(),
            [(f"h{i % 4}", bytes([n % 256]) * i if i % 3 else None) for i in range(n % 6)],
        )
        for n in range(30_000)
    ]
    send(broker, topic, records)
    copy(start, environment(topic, EXTRA_COLUMNS="all"))
    expected = extras_of(records, topic)
    assert by_delta_rs(table) == expected
    assert by_duckdb(table) == expected
    assert_exactly_once(table, broker, group)


# --- tables that are there already --------------------------------------------------------------


def test_a_table_without_the_columns_stays_as_it_is(
    broker, topic, table, group, environment, start
):
    send(broker, topic)
    copy(start, environment(topic))
    send(broker, topic)
    log = copy(start, environment(topic, EXTRA_COLUMNS="all"))

    assert columns(table) == SIX
    assert log.count("EXTRA_COLUMNS holds for new tables") == 1
    assert f"{topic}: the table does not have the columns {NAMES.replace(' ', '')}" in log
    assert_exactly_once(table, broker, group)


def test_a_table_with_the_columns_keeps_them_when_the_variable_is_unset(
    broker, topic, table, group, environment, start
):
    send(broker, topic)
    copy(start, environment(topic, EXTRA_COLUMNS="all"))
    send(broker, topic)
    log = copy(start, environment(topic))

    assert columns(table) == SIX + EXTRA
    assert by_delta_rs(table) == extras_of([*SENT, *SENT], topic)
    assert log.count("the table also has the columns") == 1
    assert "EXTRA_COLUMNS" not in log
    assert_exactly_once(table, broker, group)


def test_a_table_that_delta_rs_made_is_written_with_what_it_has(
    broker, topic, table, group, environment, start
):
    create_by_delta_rs(table, [*SIX, EXTRA[0], EXTRA[2]])
    send(broker, topic)
    copy(start, environment(topic, EXTRA_COLUMNS="_kafka_key"))
    expected = [(row[0], row[2]) for row in extras_of(SENT, topic)]
    query = "SELECT _kafka_topic, _kafka_headers FROM delta_scan('{table}') ORDER BY _kafka_offset"
    assert table.duckdb(query) == expected
    assert_exactly_once(table, broker, group)


def test_columns_that_are_added_to_the_table_are_written_from_then_on(
    broker, topic, table, group, environment, start
):
    send(broker, topic)
    instance = start(environment(topic))
    instance.wait_written(len(SENT))
    added = [Field(name, kind, nullable=True) for name, kind in EXTRA[1:3]]
    table.delta_rs().alter.add_columns(added)
    send(broker, topic)
    broker.wait_caught_up(group, topic)
    instance.wait_written(2 * len(SENT))
    instance.stop()

    assert "the table's metadata changed" in instance.log()
    expected = [(row[1], row[2]) for row in extras_of(SENT, topic)]
    query = "SELECT _kafka_key, _kafka_headers FROM delta_scan('{table}') ORDER BY _kafka_offset"
    assert table.duckdb(query) == [(None, None)] * len(SENT) + expected
    assert_exactly_once(table, broker, group)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ([EXTRA[1], ("region", PrimitiveType("string"))], "additional column region"),
        ([EXTRA[2], EXTRA[1]], "after the six columns the order is"),
        ([("_kafka_key", PrimitiveType("string"))], "should be _kafka_key binary"),
    ],
    ids=["foreign", "order", "type"],
)
def test_other_columns_are_refused(broker, topic, table, environment, start, fields, reason):
    create_by_delta_rs(table, SIX + fields)
    send(broker, topic)
    variables = environment(topic, EXTRA_COLUMNS="all")
    instance = start({**variables, "DLQ_ENABLED": "false"}, "run", "--once")
    assert instance.wait_exit(60) == 1, instance.tail()
    assert reason in instance.log()
    assert not table.data_commits()


# --- what cannot be represented -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("header_key", "reason"),
    [
        (b"k\xff\xfebad", "the key of header 2 is not valid UTF-8 at byte 1"),
        (b"key\x00bad", "the key of a header holds a NUL"),
    ],
    ids=["utf8", "nul"],
)
@pytest.mark.parametrize("value", [b"value", None], ids=["value", "null"])
def test_a_header_key_that_cannot_be_written_stops_its_partition(
    broker, new_topic, bucket, group, environment, start, header_key, reason, value
):
    topic = new_topic(2)
    place = len(header_key)
    good = (b"k", b"good", [("key"[:place], value)])
    send(
        broker, topic, [good, (b"k", b"bad", [("key", value), ("to-change"[:place], value)]), good]
    )
    rewrite(broker, topic, 0, b"to-change"[:place], header_key)
    send(broker, topic, [good, good], partition=1)
    variables = environment(topic, EXTRA_COLUMNS="all")
    instance = start({**variables, "DLQ_ENABLED": "false"}, "run", "--once")
    assert instance.wait_exit(60) == 1, instance.tail()

    assert "partition 0 is stopped: the record at offset 1 cannot be written" in instance.log()
    assert reason in instance.log()
    rows = sorted(row[:2] for row in Table(bucket, topic).rows_by_delta_rs())
    assert rows == [(0, 0), (1, 0), (1, 1)]

    copy(start, variables)
    assert sorted(row[:2] for row in Table(bucket, topic).rows_by_delta_rs()) == [
        *((0, 0), (0, 2), (1, 0), (1, 1)),
    ]
    letter = Table.of_dead_letters(bucket, topic).arrow().to_pylist()
    assert [(row["_kafka_offset"], row["error_type"]) for row in letter] == [(1, "ENCODING_ERROR")]
    assert reason in letter[0]["error_message"]
    assert (letter[0]["_original_bytes"], letter[0]["_kafka_key"]) == (b"bad", b"k")


def test_a_table_without_headers_does_not_look_at_them(
    broker, topic, table, group, environment, start
):
    send(broker, topic, [(b"k", b"v", [("changed", b"1")])])
    rewrite(broker, topic, 0, b"changed", b"\xff\x00\xff\x00\xff\x00\xff")
    copy(start, environment(topic, EXTRA_COLUMNS="_kafka_key"))
    assert_exactly_once(table, broker, group)


# --- the variable -------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["key", "_kafka_key,_kafka_key", "all,_kafka_topic", "none"])
def test_other_names_are_an_error_that_lists_the_right_ones(value):
    done = run_command("run", environment={"EXTRA_COLUMNS": value})
    assert done.exit_code == 2
    assert NAMES in done.errors
