"""Every offset that a group has ever committed, from the topic in which the broker keeps them."""

from __future__ import annotations

import itertools
import struct
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator

from confluent_kafka import Consumer, KafkaError, TopicPartition

from .kafka import Broker

TOPIC = "__consumer_offsets"
PATIENCE_S = 60

# (topic, partition) -> offsets, in the order of their commits.
History = dict[tuple[str, int], list[int]]


def history_of(broker: Broker, group: str) -> History:
    return history_in(records_of(broker), group)


def assert_never_fell(broker: Broker, group: str, *topics: str) -> None:
    """The group has committed offsets of each topic, and none behind one before it."""
    history = history_of(broker, group)
    missing = [topic for topic in topics if not any(topic == known for known, _ in history)]
    assert not missing, f"group {group} has committed nothing of {missing}"
    assert not falls(history), f"group {group}: {falls(history)}"


def falls(history: History) -> list[str]:
    return [
        f"{topic}/{partition} went from offset {before} to {after}"
        for (topic, partition), offsets in sorted(history.items())
        for before, after in itertools.pairwise(offsets)
        if after < before
    ]


def history_in(records: Iterable[tuple[bytes, bytes | None]], group: str) -> History:
    """From keys and values in the broker's own format; what tells that an offset is gone, and what
    is about members, is left out.
    """
    history: History = defaultdict(list)
    for key, value in records:
        (kind,) = struct.unpack_from(">h", key)
        if kind not in (0, 1) or value is None:
            continue
        of, place = text_at(key, 2)
        if of == group:
            topic, place = text_at(key, place)
            (partition,) = struct.unpack_from(">i", key, place)
            (offset,) = struct.unpack_from(">q", value, 2)
            history[topic, partition].append(offset)
    return dict(history)


def text_at(data: bytes, place: int) -> tuple[str, int]:
    """The text, and where it ends."""
    (length,) = struct.unpack_from(">h", data, place)
    end = place + 2 + length
    return data[place + 2 : end].decode(), end


def records_of(broker: Broker) -> Iterator[tuple[bytes, bytes | None]]:
    """Keys and values of the whole topic as it is now."""
    consumer = Consumer(
        {
            "bootstrap.servers": broker.bootstrap,
            "group.id": f"history-{uuid.uuid4()}",
            "enable.auto.commit": False,
            "isolation.level": "read_uncommitted",
            "enable.partition.eof": True,
            "log_level": 0,
        }
    )
    try:
        places = [TopicPartition(TOPIC, p) for p in broker.partitions(TOPIC)]
        bounds = {p.partition: consumer.get_watermark_offsets(p, timeout=30) for p in places}
        waiting = {partition for partition, (low, high) in bounds.items() if low < high}
        consumer.assign([TopicPartition(TOPIC, p, bounds[p][0]) for p in sorted(waiting)])
        deadline = time.monotonic() + PATIENCE_S
        while waiting:
            assert time.monotonic() < deadline, f"{TOPIC} cannot be read to its end: {waiting}"
            for message in consumer.consume(1000, timeout=0.1):
                failed = message.error()
                if failed is None:
                    if message.offset() < bounds[message.partition()][1] and message.key():
                        yield message.key(), message.value()
                    if message.offset() + 1 >= bounds[message.partition()][1]:
                        waiting.discard(message.partition())
                elif failed.code() == KafkaError._PARTITION_EOF:
                    waiting.discard(message.partition())
                else:
                    raise AssertionError(failed)
    finally:
        consumer.close()
