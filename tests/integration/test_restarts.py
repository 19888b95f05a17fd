"""The broker or the store goes away and comes back, or comes late."""

from __future__ import annotations

import time

from harness.kafka import Broker
from harness.minio import MinioServer
from harness.payloads import json_values
from harness.processes import wait_until
from harness.tables import Table, assert_exactly_once

UNFLUSHED = 4


def test_a_broker_restart_is_survived(broker, topic, table, group, environment, start):
    broker.produce(topic, json_values(100))
    instance = start(environment(topic))
    broker.wait_caught_up(group, topic)

    broker.stop()
    time.sleep(2)
    broker.start()
    broker.produce(topic, json_values(100))

    broker.wait_caught_up(group, topic, timeout=60)
    instance.stop()
    assert_exactly_once(table, broker, group)


def test_a_broker_that_dies_with_records_in_the_batch(
    broker, topic, table, group, environment, start
):
    instance = start(environment(topic, BATCH_INTERVAL_SECONDS="3"))
    broker.wait_members(group, 1)
    broker.produce(topic, json_values(200))
    time.sleep(1)

    broker.kill()
    broker.start()

    broker.wait_caught_up(group, topic, timeout=60)
    instance.stop()
    assert_exactly_once(table, broker, group)


def test_a_frozen_broker_is_survived(broker, topic, table, group, environment, start):
    broker.produce(topic, json_values(100))
    instance = start(environment(topic))
    broker.wait_caught_up(group, topic)

    broker.freeze()
    try:
        time.sleep(6)
        health = instance.health()
        assert health is not None
    finally:
        broker.thaw()
    broker.produce(topic, json_values(100))

    broker.wait_caught_up(group, topic, timeout=60)
    instance.stop()
    assert_exactly_once(table, broker, group)


def test_a_store_outage_is_survived(broker, minio, topic, table, group, environment, start):
    broker.produce(topic, json_values(100))
    instance = start(environment(topic))
    broker.wait_caught_up(group, topic)

    minio.stop()
    broker.produce(topic, json_values(200))
    instance.wait_errors(30)
    broker.produce(topic, json_values(100))
    assert instance.running
    minio.start()

    broker.wait_caught_up(group, topic, timeout=90)
    assert instance.wait_answering().body["errors"] == 0
    instance.stop()
    assert_exactly_once(table, broker, group)


def test_sigterm_while_the_store_is_down(broker, minio, topic, table, group, environment, start):
    broker.produce(topic, json_values(100))
    variables = environment(topic, SHUTDOWN_TIMEOUT_SECONDS="3")
    instance = start(variables)
    broker.wait_caught_up(group, topic)
    minio.stop()
    broker.produce(topic, json_values(100))
    instance.wait_errors(30)

    begun = time.monotonic()
    instance.stop(timeout=15, codes=(UNFLUSHED,))
    assert time.monotonic() - begun < 15

    minio.start()
    second = start(variables)
    broker.wait_caught_up(group, topic)
    second.stop()
    assert_exactly_once(table, broker, group)


def waits_named(instance, what: str) -> int:
    return sum("wait" in line.lower() and what in line for line in instance.log().splitlines())


def test_a_broker_that_comes_late_is_waited_for(
    tmp_path, bucket, unique, group, environment, start
):
    late = Broker(tmp_path / "late-kafka")
    topic = unique("late")
    try:
        begun = time.monotonic()
        instance = start({**environment(topic), "KAFKA_BOOTSTRAP_SERVERS": late.bootstrap})
        assert instance.wait_answering(15)
        wait_until(lambda: waits_named(instance, late.bootstrap) >= 2, 20, "it says twice for what")
        wait_until(lambda: waits_named(instance, "Connection refused") >= 2, 20, "it says why")
        assert instance.log().count("Kafka: ") == 1, "the reason is said once, and while it waits"
        assert "librdkafka FAIL" not in instance.log()
        assert time.monotonic() - begun > 4

        late.start()
        late.create_topic(topic, 2)
        late.produce(topic, json_values(80))
        late.wait_caught_up(group, topic, timeout=60)
        instance.stop()
        assert_exactly_once(Table(bucket, topic), late, group)
    finally:
        late.stop()


def test_a_store_that_comes_late_is_waited_for(
    tmp_path, broker, topic, unique, group, environment, start
):
    late = MinioServer(tmp_path / "late-minio")
    broker.produce(topic, json_values(80))
    try:
        name = unique("late")
        late.start()
        bucket = late.create_bucket(name)
        late.stop()
        instance = start(environment(topic, store=bucket))
        assert instance.wait_answering(15)
        wait_until(lambda: waits_named(instance, late.address) >= 2, 30, "it says twice for what")
        wait_until(lambda: waits_named(instance, "Connection refused") >= 2, 20, "it says why")

        late.start()
        broker.wait_caught_up(group, topic, timeout=60)
        instance.stop()
        assert_exactly_once(Table(bucket, topic), broker, group)
    finally:
        late.stop()
