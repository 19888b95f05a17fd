"""A group's offsets that fall are seen to fall."""

from __future__ import annotations

import struct

import pytest
from confluent_kafka import Consumer, TopicPartition
from harness.group_offsets import assert_never_fell, falls, history_in, history_of

Entry = tuple[bytes, bytes | None]


def text(value: str) -> bytes:
    return struct.pack(">h", len(value.encode())) + value.encode()


def commits(group: str, partition: int, *offsets: int | None, kind: int = 1) -> list[Entry]:
    """As a broker writes them; None: the offset is gone."""
    key = struct.pack(">h", kind) + text(group) + text("t") + struct.pack(">i", partition)
    return [
        (key, None if o is None else struct.pack(">hq", 3, o) + struct.pack(">iq", -1, 0))
        for o in offsets
    ]


MEMBERS: Entry = (struct.pack(">h", 2) + text("g"), b"\0\3members")


def test_each_partition_of_the_group_has_its_own_history():
    entries = [*commits("g", 0, 5, 9), MEMBERS, *commits("another", 0, 1), *commits("g", 1, 3)]
    entries += [*commits("g", 0, None), *commits("g", 0, 9, kind=0)]
    history = history_in(entries, "g")
    assert history == {("t", 0): [5, 9, 9], ("t", 1): [3]}
    assert not falls(history)


def test_an_offset_that_fell_is_seen_although_it_rose_again():
    entries = [*commits("g", 0, 5, 9), *commits("g", 1, 7), *commits("g", 0, 8, 20)]
    assert falls(history_in(entries, "g")) == ["t/0 went from offset 9 to 8"]


def test_what_a_broker_keeps_is_read(broker, topic, group):
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": group, "log_level": 0})
    try:
        for offset in (10, 50):
            consumer.commit(offsets=[TopicPartition(topic, 1, offset)], asynchronous=False)
        assert_never_fell(broker, group, topic)
        with pytest.raises(AssertionError, match="has committed nothing of"):
            assert_never_fell(broker, group, "another")
        for offset in (40, 60):
            consumer.commit(offsets=[TopicPartition(topic, 1, offset)], asynchronous=False)
    finally:
        consumer.close()
    assert history_of(broker, group) == {(topic, 1): [10, 50, 40, 60]}
    with pytest.raises(AssertionError, match="went from offset 50 to 40"):
        assert_never_fell(broker, group, topic)
