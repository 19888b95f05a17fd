"""Data files that go up in parts, the first of them while rows still arrive."""

from __future__ import annotations

import os
import re
from collections import Counter

import pytest
import s3_proxy

# More than the store's client tries by itself.
FAILURES = 9
# Hardly compressible: two parts and some.
LARGE = [f'"{number} {os.urandom(450_000).hex()}"'.encode() for number in range(45)]
SETTINGS = {
    "BATCH_INTERVAL_SECONDS": "60",
    "BATCH_MAX_ROWS": str(len(LARGE)),
    "MEMORY_LIMIT_MB": "512",
}


def part_of(request: s3_proxy.Request) -> int | None:
    number = re.search(r"partNumber=(\d+)", request.target)
    return int(number[1]) if number and request.is_data_file else None


def completes(request: s3_proxy.Request) -> bool:
    return request.method == "POST" and "uploadId=" in request.target


@pytest.fixture
def written(broker, topic, table, group, environment, start, oracle, proxy, instance_logs):
    """What comes of the large records under a judge of requests: the log."""

    def write(judge) -> str:
        proxy.judge = judge
        broker.produce(topic, LARGE)
        instance = start(environment(topic, S3_ENDPOINT_URL=proxy.endpoint, **SETTINGS))
        broker.wait_caught_up(group, topic, timeout=90)
        instance.stop()
        assert len(table.data_commits()) == 1
        oracle(table, logs=instance_logs())
        return instance.log()

    return write


def test_parts_that_fail_are_sent_again(written):
    asked: Counter[int] = Counter()

    def judge(request):
        part = part_of(request)
        if part is None:
            return None
        asked[part] += 1
        failing = part <= 2 and asked[part] <= FAILURES
        return s3_proxy.answer_instead(503, "SlowDown") if failing else None

    written(judge)
    assert asked[1] > FAILURES and asked[2] > FAILURES and asked[3] == 1


def test_a_completion_that_was_done_but_answered_otherwise(written):
    doubted: list[str] = []

    def judge(request):
        if not completes(request) or doubted:
            return None
        doubted.append(request.target)
        return s3_proxy.answer_after(503)

    log = written(judge)
    assert doubted and "starting over" not in log


def test_parts_that_are_gone_are_read_from_kafka_again(written):
    refused: list[str] = []

    def judge(request):
        if not completes(request) or refused:
            return None
        refused.append(request.target)
        return s3_proxy.answer_instead(404, "NoSuchUpload")

    log = written(judge)
    assert refused and "starting over from the table: parts of a file are gone" in log
