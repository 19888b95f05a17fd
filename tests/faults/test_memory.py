"""Row 19 in its large form: much of everything in little memory.

The kernel decides, by a control group: MEMORY_LIMIT_MB is not set.
"""

from __future__ import annotations

import hashlib
import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from box import Box
from harness.kafka import Broker
from harness.processes import Process, free_port
from harness.service import BINARY, plain_environment
from harness.tables import Table, assert_files_are_as_stated, assert_log_is_contiguous
from toxics import Toxiproxy

FEED = BINARY.parent / "feed"
PARTITIONS = 200
# About 540 bytes each.
EVENTS = 2_800_000
MIB = 1024 * 1024
LARGE = 20
LIMIT_MB = 256
CORES = 0.5
# Of the store: what comes back takes so much longer, and no more than this passes in a second.
LATENCY_MS = 300
KILOBYTES_A_SECOND = 10_000
PATIENCE_S = 1500
# Something must be committed within each such time.
STANDSTILL_MAX_S = 60


@pytest.fixture
def toxiproxy(tmp_path: Path) -> Iterator[Toxiproxy]:
    server = Toxiproxy(tmp_path)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def large_values(seed: str) -> list[bytes]:
    """ASCII without any pattern, 10 MiB each."""
    dice = random.Random(seed)
    return [dice.randbytes(5 * MIB).hex().encode() for _ in range(LARGE)]


@pytest.mark.full
@pytest.mark.row(19)
@pytest.mark.timeout(2400)
def test_a_backlog_of_gigabytes_through_a_slow_store_in_256_megabytes(
    seed, broker, new_topic, bucket, group, environment, toxiproxy, minio, tmp_path, counts
):
    """200 partitions, records of 10 MiB among them: never killed, and never at a standstill.

    Judged by counts: it is too much to hold.
    """
    assert FEED.exists(), f"{FEED} is not built"
    topic = new_topic(
        PARTITIONS, **{"max.message.bytes": str(12 * MIB), "retention.bytes": str(10**11)}
    )
    large = large_values(f"{seed}/large")
    producer = broker.producer(**{"message.max.bytes": 12 * MIB})

    def send(values: list[bytes]) -> None:
        for value in values:
            producer.produce(topic, value)
        assert producer.flush(120) == 0

    send(large[: LARGE // 2])
    fed = subprocess.run(
        [FEED, broker.bootstrap, str(EVENTS), str(PARTITIONS), topic],
        check=True,
        capture_output=True,
        text=True,
        timeout=600,
    )
    send(large[LARGE // 2 :])
    ends = broker.end_offsets(topic)
    records = sum(ends.values())
    assert records == EVENTS + LARGE and int(fed.stdout) > 1_400_000_000

    link = toxiproxy.link(minio.address)
    link.slow(LATENCY_MS)
    link.narrow(KILOBYTES_A_SECOND)
    variables = {
        **plain_environment(),
        **environment(topic, S3_ENDPOINT_URL=link.endpoint),
        "HTTP_HOST": "127.0.0.1",
        "HTTP_PORT": str(free_port()),
    }
    with Box(cores=CORES, memory_mb=LIMIT_MB) as box:
        begun = time.monotonic()
        standstill = 0.0
        process = Process(
            box.wrapped([str(BINARY), "run", "--once"]), tmp_path / "boxed.log", variables, tmp_path
        )
        try:
            standstill = longest_standstill(process, broker, group, topic)
            code = process.wait(PATIENCE_S)
        finally:
            process.end()
            seconds = time.monotonic() - begun
            written = Table(bucket, topic)
            print(
                f"{records:,} records, {int(fed.stdout) / 1e9:.2f} GB and {LARGE} of 10 MiB: "
                f"{seconds:.0f} s, at most {standstill:.0f} s without progress, "
                f"{box.kills()} processes killed for want of memory, "
                f"table at {sum(c.row_count for c in written.commits() if c.adds):,} rows"
            )
        assert box.kills() == 0, process.tail()
    assert standstill < STANDSTILL_MAX_S, process.tail()
    assert code == 0, process.tail()
    assert_counts(Table(bucket, topic), ends, large)
    table = Table(bucket, topic)
    assert_log_is_contiguous(table)
    assert_files_are_as_stated(table)
    assert table.progress(group, broker.topic_uuid(topic)) == ends
    assert broker.committed_offsets(group, topic) == ends
    counts.add(records_counted=records)


def longest_standstill(process: Process, broker: Broker, group: str, topic: str) -> float:
    """Until the process has ended: for how long, at most, no offset was committed."""
    longest, told, since = 0.0, 0, time.monotonic()
    while process.running and time.monotonic() - since < PATIENCE_S:
        committed = sum(broker.committed_offsets(group, topic).values())
        now = time.monotonic()
        longest = max(longest, now - since)
        if committed != told:
            told, since = committed, now
        time.sleep(1)
    return longest


def assert_counts(table: Table, ends: dict[int, int], large: list[bytes]) -> None:
    """Nothing was deleted or aborted: each offset below the end is there, and is there once."""
    rows = table.duckdb(
        "SELECT _kafka_partition, count(*), count(DISTINCT _kafka_offset), min(_kafka_offset), "
        "max(_kafka_offset) FROM delta_scan('{table}') GROUP BY 1"
    )
    found = {partition: tuple(figures) for partition, *figures in rows}
    assert found == {partition: (end, end, 0, end - 1) for partition, end in ends.items()}
    sums = table.duckdb(
        f"SELECT md5(_raw_value) FROM delta_scan('{{table}}') WHERE length(_raw_value) > {MIB}"
    )
    assert sorted(s for (s,) in sums) == sorted(hashlib.md5(v).hexdigest() for v in large)
