"""Row 19 in its large form: much of everything in little memory."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
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
TINY = b'{"a":1}'
TINY_RECORDS = 2_400_000
TINY_PARTITIONS = 200
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


def alone(variables: dict[str, str]) -> dict[str, str]:
    """All that a process needs which is started by hand."""
    return {
        **plain_environment(),
        **variables,
        "HTTP_HOST": "127.0.0.1",
        "HTTP_PORT": str(free_port()),
    }


def large_values(seed: str) -> list[bytes]:
    """ASCII without any pattern, 10 MiB each."""
    dice = random.Random(seed)
    return [dice.randbytes(5 * MIB).hex().encode() for _ in range(LARGE)]


@pytest.mark.row(19)
def test_a_backlog_that_is_small_only_while_compressed(broker, new_topic, bucket, environment):
    """Records of 7 bytes that compress to next to nothing: each costs far more when fetched.

    One fetch brings them all, over many partitions and in batches of very many records.
    """
    many, one = new_topic(TINY_PARTITIONS), new_topic(1)
    producer = broker.producer(
        **{
            "compression.type": "zstd",
            "batch.size": 100 * MIB,
            "message.max.bytes": 100 * MIB,
            "batch.num.messages": 1_000_000,
            "linger.ms": 1000,
            "queue.buffering.max.messages": 2 * TINY_RECORDS,
        }
    )
    for partition in range(TINY_PARTITIONS):
        for _ in range(TINY_RECORDS // TINY_PARTITIONS):
            producer.produce(many, TINY, partition=partition)
    for _ in range(TINY_RECORDS // 4):
        producer.produce(one, TINY, partition=0)
    assert producer.flush(60) == 0

    variables = alone(environment(many, one, MEMORY_LIMIT_MB=str(LIMIT_MB)))
    code, peak = peak_memory([str(BINARY), "run", "--once"], variables)
    assert code == 0
    for topic in (many, one):
        assert_counts(Table(bucket, topic), broker.end_offsets(topic), [])
    print(f"at most {peak} MB")
    assert peak < LIMIT_MB


@pytest.mark.row(19)
def test_large_records_at_a_high_level_of_compression(broker, new_topic, bucket, environment):
    """The tables of a compressor grow with the level and with what is compressed at once."""
    topics = [new_topic(2) for _ in range(8)]
    dice = random.Random(1)
    words = [dice.randbytes(6).hex() for _ in range(4000)]
    values = [
        json.dumps({f"{dice.choice(words)}{n}": n for n in range(35_000)}).encode()
        for _ in range(5)
    ]
    for topic in topics:
        broker.produce(topic, values * 4)
    variables = alone(environment(*topics, PARQUET_COMPRESSION="zstd:12"))
    code, peak = peak_memory([str(BINARY), "run", "--once"], variables)
    assert code == 0
    for topic in topics:
        assert_counts(Table(bucket, topic), broker.end_offsets(topic), [])
    print(f"at most {peak} MB, with values of {len(values[0])} bytes")
    assert peak < 160


def peak_memory(command: list[str], variables: dict[str, str]) -> tuple[int, int]:
    """The exit code, and how many MB it took."""
    measure = (
        "import resource, subprocess, sys\n"
        "code = subprocess.run(sys.argv[1:], stdout=sys.stderr).returncode\n"
        "print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", measure, *command],
        env=variables,
        stdout=subprocess.PIPE,
        text=True,
        timeout=150,
        check=True,
    )
    code, peak = done.stdout.split()
    return int(code), int(peak)


@pytest.mark.full
@pytest.mark.row(19)
@pytest.mark.timeout(2400)
def test_a_backlog_of_gigabytes_through_a_slow_store_in_256_megabytes(
    seed, broker, new_topic, bucket, group, environment, toxiproxy, minio, tmp_path, counts
):
    """200 partitions, records of 10 MiB among them: never killed, and never at a standstill.

    The kernel decides, by a control group: MEMORY_LIMIT_MB is not set. Judged by counts: it is too
    much to hold.
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
    variables = alone(environment(topic, S3_ENDPOINT_URL=link.endpoint))
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
