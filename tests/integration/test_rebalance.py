"""Several instances of one group share a topic, come and go."""

from __future__ import annotations

import signal
import time

from harness.group_offsets import assert_never_fell
from harness.payloads import Stream, json_values
from harness.tables import Table, assert_exactly_once


def test_instances_join_leave_and_die_while_records_arrive(
    broker, new_topic, bucket, group, environment, start
):
    topic = new_topic(4)
    variables = environment(topic, BATCH_INTERVAL_SECONDS="0.5")
    with Stream(broker, topic):
        first = start(variables)
        first.wait_written(1)
        second = start(variables)
        broker.wait_members(group, 2)
        second.wait_written(1)

        first.stop()
        broker.wait_members(group, 1)
        third = start(variables)
        broker.wait_members(group, 2)
        third.wait_written(1)

        second.kill()
        broker.wait_members(group, 1)
        written = third.wait_answering().body["messages_written"]
        third.wait_written(written + 1)
    broker.wait_caught_up(group, topic)
    third.stop()
    assert_never_fell(broker, group, topic)
    assert_exactly_once(Table(bucket, topic), broker, group)


def test_three_instances_start_at_once_on_an_empty_store(
    broker, new_topic, bucket, group, environment, start
):
    topics = [new_topic(3), new_topic(3)]
    for topic in topics:
        broker.produce(topic, json_values(90))
    instances = [start(environment(*topics)) for _ in range(3)]

    broker.wait_caught_up(group, *topics)
    broker.wait_members(group, 3)

    for instance in instances:
        instance.stop()
    for topic in topics:
        table = Table(bucket, topic)
        assert_exactly_once(table, broker, group)
        assert sum(commit.metadata is not None for commit in table.commits()) == 1


def test_a_frozen_instance_is_fenced_when_it_wakes(
    broker, new_topic, bucket, group, environment, start
):
    topic = new_topic(3)
    variables = environment(topic, BATCH_INTERVAL_SECONDS="0.3", KAFKA_SESSION_TIMEOUT_MS="2000")
    with Stream(broker, topic):
        zombie = start(variables)
        zombie.wait_written(300)
        zombie.send(signal.SIGSTOP)
        heir = start(variables)
        heir.wait_written(300)

        zombie.send(signal.SIGCONT)
        broker.wait_members(group, 2)
    broker.wait_caught_up(group, topic)
    for instance in (zombie, heir):
        instance.stop()
    assert_never_fell(broker, group, topic)
    assert_exactly_once(Table(bucket, topic), broker, group)


def test_a_rebalance_storm(broker, new_topic, bucket, group, environment, start):
    topic = new_topic(6)
    variables = environment(topic, BATCH_INTERVAL_SECONDS="0.3", KAFKA_SESSION_TIMEOUT_MS="2000")
    with Stream(broker, topic):
        running = [start(variables)]
        for turn in range(6):
            running.append(start(variables))
            time.sleep(2)
            leaving = running.pop(0)
            if turn % 2:
                leaving.kill()
            else:
                leaving.stop()
    broker.wait_caught_up(group, topic)
    for instance in running:
        instance.stop()
    assert_never_fell(broker, group, topic)
    assert_exactly_once(Table(bucket, topic), broker, group)
