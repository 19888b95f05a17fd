"""Kafka offsets follow the table, and never run ahead of it."""

from __future__ import annotations

import time

from harness.payloads import Stream, json_values
from harness.tables import Table, assert_exactly_once


def test_kafkas_own_tool_shows_no_lag(broker, topic, group, environment, start):
    for partition in range(3):
        broker.produce(topic, json_values(50), partition=partition)
    instance = start(environment(topic))
    broker.wait_caught_up(group, topic)

    assert broker.group_lag(group, topic) == {0: 0, 1: 0, 2: 0}
    instance.stop()


def test_committed_offsets_are_never_ahead_of_the_table(
    broker, topic, table, group, environment, start
):
    instance = start(environment(topic, BATCH_INTERVAL_SECONDS="0.3"))
    uuid = broker.topic_uuid(topic)
    with Stream(broker, topic):
        begun = time.monotonic()
        samples = 0
        while samples < 20:
            assert time.monotonic() - begun < 90, f"{samples} samples only"
            committed = broker.committed_offsets(group, topic)
            landed = table.progress(group, uuid) if committed else {}
            assert all(offset <= landed[p] for p, offset in committed.items()), (committed, landed)
            samples += bool(committed)
    broker.wait_caught_up(group, topic)
    instance.stop()
    assert_exactly_once(table, broker, group)


def test_a_failed_write_ends_the_service_and_commits_nothing(
    broker, minio, topic, table, group, environment, start
):
    broker.produce(topic, json_values(100))
    variables = environment(topic, WRITE_RETRY_SECONDS="0")
    instance = start(variables)
    broker.wait_caught_up(group, topic)
    landed = broker.committed_offsets(group, topic)

    minio.stop()
    broker.produce(topic, json_values(100))
    assert instance.wait_exit(60) == 1
    assert f"bronze_{topic}" in instance.log() or topic in instance.log()
    assert broker.committed_offsets(group, topic) == landed

    minio.start()
    second = start(variables)
    broker.wait_caught_up(group, topic)
    second.stop()
    assert_exactly_once(table, broker, group)


def test_a_bucket_that_is_removed_ends_the_service_and_commits_nothing(
    broker, topic, bucket, group, environment, start
):
    broker.produce(topic, json_values(100))
    instance = start(environment(topic, WRITE_RETRY_SECONDS="2"))
    broker.wait_caught_up(group, topic)
    landed = broker.committed_offsets(group, topic)

    bucket.delete()
    broker.produce(topic, json_values(100))

    assert instance.wait_exit(60) == 1
    assert bucket.name in instance.log()
    assert broker.committed_offsets(group, topic) == landed


def test_earliest_latest_and_a_time_are_starts(broker, new_topic, folder, environment, start):
    topic = new_topic(1)
    producer = broker.producer()
    for number in range(10):
        producer.produce(topic, b"%d" % number, timestamp=1_700_000_000_000 + number * 1000)
    producer.flush(10)

    def offsets_from(name: str, where: str) -> list[int]:
        variables = environment(topic, store=folder, KAFKA_START=where)
        variables["KAFKA_CONSUMER_GROUP"] = name
        variables["DELTA_BASE_PATH"] = str(folder.path / name)
        assert start(variables, "run", "--once").wait_exit(40) == 0
        commits = Table(type(folder)(folder.path / name), topic).rows_by_delta_rs()
        return sorted(offset for _, offset, _ in commits)

    assert offsets_from("from-earliest", "earliest") == list(range(10))
    assert offsets_from("from-latest", "latest") == []
    assert offsets_from("from-time", "2023-11-14T22:13:25Z") == list(range(5, 10))
