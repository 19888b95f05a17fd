"""The conditional PUT of a log entry, and what the client is told of it."""

from __future__ import annotations

import pytest
import s3_proxy
from cells import AMBIGUOUS, STORE_TIMEOUT_MS, Doubts
from harness.payloads import Stream
from harness.processes import wait_until
from harness.service import FAULTY_BINARY


@pytest.mark.parametrize("kind", AMBIGUOUS)
def test_done_but_the_answer_says_otherwise(
    kind, broker, topic, table, environment, start, proxy, oracle, counts, chance, instance_logs
):
    """Row 5: every second commit; recognised as our own, exactly one copy of each."""
    doubts = Doubts(chance, {kind: 6}, counts)
    variables = environment(topic, BATCH_INTERVAL_SECONDS="0.1", S3_ENDPOINT_URL=proxy.endpoint)
    variables["BRONZE_STORE_TIMEOUT_MS"] = str(STORE_TIMEOUT_MS)
    proxy.judge = doubts.judge
    with Stream(broker, topic):
        instance = start(variables, binary=FAULTY_BINARY)
        wait_until(lambda: doubts.over, 90, "six commits that were done are doubted")
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
