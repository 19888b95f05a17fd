"""Rows 3 and 4: an instance is stopped between its check and its put, and wakes up late."""

from __future__ import annotations

import signal
import threading

import pytest
from cells import QUICK_GROUP
from harness.group_offsets import assert_never_fell
from harness.payloads import json_values
from harness.processes import wait_until
from harness.tables import Table


class Held:
    """Stops an instance when its next commit with rows is on the way; `let_go` sends it on."""

    def __init__(self, proxy) -> None:
        self.instance = None
        self.reached = threading.Event()
        self._let_go = threading.Event()
        proxy.judge = self._judge

    def _judge(self, request):
        if not request.is_commit or request.version < 2 or self.reached.is_set():
            return None
        return self._hold

    def _hold(self, exchange) -> None:
        self.instance.send(signal.SIGSTOP)
        self.reached.set()
        self._let_go.wait(60)
        exchange.send(exchange.forward())

    def let_go(self) -> None:
        self._let_go.set()


@pytest.fixture
def stopped(broker, new_topic, bucket, environment, start, proxy, counts):
    """Instance A, stopped for longer than the session time-out while its commit is held."""
    topic = new_topic(2)
    variables = environment(topic, BATCH_INTERVAL_SECONDS="0.3", **QUICK_GROUP)
    broker.produce(topic, json_values(100))
    held = Held(proxy)
    held.instance = start({**variables, "S3_ENDPOINT_URL": proxy.endpoint})
    wait_until(held.reached.is_set, 30, "the commit is on its way")
    counts.add(long_stops=1)
    return Table(bucket, topic), variables, held


def test_an_heir_has_committed(broker, group, stopped, start, oracle, instance_logs):
    """Row 3: A is fenced, discards, and never moves Kafka's offsets backwards."""
    table, variables, held = stopped
    broker.produce(table.topic, json_values(50))
    heir = start(variables)
    heir.wait_written(150)
    broker.wait_caught_up(group, table.topic)

    held.let_go()
    held.instance.send(signal.SIGCONT)
    held.instance.wait_log("starting over from the table", 30)
    broker.wait_members(group, 2)
    broker.produce(table.topic, json_values(60))
    broker.wait_caught_up(group, table.topic)
    for instance in (heir, held.instance):
        instance.stop()
    assert_never_fell(broker, group, table.topic)
    oracle(table, logs=instance_logs())


def test_the_commit_lands_before_the_heir_has_committed(
    broker, group, stopped, start, oracle, instance_logs
):
    """Row 4: A's commit lands; B, which has read the same, resolves and drops what A wrote."""
    table, variables, held = stopped
    # On a busy machine B must not lose what it has just got.
    patient = {"BATCH_INTERVAL_SECONDS": "15", "KAFKA_SESSION_TIMEOUT_MS": "30000"}
    heir = start({**variables, **patient})
    heir.wait_log("begins at offset", 30, times=2)
    broker.wait_members(group, 1)
    # B reads on at once; its batch is open for 15 s.
    held.let_go()
    wait_until(lambda: table.data_commits(), 60, "A's commit has landed")
    heir.wait_log("starting over from the table", 60)
    held.instance.send(signal.SIGCONT)
    broker.wait_members(group, 2)
    broker.produce(table.topic, json_values(60))
    broker.wait_caught_up(group, table.topic)
    for instance in (heir, held.instance):
        instance.stop()
    assert_never_fell(broker, group, table.topic)
    verdict = oracle(table, logs=instance_logs())
    assert verdict.records == 160
