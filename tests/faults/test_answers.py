"""The conditional PUT of a log entry, and what the client is told of it."""

from __future__ import annotations

import itertools
import threading

import pytest
import s3_proxy
from harness.payloads import Stream
from harness.processes import wait_until
from harness.service import FAULTY_BINARY

STORE_TIMEOUT_MS = "700"

# Row 5: it is done, but ...
KINDS = {
    "503": [s3_proxy.answer_after(503, "SlowDown")],
    "500": [s3_proxy.answer_after(500, "InternalError")],
    "reset": [s3_proxy.reset_after],
    "late": [s3_proxy.answer_too_late, s3_proxy.land_too_late(0.02), s3_proxy.land_too_late(1.5)],
    "409": [s3_proxy.answer_after(409, "ConditionalRequestConflict")],
}


@pytest.mark.parametrize("kind", KINDS)
def test_done_but_the_answer_says_otherwise(
    kind, broker, topic, table, environment, start, proxy, oracle, counts, instance_logs
):
    """Every second commit; recognised as our own, exactly one copy of each."""
    goal = 6
    faults = itertools.cycle(KINDS[kind])
    turn = itertools.count()
    injected: list[int] = []
    lock = threading.Lock()

    def judge(request):
        if not request.is_commit:
            return None
        with lock:
            if next(turn) % 2 == 0:
                return None
            injected.append(request.version)
            counts.add_ambiguous(kind)
            return next(faults)

    variables = environment(topic, BATCH_INTERVAL_SECONDS="0.1", S3_ENDPOINT_URL=proxy.endpoint)
    variables["BRONZE_STORE_TIMEOUT_MS"] = STORE_TIMEOUT_MS
    proxy.judge = judge
    with Stream(broker, topic):
        instance = start(variables, binary=FAULTY_BINARY)
        wait_until(lambda: len(injected) >= goal, 60, f"{goal} ambiguous answers")
    broker.wait_caught_up(variables["KAFKA_CONSUMER_GROUP"], topic)
    instance.stop()
    assert "tried again" in instance.log()
    oracle(table, logs=instance_logs())


def test_a_409_of_which_nothing_landed_is_tried_again_at_the_same_version(
    broker, topic, table, environment, start, proxy, oracle, instance_logs
):
    """Row 6."""
    asked: list[int] = []

    def judge(request):
        if not request.is_commit:
            return None
        asked.append(request.version)
        if asked.count(request.version) <= 2:
            return s3_proxy.answer_instead(409, "ConditionalRequestConflict")
        return None

    variables = environment(topic, BATCH_INTERVAL_SECONDS="0.2", S3_ENDPOINT_URL=proxy.endpoint)
    proxy.judge = judge
    with Stream(broker, topic):
        instance = start(variables)
        instance.wait_written(100)
        wait_until(lambda: len(table.data_commits()) >= 4, 40, "four commits with rows")
    broker.wait_caught_up(variables["KAFKA_CONSUMER_GROUP"], topic)
    instance.stop()
    assert all(asked.count(version) >= 3 for version in range(1, max(asked)))
    oracle(table, logs=instance_logs())
