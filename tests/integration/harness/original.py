"""The original service in little: what it leaves behind in the tables and in its consumer group.

Run as a program it copies one topic until SIGTERM: polls, and each interval appends what came to
the table and then commits the group's offsets. Its assignor is librdkafka's default, an eager one;
the table is made by its first write.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

if __name__ != "__main__":
    from .processes import Process, wait_until

SCRIPT = Path(__file__)
LEFT_WITHOUT_COMMIT = 9


class Original:
    """The original as a child process."""

    def __init__(self, directory: Path, broker, store, topic: str, group: str, **options) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        arguments = {
            "bootstrap": broker.bootstrap,
            "topic": topic,
            "group": group,
            "table": store.uri(f"bronze_{topic}"),
            "storage": json.dumps(store.options()),
            **options,
        }
        given = [f"--{name.replace('_', '-')}={value}" for name, value in arguments.items()]
        self._process = Process(
            [sys.executable, SCRIPT, *given], directory / "original.log", None, directory
        )

    @property
    def running(self) -> bool:
        return self._process.running

    def log(self) -> str:
        return self._process.log()

    def wait_writes(self, count: int, timeout: float = 40) -> None:
        wait_until(
            lambda: self.log().count("wrote") >= count, timeout, f"{count} writes\n{self.log()}"
        )

    def wait_assigned(self, timeout: float = 40) -> None:
        wait_until(lambda: "assigned" in self.log(), timeout, f"an assignment\n{self.log()}")

    def stop(self) -> None:
        """SIGTERM: it leaves the group at once."""
        self._process.signal(signal.SIGTERM)
        code = self._process.wait(30)
        assert code == 0, f"exit code {code}:\n{self.log()}"

    def wait_killed(self, timeout: float = 40) -> None:
        code = self._process.wait(timeout)
        assert code == LEFT_WITHOUT_COMMIT, f"exit code {code}:\n{self.log()}"

    def end(self) -> None:
        self._process.end(3)


def to_arrow(messages):
    import pyarrow as pa

    time_type = pa.timestamp("us", tz="UTC")
    now = datetime.now(UTC)
    count = len(messages)
    return pa.table(
        {
            "_raw_value": pa.array([m.value().decode() for m in messages], pa.string()),
            "_kafka_partition": pa.array([m.partition() for m in messages], pa.int32()),
            "_kafka_offset": pa.array([m.offset() for m in messages], pa.int64()),
            "_kafka_timestamp": pa.array(
                [m.timestamp()[1] * 1000 for m in messages], pa.int64()
            ).cast(time_type),
            "_ingested_at": pa.array([now] * count, time_type),
            "_ingestion_date": pa.array([now.strftime("%Y-%m-%d")] * count, pa.string()),
        }
    )


def append(uri: str, storage: dict, rows) -> None:
    from deltalake import write_deltalake

    write_deltalake(
        uri,
        rows,
        mode="append",
        partition_by=["_ingestion_date"],
        storage_options=storage or None,
    )


def empty_table(uri: str, storage: dict) -> None:
    """The table as the original makes it, without a row."""
    append(uri, storage, to_arrow([]))


def run(settings: argparse.Namespace) -> None:
    from confluent_kafka import Consumer

    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    consumer = Consumer(
        {
            "bootstrap.servers": settings.bootstrap,
            "group.id": settings.group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "session.timeout.ms": 6000,
            "heartbeat.interval.ms": 500,
            "reconnect.backoff.max.ms": 500,
        }
    )
    consumer.subscribe([settings.topic], on_assign=lambda *_: print("assigned", flush=True))
    messages, writes, read_at = [], 0, 0.0
    while not stopped:
        message = consumer.poll(0.1)
        if message is not None:
            if message.error():
                sys.exit(f"Kafka error: {message.error()}")
            read_at = time.monotonic() if not messages else read_at
            messages.append(message)
        if messages and time.monotonic() - read_at >= settings.interval:
            append(settings.table, json.loads(settings.storage), to_arrow(messages))
            writes += 1
            print(f"wrote {len(messages)} rows", flush=True)
            if writes == settings.die_after_write:
                os._exit(LEFT_WITHOUT_COMMIT)
            consumer.commit(asynchronous=False)
            print("committed", flush=True)
            messages = []
    consumer.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("bootstrap", "topic", "group", "table", "storage"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--interval", type=float, default=0.5)
    # Before the offsets of that write are committed.
    parser.add_argument("--die-after-write", type=int, default=0)
    run(parser.parse_args())
