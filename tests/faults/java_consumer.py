"""What Kafka's own Java consumer sees of a topic: it shares nothing with librdkafka."""

from __future__ import annotations

import re

from harness.kafka import Broker
from harness.tables import Row

LINE = re.compile(r"Partition:(\d+)\tOffset:(\d+)\t(.*)")


def read_visible(broker: Broker, topic: str, at_least: int) -> list[Row]:
    """All that it shows, read_committed; it gives up when nothing more comes for a while.

    REQUIRES: the values are text of one line.
    """
    printed = broker.run_tool(
        "org.apache.kafka.tools.consumer.ConsoleConsumer",
        *("--bootstrap-server", broker.bootstrap, "--topic", topic, "--from-beginning"),
        *("--isolation-level", "read_committed", "--timeout-ms", "8000"),
        *("--property", "print.partition=true", "--property", "print.offset=true"),
    )
    rows = [LINE.fullmatch(line) for line in printed.splitlines()]
    found = [(int(row[1]), int(row[2]), row[3].encode()) for row in rows if row]
    assert len(found) >= at_least, f"{len(found)} of {at_least} rows:\n{printed[-2000:]}"
    return found
