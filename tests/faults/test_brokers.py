"""Rows 10, 11 and 13: what happens to brokers, topics and transactions.

A broker that is restarted, killed, frozen or comes late is in tests/integration/test_restarts.py;
partitions that are added and a topic that is created again while the service runs, in
test_topics.py; a topic that is deleted, in test_discovery.py; one committed and one aborted
transaction, in test_end_to_end.py. What ON_DATA_LOSS and ON_TOPIC_RECREATED do when they are not
`stop` has tests of its own.
"""

from __future__ import annotations

import itertools
import json
import signal
import time
import uuid

import java_consumer
import pytest
from cluster import NODES, Cluster
from harness.kafka import Broker, Record
from harness.payloads import Stream, json_values
from harness.processes import wait_until
from harness.tables import Table
from oracle import examine
from topics import add_partitions, forget_before, truncate

STOPPED = 1


def before(records: list[Record], progress: dict[int, int]) -> list[Record]:
    """Those that a table with that progress must hold."""
    return [record for record in records if record.offset < progress[record.partition]]


def beginnings(log: str) -> list[str]:
    return [line for line in log.splitlines() if " begins at offset " in line]


# --- row 10 ---------------------------------------------------------------------------------------


@pytest.mark.row(10)
@pytest.mark.full
@pytest.mark.timeout(600)
def test_no_broker_for_minutes(broker, topic, table, group, environment, start, oracle):
    variables = environment(topic, BATCH_INTERVAL_SECONDS="2", HEALTH_MAX_WRITE_AGE_SECONDS="30")
    instance = start(variables)
    broker.produce(topic, json_values(300))
    instance.wait_written(1)
    broker.produce(topic, json_values(300))
    broker.kill()
    time.sleep(150)
    assert instance.running, instance.tail()
    health = instance.health()
    assert any("no broker" in reason for reason in health.body["reasons"]), health.body
    broker.start()
    broker.produce(topic, json_values(300))

    broker.wait_caught_up(group, topic, timeout=120)
    wait_until(lambda: instance.wait_answering().is_healthy, 60, "it is healthy again")
    instance.stop()
    # Each later beginning is where the table is, never the start or the end of the topic.
    assert all("the table's progress" in line for line in beginnings(instance.log())[3:])
    oracle(table)


@pytest.mark.row(10)
@pytest.mark.full
@pytest.mark.timeout(600)
def test_leaders_that_move(tmp_path, bucket, unique, group, environment, start):
    cluster = Cluster(tmp_path / "cluster")
    topic = unique("topic")
    try:
        cluster.start()
        cluster.create_topic(topic, 6)
        variables = environment(topic, BATCH_INTERVAL_SECONDS="0.5")
        instance = start({**variables, "KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap})
        with Stream(cluster, topic):
            for node in range(NODES):
                before = cluster.leaders(topic)
                assert node in before.values()
                cluster.kill_node(node)
                wait_until(
                    lambda node=node: node not in cluster.leaders(topic).values(),
                    60,
                    f"broker {node} leads nothing",
                )
                written = instance.wait_answering().body["messages_written"]
                instance.wait_written(written + 500, timeout=90)
                cluster.start_node(node)
                cluster.wait_in_sync(topic)
                cluster.run_tool(
                    "org.apache.kafka.tools.LeaderElectionCommand",
                    *("--bootstrap-server", cluster.bootstrap),
                    *("--election-type", "preferred", "--all-topic-partitions"),
                )
        cluster.wait_caught_up(group, topic, timeout=90)
        assert not any(
            "truncated" in line for line in instance.log().splitlines() if "stop" in line
        )
        instance.stop()
        # `bronze check` of the oracle would ask the session's own broker.
        verdict = examine(Table(bucket, topic), cluster, group)
        assert verdict.holds, verdict
    finally:
        cluster.stop()


# --- row 11 ---------------------------------------------------------------------------------------


@pytest.mark.row(11)
def test_retention_that_overtakes_while_down_stops_the_partition(
    broker, topic, table, group, environment, start, oracle, instance_logs
):
    for partition in range(3):
        broker.produce(topic, json_values(20), partition=partition)
    assert start(environment(topic), "run", "--once").wait_exit(60) == 0
    for partition in range(3):
        broker.produce(topic, json_values(20), partition=partition)
    everything = broker.read_visible(topic)
    forget_before(broker, topic, 0, 35)
    # Exactly up to where we are: nothing is lost.
    forget_before(broker, topic, 1, 20)

    instance = start(environment(topic), "run", "--once")

    assert instance.wait_exit(60) == STOPPED, instance.tail()
    assert "data loss" in instance.log() and "15 offsets are gone" in instance.log()
    progress = {0: 20, 1: 40, 2: 40}
    assert table.progress(group, broker.topic_uuid(topic)) == progress
    assert broker.committed_offsets(group, topic) == progress
    oracle(
        table,
        expected=before(everything, progress),
        progress=progress,
        logs=instance_logs(),
        check_exits=(1,),
    )


@pytest.mark.row(11)
def test_retention_that_overtakes_a_running_service_stops_the_partition(
    broker, topic, table, group, environment, start, oracle, instance_logs
):
    for partition in range(3):
        broker.produce(topic, json_values(20), partition=partition)
    instance = start(
        environment(topic, BATCH_INTERVAL_SECONDS="0.3", KAFKA_SESSION_TIMEOUT_MS="30000")
    )
    broker.wait_caught_up(group, topic)

    instance.send(signal.SIGSTOP)
    for _ in range(3):
        broker.produce(topic, json_values(200), partition=0)
    everything = broker.read_visible(topic)
    forget_before(broker, topic, 0, 600)
    instance.send(signal.SIGCONT)

    health = instance.wait_unhealthy(60)
    assert any("data loss" in reason for reason in health.body["reasons"]), health.body
    broker.produce(topic, json_values(20), partition=1)
    wait_until(lambda: broker.committed_offsets(group, topic).get(1) == 40, 30, "the others go on")
    everything = list({*everything, *broker.read_visible(topic)})
    instance.stop(codes=(0, 1))
    progress = table.progress(group, broker.topic_uuid(topic))
    assert 20 <= progress[0] < 600 and (progress[1], progress[2]) == (40, 20)
    assert broker.committed_offsets(group, topic) == progress
    # Nothing behind the hole.
    oracle(
        table,
        expected=before(everything, progress),
        progress=progress,
        logs=instance_logs(),
        check_exits=(1,),
    )


@pytest.mark.row(11)
@pytest.mark.parametrize(
    "count", [pytest.param(5, id="shorter", marks=pytest.mark.full), pytest.param(200, id="longer")]
)
def test_a_topic_that_is_created_again_while_down_is_not_copied(
    count, broker, topic, table, group, environment, start, oracle, instance_logs
):
    broker.produce(topic, json_values(90))
    everything = broker.read_visible(topic)
    assert start(environment(topic), "run", "--once").wait_exit(60) == 0
    old = broker.topic_uuid(topic)
    progress = table.progress(group, old)
    broker.delete_topic(topic)
    broker.create_topic(topic, 3)
    broker.produce(topic, json_values(count))
    offsets = broker.committed_offsets(group, topic)

    instance = start(environment(topic), "run", "--once")

    assert instance.wait_exit(60) == STOPPED, instance.tail()
    assert "created again" in instance.log()
    assert broker.committed_offsets(group, topic) == offsets
    assert table.progress(group, old) == progress
    oracle(
        table,
        expected=everything,
        progress=progress,
        logs=instance_logs(),
        check_exits=(1,),
    )
    assert broker.topic_uuid(topic) not in " ".join(table.txns())


@pytest.mark.full
@pytest.mark.row(11)
@pytest.mark.timeout(400)
def test_a_log_that_a_broker_truncates_stops_the_partition(
    tmp_path, bucket, unique, group, environment, start, instance_logs
):
    own = Broker(tmp_path / "own")
    topic = unique("topic")
    variables = {**environment(topic), "KAFKA_BOOTSTRAP_SERVERS": own.bootstrap}
    try:
        own.start()
        own.create_topic(topic, 2)
        for _ in range(5):
            own.produce(topic, json_values(10), partition=0)
        own.produce(topic, json_values(10), partition=1)
        assert start(variables, "run", "--once").wait_exit(60) == 0
        everything, identity = own.read_visible(topic), own.topic_uuid(topic)
        offsets = own.committed_offsets(group, topic)
        assert offsets == {0: 50, 1: 10}

        own.stop()
        truncate(own, topic, 0, 20)
        own.start()
        assert own.topic_uuid(topic) == identity
        assert own.end_offsets(topic) == {0: 20, 1: 10}
        # Others than the table has from there.
        own.produce(topic, json_values(10), partition=0)
        own.produce(topic, json_values(10), partition=1)
        everything += [r for r in own.read_visible(topic) if r.partition == 1 and r.offset >= 10]

        instance = start(variables)
        # It asks again for half a minute.
        health = instance.wait_unhealthy(120)
        (said,) = (reason for reason in health.body["reasons"] if "truncated" in reason)
        assert "partition 0" in said and "ends at 30" in said, said
        assert "offsets 30 to 49" in said and "another KAFKA_CONSUMER_GROUP" in said, said
        wait_until(
            lambda: own.committed_offsets(group, topic).get(1) == 20, 60, "the other goes on"
        )
        instance.stop(codes=(0, 1))
        progress = {0: 50, 1: 20}
        assert own.committed_offsets(group, topic) == progress
        table = Table(bucket, topic)
        assert table.progress(group, identity) == progress
        verdict = examine(
            *(table, own, group),
            expected=everything,
            progress=progress,
            logs=instance_logs(),
            check_exits=(1,),
        )
        assert verdict.holds, verdict
    finally:
        own.stop()


@pytest.mark.row(11)
def test_partitions_that_are_added_while_down_begin_at_zero(
    broker, new_topic, bucket, group, environment, start, oracle
):
    topic = new_topic(1)
    broker.produce(topic, json_values(20))
    # Where to begin counts for what was there when the topic was first seen.
    variables = environment(topic, KAFKA_START="latest")
    assert start(variables, "run", "--once").wait_exit(60) == 0
    add_partitions(broker, topic, 3)
    for partition in range(3):
        broker.produce(topic, json_values(20), partition=partition)

    instance = start(variables, "run", "--once")

    assert instance.wait_exit(60) == 0, instance.tail()
    oracle(
        Table(bucket, topic),
        expected=[r for r in broker.read_visible(topic) if r.partition or r.offset >= 20],
        progress=broker.end_offsets(topic),
    )


# --- row 13 ---------------------------------------------------------------------------------------


@pytest.fixture
def transactions(broker, topic):
    """A producer for transactions; call it for one more."""
    numbers = itertools.count()

    def make():
        producer = broker.producer(**{"transactional.id": f"{topic}-{next(numbers)}"})
        producer.init_transactions(30)
        return producer

    return make


def send(producer, topic: str, values: list[bytes], partition: int = 0) -> None:
    for value in values:
        producer.produce(topic, value, partition=partition)
    assert producer.flush(20) == 0


@pytest.mark.row(13)
def test_aborted_transactions_of_many_batches(
    transactions, broker, topic, table, group, environment, start, oracle
):
    """With others in between and the last word of every partition: the lag still reaches 0."""
    instance = start(environment(topic, BATCH_INTERVAL_SECONDS="0.2"))
    aborting, committing = transactions(), transactions()
    for turn in range(4):
        aborting.begin_transaction()
        committing.begin_transaction()
        for partition in range(3):
            send(aborting, topic, [b'"dropped"'] * 50, partition)
            send(committing, topic, json_values(10), partition)
        broker.produce(topic, json_values(5), partition=turn % 3)
        committing.commit_transaction(30)
        aborting.abort_transaction(30)
    broker.wait_caught_up(group, topic)
    wait_until(
        lambda: set(broker.group_lag(group, topic).values()) == {0}, 30, "Kafka shows no lag", 1
    )
    instance.stop()
    oracle(table)
    rows = table.rows_by_delta_rs()
    assert b'"dropped"' not in {value for _, _, value in rows}
    # A second opinion: the oracle's consumer is of the same library as the service's.
    assert sorted(java_consumer.read_visible(broker, topic, len(rows))) == sorted(rows)


@pytest.mark.row(13)
def test_a_partition_of_nothing_but_aborted_records(
    transactions, broker, new_topic, bucket, group, environment, start, oracle
):
    topic = new_topic(1)
    aborting = transactions()
    for _ in range(3):
        aborting.begin_transaction()
        send(aborting, topic, [b'"dropped"'] * 20)
        aborting.abort_transaction(30)
    instance = start(environment(topic), "run", "--once")
    assert instance.wait_exit(60) == 0, instance.tail()
    table = Table(bucket, topic)
    oracle(table)
    assert table.progress(group, broker.topic_uuid(topic)) == {0: 63}
    assert not table.data_commits()


@pytest.mark.full
@pytest.mark.row(13)
def test_an_open_transaction_holds_the_topic_up_and_can_be_seen(
    transactions, broker, new_topic, bucket, group, environment, start, oracle
):
    topic = new_topic(1)
    broker.produce(topic, json_values(10))
    instance = start(environment(topic, BATCH_INTERVAL_SECONDS="0.3"))
    broker.wait_caught_up(group, topic)

    stuck = transactions()
    stuck.begin_transaction()
    send(stuck, topic, json_values(10))
    broker.produce(topic, json_values(10))
    # Kafka shows what waits behind it, as for every consumer that reads only what is committed.
    assert broker.end_offsets(topic) == {0: 10}
    assert broker.group_lag(group, topic) == {0: 20}
    assert instance.wait_answering().is_healthy
    assert broker.committed_offsets(group, topic) == {0: 10}

    stuck.commit_transaction(30)
    broker.wait_caught_up(group, topic)
    assert broker.group_lag(group, topic) == {0: 0}
    instance.stop()
    oracle(Table(bucket, topic))


@pytest.mark.full
@pytest.mark.row(13)
@pytest.mark.timeout(240)
def test_a_compacted_topic(broker, new_topic, bucket, group, environment, start, oracle):
    """Offsets are missing anywhere, also after they were read, and at the end of a segment."""
    topic = new_topic(
        1,
        **{
            "cleanup.policy": "compact",
            "segment.ms": "500",
            "min.cleanable.dirty.ratio": "0.001",
            "max.compaction.lag.ms": "500",
            "delete.retention.ms": "500",
        },
    )
    run = uuid.uuid4().hex
    producer = broker.producer()

    def produce(rounds: range) -> None:
        for number in rounds:
            for key in range(10):
                value = json.dumps({"id": f"{run}-{number}-{key}"}).encode()
                producer.produce(topic, value, key=b"%d" % key)
            producer.flush(20)

    produce(range(50))
    time.sleep(1)
    # Only what is no longer in the newest segment is compacted.
    produce(range(50, 51))
    wait_until(lambda: len(broker.read_visible(topic)) < 500, 90, "Kafka has compacted", 1)
    instance = start(environment(topic, BATCH_INTERVAL_SECONDS="0.3"))
    broker.wait_caught_up(group, topic)
    seen = broker.read_visible(topic)
    assert len(seen) < broker.end_offsets(topic)[0]
    produce(range(51, 60))
    broker.wait_caught_up(group, topic)
    assert broker.group_lag(group, topic) == {0: 0}
    instance.stop()
    table = Table(bucket, topic)
    rows = table.rows_by_delta_rs()
    assert len(rows) == len({offset for _, offset, _ in rows})
    # Compaction may have gone on: what Kafka still shows must all be there.
    assert {(r.partition, r.offset, r.value) for r in broker.read_visible(topic)} <= set(rows)
    assert table.progress(group, broker.topic_uuid(topic)) == broker.end_offsets(topic)
