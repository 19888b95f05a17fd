"""From the start of the process until all partitions are read, with and without Redis.

Run by `make bench-restart`: real Kafka broker, real MinIO, real Redis, the release binary; on 8
tables and on 500, whose logs are at version 10,000: a checkpoint of 9,950 files, and the 50 entries
after it. (The entries before it are not there, as after a clean-up of the log.) Starts with and
without Redis alternate; figures are medians. Writes build/reports/restart.json.
"""

from __future__ import annotations

import argparse
import base64
import copy
import datetime
import hashlib
import hmac
import http.client
import json
import os
import statistics
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "integration"))
sys.path.insert(0, str(ROOT / "bench"))

from confluent_kafka import TopicCollection  # noqa: E402
from confluent_kafka.admin import NewTopic  # noqa: E402
from deltalake import DeltaTable  # noqa: E402
from harness.kafka import Broker  # noqa: E402
from harness.minio import PASSWORD, REGION, USER, Bucket, Folder, MinioServer  # noqa: E402
from harness.processes import wait_until  # noqa: E402
from harness.redis import Redis  # noqa: E402
from harness.service import Bronze  # noqa: E402
from steady import cpu_seconds  # noqa: E402

CHECKPOINT = 9_950
LAST = 10_000
GROUP = "restart"
TEMPLATE = "template"
READS = " begins at offset "
REPORT = ROOT / "build" / "reports" / "restart.json"


@dataclass(frozen=True)
class Start:
    """One process, from its start until it reads all partitions."""

    seconds: float
    cpu_seconds: float
    store_cpu_seconds: float


class Puts:
    """PUT requests to one bucket, signed; each thread has a connection of its own."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._mine = threading.local()

    def put(self, name: str, body: bytes) -> None:
        address = self._bucket.server.address
        if not hasattr(self._mine, "connection"):
            self._mine.connection = http.client.HTTPConnection(address)
        path = quote(f"/{self._bucket.name}/{name}")
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        headers = {"host": address, "x-amz-content-sha256": "UNSIGNED-PAYLOAD", "x-amz-date": now}
        headers["Authorization"] = signature("PUT", path, headers)
        self._mine.connection.request("PUT", path, body, headers)
        answer = self._mine.connection.getresponse()
        text = answer.read()
        assert answer.status == 200, text


def signature(method: str, path: str, headers: dict[str, str]) -> str:
    """AWS Signature Version 4, of a request without a query."""
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    request = "\n".join([method, path, "", lines, names, headers["x-amz-content-sha256"]])
    day = headers["x-amz-date"][:8]
    scope = f"{day}/{REGION}/s3/aws4_request"
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], scope, digest])
    key = f"AWS4{PASSWORD}".encode()
    for part in (*scope.split("/"), text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return (
        f"AWS4-HMAC-SHA256 Credential={USER}/{scope}, SignedHeaders={names}, Signature={key.hex()}"
    )


class Template:
    """The log of one table, made by the service and aged by copies of its last entry."""

    def __init__(self, broker: Broker, folder: Path) -> None:
        broker.create_topic(TEMPLATE, 1)
        broker.produce(TEMPLATE, [b'{"event": 1}'])
        store = Folder(folder)
        service = Bronze(
            folder / "service",
            {
                **store.environment(),
                "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap,
                "KAFKA_CONSUMER_GROUP": TEMPLATE,
                "KAFKA_TOPICS": TEMPLATE,
                "DLQ_ENABLED": "false",
            },
            ("run", "--once"),
        )
        assert service.wait_exit(60) == 0, service.tail()
        table = folder / f"bronze_{TEMPLATE}"
        self._log = table / "_delta_log"
        self._entry = self._read(max(self._log.glob("*.json")).name)
        newest = len(list(self._log.glob("*.json")))
        for version in range(newest, CHECKPOINT + 1):
            (self._log / f"{version:020}.json").write_text(lines(self._copy(version)))
        DeltaTable(table).create_checkpoint()
        self.hint = (self._log / "_last_checkpoint").read_bytes()
        (self._checkpoint,) = self._log.glob(f"{CHECKPOINT:020}.checkpoint*.parquet")

    def _read(self, name: str) -> list[dict]:
        return [json.loads(line) for line in (self._log / name).read_text().splitlines()]

    def _copy(self, version: int) -> list[dict]:
        """The last entry, with a file of another name and the next offset."""
        entry = copy.deepcopy(self._entry)
        for action in entry:
            if "add" in action:
                path = action["add"]["path"].split("/")[0]
                action["add"]["path"] = f"{path}/part-00000-{uuid.uuid4()}-c000.zstd.parquet"
            if "txn" in action:
                action["txn"]["version"] = version
        return entry

    def files(self, txns: dict[str, int]) -> Iterator[tuple[str, bytes]]:
        """The log of a table with these txns, by name."""
        yield self._checkpoint.name, self._checkpoint.read_bytes()
        yield "_last_checkpoint", self.hint
        moved = [{"txn": {"appId": app_id, "version": n}} for app_id, n in txns.items()]
        for version in range(CHECKPOINT + 1, LAST + 1):
            entry = [action for action in self._copy(version) if "txn" not in action] + moved
            yield f"{version:020}.json", lines(entry).encode()


def lines(entry: list[dict]) -> str:
    return "".join(json.dumps(action, separators=(",", ":")) + "\n" for action in entry)


def create_topics(broker: Broker, names: list[str], partitions: int) -> dict[str, bytes]:
    """The ids of the topics."""
    new = [NewTopic(name, partitions, 1) for name in names]
    for created in broker.admin.create_topics(new, request_timeout=300).values():
        created.result(300)
    described = broker.admin.describe_topics(TopicCollection(names), request_timeout=60)
    ids = {}
    for name, answer in described.items():
        identity = answer.result(60).topic_id
        halves = identity.get_most_significant_bits(), identity.get_least_significant_bits()
        ids[name] = b"".join(half.to_bytes(8, "big", signed=True) for half in halves)
    return ids


def txns_of(topic: str, identity: bytes, partitions: int) -> dict[str, int]:
    """What a table that knows the topic has, before its first record."""
    text = base64.urlsafe_b64encode(identity).decode().rstrip("=")
    registry = {f"bronze/{GROUP}/{topic}": int.from_bytes(identity[:8], "big") >> 1}
    return registry | {f"bronze/{GROUP}/{text}/{p}": 0 for p in range(partitions)}


class Tables:
    """So many topics and their tables; the service reads from the beginning of each."""

    def __init__(self, broker: Broker, bucket: Bucket, template: Template, count: int) -> None:
        self.broker, self.bucket = broker, bucket
        self.partitions = 4
        self.topics = [f"restart_{count}_{number:03}" for number in range(count)]
        ids = create_topics(broker, self.topics, self.partitions)
        puts = Puts(bucket)

        def upload(topic: str) -> None:
            for name, body in template.files(txns_of(topic, ids[topic], self.partitions)):
                puts.put(f"bronze_{topic}/_delta_log/{name}", body)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(upload, self.topics))

    def variables(self, redis: Redis | None) -> dict[str, str]:
        return {
            **self.bucket.environment(),
            "KAFKA_BOOTSTRAP_SERVERS": self.broker.bootstrap,
            "KAFKA_CONSUMER_GROUP": GROUP,
            "KAFKA_TOPICS": ",".join(self.topics),
            "KAFKA_SESSION_TIMEOUT_MS": "45000",
            "KAFKA_PROPERTIES": "",
            **({"REDIS_URL": redis.url} if redis else {}),
        }

    def reads_all(self, service: Bronze) -> bool:
        assert service.running, service.tail()
        return service.log().count(READS) >= len(self.topics) * self.partitions

    def prime(self, folder: Path, redis: Redis) -> None:
        """One more commit to each table, by a service that keeps what they are."""
        service = Bronze(folder / "prime", self.variables(redis))
        wait_until(lambda: self.reads_all(service), 600, "all partitions are read")
        for topic in self.topics:
            self.broker.produce(topic, [b'{"event": 1}'], partition=0)
        service.wait_written(len(self.topics), timeout=300)
        service.stop(60)

    def start(self, folder: Path, redis: Redis | None) -> Start:
        minio = self.bucket.server._process
        assert minio
        store_before = cpu_seconds(minio.pid)
        begun = time.monotonic()
        service = Bronze(folder, self.variables(redis))
        wait_until(lambda: self.reads_all(service), 600, "all partitions are read", 0.02)
        seconds = time.monotonic() - begun
        figures = Start(seconds, cpu_seconds(service.pid), cpu_seconds(minio.pid) - store_before)
        assert service.log().count("Redis cannot be used") == 0
        service.stop(60)
        return figures


def medians(starts: list[Start]) -> dict[str, float]:
    columns = zip(*(asdict(start).values() for start in starts), strict=True)
    names = asdict(starts[0])
    return {n: round(statistics.median(c), 2) for n, c in zip(names, columns, strict=True)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tables", type=int, nargs="*", default=[8, 500])
    arguments = parser.parse_args()
    report = {}
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_FOLDER")) as name:
        folder = Path(name)
        servers = broker, minio, redis = (
            Broker(folder / "kafka"),
            MinioServer(folder / "minio"),
            Redis(folder / "redis"),
        )
        try:
            for server in servers:
                server.start()
            template = Template(broker, folder / "template")
            for count in arguments.tables:
                tables = Tables(broker, minio.create_bucket(f"restart-{count}"), template, count)
                tables.prime(folder, redis)
                found: dict[str, list[Start]] = {"without Redis": [], "with Redis": []}
                for number in range(arguments.rounds):
                    for how, used in (("without Redis", None), ("with Redis", redis)):
                        start = tables.start(folder / f"{count}-{number}-{how}", used)
                        found[how].append(start)
                        print(f"{count} tables, {how}: {start}", flush=True)
                report[count] = {how: medians(starts) for how, starts in found.items()}
        finally:
            for server in servers:
                server.stop()
    print("medians:")
    for count, hows in report.items():
        for how, figures in hows.items():
            print(
                f"{count} tables, {how}: {figures['seconds']:.2f} s until all partitions are read, "
                f"CPU of it {figures['cpu_seconds']:.2f} s, of the store "
                f"{figures['store_cpu_seconds']:.2f} s"
            )
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
