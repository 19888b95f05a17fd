"""What somebody does to a topic while it is copied."""

from __future__ import annotations

from confluent_kafka import TopicPartition
from confluent_kafka.admin import NewPartitions
from harness.kafka import Broker
from harness.processes import wait_until


def forget_before(broker: Broker, topic: str, partition: int, offset: int) -> None:
    """What retention does."""
    where = TopicPartition(topic, partition, offset)
    broker.admin.delete_records([where])[where].result(15)


def add_partitions(broker: Broker, topic: str, total: int) -> None:
    broker.admin.create_partitions([NewPartitions(topic, total)])[topic].result(15)
    wait_until(lambda: len(broker.partitions(topic)) == total, 20, "the partitions are there")
