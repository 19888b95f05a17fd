"""A topic goes into a table, whole and once, and two independent readers agree."""

from __future__ import annotations

from collections import Counter

import pytest
from harness.payloads import ODD_BUT_VALID, json_values
from harness.tables import Table, assert_exactly_once, assert_same_rows


def test_every_record_lands_once_in_minio(broker, topic, table, group, environment, start):
    count = broker.produce(topic, json_values(1000))
    instance = start(environment(topic))
    count += broker.produce(topic, ODD_BUT_VALID)
    count += broker.produce(topic, json_values(50))

    broker.wait_caught_up(group, topic)

    health = instance.health()
    assert health and health.is_healthy, health
    assert health.body["status"] == "healthy"
    assert health.body["messages_written"] == count
    assert health.body["errors"] == 0
    assert health.body["dlq_messages"] == 0
    assert health.body["last_write"].endswith("+00:00")
    instance.stop()
    assert_exactly_once(table, broker, group)
    assert broker.is_caught_up(group, topic)


def test_every_record_lands_once_in_a_folder(broker, topic, folder, group, environment, start):
    broker.produce(topic, [*json_values(300), *ODD_BUT_VALID])
    instance = start(environment(topic, store=folder))

    broker.wait_caught_up(group, topic)

    instance.stop()
    assert_exactly_once(Table(folder, topic), broker, group)


def test_what_is_held_at_sigterm_is_written(broker, topic, table, group, environment, start):
    broker.produce(topic, json_values(200))
    instance = start(environment(topic, BATCH_INTERVAL_SECONDS="600"))
    instance.wait_consumed(topic, 200)
    assert not table.data_commits()

    instance.stop(timeout=25)

    assert_exactly_once(table, broker, group)
    assert broker.is_caught_up(group, topic)


def test_a_second_run_goes_on_where_the_first_ended(
    broker, topic, table, group, environment, start
):
    for _ in range(2):
        broker.produce(topic, json_values(150))
        instance = start(environment(topic))
        broker.wait_caught_up(group, topic)
        instance.stop()
    assert_exactly_once(table, broker, group)


def test_several_topics_go_into_their_own_tables(
    broker, new_topic, bucket, group, environment, start
):
    topics = [new_topic(partitions) for partitions in (1, 2, 4)]
    for topic in topics:
        broker.produce(topic, json_values(120))
    instance = start(environment(*topics))

    broker.wait_caught_up(group, *topics)

    instance.stop()
    for topic in topics:
        assert_exactly_once(Table(bucket, topic), broker, group)


def test_aborted_and_open_transactions_are_not_copied(
    broker, new_topic, bucket, group, environment, start
):
    topic = new_topic(1)
    broker.produce(topic, json_values(20))
    transactional = broker.producer(**{"transactional.id": f"tx-{topic}"})
    transactional.init_transactions(30)
    for value, finish in ((b'"kept"', "commit"), (b'"dropped"', "abort")):
        transactional.begin_transaction()
        transactional.produce(topic, value)
        transactional.flush(10)
        getattr(transactional, f"{finish}_transaction")(30)

    instance = start(environment(topic))
    broker.wait_caught_up(group, topic)
    instance.stop()

    table = Table(bucket, topic)
    assert_exactly_once(table, broker, group)
    values = [value for _, _, value in table.rows_by_delta_rs()]
    assert b'"kept"' in values and b'"dropped"' not in values
    assert table.progress(group, broker.topic_uuid(topic)) == {0: 24}


def test_the_oracle_sees_loss_copies_and_changes():
    """The other tests lean on the oracle, so it is shown what it must refuse."""
    rows = [(0, 0, b"a"), (0, 1, None), (1, 0, b"c")]
    assert_same_rows(Counter(rows), Counter(rows), "test")
    wrong = [
        rows[:2],
        [*rows, rows[0]],
        [(0, 0, b"A"), *rows[1:]],
        [(0, 0, b"a"), (0, 1, b""), rows[2]],
    ]
    for found in wrong:
        with pytest.raises(AssertionError):
            assert_same_rows(Counter(found), Counter(rows), "test")
