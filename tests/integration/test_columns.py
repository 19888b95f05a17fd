"""What a table looks like: columns, types, protocol, statistics and commit information."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
from confluent_kafka import Producer
from harness.kafka import Broker
from harness.minio import MinioServer
from harness.service import Bronze
from harness.tables import Table, assert_exactly_once, statistics

FIXTURES = Path(__file__).parent.parent / "fixtures"
GROUP = "columns/and more"
SENT_AT = datetime(2020, 2, 29, 23, 59, 59, 123000, tzinfo=timezone.utc)
BEFORE_1970 = datetime(1960, 1, 1, 12, 0, 0, 7000, tzinfo=timezone.utc)
# Kafka's own mark for a record without timestamp is -1 ms.
NO_TIMESTAMP = datetime(1969, 12, 31, 23, 59, 59, 999000, tzinfo=timezone.utc)
TIMESTAMP = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class Written:
    table: Table
    broker: Broker
    begun: datetime
    ended: datetime

    def rows(self) -> list[dict]:
        rows = self.table.arrow().to_pylist()
        return sorted(rows, key=lambda row: (row["_kafka_partition"], row["_kafka_offset"]))


def milliseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(milliseconds=1)


def send(producer: Producer, topic: str, partition: int, value: bytes | None, at: datetime) -> None:
    producer.produce(topic, value, partition=partition, timestamp=milliseconds(at))
    producer.flush(10)


@pytest.fixture(scope="module")
def written(
    session_broker: Broker, session_minio: MinioServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Written]:
    session_broker.ensure_running()
    session_minio.ensure_running()
    topic = "columns.of_a-table"
    session_broker.create_topic(topic, 3)
    producer = session_broker.producer()
    send(producer, topic, 0, b'{"a": 1}', SENT_AT)
    send(producer, topic, 0, None, SENT_AT + timedelta(milliseconds=1))
    send(producer, topic, 1, b"", SENT_AT)
    send(producer, topic, 1, b"x", BEFORE_1970)
    send(producer, topic, 1, b"y", NO_TIMESTAMP)
    bucket = session_minio.create_bucket("columns")
    begun = datetime.now(timezone.utc)
    instance = Bronze(
        tmp_path_factory.mktemp("columns"),
        {
            "KAFKA_BOOTSTRAP_SERVERS": session_broker.bootstrap,
            "KAFKA_CONSUMER_GROUP": GROUP,
            "KAFKA_TOPICS": topic,
            **bucket.environment(),
        },
        ("run", "--once"),
    )
    try:
        assert instance.wait_exit(40) == 0, instance.tail()
    finally:
        instance.end()
    yield Written(Table(bucket, topic), session_broker, begun, datetime.now(timezone.utc))


def test_the_oracle_holds(written):
    assert_exactly_once(written.table, written.broker, GROUP)


def test_columns_types_and_order_for_delta_rs(written):
    fields = written.table.delta_rs().schema().fields
    assert [(field.name, field.type.type, field.nullable) for field in fields] == [
        ("_raw_value", "string", True),
        ("_kafka_partition", "integer", True),
        ("_kafka_offset", "long", True),
        ("_kafka_timestamp", "timestamp", True),
        ("_ingested_at", "timestamp", True),
        ("_ingestion_date", "string", True),
    ]


def test_columns_types_and_order_for_duckdb(written):
    described = written.table.duckdb("DESCRIBE SELECT * FROM delta_scan('{table}')")
    assert [row[:2] for row in described] == [
        ("_raw_value", "VARCHAR"),
        ("_kafka_partition", "INTEGER"),
        ("_kafka_offset", "BIGINT"),
        ("_kafka_timestamp", "TIMESTAMP WITH TIME ZONE"),
        ("_ingested_at", "TIMESTAMP WITH TIME ZONE"),
        ("_ingestion_date", "VARCHAR"),
    ]


@pytest.mark.parametrize("writer", ["spark", "deltars"])
def test_the_schema_string_is_the_one_of_other_writers(written, writer):
    expected = (FIXTURES / f"schema_{writer}.json").read_text()
    assert json.loads(written.table.metadata()["schemaString"]) == json.loads(expected)


def test_parquet_files_hold_the_same_types_without_the_partition_column(written):
    files = written.table.store.filesystem()
    for path in written.table.live_files():
        location = f"{written.table.name}/{path}"
        schema = pyarrow.parquet.read_schema(location, filesystem=files).remove_metadata()
        assert [(field.name, field.type, field.nullable) for field in schema] == [
            ("_raw_value", pa.string(), True),
            ("_kafka_partition", pa.int32(), True),
            ("_kafka_offset", pa.int64(), True),
            ("_kafka_timestamp", TIMESTAMP, True),
            ("_ingested_at", TIMESTAMP, True),
        ]


def test_protocol_is_as_low_as_the_content_allows(written):
    assert written.table.protocol() == {"minReaderVersion": 1, "minWriterVersion": 2}


def test_partition_column(written):
    assert written.table.metadata()["partitionColumns"] == ["_ingestion_date"]
    for path, add in written.table.live_files().items():
        date = add["partitionValues"]["_ingestion_date"]
        assert path.startswith(f"_ingestion_date={date}/")


def test_values_and_tombstones(written):
    assert [row["_raw_value"] for row in written.rows()] == ['{"a": 1}', None, "", "x", "y"]


def test_kafka_timestamps_are_those_of_the_records_or_none(written):
    assert [row["_kafka_timestamp"] for row in written.rows()] == [
        SENT_AT,
        SENT_AT + timedelta(milliseconds=1),
        SENT_AT,
        BEFORE_1970,
        None,
    ]


def test_ingestion_time_and_its_date(written):
    for row in written.rows():
        assert written.begun <= row["_ingested_at"] <= written.ended
        assert row["_ingestion_date"] == row["_ingested_at"].strftime("%Y-%m-%d")


def test_statistics_leave_the_payload_out(written):
    for add in written.table.live_files().values():
        stats = statistics(add)
        assert stats["numRecords"] > 0
        counted = {"_kafka_partition", "_kafka_offset", "_kafka_timestamp", "_ingested_at"}
        for part in ("minValues", "maxValues", "nullCount"):
            assert set(stats[part]) == counted, part


def test_statistics_are_true(written):
    rows = written.rows()
    stats = [statistics(add) for add in written.table.live_files().values()]
    assert sum(s["numRecords"] for s in stats) == len(rows)
    for name in ("_kafka_partition", "_kafka_offset"):
        values = [row[name] for row in rows]
        assert min(s["minValues"][name] for s in stats) == min(values)
        assert max(s["maxValues"][name] for s in stats) == max(values)
        assert all(s["nullCount"][name] == 0 for s in stats)


def test_data_skipping_by_offset_finds_the_row(written):
    found = written.table.duckdb(
        "SELECT _raw_value FROM delta_scan('{table}')"
        " WHERE _kafka_partition = 1 AND _kafka_offset = 1"
    )
    assert found == [("x",)]


def test_commit_information(written):
    data = written.table.data_commits()
    tokens = [commit.info["operationParameters"]["bronzeToken"] for commit in data]
    assert len(set(tokens)) == len(tokens)
    covered: dict[str, list[list[int]]] = {}
    for commit in data:
        parameters = commit.info["operationParameters"]
        assert commit.info["engineInfo"].startswith("bronze/")
        assert parameters["bronzeTopic"] == written.table.topic
        assert int(parameters["bronzeRows"]) == commit.row_count
        for partition, offsets in json.loads(parameters["bronzeOffsets"]).items():
            covered.setdefault(partition, []).append(offsets)
    assert {p: (min(r)[0], max(r)[1]) for p, r in covered.items()} == {"0": (0, 2), "1": (0, 3)}


def test_progress_is_under_the_groups_and_the_topics_identity(written):
    uuid = written.broker.topic_uuid(written.table.topic)
    txns = written.table.txns()
    group = "columns%2Fand%20more"
    assert {name: txns[name] for name in txns if uuid in name} == {
        f"bronze/{group}/{uuid}/0": 2,
        f"bronze/{group}/{uuid}/1": 3,
        f"bronze/{group}/{uuid}/2": 0,
    }
    assert f"bronze/{group}/columns.of_a-table" in txns
