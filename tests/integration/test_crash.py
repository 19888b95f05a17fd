"""kill -9 wherever it hurts; the ordinary service then goes on without a gap or a copy."""

from __future__ import annotations

import random
import time

import pytest
from harness.payloads import Stream, json_values
from harness.service import FAULTY_BINARY
from harness.tables import assert_exactly_once

KILLED = 128 + 9

# At the N-th passing: the first batch lands, a later one is hit.
KILL_POINTS = [
    "assign_before_read",
    "init_after_put",
    "flush_before_file:2",
    "flush_after_file:2",
    "commit_before_put:2",
    "commit_after_put:2",
    "offsets_before_commit:2",
    "offsets_after_commit:2",
]


@pytest.mark.parametrize("kill_point", KILL_POINTS)
def test_a_kill_at(kill_point, broker, topic, table, group, environment, start):
    broker.produce(topic, json_values(200))
    variables = environment(topic, BATCH_INTERVAL_SECONDS="0.3", KAFKA_SESSION_TIMEOUT_MS="2000")
    faulty = start({**variables, "BRONZE_KILL_POINT": kill_point}, binary=FAULTY_BINARY)
    with Stream(broker, topic):
        assert faulty.wait_exit(30) == KILLED
    before = broker.committed_offsets(group, topic)

    instance = start(variables)
    broker.wait_caught_up(group, topic)
    instance.stop()

    assert_exactly_once(table, broker, group)
    after = broker.committed_offsets(group, topic)
    assert all(after[p] >= offset for p, offset in before.items())


def test_kills_at_random_moments(broker, topic, table, group, environment, start):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    moments = random.Random(seed)
    variables = environment(
        topic,
        BATCH_INTERVAL_SECONDS="0.2",
        KAFKA_SESSION_TIMEOUT_MS="1000",
        KAFKA_PROPERTIES="heartbeat.interval.ms=200",
    )
    with Stream(broker, topic):
        for _ in range(8):
            instance = start(variables)
            time.sleep(moments.uniform(0.5, 3))
            assert instance.running, instance.tail()
            instance.kill()
    last = start(variables)
    broker.wait_caught_up(group, topic)
    last.stop()
    assert_exactly_once(table, broker, group)
