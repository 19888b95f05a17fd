"""Rows 2, 12 and 20: many instances of one group, and how they end."""

from __future__ import annotations

import signal
import threading

import pytest
import s3_proxy
from cells import QUICK_GROUP
from harness.payloads import Stream, json_values
from harness.processes import wait_until
from harness.tables import Table
from oracle import TRIED_AGAIN, claims

UNFLUSHED = 4
SECOND_SIGTERM = 128 + 15


@pytest.mark.parametrize("round_", range(3))
def test_three_instances_start_at_once_on_an_empty_store(
    round_, broker, new_topic, bucket, group, environment, start, oracle, instance_logs
):
    """Row 20: one creates each table, the others open it."""
    topics = [new_topic(3) for _ in range(3)]
    for topic in topics:
        broker.produce(topic, json_values(30))
    variables = environment(*topics, BATCH_INTERVAL_SECONDS="0.3", **QUICK_GROUP)
    instances = [start(variables) for _ in range(3)]
    broker.wait_caught_up(group, *topics)
    broker.wait_members(group, 3)
    for instance in instances:
        instance.stop()
    for topic in topics:
        table = Table(bucket, topic)
        oracle(table, logs=instance_logs(), by_kernel=round_ == 0)
        assert sum(commit.metadata is not None for commit in table.commits()) == 1


@pytest.mark.timeout(400)
def test_eight_instances_on_the_same_tables_and_nobody_starves(
    broker, new_topic, bucket, group, environment, start, oracle, counts, full_run, instance_logs
):
    """Each has its share of both topics, so that all eight commit to both tables."""
    topics = [new_topic(8), new_topic(8)]
    variables = environment(*topics, BATCH_INTERVAL_SECONDS="2")
    instances = [start(variables) for _ in range(8)]
    broker.wait_members(group, 8, timeout=60)
    with Stream(broker, topics[0]), Stream(broker, topics[1]):
        marks = [len(claims(instance.log())) for instance in instances]
        goal = 30 if full_run else 4

        def all_have_committed() -> bool:
            done = [len(claims(instance.log())) for instance in instances]
            return all(now - mark >= goal for now, mark in zip(done, marks, strict=True))

        wait_until(all_have_committed, 170, f"each instance has committed {goal} times", 0.5)
    broker.wait_caught_up(group, *topics, timeout=90)
    for instance in instances:
        instance.stop()
    logs = instance_logs()
    took = [claim.milliseconds for log in logs for claim in claims(log)]
    counts.add_commits(took, sum(len(TRIED_AGAIN.findall(log)) for log in logs))
    for topic in topics:
        oracle(Table(bucket, topic), logs=logs)


# --- row 2: signals -----------------------------------------------------------------------------


@pytest.fixture
def busy(broker, topic, environment, start, proxy):
    """An instance behind a proxy, its variables, and the stream of records."""
    variables = environment(
        topic,
        BATCH_INTERVAL_SECONDS="0.5",
        SHUTDOWN_TIMEOUT_SECONDS="10",
        S3_ENDPOINT_URL=proxy.endpoint,
        **QUICK_GROUP,
    )
    instance = start(variables)
    stream = Stream(broker, topic)
    with stream:
        instance.wait_written(1)
        yield instance, variables, stream


@pytest.fixture
def finish(broker, topic, table, group, start, oracle, instance_logs):
    """finish(variables, stream) has another instance write the rest, and asks the oracle."""

    def last(variables: dict[str, str], stream: Stream) -> None:
        stream.stop()
        instance = start(variables)
        broker.produce(topic, json_values(1))
        instance.wait_written(1)
        broker.wait_caught_up(group, topic)
        instance.stop()
        oracle(table, logs=instance_logs())

    return last


def test_sigterm_writes_what_was_read(broker, topic, table, group, busy, finish, counts):
    instance, variables, stream = busy
    instance.stop()
    counts.add(terminations=1)
    told = broker.committed_offsets(group, topic)
    assert told == table.progress(group, broker.topic_uuid(topic))
    finish(variables, stream)


def test_a_second_sigterm_ends_at_once(busy, proxy, finish, counts):
    """The commit hangs; what it was about is read again."""
    instance, variables, stream = busy
    hangs, over = threading.Event(), threading.Event()

    def hang(_exchange) -> None:
        hangs.set()
        over.wait(60)

    proxy.judge = lambda request: hang if request.is_commit else None
    wait_until(hangs.is_set, 30, "a commit hangs")
    instance.send(signal.SIGTERM)
    instance.wait_log("stopping: writing what was read")
    instance.send(signal.SIGTERM)
    assert instance.wait_exit(20) == SECOND_SIGTERM
    counts.add(terminations=2)
    over.set()
    proxy.judge = s3_proxy.pass_on
    finish(variables, stream)


def test_sigterm_while_the_store_does_not_answer(busy, proxy, finish, counts):
    """It ends within SHUTDOWN_TIMEOUT_SECONDS, and says that not everything is written."""
    instance, variables, stream = busy
    proxy.judge = lambda _: s3_proxy.reset_instead
    instance.wait_errors(60)
    instance.stop(timeout=40, codes=(UNFLUSHED,))
    counts.add(terminations=1)
    proxy.judge = s3_proxy.pass_on
    finish(variables, stream)
