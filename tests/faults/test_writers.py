"""Rows 15 and 16: others write to the table at the same time, or change what it is.

One kind of other writer at a time, rows that others delete, and DELETE before a restart are in
tests/integration/test_conflicts.py; extra columns that others add, in test_extra_columns.py; tables
that are of another kind from the beginning, in test_lanes.py.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable

import pytest
from deltalake import DeltaTable
from deltalake import Field as DeltaField
from deltalake.schema import PrimitiveType
from harness.payloads import Stream, json_values
from harness.processes import wait_until
from harness.tables import Table
from logs import append_entry, newest_version
from oracle import claims
from writers import Others, everything_at_once, foreign_file


@pytest.mark.row(15)
@pytest.mark.parametrize("seconds", [8, pytest.param(120, marks=pytest.mark.full)])
@pytest.mark.timeout(400)
def test_all_kinds_of_other_writers_at_once(
    seconds, broker, topic, table, group, environment, start, oracle
):
    broker.produce(topic, json_values(30))
    variables = environment(topic, BATCH_INTERVAL_SECONDS="0.5", WRITE_RETRY_SECONDS="60")
    instance = start(variables)
    broker.wait_caught_up(group, topic)

    with Stream(broker, topic), everything_at_once(table) as others:
        begun = time.monotonic()

        def enough() -> bool:
            done = others.done
            return (
                time.monotonic() - begun >= seconds
                and done["append"] > 5
                and min(done.values()) > 0
            )

        while not enough():
            assert time.monotonic() - begun < seconds + 120, others.done
            # No starvation: whatever the others do, what is there now is written soon.
            ends = broker.end_offsets(topic)
            wait_until(
                lambda ends=ends: all(
                    broker.committed_offsets(group, topic).get(p, 0) >= end
                    for p, end in ends.items()
                ),
                60,
                f"what was there is written\n{instance.tail()}",
            )
    broker.wait_caught_up(group, topic)
    print(others.done, dict(others.refused))
    health = instance.health()
    assert health.is_healthy and health.body["errors"] == 0, health
    instance.stop()
    oracle(table)

    # Somebody who begins in the middle of all that finds the same.
    broker.produce(topic, json_values(10))
    second = start(variables, "run", "--once")
    assert second.wait_exit(60) == 0, second.tail()
    oracle(table)


@pytest.mark.row(15)
def test_ten_foreign_appends_a_second(
    chance, broker, topic, folder, group, environment, start, oracle
):
    """At random moments, by hand, since delta-rs is not as fast: the service does not starve."""
    table = Table(folder, topic)
    broker.produce(topic, json_values(30))
    instance = start(environment(topic, store=folder, BATCH_INTERVAL_SECONDS="0.3"))
    broker.wait_caught_up(group, topic)
    due = time.monotonic()

    def append() -> None:
        nonlocal due
        # After a stall it does not catch up for longer than a second.
        due = max(due, time.monotonic() - 1) + chance.expovariate(10)
        time.sleep(max(0.0, due - time.monotonic()))
        append_entry(table, foreign_file(table))

    with Stream(broker, topic), Others(append=(append, 0.0)) as others:
        wait_until(lambda: others.done["append"] > 0, 60, "the other writer has begun")
        ours, theirs = len(claims(instance.log())), others.done["append"]
        wait_until(
            lambda: (
                len(claims(instance.log())) >= ours + 10 and others.done["append"] >= theirs + 50
            ),
            120,
            f"ten commits of ours and fifty of theirs\n{instance.tail()}",
            0.5,
        )
    print(f"{others.done['append']} foreign appends; {dict(others.refused)}")
    broker.wait_caught_up(group, topic)
    assert table.arrow()["_kafka_partition"].null_count == others.done["append"]
    assert instance.wait_answering().body["errors"] == 0
    assert "starting over" not in instance.log()
    instance.stop()
    oracle(table)


# --- row 16 ---------------------------------------------------------------------------------------


def by_hand(change: Callable[[dict], None]) -> Callable[[Table], None]:
    """Changes the table's metadata by a log entry of our own."""

    def spoil(table: Table) -> None:
        metadata = copy.deepcopy(table.metadata())
        schema = json.loads(metadata["schemaString"])
        change(schema)
        metadata["schemaString"] = json.dumps(schema)
        append_entry(table, {"metaData": metadata})

    return spoil


def column(schema: dict, name: str) -> dict:
    return next(field for field in schema["fields"] if field["name"] == name)


def add_nullable_column(table: Table) -> None:
    note = DeltaField("note", PrimitiveType("string"), nullable=True)
    DeltaTable(table.uri).alter.add_columns(note)


def add_required_column(schema: dict) -> None:
    schema["fields"].append({"name": "note", "type": "string", "nullable": False, "metadata": {}})


def demand_a_value(schema: dict) -> None:
    column(schema, "_raw_value")["nullable"] = False


def drop_a_column(schema: dict) -> None:
    schema["fields"].remove(column(schema, "_kafka_timestamp"))


def rename_a_column(schema: dict) -> None:
    column(schema, "_raw_value")["name"] = "value"


def widen_a_column(schema: dict) -> None:
    column(schema, "_kafka_partition")["type"] = "long"


def demand_an_invariant(schema: dict) -> None:
    expression = json.dumps({"expression": {"expression": "_kafka_offset >= 0"}})
    column(schema, "_kafka_offset")["metadata"]["delta.invariants"] = expression


def partition_otherwise(table: Table) -> None:
    metadata = {**table.metadata(), "partitionColumns": []}
    append_entry(table, {"metaData": metadata})


def demand_a_constraint(table: Table) -> None:
    DeltaTable(table.uri).alter.add_constraint({"offsets": "_kafka_offset >= 0"})


def demand_an_unknown_feature(table: Table) -> None:
    protocol = {
        "minReaderVersion": 1,
        "minWriterVersion": 7,
        "writerFeatures": ["appendOnly", "somethingNew"],
    }
    append_entry(table, {"protocol": protocol})


def let_transactions_expire(table: Table) -> None:
    DeltaTable(table.uri).alter.set_table_properties(
        {"delta.setTransactionRetentionDuration": "interval 1 days"}, raise_if_not_exists=False
    )


FULL = pytest.mark.full
CHANGES = [
    pytest.param(add_nullable_column, "additional column note", id="nullable-column"),
    pytest.param(
        by_hand(add_required_column), "additional column note", id="required-column", marks=FULL
    ),
    pytest.param(by_hand(demand_a_value), "_raw_value must be nullable", id="not-null"),
    pytest.param(
        by_hand(drop_a_column), "column 4 should be _kafka_timestamp", id="dropped", marks=FULL
    ),
    pytest.param(
        by_hand(rename_a_column), "column 1 should be _raw_value", id="renamed", marks=FULL
    ),
    pytest.param(
        by_hand(widen_a_column), "column 2 should be _kafka_partition", id="widened", marks=FULL
    ),
    pytest.param(by_hand(demand_an_invariant), "invariant", id="invariant", marks=FULL),
    pytest.param(
        partition_otherwise, "partitioned by _ingestion_date", id="partitioning", marks=FULL
    ),
    pytest.param(demand_a_constraint, "protocol version 3", id="constraint", marks=FULL),
    pytest.param(demand_an_unknown_feature, "somethingNew", id="feature"),
    pytest.param(let_transactions_expire, "setTransactionRetentionDuration", id="retention"),
]


@pytest.mark.row(16)
@pytest.mark.parametrize(("change", "reason"), CHANGES)
def test_a_table_that_others_change_underneath_stops_its_topic(
    change, reason, broker, topic, folder, group, environment, start, oracle
):
    table = Table(folder, topic)
    broker.produce(topic, json_values(30))
    variables = environment(topic, store=folder, BATCH_INTERVAL_SECONDS="1")
    instance = start(variables)
    broker.wait_caught_up(group, topic)
    good = (table.protocol(), table.metadata())

    # A batch is open while it happens.
    broker.produce(topic, json_values(30))
    time.sleep(0.3)
    change(table)
    changed_at = newest_version(table)
    broker.produce(topic, json_values(30))

    health = instance.wait_unhealthy(60)
    assert any(reason in said for said in health.body["reasons"]), health.body
    instance.stop(codes=(0, 1))
    assert not [c for c in table.commits() if c.version > changed_at], "nothing after the change"
    uuid = broker.topic_uuid(topic)
    assert table.progress(group, uuid) == broker.committed_offsets(group, topic)

    again = start(variables, "run", "--once")
    assert again.wait_exit(60) == 1, again.tail()
    assert reason in again.log()
    assert newest_version(table) == changed_at

    protocol, metadata = good
    append_entry(table, {"protocol": protocol}, {"metaData": metadata})
    repaired = start(variables, "run", "--once")
    assert repaired.wait_exit(60) == 0, repaired.tail()
    oracle(table)


def describe(table: Table) -> None:
    DeltaTable(table.uri).alter.set_table_description("raw events")


def keep_the_log_for_a_week(table: Table) -> None:
    DeltaTable(table.uri).alter.set_table_properties(
        {"delta.logRetentionDuration": "interval 7 days"}
    )


def name_features(table: Table) -> None:
    """What engines make of a table of protocol 1/2 when a feature is switched on."""
    protocol = {
        "minReaderVersion": 1,
        "minWriterVersion": 7,
        "writerFeatures": ["appendOnly", "domainMetadata", "invariants"],
    }
    append_entry(table, {"protocol": protocol})


HARMLESS = [
    pytest.param(describe, marks=FULL),
    pytest.param(keep_the_log_for_a_week, marks=FULL),
    name_features,
]


@pytest.mark.row(16)
@pytest.mark.parametrize("change", HARMLESS)
def test_a_batch_is_written_anew_for_a_table_that_others_changed_harmlessly(
    change, broker, topic, folder, group, environment, start, oracle
):
    table = Table(folder, topic)
    broker.produce(topic, json_values(30))
    instance = start(environment(topic, store=folder, BATCH_INTERVAL_SECONDS="1"))
    broker.wait_caught_up(group, topic)

    broker.produce(topic, json_values(30))
    time.sleep(0.3)
    change(table)
    broker.produce(topic, json_values(30))

    broker.wait_caught_up(group, topic)
    instance.stop()
    oracle(table)
