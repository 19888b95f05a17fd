"""A steady trickle into eight topics: memory, CPU, and how soon a record is visible in its table.

Run by `make bench`: real Kafka broker, real MinIO, the release binary. A record counts as visible
when delta-rs, which looks at one topic's table again and again, shows a position behind it; that
look is part of the figure. Writes build/reports/steady.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "integration"))
sys.path.insert(0, str(ROOT / "bench"))

from drain import PARTITIONS, TOPICS  # noqa: E402
from harness.kafka import Broker  # noqa: E402
from harness.minio import MinioServer  # noqa: E402
from harness.processes import resident_mb, wait_until  # noqa: E402
from harness.service import Bronze  # noqa: E402
from harness.tables import Table  # noqa: E402

WATCHED = "payments"
WARM_UP_SECONDS = 10
IDLE_SECONDS = 20
PATIENCE_SECONDS = 30  # for what is not visible when the time is over
REPORT = ROOT / "build" / "reports" / "steady.json"


class Trickle:
    """Produces from a thread, round all topics; knows when each record of the watched one was
    appended.
    """

    def __init__(self, broker: Broker, rate: float, topics: Sequence[str] = TOPICS) -> None:
        self._topics = topics
        self.appended: dict[tuple[int, int], float] = {}
        self._producer = broker.producer(**{"linger.ms": 0, "compression.type": "lz4"})
        self._pause = 1 / rate
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        payload = b'{"event_id": "%032d", "text": "' + b"x" * 490 + b'"}'
        number = 0
        due = time.monotonic()
        while not self._stop.is_set():
            topic = self._topics[number % len(self._topics)]
            value = payload % number
            self._producer.produce(topic, value, on_delivery=self._delivered)
            number += 1
            due += self._pause
            self._producer.poll(max(0.0, due - time.monotonic()))
        self._producer.flush(10)

    def _delivered(self, error: object, message) -> None:
        if not error and message.topic() == WATCHED:
            self.appended[message.partition(), message.offset()] = time.monotonic()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


def cpu_seconds(pid: int) -> float:
    """Of all threads there have been, to the nanosecond: the process's own CPU clock."""
    return time.clock_gettime((~pid << 3) | 2)


def positions_by_delta_rs(table: Table) -> Callable[[], dict[int, int]]:
    """Looks at the table: where each partition's records end in it."""
    app_ids = {int(name.rpartition("/")[2]): name for name in table.txns() if name.count("/") == 3}
    reader = table.delta_rs()

    def look() -> dict[int, int]:
        reader.update_incremental()
        return {p: reader.transaction_version(app_id) or 0 for p, app_id in app_ids.items()}

    return look


def freshness(
    trickle: Trickle,
    look: Callable[[], dict[int, int]],
    seconds: float,
    pid: int,
    patience_seconds: float = PATIENCE_SECONDS,
) -> tuple[list, list]:
    """How long each record took to be seen, and resident memory meanwhile. Ends the process when
    what was appended in that time is still not to be seen after so much patience.
    """
    seen = look()
    took, memory = [], []
    end = time.monotonic() + seconds
    while True:
        now_at = look()
        now = time.monotonic()
        for partition, position in now_at.items():
            for offset in range(seen.get(partition, 0), position):
                appended = trickle.appended.pop((partition, offset), None)
                if appended and appended < end:
                    took.append(now - appended)
        seen = now_at
        memory.append(resident_mb(pid))
        if now >= end and not (missing := not_seen(trickle, seen, end)):
            return took, memory
        if now >= end + patience_seconds:
            raise SystemExit(complaint(missing, patience_seconds))
        time.sleep(0.05)


def not_seen(trickle: Trickle, seen: dict[int, int], end: float) -> list[tuple[int, int]]:
    """Partition and offset of what was appended before `end`. (What lies before the first look is
    still in `appended` too.)
    """
    return [
        (partition, offset)
        for (partition, offset), appended in list(trickle.appended.items())
        if appended < end and offset >= seen.get(partition, 0)
    ]


def complaint(missing: list[tuple[int, int]], patience_seconds: float) -> str:
    counts = Counter(partition for partition, _ in missing)
    each = ", ".join(f"{count} of partition {partition}" for partition, count in counts.items())
    return (
        f"{len(missing)} records of {WATCHED} are not visible {patience_seconds:g} s after the "
        f"end: {each}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, default=60, help="messages a second, all topics")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        broker, minio = Broker(folder / "kafka"), MinioServer(folder / "minio")
        service = trickle = None
        try:
            broker.start()
            minio.start()
            bucket = minio.create_bucket("bench")
            for topic in TOPICS:
                broker.create_topic(topic, PARTITIONS)
            variables = {
                **bucket.environment(),
                "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap,
                "KAFKA_CONSUMER_GROUP": "steady",
                "KAFKA_TOPICS": ",".join(TOPICS),
                "BATCH_INTERVAL_SECONDS": "1",
            }
            service = Bronze(folder / "service", variables)
            service.wait_answering()
            table = Table(bucket, WATCHED)
            wait_until(lambda: len(table.txns()) > PARTITIONS, 60, "the table is registered")
            time.sleep(WARM_UP_SECONDS)
            idle_from = cpu_seconds(service.pid)
            time.sleep(IDLE_SECONDS)
            idle = (cpu_seconds(service.pid) - idle_from) / IDLE_SECONDS
            trickle = Trickle(broker, arguments.rate)
            time.sleep(WARM_UP_SECONDS)
            cpu_from, begun = cpu_seconds(service.pid), time.monotonic()
            look = positions_by_delta_rs(table)
            took, memory = freshness(trickle, look, arguments.seconds, service.pid)
            busy = (cpu_seconds(service.pid) - cpu_from) / (time.monotonic() - begun)
            service.send(15)
            service.wait_exit()
        finally:
            if trickle:
                trickle.stop()
            if service:
                service.end()
            minio.stop()
            broker.stop()
    took.sort()
    report = {
        "messages_a_second": arguments.rate,
        "resident_mb": round(max(memory), 1),
        "idle_core": round(idle, 4),
        "busy_core": round(busy, 4),
        "records_timed": len(took),
        "freshness_p50_seconds": round(statistics.median(took), 3),
        "freshness_p99_seconds": round(took[int(len(took) * 0.99)], 3),
    }
    for what, figure in report.items():
        print(f"{what:24} {figure}")
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
