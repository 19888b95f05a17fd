"""A failing table or partition stops itself and nothing else, and /health names it."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from deltalake import DeltaTable, Schema, write_deltalake
from harness.payloads import INVALID_UTF8, json_values
from harness.processes import wait_until
from harness.tables import Table, assert_exactly_once

FOREIGN = pa.table({"id": pa.array([1], pa.int64()), "name": pa.array(["x"])})


def create_with_other_columns(table: Table) -> None:
    write_deltalake(table.uri, FOREIGN, storage_options=table.store.options())


def create_with_expiring_txns(table: Table) -> None:
    fields = [
        ("_raw_value", "string"),
        ("_kafka_partition", "integer"),
        ("_kafka_offset", "long"),
        ("_kafka_timestamp", "timestamp"),
        ("_ingested_at", "timestamp"),
        ("_ingestion_date", "string"),
    ]
    schema = {
        "type": "struct",
        "fields": [
            {"name": name, "type": kind, "nullable": True, "metadata": {}} for name, kind in fields
        ],
    }
    DeltaTable.create(
        table.uri,
        Schema.from_json(json.dumps(schema)),
        partition_by=["_ingestion_date"],
        configuration={"delta.setTransactionRetentionDuration": "interval 1 days"},
        storage_options=table.store.options(),
    )


@pytest.mark.parametrize("spoil", [create_with_other_columns, create_with_expiring_txns])
def test_a_table_of_the_wrong_kind_does_not_stop_the_others(
    spoil, broker, new_topic, bucket, group, environment, start
):
    good, bad = new_topic(2), new_topic(2)
    spoilt = Table(bucket, bad)
    spoil(spoilt)
    before = len(spoilt.commits())
    for topic in (good, bad):
        broker.produce(topic, json_values(60))
    instance = start(environment(good, bad))

    broker.wait_caught_up(group, good)
    health = instance.wait_unhealthy()

    assert f"bronze_{bad}" in json.dumps(health.body) or bad in json.dumps(health.body)
    assert good not in json.dumps(health.body)
    broker.produce(good, json_values(60))
    broker.wait_caught_up(group, good)
    instance.stop(codes=(0, 1))
    assert_exactly_once(Table(bucket, good), broker, group)
    assert len(spoilt.commits()) == before
    assert broker.committed_offsets(group, bad) == {}


def test_an_undecodable_value_stops_its_partition_only(
    broker, topic, table, group, environment, start
):
    broker.produce(topic, [b'"one"', b'"two"', INVALID_UTF8, b'"four"'], partition=1)
    broker.produce(topic, json_values(50), partition=0)
    instance = start(environment(topic, DLQ_ENABLED="false"))
    uuid = broker.topic_uuid(topic)

    wait_until(
        lambda: broker.committed_offsets(group, topic) == {0: 50, 1: 2}, 30, "the good ones land"
    )
    health = instance.wait_unhealthy()
    named = json.dumps(health.body)
    assert topic in named and "1" in named and "2" in named

    broker.produce(topic, json_values(50), partition=0)
    broker.produce(topic, json_values(50), partition=2)
    wait_until(
        lambda: broker.committed_offsets(group, topic) == {0: 100, 1: 2, 2: 50},
        30,
        "the other partitions go on",
    )
    instance.stop(codes=(0, 1))
    assert table.progress(group, uuid) == {0: 100, 1: 2, 2: 50}
    rows = table.rows_by_delta_rs()
    assert sorted(row for row in rows if row[0] == 1) == [(1, 0, b'"one"'), (1, 1, b'"two"')]
    assert len(rows) == len(set(rows)) == 152


def test_an_undecodable_value_still_stops_after_a_restart(
    broker, new_topic, folder, group, environment, start
):
    topic = new_topic(1)
    broker.produce(topic, [b"{}", INVALID_UTF8, b"{}"])
    for _ in range(2):
        instance = start(environment(topic, store=folder, DLQ_ENABLED="false"))
        instance.wait_unhealthy()
        instance.stop(codes=(0, 1))
    assert broker.committed_offsets(group, topic) == {0: 1}
    assert Table(folder, topic).rows_by_delta_rs() == [(0, 0, b"{}")]


@pytest.mark.parametrize("shift", [0, 8])
def test_a_batch_damaged_on_the_brokers_disk_stops_its_partition_only(
    shift, broker, new_topic, folder, group, environment, start
):
    """The client must not take what it skips for a batch: this payload looks like headers."""
    topic = new_topic(2)
    headers_of_negative_size = bytes(shift) + (b"\xff" * 8 + bytes(8)) * 1000
    for values in ([b'"before"'], [b'"spoilt"', headers_of_negative_size], [b'"after"']):
        broker.produce(topic, values, partition=0)
    broker.damage(topic, 0, b'"spoilt"')

    instance = start(environment(topic, store=folder))
    health = instance.wait_unhealthy()
    assert any(topic in reason for reason in health.body["reasons"]), health.body
    broker.produce(topic, json_values(50), partition=1)
    wait_until(
        lambda: broker.committed_offsets(group, topic) == {0: 1, 1: 50}, 30, "the good ones land"
    )
    instance.stop(codes=(0, 1))
    rows = Table(folder, topic).rows_by_delta_rs()
    assert [row for row in rows if row[0] == 0] == [(0, 0, b'"before"')]
    assert len(rows) == 51
