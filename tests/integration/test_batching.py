"""When batches are written: by age, by size, and once."""

from __future__ import annotations

import statistics
import time
from datetime import datetime

from harness.payloads import INVALID_UTF8, json_values
from harness.processes import wait_until
from harness.tables import Commit, Table, assert_exactly_once
from harness.tables import statistics as statistics_of


def age_s(commit: Commit) -> float:
    """Between the moment at which its first record was read and that of the commit."""
    read_at = min(statistics_of(add)["minValues"]["_ingested_at"] for add in commit.adds)
    return commit.info["timestamp"] / 1000 - datetime.fromisoformat(read_at).timestamp()


def test_a_batch_is_written_at_its_age_and_none_while_idle(
    broker, topic, folder, group, environment, start
):
    table = Table(folder, topic)
    interval = 1.5
    instance = start(environment(topic, store=folder, BATCH_INTERVAL_SECONDS=str(interval)))
    broker.wait_members(group, 1)
    begun = time.monotonic()
    for _ in range(12):
        broker.produce(topic, json_values(10))
        time.sleep(0.4)
    broker.wait_caught_up(group, topic)
    took = time.monotonic() - begun

    commits = table.data_commits()
    assert 2 <= len(commits) <= took / interval + 1
    ages = [age_s(commit) for commit in commits]
    assert all(age > interval * 0.9 for age in ages), ages
    assert statistics.median(ages) < interval * 2, ages

    before = len(table.commits())
    time.sleep(2.5 * interval)
    assert len(table.commits()) == before
    instance.stop()
    assert len(table.commits()) == before
    assert_exactly_once(table, broker, group)


def test_fractions_of_a_second_are_an_interval(broker, topic, folder, group, environment, start):
    instance = start(environment(topic, store=folder, BATCH_INTERVAL_SECONDS="0.2"))
    broker.wait_members(group, 1)
    for _ in range(3):
        broker.produce(topic, json_values(5))
        broker.wait_caught_up(group, topic)
    instance.stop()
    commits = Table(folder, topic).data_commits()
    assert len(commits) >= 3
    assert 0.2 * 0.9 < min(map(age_s, commits)) < 1


def test_a_full_batch_is_written_before_its_age(broker, new_topic, folder, environment, start):
    topic = new_topic(1)
    limits = {"BATCH_INTERVAL_SECONDS": "600", "BATCH_MAX_ROWS": "100"}
    instance = start(environment(topic, store=folder, **limits))
    broker.produce(topic, json_values(1000))

    instance.wait_written(100, timeout=20)

    broker.produce(topic, json_values(50))
    instance.stop()
    assert len(Table(folder, topic).data_commits()) >= 2


def test_a_heavy_batch_is_written_before_its_age(broker, new_topic, folder, environment, start):
    topic = new_topic(1)
    limits = {"BATCH_INTERVAL_SECONDS": "600", "BATCH_MAX_BYTES": "20000"}
    instance = start(environment(topic, store=folder, **limits))
    broker.produce(topic, [b'"' + value * 20 + b'"' for value in json_values(100)])

    instance.wait_written(1, timeout=20)
    instance.stop()


def test_once_copies_what_there_is_and_ends(broker, new_topic, bucket, group, environment, start):
    topics = [new_topic(3), new_topic(1)]
    for topic in topics:
        broker.produce(topic, json_values(400))
    instance = start(environment(*topics, BATCH_INTERVAL_SECONDS="600"), "run", "--once")

    assert instance.wait_exit(40) == 0
    for topic in topics:
        assert_exactly_once(Table(bucket, topic), broker, group)
        assert broker.is_caught_up(group, topic)


def test_once_twice_adds_nothing(broker, topic, bucket, group, environment, start):
    broker.produce(topic, json_values(90))
    for _ in range(2):
        assert start(environment(topic), "run", "--once").wait_exit(40) == 0
    table = Table(bucket, topic)
    assert_exactly_once(table, broker, group)
    assert sum(commit.row_count for commit in table.data_commits()) == 90


def test_once_on_an_empty_topic_ends_with_an_empty_table(
    broker, topic, table, group, environment, start
):
    assert start(environment(topic), "run", "--once").wait_exit(40) == 0
    assert table.rows_by_delta_rs() == []
    assert not table.data_commits()


def test_once_ends_with_1_when_a_partition_is_stopped(
    broker, new_topic, bucket, group, environment, start
):
    topic = new_topic(2)
    broker.produce(topic, [b"{}", INVALID_UTF8, b"{}"], partition=0)
    broker.produce(topic, json_values(40), partition=1)
    instance = start(environment(topic, DLQ_ENABLED="false"), "run", "--once")

    assert instance.wait_exit(40) == 1
    table = Table(bucket, topic)
    assert table.progress(group, broker.topic_uuid(topic)) == {0: 1, 1: 40}
    assert topic in instance.log()


def test_a_topic_that_appears_later_is_copied(
    broker, new_topic, unique, folder, group, environment, start
):
    topic = unique("later")
    instance = start(
        environment(
            topic,
            store=folder,
            KAFKA_PROPERTIES="heartbeat.interval.ms=500",
        )
    )
    wait_until(lambda: instance.health(), 10, "/health answers")
    time.sleep(2)
    broker.create_topic(topic, 2)
    broker.produce(topic, json_values(60))

    broker.wait_caught_up(group, topic, timeout=60)

    instance.stop()
    assert_exactly_once(Table(folder, topic), broker, group)
