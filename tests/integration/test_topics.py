"""What happens to topics while the service runs: partitions are added, topics created anew."""

from __future__ import annotations

from confluent_kafka.admin import NewPartitions
from harness.payloads import json_values
from harness.tables import assert_exactly_once


def test_partitions_that_are_added_are_copied_from_their_beginning(
    broker, topic, table, group, environment, start
):
    broker.produce(topic, json_values(10))
    instance = start(environment(topic, KAFKA_PROPERTIES="heartbeat.interval.ms=500"))
    instance.wait_written(10)
    before = len(broker.partitions(topic))

    growth = broker.admin.create_partitions([NewPartitions(topic, before + 2)])
    growth[topic].result(10)
    for partition in range(before + 2):
        broker.produce(topic, json_values(20), partition=partition)
    instance.wait_written(10 + 20 * (before + 2), timeout=40)
    broker.wait_caught_up(group, topic)
    instance.stop()

    assert "another writer" not in instance.log()
    assert_exactly_once(table, broker, group)


def test_a_topic_that_is_created_anew_stops_its_lane_and_nothing_of_it_is_written(
    broker, topic, table, group, environment, start
):
    broker.produce(topic, json_values(10), partition=0)
    instance = start(environment(topic))
    instance.wait_written(10)
    partitions = len(broker.partitions(topic))
    rows = sorted(table.rows_by_delta_rs())

    broker.delete_topic(topic)
    broker.create_topic(topic, partitions)
    broker.produce(topic, json_values(50), partition=0)

    health = instance.wait_unhealthy(timeout=60)
    assert any(topic in reason for reason in health.body["reasons"]), health.body
    assert "created again" in instance.log() or "deleted" in instance.log(), instance.tail()
    instance.stop(codes=(0, 1))
    assert sorted(table.rows_by_delta_rs()) == rows
