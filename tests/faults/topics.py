"""What somebody does to a topic while it is copied."""

from __future__ import annotations

import struct

from confluent_kafka import TopicPartition
from confluent_kafka.admin import NewPartitions
from harness.kafka import Broker
from harness.processes import wait_until

# Of a record batch, format 2.
LENGTH_AT = 8
LAST_OFFSET_DELTA_AT = 23


def forget_before(broker: Broker, topic: str, partition: int, offset: int) -> None:
    """What retention does."""
    where = TopicPartition(topic, partition, offset)
    broker.admin.delete_records([where])[where].result(15)


def add_partitions(broker: Broker, topic: str, total: int) -> None:
    broker.admin.create_partitions([NewPartitions(topic, total)])[topic].result(15)
    wait_until(lambda: len(broker.partitions(topic)) == total, 20, "the partitions are there")


def truncate(broker: Broker, topic: str, partition: int, end: int) -> None:
    """What an unclean election or a restored disk does: the log ends at that offset again.

    REQUIRES: the broker is stopped; the partition has one segment, and a batch that ends there.
    """
    folder = broker.directory / "data" / f"{topic}-{partition}"
    (segment,) = folder.glob("*.log")
    content = segment.read_bytes()
    place, reached = 0, 0
    while reached < end:
        (first,) = struct.unpack_from(">q", content, place)
        (length,) = struct.unpack_from(">i", content, place + LENGTH_AT)
        reached = first + 1 + struct.unpack_from(">i", content, place + LAST_OFFSET_DELTA_AT)[0]
        place += LENGTH_AT + 4 + length
    assert reached == end, f"no batch of {segment} ends at offset {end}"
    assert place < len(content), f"{segment} has nothing behind offset {end}"
    segment.write_bytes(content[:place])
    # The broker makes them anew. What tells the topic's id stays.
    for pattern in ("*.index", "*.timeindex", "*.snapshot"):
        for file in folder.glob(pattern):
            file.unlink()
