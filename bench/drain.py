"""Drains events on eight topics into MinIO and local disk by `run --once`: seconds, peak memory.

Run by `make bench`: real Kafka broker, real MinIO, the release binary.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "integration"))

from harness.kafka import Broker  # noqa: E402
from harness.processes import free_port  # noqa: E402
from harness.minio import Folder, MinioServer, Store  # noqa: E402
from harness.service import BINARY, plain_environment  # noqa: E402
from harness.tables import Table  # noqa: E402

TOPICS = [
    *("gps_pings", "trips", "driver_status", "surge_updates"),
    *("ratings", "payments", "driver_profiles", "rider_profiles"),
]
PARTITIONS = 4


def event(number: int, chance: random.Random) -> bytes:
    """A rideshare-like event of about 540 bytes."""
    fields = {
        "event_id": f"{chance.getrandbits(128):032x}",
        "trip_id": f"{chance.getrandbits(128):032x}",
        "driver_id": f"driver-{chance.randrange(5000)}",
        "rider_id": f"rider-{chance.randrange(50000)}",
        "sequence": number,
        "latitude": chance.uniform(-23.7, -23.4),
        "longitude": chance.uniform(-46.8, -46.5),
        "speed_kmh": chance.uniform(0, 90),
        "status": chance.choice(["available", "en_route", "on_trip", "offline"]),
        "timestamp": f"2026-03-01T{number % 24:02d}:00:00.{number % 1000:03d}Z",
        "session_id": f"{chance.getrandbits(128):032x}",
        "correlation_id": f"{chance.getrandbits(128):032x}",
        "causation_id": f"{chance.getrandbits(128):032x}",
    }
    return json.dumps(fields).encode()


def produce(broker: Broker, records: int) -> int:
    chance = random.Random(1)
    size = 0
    producer = broker.producer(**{"compression.type": "lz4", "linger.ms": 50})
    for number in range(records):
        value = event(number, chance)
        size += len(value)
        producer.produce(TOPICS[number % len(TOPICS)], value)
        producer.poll(0)
    producer.flush(60)
    return size


def drain(broker: Broker, store: Store, group: str) -> tuple[float, float, float]:
    """Seconds, CPU seconds and peak resident MB of one process from start to exit."""
    environment = {
        **plain_environment(),
        **store.environment(),
        "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap,
        "KAFKA_CONSUMER_GROUP": group,
        "KAFKA_TOPICS": ",".join(TOPICS),
        "HTTP_PORT": str(free_port()),
        "LOG_LEVEL": "warn",
    }
    begun = time.monotonic()
    pid = os.posix_spawn(BINARY, [str(BINARY), "run", "--once"], environment)
    _, status, usage = os.wait4(pid, 0)
    seconds = time.monotonic() - begun
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit(f"bronze ended with {os.waitstatus_to_exitcode(status)}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def check(store: Store, records: int) -> None:
    rows = sum(Table(store, topic).delta_rs().to_pyarrow_dataset().count_rows() for topic in TOPICS)
    if rows != records:
        raise SystemExit(f"{rows} rows of {records}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=80_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory() as folder:
        broker = Broker(Path(folder) / "kafka")
        minio = MinioServer(Path(folder) / "minio")
        try:
            broker.start()
            minio.start()
            for topic in TOPICS:
                broker.create_topic(topic, PARTITIONS)
            size = produce(broker, arguments.records)
            print(f"{arguments.records} records, {size / 1e6:.0f} MB, {len(TOPICS)} topics")
            for turn in range(arguments.rounds):
                for name, store in [
                    ("MinIO", minio.create_bucket(f"bench-{turn}")),
                    ("local disk", Folder(Path(folder) / f"tables-{turn}")),
                ]:
                    seconds, cpu, peak = drain(broker, store, f"{name}-{turn}")
                    check(store, arguments.records)
                    print(f"{name}: {seconds:.2f} s, {cpu:.2f} CPU-s, peak {peak:.0f} MB")
        finally:
            minio.stop()
            broker.stop()


if __name__ == "__main__":
    main()
