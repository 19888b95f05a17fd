"""Hundreds of topics in one process of 256 MB: how it starts, what it holds, how it commits.

Run by `make bench`: real Kafka broker, real MinIO, the release binary in a control group. A backlog
is drained first, then a trickle goes round all topics, then the service starts anew. Writes
build/reports/many_topics.json.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "integration"))
sys.path.insert(0, str(ROOT / "bench"))

from box import Box  # noqa: E402
from confluent_kafka.admin import NewTopic  # noqa: E402
from drain import PROGRAMS, peak_mb_of  # noqa: E402
from harness.kafka import Broker  # noqa: E402
from harness.minio import MinioServer  # noqa: E402
from harness.processes import Process, free_port, resident_mb  # noqa: E402
from harness.service import BINARY, plain_environment  # noqa: E402
from steady import Trickle, cpu_seconds  # noqa: E402

REPORT = ROOT / "build" / "reports" / "many_topics.json"
PATIENCE_SECONDS = 300
QUIET_SECONDS = 15


class Service:
    """The service in its box, and what it says of itself."""

    def __init__(self, folder: Path, variables: dict[str, str], box: Box) -> None:
        port = free_port()
        self._url = f"http://127.0.0.1:{port}"
        self.begun = time.monotonic()
        self._process = Process(
            box.wrapped([str(BINARY), "run"]),
            folder / "service.log",
            {**plain_environment(), **variables, "HTTP_PORT": str(port)},
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def status(self) -> dict:
        with urllib.request.urlopen(f"{self._url}/status", timeout=20) as answer:
            return json.load(answer)

    def wait(self, holds, what: str) -> float:
        """Seconds since the start until `holds` of /status."""
        while time.monotonic() - self.begun < PATIENCE_SECONDS:
            if not self._process.running:
                raise SystemExit(f"the service ended: {self._process.tail()}")
            try:
                status = self.status()
            except OSError:
                time.sleep(0.05)
                continue
            if holds(status):
                return time.monotonic() - self.begun
            time.sleep(0.2)
        raise SystemExit(f"after {PATIENCE_SECONDS} s still not: {what}\n{self._process.tail()}")

    def stop(self) -> float:
        begun = time.monotonic()
        self._process.signal(15)
        code = self._process.wait(60)
        if code != 0:
            raise SystemExit(f"exit code {code}: {self._process.tail()}")
        return time.monotonic() - begun


def reading(partitions: int):
    def holds(status: dict) -> bool:
        starting = any(topic["state"] == "starting" for topic in status["topics"])
        return status["partitions"]["assigned"] == partitions and not starting

    return holds


def create_topics(broker: Broker, topics: list[str], partitions: int) -> None:
    new = [NewTopic(topic, partitions, 1) for topic in topics]
    for answer in broker.admin.create_topics(new, operation_timeout=60).values():
        answer.result(120)
    broker.end_offsets(topics[-1])


def feed(broker: Broker, topics: list[str], partitions: int, records: int) -> None:
    command = [str(PROGRAMS / "feed"), broker.bootstrap, str(records), str(partitions), *topics]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def watch_trickle(service: Service, seconds: float) -> dict[str, float]:
    """Looks each second."""
    begun, cpu_from = time.monotonic(), cpu_seconds(service.pid)
    commits, oldest, memory = [], [], []
    while time.monotonic() - begun < seconds:
        time.sleep(1)
        status = service.status()
        commits.append(status["totals"]["commits"])
        oldest.append(max(t.get("oldest_unwritten_seconds") or 0 for t in status["topics"]))
        memory.append(resident_mb(service.pid))
    took = time.monotonic() - begun
    steps = [after - before for before, after in itertools.pairwise(commits)]
    return {
        "commits_a_second": round((commits[-1] - commits[0]) / took, 1),
        "commits_a_second_most": max(steps),
        "oldest_unwritten_seconds_most": round(max(oldest), 1),
        "resident_mb": round(max(memory), 1),
        "core": round((cpu_seconds(service.pid) - cpu_from) / took, 3),
    }


def idle_core(service: Service) -> float:
    """The share of a core that it takes when nothing comes and nobody asks."""
    before = cpu_seconds(service.pid)
    time.sleep(QUIET_SECONDS)
    return (cpu_seconds(service.pid) - before) / QUIET_SECONDS


def measure(folder: Path, broker: Broker, store, arguments: argparse.Namespace) -> dict:
    topics = [f"topic-{number:03d}" for number in range(arguments.topics)]
    partitions = arguments.topics * arguments.partitions
    print(f"{arguments.topics} topics, {partitions} partitions are created", flush=True)
    create_topics(broker, topics, arguments.partitions)
    feed(broker, topics, arguments.partitions, arguments.records)
    variables = {
        **store.environment(),
        "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap,
        "KAFKA_CONSUMER_GROUP": "many",
        "KAFKA_TOPICS": "^topic-.*",
        "BATCH_INTERVAL_SECONDS": str(arguments.interval),
        "LOG_LEVEL": "warn",
    }
    report: dict = {"topics": arguments.topics, "partitions": partitions}
    with Box(cores=arguments.cores, memory_mb=256) as box:
        service = Service(folder, variables, box)
        all_reading = reading(partitions)
        report["first_start_seconds"] = round(service.wait(all_reading, "all are read"), 1)
        print(f"first start: {report['first_start_seconds']} s", flush=True)
        drained = service.wait(
            lambda status: status["totals"]["rows_committed"] == arguments.records, "all is written"
        )
        report["drained_seconds"] = round(drained, 1)
        report["drain_peak_mb"] = round(peak_mb_of(service.pid), 1)
        print(f"drained: {drained:.1f} s, peak {report['drain_peak_mb']} MB", flush=True)
        trickle = Trickle(broker, arguments.rate, topics)
        time.sleep(2 * arguments.interval)
        report["trickle"] = watch_trickle(service, arguments.seconds)
        trickle.stop()
        report["stop_seconds"] = round(service.stop(), 1)
        service = Service(folder, variables, box)
        report["restart_seconds"] = round(service.wait(all_reading, "all are read"), 1)
        report["restart_peak_mb"] = round(peak_mb_of(service.pid), 1)
        time.sleep(QUIET_SECONDS)
        report["idle_mb"] = round(resident_mb(service.pid), 1)
        report["idle_core"] = round(idle_core(service), 4)
        service.stop()
        report["killed_for_memory"] = box.kills()
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--topics", type=int, default=500)
    parser.add_argument("--partitions", type=int, default=4, help="of each topic")
    parser.add_argument("--records", type=int, default=200_000, help="the backlog, all topics")
    parser.add_argument("--rate", type=float, default=1000, help="messages a second, all topics")
    parser.add_argument("--seconds", type=float, default=30, help="how long the trickle is watched")
    parser.add_argument("--interval", type=float, default=10, help="BATCH_INTERVAL_SECONDS")
    parser.add_argument("--cores", type=float, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        broker, minio = Broker(folder / "kafka"), MinioServer(folder / "minio")
        try:
            broker.start()
            minio.start()
            report = measure(folder, broker, minio.create_bucket("bench"), arguments)
        finally:
            minio.stop()
            broker.stop()
    print("figures:")
    for what, figure in report.items():
        print(f"{what:30} {figure}")
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps(report, indent=1))
    if report["killed_for_memory"]:
        raise SystemExit(f"killed for want of memory: {report['killed_for_memory']} times")


if __name__ == "__main__":
    main()
