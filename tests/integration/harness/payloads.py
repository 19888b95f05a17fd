"""Values to send: unique each, so that a copy or a loss cannot hide behind an equal one."""

from __future__ import annotations

import itertools
import json
import threading
import time
import uuid
from collections.abc import Callable
from types import TracebackType

import pyarrow as pa
from confluent_kafka import Producer

from .kafka import Broker

ODD_BUT_VALID: list[bytes | None] = [
    None,
    b"",
    b" ",
    b"null",
    b"not json",
    b'{"cut": ',
    b'{"nul": "\x00"}',
    b"\x00",
    "\ufeff{}".encode(),
    "\u2028\u2029".encode(),
    "\uffff\U0010ffff".encode(),
    '{"café": "🚕 日本語 \u202e"}'.encode(),
    b"line\r\nline\n\ttab\\",
    b"\"quoted\" 'text' ; -- , |",
    b"[" * 5000,
    b'{"large": "' + b"x" * 300_000 + b'"}',
]

TIMESTAMP = pa.timestamp("us", tz="UTC")
# What another program appends to a table: it came from no partition.
FOREIGN_ROWS = pa.table(
    {
        "_raw_value": pa.array(["foreign"]),
        "_kafka_partition": pa.array([None], pa.int32()),
        "_kafka_offset": pa.array([None], pa.int64()),
        "_kafka_timestamp": pa.array([None], TIMESTAMP),
        "_ingested_at": pa.array([None], TIMESTAMP),
        "_ingestion_date": pa.array(["2001-01-01"]),
    }
)

INVALID_UTF8 = b'{"broken": "\xff\xfe"}'


def json_values(count: int) -> list[bytes]:
    run = uuid.uuid4().hex
    return [
        json.dumps({"id": f"{run}-{number}", "fare": number * 0.5}).encode()
        for number in range(count)
    ]


def small_json(run: str, number: int) -> bytes:
    return f'{{"id": "{run}-{number}"}}'.encode()


def of_every_kind(run: str, number: int) -> bytes:
    """Of five values one is no JSON, and one no UTF-8."""
    value = small_json(run, number)
    return {1: value[:-1], 3: value + b"\xff"}.get(number % 5, value)


class Stream:
    """Sends unique values from a thread of its own until it is stopped.

    `renew_after`: a producer of which nothing was acknowledged for so many seconds is replaced, and
    what it held is given up. The client can stop for good when a broker freezes.
    """

    def __init__(
        self,
        broker: Broker,
        topic: str,
        per_second: int = 300,
        renew_after: float | None = None,
        value_of: Callable[[str, int], bytes] = small_json,
    ) -> None:
        self._broker = broker
        self._topic = topic
        self._pause = 10 / per_second
        self._renew_after = renew_after
        self._value_of = value_of
        self._producer = self._new_producer()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.sent = 0

    def __enter__(self) -> Stream:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Returns when all that was sent is acknowledged, or given up."""
        self._stop.set()
        self._thread.join(60)
        left = self._producer.flush(30)
        if left and self._renew_after:
            self._give_up()
        else:
            assert left == 0

    def _new_producer(self) -> Producer:
        self._acknowledged_at = time.monotonic()
        return self._broker.producer(**{"enable.idempotence": True})

    def _acknowledged(self, error: object, _message: object) -> None:
        if not error:
            self._acknowledged_at = time.monotonic()

    def _give_up(self) -> None:
        self._producer.purge()
        self._producer.flush(5)

    def _is_stuck(self) -> bool:
        if not self._renew_after or not len(self._producer):
            return False
        return time.monotonic() - self._acknowledged_at > self._renew_after

    def _run(self) -> None:
        run = uuid.uuid4().hex
        for number in itertools.count():
            value = self._value_of(run, number)
            self._producer.produce(self._topic, value, on_delivery=self._acknowledged)
            self.sent = number + 1
            self._producer.poll(0)
            if self._is_stuck():
                self._give_up()
                self._producer = self._new_producer()
            if number % 10 == 9 and self._stop.wait(self._pause):
                return
