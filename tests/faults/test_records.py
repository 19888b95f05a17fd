"""Rows 18 and 19, in part: what a record may hold, and where in a batch a bad one may be.

Values that are odd but valid, and tombstones, are in tests/integration/test_end_to_end.py
(payloads.ODD_BUT_VALID: null, empty, BOM, NUL bytes, truncated JSON ...), times before 1970 and
none at all in test_columns.py, headers in test_extra_columns.py, one bad record in the middle and
a batch that is damaged on the broker's disk in test_lanes.py; duplicate keys, numbers out of range
and trailing data are nothing to a service that does not look into the value.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter

import pyarrow as pa
import pytest
import s3_proxy
from harness.payloads import INVALID_UTF8, json_values
from harness.processes import wait_until
from harness.tables import Table

STOPPED = 1
MIB = 1024 * 1024
GENEROUS = {"max.message.bytes": str(12 * MIB)}
YEAR_10000_MS = 253_402_300_800_000

# Every place in a string where a byte can be wrong.
BAD = {
    "lone-high-surrogate": b'{"a": "\xed\xa0\x80"}',
    "lone-low-surrogate": b"\xed\xbf\xbf",
    "surrogate-pair": b"\xed\xa0\xbd\xed\xb8\x80",
    "first-byte": b"\xff{}",
    "last-byte": b"{}\xc3",
    "overlong": b"\xc0\xaf",
    "too-large": b"\xf4\x90\x80\x80",
    "latin-1": "caf\xe9".encode("latin-1"),
    "utf-16": "{}".encode("utf-16"),
}

VERBATIM = {
    "duplicate-keys": b'{"a": 1, "a": 2}',
    "numbers-out-of-range": b'{"a": 1e999, "b": 123456789012345678901234567890, "c": -0.0}',
    "trailing-data": b'{"a": 1} {"b": 2}]',
    "escaped-lone-surrogate": b'{"a": "\\ud800"}',
    "only-bom": b"\xef\xbb\xbf",
    "bom-in-the-middle": b'{"a": "\xef\xbb\xbf"}',
    "nul-bytes": b"\x00" * 1000,
    "depth-100000": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "open-brackets": b"[" * 900_000,
}


@pytest.mark.row(19)
def test_odd_values_land_verbatim(broker, new_topic, bucket, group, environment, start, oracle):
    topic = new_topic(1, **GENEROUS)
    broker.produce(topic, VERBATIM.values(), partition=0)
    instance = start(environment(topic), "run", "--once")
    assert instance.wait_exit(60) == 0, instance.tail()
    table = Table(bucket, topic)
    oracle(table)
    rows = sorted(table.rows_by_delta_rs())
    assert [value for _, _, value in rows] == list(VERBATIM.values())


@pytest.mark.row(19)
def test_ten_mebibytes_a_record(chance, broker, new_topic, bucket, environment, start, oracle):
    """In the smallest memory that the service accepts."""
    topic = new_topic(2, **GENEROUS)
    # Hexadecimal digits without any pattern: half of it stays however it is compressed.
    values = [
        json.dumps({"id": number, "fill": chance.randbytes(5 * MIB + 100).hex()}).encode()
        for number in range(6)
    ]
    assert 10 * MIB < max(map(len, values)) < 12 * MIB
    assert min(len(zlib.compress(value)) for value in values) > 5 * MIB
    producer = broker.producer(**{"message.max.bytes": 12 * MIB})
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(60) == 0
    instance = start(environment(topic, MEMORY_LIMIT_MB="64"), "run", "--once")
    assert instance.wait_exit(120) == 0, instance.tail()
    oracle(Table(bucket, topic))


@pytest.mark.row(19)
def test_times_beyond_every_calendar(broker, new_topic, bucket, group, environment, start, oracle):
    anything = str(2**63 - 1)
    topic = new_topic(
        1,
        **{
            "message.timestamp.before.max.ms": anything,
            "message.timestamp.after.max.ms": anything,
        },
    )
    last_micros_ms = (2**63 - 1) // 1000
    sent = [1, 0, -1, -2, YEAR_10000_MS - 1, YEAR_10000_MS, last_micros_ms, last_micros_ms + 1]
    sent += [-(2**62), -100_000_000_000_000, 2**63 - 1, 1_700_000_000_000]
    producer = broker.producer()
    for number, milliseconds in enumerate(sent):
        # The client takes 0 for now.
        producer.produce(topic, b"%d" % number, timestamp=milliseconds)
    assert producer.flush(30) == 0
    kept = {r.offset: r.timestamp_ms for r in broker.read_visible(topic)}
    assert len(kept) == len(sent)

    instance = start(environment(topic), "run", "--once")
    assert instance.wait_exit(60) == 0, instance.tail()
    table = Table(bucket, topic)
    oracle(table)
    read = table.arrow()
    micros = read["_kafka_timestamp"].cast(pa.int64()).to_pylist()
    found = dict(zip(read["_kafka_offset"].to_pylist(), micros, strict=True))
    for offset, milliseconds in kept.items():
        fits = milliseconds is not None and abs(milliseconds) <= last_micros_ms
        assert found[offset] == (milliseconds * 1000 if fits else None), sent[offset]
    # What readers skip by must be true of these files too.
    for bound in ("> TIMESTAMP '2023-01-01 00:00:00Z'", "< TIMESTAMP '2023-01-01 00:00:00Z'"):
        count = f"SELECT count(*) FROM delta_scan('{{table}}') WHERE _kafka_timestamp {bound}"
        cut = 1_672_531_200_000_000
        sign = 1 if bound[0] == ">" else -1
        expected = sum(1 for at in found.values() if at is not None and sign * (at - cut) > 0)
        assert table.duckdb(count) == [(expected,)], bound


@pytest.mark.row(19)
@pytest.mark.parametrize("extra", ["all", pytest.param("", marks=pytest.mark.full)])
def test_ten_thousand_headers(extra, broker, new_topic, bucket, group, environment, start, oracle):
    topic = new_topic(1)
    headers = [(f"key-{number % 100}", b"%d" % number) for number in range(9_998)]
    headers += [("", b""), ("null", None)]
    producer = broker.producer()
    producer.produce(topic, b'"many"', headers=headers)
    producer.produce(topic, b'"none"')
    producer.flush(20)
    instance = start(environment(topic, EXTRA_COLUMNS=extra), "run", "--once")
    assert instance.wait_exit(60) == 0, instance.tail()
    table = Table(bucket, topic)
    oracle(table)
    if extra:
        rows = sorted(table.arrow().to_pylist(), key=lambda row: row["_kafka_offset"])
        written = [(pair["key"], pair["value"]) for pair in rows[0]["_kafka_headers"]]
        assert written == headers
        assert not rows[1]["_kafka_headers"]


@pytest.mark.row(18)
@pytest.mark.parametrize(
    "good", [(0, 20), (20, 0), (20, 20), (0, 0)], ids=["first", "last", "middle", "only"]
)
def test_nothing_passes_a_bad_record(good, broker, new_topic, bucket, group, environment, start):
    """First or last of its batch, in one partition of two; dead letters are off."""
    before, after = good
    topic = new_topic(2)
    for values in (json_values(before), [INVALID_UTF8], json_values(after)):
        broker.produce(topic, values, partition=0)
    broker.produce(topic, json_values(20), partition=1)

    instance = start(environment(topic, DLQ_ENABLED="false"), "run", "--once")

    assert instance.wait_exit(60) == STOPPED, instance.tail()
    table = Table(bucket, topic)
    progress = table.progress(group, broker.topic_uuid(topic))
    assert progress == {0: before, 1: 20}
    committed = broker.committed_offsets(group, topic)
    assert committed == {p: offset for p, offset in progress.items() if offset > 0}
    rows = Counter(table.rows_by_delta_rs())
    visible = Counter((r.partition, r.offset, r.value) for r in broker.read_visible(topic))
    assert rows == Counter({row: 1 for row in visible if row[0] == 1 or row[1] < before})
    stops = [line for line in instance.log().splitlines() if "partition 0 is stopped" in line]
    assert stops and f"offset {before} " in stops[0], stops


@pytest.mark.row(18)
def test_a_topic_of_bad_records_only(broker, topic, table, group, environment, start):
    values = [value for value in BAD.values() for _ in range(30)]
    for partition in range(3):
        broker.produce(topic, values, partition=partition)
    instance = start(environment(topic, DLQ_ENABLED="false"))
    health = instance.wait_unhealthy()
    wait_until(lambda: instance.log().count("is stopped") >= 3, 20, "all partitions are stopped")
    assert health.body["messages_written"] == 0
    instance.stop(codes=(0, 1))
    assert broker.committed_offsets(group, topic) == {}
    assert not table.data_commits()


@pytest.mark.row(18)
def test_each_kind_of_bad_record_stops_its_partition(
    broker, new_topic, bucket, group, environment, start
):
    topic = new_topic(len(BAD))
    for partition, value in enumerate(BAD.values()):
        broker.produce(topic, [b'"good"', value, b'"never read"'], partition=partition)
    instance = start(environment(topic, DLQ_ENABLED="false"), "run", "--once")
    assert instance.wait_exit(60) == STOPPED, instance.tail()
    expected = {partition: 1 for partition in range(len(BAD))}
    assert Table(bucket, topic).progress(group, broker.topic_uuid(topic)) == expected
    assert broker.committed_offsets(group, topic) == expected


@pytest.mark.row(18)
@pytest.mark.parametrize("what", ["log", "file"])
def test_nothing_passes_a_bad_record_whose_dead_letter_is_refused(
    what, broker, new_topic, bucket, group, environment, start, proxy, oracle, instance_logs
):
    topic = new_topic(1)
    broker.produce(topic, [b"{}", INVALID_UTF8, b"{}"])
    variables = environment(topic, S3_ENDPOINT_URL=proxy.endpoint, WRITE_RETRY_SECONDS="3")

    def judge(request):
        hit = request.is_commit and request.version > 0 if what == "log" else request.is_data_file
        refused = hit and "/dlq_bronze_" in request.path
        return s3_proxy.answer_instead(403, "AccessDenied") if refused else None

    proxy.judge = judge
    instance = start(variables, "run", "--once")
    assert instance.wait_exit(60) == STOPPED, instance.tail()
    assert "the dead-letter table" in instance.log()
    table = Table(bucket, topic)
    assert table.progress(group, broker.topic_uuid(topic)) == {0: 0}
    assert broker.committed_offsets(group, topic) == {}

    proxy.judge = s3_proxy.pass_on
    last = start(variables, "run", "--once")
    assert last.wait_exit(60) == 0, last.tail()
    oracle(table, logs=instance_logs())
