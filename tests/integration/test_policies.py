"""ON_DATA_LOSS and ON_TOPIC_RECREATED: what Kafka lost, and topics that are other ones now."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from confluent_kafka import TopicPartition
from harness.kafka import Broker, Record
from harness.payloads import json_values
from harness.processes import running, wait_until
from harness.tables import Table, assert_log_is_contiguous, assert_same_rows

SKIP = {"ON_DATA_LOSS": "skip"}
NEW_EPOCH = {"ON_TOPIC_RECREATED": "new_epoch"}


@pytest.fixture(scope="module")
def other_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    yield from running(Broker(tmp_path_factory.mktemp("other-kafka")))


@pytest.fixture
def run_once(start):
    def run(environment: dict[str, str], code: int = 0) -> str:
        instance = start(environment, "run", "--once")
        assert instance.wait_exit(60) == code, instance.tail()
        return instance.log()

    return run


def delete_records(broker: Broker, topic: str, before: int) -> None:
    wanted = [TopicPartition(topic, 0, before)]
    for answer in broker.admin.delete_records(wanted).values():
        answer.result(15)


def stated_gaps(table: Table) -> list[dict[str, list[int]]]:
    parameters = [commit.info.get("operationParameters", {}) for commit in table.commits()]
    return [json.loads(found["bronzeSkipped"]) for found in parameters if "bronzeSkipped" in found]


def assert_rows(table: Table, *topics: list[Record]) -> None:
    """Every record of each of these topics, once, and nothing else."""
    expected = Counter((r.partition, r.offset, r.value) for records in topics for r in records)
    assert_same_rows(Counter(table.rows_by_delta_rs()), expected, "delta-rs")
    assert_same_rows(Counter(table.rows_by_duckdb()), expected, "DuckDB")
    assert_log_is_contiguous(table)


def since(table: Table, group: str, uuid: str) -> int:
    return table.txns()[f"bronze/{quote(group, safe='')}/{table.topic}/{uuid}/since"]


# --- records that Kafka lost ----------------------------------------------------------------------


@pytest.fixture
def overtaken(broker, new_topic, bucket, environment, run_once):
    """A topic of one partition of which 0 to 9 are in the table and 10 to 14 are gone."""
    topic = new_topic(1)
    broker.produce(topic, json_values(10), partition=0)
    run_once(environment(topic))
    first = broker.read_visible(topic)
    broker.produce(topic, json_values(10), partition=0)
    delete_records(broker, topic, 15)
    return Table(bucket, topic), first


def test_lost_records_are_skipped_and_the_commit_says_so(
    broker, overtaken, group, environment, run_once
):
    table, first = overtaken
    log = run_once(environment(table.topic, **SKIP))
    assert "5 offsets are gone (10 to 14)" in log
    assert f"{table.topic}: partition 0 begins at offset 15" in log
    assert_rows(table, first, broker.read_visible(table.topic))
    assert stated_gaps(table) == [{"0": [10, 15]}]
    assert table.progress(group, broker.topic_uuid(table.topic)) == {0: 20}
    assert "gone" not in run_once(environment(table.topic, **SKIP)), "once"
    assert len(stated_gaps(table)) == 1


def test_lost_records_stop_the_partition_and_the_log_says_what_to_do(
    overtaken, environment, run_once
):
    table, first = overtaken
    log = run_once(environment(table.topic), code=1)
    assert f"{table.topic}: partition 0 is stopped: data loss: 5 offsets are gone (10 to 14)" in log
    assert "ON_DATA_LOSS=skip" in log
    assert_rows(table, first)
    assert stated_gaps(table) == []


@pytest.mark.parametrize("policy", [SKIP, {}], ids=["skip", "stop"])
def test_records_that_are_lost_while_they_are_read(
    broker, new_topic, bucket, group, environment, start, policy
):
    topic = new_topic(1)
    table = Table(bucket, topic)
    broker.produce(topic, json_values(10), partition=0)
    instance = start(environment(topic, **policy))
    instance.wait_written(10)
    # The broker answers one fetch while the process stands still, with a part of this.
    instance.send(signal.SIGSTOP)
    for _ in range(15):
        broker.produce(topic, [value.ljust(50_000) for value in json_values(6)], partition=0)
    everything = broker.read_visible(topic)
    delete_records(broker, topic, 90)
    instance.send(signal.SIGCONT)

    if not policy:
        instance.wait_log("is stopped: data loss", timeout=30)
        assert not instance.wait_unhealthy().is_healthy
        instance.stop(codes=(0, 1))
        reached = table.progress(group, broker.topic_uuid(topic))[0]
        assert_rows(table, everything[:reached])
        return
    broker.wait_caught_up(group, topic)
    assert instance.wait_answering().is_healthy
    instance.stop()
    ((first, following),) = (gap["0"] for gap in stated_gaps(table))
    assert 10 <= first < 90 == following
    assert_rows(table, everything[:first], everything[following:])


# --- topics that are other ones now ---------------------------------------------------------------


@pytest.mark.parametrize("policy", [NEW_EPOCH, {}], ids=["new_epoch", "stop"])
def test_a_topic_that_is_created_again_shorter_or_longer(
    broker, new_topic, bucket, group, environment, start, policy
):
    lengths = {new_topic(1): 10, new_topic(1): 60}
    old: dict[str, list[Record]] = {}
    uuids: dict[str, str] = {}
    for topic in lengths:
        broker.produce(topic, json_values(30), partition=0)
    instances = [start(environment(*lengths, **policy)) for _ in range(2)]
    broker.wait_caught_up(group, *lengths)
    for topic, length in lengths.items():
        old[topic], uuids[topic] = broker.read_visible(topic), broker.topic_uuid(topic)
        broker.delete_topic(topic)
        broker.create_topic(topic, 1)
        broker.produce(topic, json_values(length), partition=0)

    if not policy:
        for topic in lengths:
            assert any_log(instances, f"{topic}: partition 0 is stopped: the topic was deleted")
        text = "".join(instance.log() for instance in instances)
        for topic, uuid in uuids.items():
            assert f"its id was {uuid} and is now {broker.topic_uuid(topic)}" in text
        assert "ON_TOPIC_RECREATED=new_epoch" in text
    else:
        for topic, length in lengths.items():
            table = Table(bucket, topic)
            wait_progress(table, group, broker.topic_uuid(topic), {0: length})
        broker.wait_caught_up(group, *lengths)
    for instance in instances:
        instance.stop(codes=(0,) if policy else (0, 1))
    for topic in lengths:
        table = Table(bucket, topic)
        assert_rows(table, old[topic], *([broker.read_visible(topic)] if policy else []))
        assert table.progress(group, uuids[topic]) == {0: 30}, "it stays"
        moves = [c for c in table.commits() if f"bronze/{group}/{topic}" in c.txns]
        assert len(moves) == (2 if policy else 1), "one instance won"
        if policy:
            assert_epochs_can_be_told_apart(table, group, broker.topic_uuid(topic), len(old[topic]))


def assert_epochs_can_be_told_apart(table: Table, group: str, uuid: str, old_rows: int) -> None:
    began = since(table, group, uuid)
    ((before,),) = table.duckdb(
        f"SELECT count(*) FROM delta_scan('{{table}}') WHERE epoch_us(_ingested_at) < {began}"
    )
    assert before == old_rows


def any_log(instances, text: str, timeout: float = 60) -> bool:
    return wait_until(
        lambda: any(text in instance.log() for instance in instances), timeout, f"a log says {text}"
    )


def wait_progress(table: Table, group: str, uuid: str, progress: dict[int, int]) -> None:
    wait_until(
        lambda: table.progress(group, uuid) == progress,
        90,
        f"{table.topic} reaches {progress}",
        0.5,
    )


def test_the_same_name_on_another_cluster_is_another_topic(
    broker, other_cluster, new_topic, bucket, group, environment, run_once
):
    topic = new_topic(1)
    table = Table(bucket, topic)
    broker.produce(topic, json_values(20), partition=0)
    run_once(environment(topic))
    old = broker.read_visible(topic)
    other_cluster.create_topic(topic, 2)
    for partition, count in enumerate((30, 5)):
        other_cluster.produce(topic, json_values(count), partition=partition)
    moved = environment(topic, KAFKA_BOOTSTRAP_SERVERS=other_cluster.bootstrap)

    log = run_once(moved, code=1)
    assert "on another cluster" in log and broker.topic_uuid(topic) in log
    assert other_cluster.topic_uuid(topic) in log
    assert_rows(table, old)

    run_once({**moved, **NEW_EPOCH})
    assert_rows(table, old, other_cluster.read_visible(topic))
    assert table.progress(group, other_cluster.topic_uuid(topic)) == {0: 30, 1: 5}
    run_once({**moved, **NEW_EPOCH})
    assert_rows(table, old, other_cluster.read_visible(topic))
