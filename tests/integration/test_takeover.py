"""Tables and a consumer group that the original left behind are continued, and handed back."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator

import pyarrow
import pyarrow.parquet
import pytest
from deltalake import write_deltalake
from harness.original import Original, empty_table
from harness.payloads import json_values
from harness.processes import wait_until
from harness.tables import assert_exactly_once, statistics
from test_observability import ask


@pytest.fixture
def original(tmp_path, broker, bucket, topic, group) -> Iterator[Callable[..., Original]]:
    """original(die_after_write=...) starts the original, which ends with the test."""
    started: list[Original] = []

    def launch(**options) -> Original:
        directory = tmp_path / f"original-{len(started)}"
        started.append(Original(directory, broker, bucket, topic, group, **options))
        return started[-1]

    yield launch
    for each in started:
        each.end()


def produce(broker, topic, count: int) -> None:
    """So many records to each partition."""
    for partition in broker.partitions(topic):
        broker.produce(topic, json_values(count), partition=partition)


def set_group_offsets(broker, topic, group, *where: str) -> None:
    broker.run_tool(
        "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
        *("--bootstrap-server", broker.bootstrap, "--group", group, "--topic", topic),
        *("--reset-offsets", *where, "--execute"),
    )


def copy_by_original(broker, topic, group, original) -> None:
    process = original()
    broker.wait_caught_up(group, topic)
    process.stop()


def copy_by_bronze(broker, topic, group, start, variables):
    instance = start(variables)
    broker.wait_caught_up(group, topic)
    instance.stop()
    return instance


def test_a_clean_hand_over_continues_at_the_groups_offsets(
    broker, topic, table, group, environment, start, original
):
    produce(broker, topic, 40)
    copy_by_original(broker, topic, group, original)
    assert not table.txns()
    produce(broker, topic, 30)

    instance = copy_by_bronze(broker, topic, group, start, environment(topic))

    assert instance.log().count("begins at offset 40: take-over: group offset") == 3
    assert_exactly_once(table, broker, group)
    assert table.protocol() == {"minReaderVersion": 1, "minWriterVersion": 2}


def test_files_of_several_partitions_are_looked_into(
    broker, topic, table, group, environment, start, original
):
    produce(broker, topic, 40)
    copy_by_original(broker, topic, group, original)
    spans = [
        (stats["minValues"]["_kafka_partition"], stats["maxValues"]["_kafka_partition"])
        for stats in map(statistics, table.live_files().values())
    ]
    assert (0, 2) in spans

    # Unequal, so that no statistic of a file tells the last offset of each partition.
    for partition, count in ((0, 5), (1, 9), (2, 20)):
        broker.produce(topic, json_values(count), partition=partition)
    original(die_after_write=1, interval=5).wait_killed()

    instance = copy_by_bronze(broker, topic, group, start, environment(topic))
    for partition, end in broker.end_offsets(topic).items():
        assert (
            f"partition {partition} begins at offset {end}: take-over: table's last offset + 1"
            in instance.log()
        )
    assert_exactly_once(table, broker, group)


@pytest.mark.parametrize("checkpointed", [False, True])
def test_killed_between_its_write_and_its_commit(
    checkpointed, broker, topic, table, group, environment, start, original
):
    produce(broker, topic, 20)
    copy_by_original(broker, topic, group, original)
    produce(broker, topic, 20)
    original(die_after_write=1, interval=5).wait_killed()
    assert set(broker.committed_offsets(group, topic).values()) == {20}
    if checkpointed:
        table.delta_rs().create_checkpoint()
    produce(broker, topic, 10)

    instance = copy_by_bronze(broker, topic, group, start, environment(topic))

    assert "take-over: table's last offset + 1" in instance.log()
    assert_exactly_once(table, broker, group)


def test_without_the_groups_offsets_it_stops_until_told_where_to_begin(
    broker, topic, table, group, environment, start, original
):
    produce(broker, topic, 20)
    # It dies before it ever commits: the group has no offsets.
    original(die_after_write=1, interval=5).wait_killed()
    written = Counter(row[0] for row in table.rows_by_delta_rs())
    assert set(written) == {0, 1, 2} and not broker.committed_offsets(group, topic)
    produce(broker, topic, 10)

    refused = start(environment(topic))
    refused.wait_unhealthy(40)
    refused.wait_log("the table has rows of partitions 0, 1, 2")
    for word in (topic, group, "KAFKA_START", "KAFKA_CONSUMER_GROUP"):
        assert word in refused.log()
    refused.stop()
    assert not table.txns()

    copy_by_bronze(broker, topic, group, start, environment(topic, KAFKA_START="earliest"))
    assert_exactly_once(table, broker, group)


def test_it_waits_while_the_original_runs_and_takes_over_when_it_left(
    broker, topic, table, group, environment, start, original
):
    produce(broker, topic, 20)
    process = original()
    process.wait_writes(1)

    instance = start(environment(topic))
    instance.wait_log("eager assignor", 40)
    instance.wait_log("eager assignor", 30, times=2)
    assert instance.wait_answering().is_healthy
    status, body = ask(instance, "/readyz")
    assert status == 503 and "eager assignor" in body
    assert process.running
    produce(broker, topic, 20)
    broker.wait_caught_up(group, topic)
    assert not table.txns()

    process.stop()
    produce(broker, topic, 10)
    broker.wait_caught_up(group, topic, timeout=60)
    assert "take-over: group offset" in instance.log()
    instance.stop()
    assert_exactly_once(table, broker, group)


def test_back_to_the_original_and_to_bronze_again(
    broker, topic, table, group, environment, start, original
):
    variables = environment(topic)
    for _ in range(2):
        produce(broker, topic, 20)
        copy_by_original(broker, topic, group, original)
        produce(broker, topic, 20)
        instance = copy_by_bronze(broker, topic, group, start, variables)
    assert instance.log().count("begins at offset 60: take-over: table's last offset + 1") == 3
    assert "another program wrote to the table" in instance.log()
    assert_exactly_once(table, broker, group)

    # What was taken over stays so: nothing of it is looked for again.
    produce(broker, topic, 5)
    again = copy_by_bronze(broker, topic, group, start, variables)
    assert again.log().count("begins at offset 80: the table's progress") == 3
    assert_exactly_once(table, broker, group)


def test_back_at_bronze_after_the_original_died_before_its_first_commit(
    broker, topic, table, group, environment, start, original
):
    variables = environment(topic)
    produce(broker, topic, 20)
    copy_by_bronze(broker, topic, group, start, variables)
    produce(broker, topic, 20)
    original(die_after_write=1, interval=5).wait_killed()
    assert set(broker.committed_offsets(group, topic).values()) == {20}
    produce(broker, topic, 20)

    refused = start(variables, "run", "--once")
    assert refused.wait_exit(60) == 1
    assert "set the group's offset to 40 for partition 0, 40 for partition 1" in refused.log()
    set_group_offsets(broker, topic, group, "--to-offset", "40")
    instance = copy_by_bronze(broker, topic, group, start, variables)

    assert "going on at 40" in instance.log()
    assert_exactly_once(table, broker, group)


def test_a_foreign_row_ahead_of_the_progress_skips_no_record(
    broker, topic, table, group, environment, start
):
    """Nor when the group's offsets are moved besides; once it is deleted, the topic goes on."""
    variables = environment(topic)
    produce(broker, topic, 20)
    copy_by_bronze(broker, topic, group, start, variables)
    row = table.delta_rs().to_pyarrow_table().slice(0, 1)
    ahead = row.set_column(
        row.schema.get_field_index("_kafka_offset"), "_kafka_offset", pyarrow.array([30])
    )
    write_deltalake(table.delta_rs(), ahead, mode="append")
    produce(broker, topic, 20)

    def refuse() -> None:
        instance = start(variables, "run", "--once")
        assert instance.wait_exit(60) == 1
        assert "somebody appended rows behind our progress" in instance.log()
        assert len(table.rows_by_delta_rs()) == 20 * 3 + 1

    refuse()
    (of_row,) = row["_kafka_partition"].to_pylist()
    to_its_progress, to_its_end = {0, 1, 2} - {of_row}
    set_group_offsets(broker, f"{topic}:{to_its_progress}", group, "--to-offset", "20")
    set_group_offsets(broker, f"{topic}:{to_its_end}", group, "--to-offset", "40")
    refuse()
    table.delta_rs().delete("_kafka_offset = 30")
    assert start(variables, "run", "--once").wait_exit(60) == 0
    assert_exactly_once(table, broker, group)


def test_a_group_that_was_reset_forward_loses_no_record(
    broker, topic, table, group, environment, start
):
    variables = environment(topic)
    produce(broker, topic, 20)
    copy_by_bronze(broker, topic, group, start, variables)
    produce(broker, topic, 20)
    set_group_offsets(broker, topic, group, "--to-latest")
    assert set(broker.committed_offsets(group, topic).values()) == {40}

    instance = start(variables)
    instance.wait_written(60)
    instance.stop()
    assert "begins at offset 20: the table's progress; the group's offset 40" in instance.log()
    assert_exactly_once(table, broker, group)


def test_a_table_that_lost_its_progress_is_not_registered_anew(
    broker, topic, table, bucket, group, environment, start
):
    produce(broker, topic, 20)
    variables = environment(topic)
    copy_by_bronze(broker, topic, group, start, variables)
    files = bucket.filesystem()
    for version in itertools.count(1):
        path = f"{table.name}/_delta_log/{version:020}.json"
        if files.get_file_info(path).type == pyarrow.fs.FileType.NotFound:
            break
        files.delete_file(path)

    refused = start(variables)
    refused.wait_unhealthy(40)
    refused.wait_log("this table held the progress of the topic")
    refused.stop()


def test_an_empty_table_begins_where_kafka_start_says(
    broker, topic, table, bucket, group, environment, start
):
    empty_table(table.uri, bucket.options())
    produce(broker, topic, 20)

    instance = copy_by_bronze(broker, topic, group, start, environment(topic))

    assert instance.log().count("begins at offset 0: KAFKA_START") == 3
    assert_exactly_once(table, broker, group)


def test_the_original_does_not_take_partitions_from_bronze(
    broker, topic, table, group, environment, start, original
):
    produce(broker, topic, 20)
    instance = start(environment(topic))
    broker.wait_caught_up(group, topic)
    intruder = original()
    wait_until(lambda: not intruder.running, 30, "the original gives up")
    produce(broker, topic, 20)
    broker.wait_caught_up(group, topic)
    instance.stop()
    assert_exactly_once(table, broker, group)


def test_rows_of_a_deleted_topic_are_not_taken_for_those_of_its_successor(
    broker, topic, table, group, environment, start, original
):
    produce(broker, topic, 40)
    copy_by_original(broker, topic, group, original)
    broker.delete_topic(topic)
    broker.create_topic(topic, 3)
    produce(broker, topic, 10)
    copy_by_original(broker, topic, group, original)

    instance = start(environment(topic))
    instance.wait_log("is stopped: rows of another program")
    assert "reach to offset 40 of partition 0, but Kafka ends at 10" in instance.log()
    instance.stop()
    # Or a restart would begin there once there is so much, and pass over all before.
    assert not table.txns()
