"""Topics that regular expressions match, that appear while the service runs, and that go away."""

from __future__ import annotations

import re
import time

import pytest
from confluent_kafka.admin import NewPartitions
from harness.payloads import json_values
from harness.processes import wait_until
from harness.service import run_command
from harness.tables import Table, assert_exactly_once


@pytest.fixture
def stem(unique) -> str:
    return unique("topic") + "."


def matching(stem: str) -> str:
    return "^" + re.escape(stem).replace("\\-", "-")


def test_a_pattern_copies_all_that_it_matches_and_nothing_else(
    broker, bucket, group, stem, new_topic, environment, start
):
    matched = [f"{stem}{ending}" for ending in ("a", "b", "c")]
    hidden = [f"__{stem}x", f"dlq_bronze_{stem}x"]
    for topic in [*matched, *hidden]:
        broker.create_topic(topic, 2)
        broker.produce(topic, json_values(30))
    other = new_topic()
    broker.produce(other, json_values(30))
    everything = "^.*" + re.escape(stem).replace("\\-", "-")
    instance = start(environment(everything))

    broker.wait_caught_up(group, *matched)
    time.sleep(1)
    assigned = {topic for share in broker.assignments(group) for topic, _ in share}
    assert assigned == set(matched)
    instance.stop()
    for topic in matched:
        assert_exactly_once(Table(bucket, topic), broker, group)
    for topic in [other, *hidden]:
        assert Table(bucket, topic).commits() == []
    for topic in matched:
        assert f"{topic}: partition 0 begins at offset 0" in instance.log()


def test_names_and_patterns_together_make_one_lane_a_topic(
    broker, bucket, group, stem, environment, start
):
    topics = [f"{stem}{ending}" for ending in ("listed", "matched")]
    for topic in topics:
        broker.create_topic(topic, 2)
        broker.produce(topic, json_values(30))
    instance = start(environment(topics[0], matching(stem), f"^{stem}l"))
    broker.wait_caught_up(group, *topics)
    instance.stop()
    for topic in topics:
        assert_exactly_once(Table(bucket, topic), broker, group)


def test_a_topic_that_appears_is_picked_up_soon_and_so_are_its_new_partitions(
    broker, bucket, group, stem, environment, start
):
    first, late = f"{stem}first", f"{stem}late"
    broker.create_topic(first, 2)
    broker.produce(first, json_values(30))
    # Nothing but what the service sets by default.
    instance = start(environment(matching(stem), KAFKA_PROPERTIES=""))
    instance.wait_written(30)

    broker.create_topic(late, 2)
    broker.produce(late, json_values(30))
    instance.wait_written(60, timeout=30)

    broker.admin.create_partitions([NewPartitions(late, 4)])[late].result(10)
    for partition in range(4):
        broker.produce(late, json_values(10), partition=partition)
    instance.wait_written(100, timeout=30)
    for topic in (first, late):
        broker.wait_caught_up(group, topic)
    instance.stop()
    for topic in (first, late):
        assert_exactly_once(Table(bucket, topic), broker, group)


def test_a_pattern_alone_waits_for_its_first_topic(broker, bucket, group, stem, environment, start):
    instance = start(environment(matching(stem)))
    instance.wait_log("no topic matches")
    assert instance.wait_answering().is_healthy

    broker.create_topic(f"{stem}a", 3)
    broker.produce(f"{stem}a", json_values(30))
    instance.wait_written(30, timeout=30)
    instance.stop()
    assert_exactly_once(Table(bucket, f"{stem}a"), broker, group)


def test_a_deleted_topic_ends_quietly_and_the_others_go_on(
    broker, bucket, group, stem, new_topic, environment, start
):
    listed, matched, staying = new_topic(2), f"{stem}going", f"{stem}staying"
    for topic in (matched, staying):
        broker.create_topic(topic, 2)
    for topic in (listed, matched, staying):
        broker.produce(topic, json_values(30))
    instance = start(environment(listed, matching(stem)))
    instance.wait_written(90)
    rows = {topic: sorted(Table(bucket, topic).rows_by_delta_rs()) for topic in (listed, matched)}

    for topic in (listed, matched):
        broker.delete_topic(topic)
    for topic in (listed, matched):
        instance.wait_log(f"{topic}: topic deleted", timeout=60)
    broker.produce(staying, json_values(50))
    health = instance.wait_written(140)
    assert health.is_healthy, health.body
    time.sleep(15)
    quiet = len(instance.log().splitlines())
    time.sleep(15)
    assert instance.wait_answering().is_healthy
    said = instance.log().splitlines()
    assert len(said) - quiet <= 1, "\n".join(said[quiet:])
    for topic in (listed, matched):
        assert sum(topic in line for line in said if "warn" in line or "error" in line) <= 3
    instance.stop()
    assert_exactly_once(Table(bucket, staying), broker, group)
    for topic, before in rows.items():
        assert sorted(Table(bucket, topic).rows_by_delta_rs()) == before


def test_a_deleted_topic_that_comes_back_as_another_one_halts(
    broker, bucket, group, stem, environment, start
):
    topic = f"{stem}a"
    broker.create_topic(topic, 1)
    broker.produce(topic, json_values(30))
    instance = start(environment(matching(stem)))
    instance.wait_written(30)
    rows = sorted(Table(bucket, topic).rows_by_delta_rs())
    broker.delete_topic(topic)
    instance.wait_log(f"{topic}: topic deleted", timeout=60)
    assert instance.wait_answering().is_healthy

    broker.create_topic(topic, 1)
    broker.produce(topic, json_values(50))
    health = instance.wait_unhealthy(timeout=40)
    assert any(topic in reason for reason in health.body["reasons"]), health.body
    assert "created again" in instance.log()
    assert health.body["messages_written"] == 30
    instance.stop(codes=(0, 1))
    assert sorted(Table(bucket, topic).rows_by_delta_rs()) == rows


def test_rows_that_were_read_long_before_the_deletion_are_still_written(
    broker, bucket, group, stem, environment, start
):
    topic = f"{stem}a"
    broker.create_topic(topic, 2)
    broker.produce(topic, json_values(30))
    expected = {(r.partition, r.offset, r.value) for r in broker.read_visible(topic)}
    instance = start(environment(matching(stem), BATCH_INTERVAL_SECONDS="300"))
    instance.wait_log("begins at offset", times=2)
    # The service asks Kafka about its topics every ten seconds.
    time.sleep(25)
    assert instance.wait_answering().body["messages_written"] == 0
    broker.delete_topic(topic)
    health = instance.wait_written(30, timeout=60)
    assert health.is_healthy, health.body
    instance.wait_log(f"{topic}: topic deleted", timeout=30)
    instance.stop()
    assert set(Table(bucket, topic).rows_by_delta_rs()) == expected


def test_rows_that_cannot_be_told_from_those_of_another_topic_are_named_as_lost(
    broker, bucket, group, stem, environment, start
):
    going, staying = f"{stem}going", f"{stem}staying"
    for topic in (going, staying):
        broker.create_topic(topic, 1)
    instance = start(environment(matching(stem), BATCH_INTERVAL_SECONDS="15"))
    instance.wait_log("begins at offset", times=2)
    broker.produce(staying, json_values(10))
    instance.wait_written(10)
    # Kafka is asked before each commit: nobody asks in the seconds after one.
    broker.produce(going, json_values(30))
    instance.wait_consumed(going, 30)
    broker.delete_topic(going)
    health = instance.wait_unhealthy(timeout=60)
    assert "30 rows, partition 0 offsets 0 to 29" in str(health.body["reasons"]), health.body
    assert f"{going}: topic deleted before" in instance.log()

    broker.produce(staying, json_values(10))
    instance.wait_written(20)
    instance.stop(codes=(0, 1))
    assert Table(bucket, going).rows_by_delta_rs() == []
    assert_exactly_once(Table(bucket, staying), broker, group)


def test_once_copies_all_that_a_pattern_matches(broker, bucket, group, stem, environment, start):
    topics = [f"{stem}{ending}" for ending in "abc"]
    for topic in topics:
        broker.create_topic(topic, 2)
        broker.produce(topic, json_values(30))
    instance = start(environment(matching(stem)), "run", "--once")
    assert instance.wait_exit(60) == 0
    for topic in topics:
        assert_exactly_once(Table(bucket, topic), broker, group)


def test_once_with_a_pattern_that_matches_nothing_says_so_and_ends(stem, environment, start):
    instance = start(environment(matching(stem)), "run", "--once")
    assert instance.wait_exit(60) == 0
    assert f"no topic matches {matching(stem)}" in instance.log()


def test_matched_topics_that_would_share_a_table_are_refused(
    broker, bucket, group, stem, environment, start
):
    taken, refused = f"{stem}x-y", f"{stem}x_y"
    for topic in (taken, refused):
        broker.create_topic(topic, 1)
        broker.produce(topic, json_values(30))
    instance = start(environment(matching(stem)))
    broker.wait_caught_up(group, taken)
    reasons = instance.wait_unhealthy().body["reasons"]
    assert any(refused in reason and "share" in reason for reason in reasons), reasons
    instance.stop(codes=(0, 1))
    assert instance.log().count(f"{refused}: the topic is not copied") == 1
    assert_exactly_once(Table(bucket, taken), broker, group)
    assert Table(bucket, refused).commits() == []


@pytest.mark.parametrize("pattern", ["^(", "^a[", "^a{1,3}", "^*)"])
def test_a_malformed_pattern_is_refused_at_start(pattern, environment):
    done = run_command("run", environment=environment(f"good,{pattern}"))
    assert done.exit_code == 2, done.text
    assert "KAFKA_TOPICS" in done.errors
    assert pattern.split(",")[0] in done.errors


def test_two_instances_share_what_a_pattern_matches(
    broker, bucket, group, stem, environment, start
):
    topics = [f"{stem}{ending}" for ending in "abc"]
    for topic in topics[:2]:
        broker.create_topic(topic, 4)
        broker.produce(topic, json_values(100))
    instances = [start(environment(matching(stem))) for _ in range(2)]
    broker.wait_members(group, 2)
    broker.create_topic(topics[2], 4)
    broker.produce(topics[2], json_values(100))
    broker.wait_caught_up(group, *topics)
    wait_until(
        lambda: {t for share in broker.assignments(group) for t, _ in share} == set(topics),
        30,
        "all topics are shared",
    )
    for instance in instances:
        instance.stop()
    for topic in topics:
        assert_exactly_once(Table(bucket, topic), broker, group)
