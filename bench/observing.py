"""What watching the service costs it: being scraped, and hostile HTTP clients.

Run by `make bench`, about a minute and a half: real Kafka broker, real MinIO, the release binary,
200 partitions, a steady trickle. In turns nobody asks, /metrics and /status are scraped once a
second, and /metrics so often that its cost shows. Then 10,000 idle connections, slow lorises,
clients that take no answer and malformed requests come all at once. How soon records are visible is
measured meanwhile: when the entry of the table's log is there. Writes build/reports/observing.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "integration"))
sys.path.insert(0, str(ROOT / "bench"))

from drain import TOPICS  # noqa: E402
from harness.hostile_http import Client, all_at_once, ask_regularly  # noqa: E402
from harness.kafka import Broker  # noqa: E402
from harness.minio import MinioServer  # noqa: E402
from harness.processes import descriptors, wait_until  # noqa: E402
from harness.service import Bronze  # noqa: E402
from harness.tables import Table  # noqa: E402
from steady import WATCHED, Trickle, cpu_seconds, freshness  # noqa: E402

PARTITIONS = 25  # of each of the eight topics
GROUP = "observing"
WARM_UP_SECONDS = 5
PROBE_EVERY = 0.1
OFTEN = 50  # times a second
# What is asked for, and every how many seconds.
SCRAPES: dict[str, tuple[list[str], float]] = {
    "alone": ([], 1),
    "scraped each second": (["/metrics", "/status"], 1),
    f"/metrics {OFTEN} times a s": (["/metrics"], 1 / OFTEN),
}
REPORT = ROOT / "build" / "reports" / "observing.json"


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else 0.0


@dataclass
class Figures:
    """What was seen in all stretches of one kind."""

    seconds: float = 0
    cpu_seconds: float = 0
    cores: list[float] = field(default_factory=list)
    fresh: list[float] = field(default_factory=list)
    memory_mb: list[float] = field(default_factory=list)
    descriptors_max: int = 0
    waits: list[float | None] = field(default_factory=list)
    bytes: list[int] = field(default_factory=list)
    asked_a_second: float = 0

    @property
    def core(self) -> float:
        return self.cpu_seconds / self.seconds

    def told(self) -> dict[str, object]:
        answered = [wait for wait in self.waits if wait is not None]
        return {
            "seconds": round(self.seconds, 1),
            "core": round(self.core, 4),
            "core_of_each": [round(core, 4) for core in self.cores],
            "records_timed": len(self.fresh),
            "freshness_p50_seconds": round(quantile(self.fresh, 0.5), 3),
            "freshness_p99_seconds": round(quantile(self.fresh, 0.99), 3),
            "resident_mb_max": round(max(self.memory_mb), 1),
            "descriptors_max": self.descriptors_max,
            "requests": len(self.waits),
            "without_answer": len(self.waits) - len(answered),
            "wait_p50_seconds": round(quantile(answered, 0.5), 4),
            "wait_p99_seconds": round(quantile(answered, 0.99), 4),
            "wait_max_seconds": round(max(answered, default=0), 4),
            "asked_a_second": round(self.asked_a_second, 1),
            "bytes_an_answer": round(statistics.mean(self.bytes)) if self.bytes else 0,
        }


class Bench:
    """The service under the trickle, and what is read of it."""

    def __init__(self, folder: Path, rate: float) -> None:
        self.broker = Broker(folder / "kafka")
        self.minio = MinioServer(folder / "minio")
        self._folder = folder
        self._rate = rate
        self._trickle: Trickle | None = None
        self._entries_read = 0
        self._read_up_to: dict[int, int] = {}

    def __enter__(self) -> Bench:
        self.broker.start()
        self.minio.start()
        self.bucket = self.minio.create_bucket("bench")
        for topic in TOPICS:
            self.broker.create_topic(topic, PARTITIONS)
        variables = {
            **self.bucket.environment(),
            "KAFKA_BOOTSTRAP_SERVERS": self.broker.bootstrap,
            "KAFKA_CONSUMER_GROUP": GROUP,
            "KAFKA_TOPICS": ",".join(TOPICS),
            "BATCH_INTERVAL_SECONDS": "1",
        }
        self.service = Bronze(self._folder / "service", variables)
        self.service.wait_answering()
        self._table = Table(self.bucket, WATCHED)
        wait_until(lambda: len(self._table.txns()) > PARTITIONS, 60, "the table is registered")
        self._trickle = Trickle(self.broker, self._rate)
        time.sleep(WARM_UP_SECONDS)
        return self

    def __exit__(self, *_error: object) -> None:
        if self._trickle:
            self._trickle.stop()
        self.service.end()
        self.minio.stop()
        self.broker.stop()

    def finish(self) -> int:
        """Offsets that are not in the tables just once, when all has been written."""
        self._trickle.stop()
        self.broker.wait_caught_up(GROUP, *TOPICS)
        self.service.stop()
        wrong = 0
        for topic in TOPICS:
            rows = Table(self.bucket, topic).arrow().select(["_kafka_partition", "_kafka_offset"])
            found = list(zip(*(column.to_pylist() for column in rows.columns), strict=True))
            ends = self.broker.end_offsets(topic)
            expected = {(p, offset) for p in ends for offset in range(ends[p])}
            wrong += len(expected ^ set(found)) + len(found) - len(set(found))
        return wrong

    def _positions(self) -> dict[int, int]:
        """From the log: delta-rs looks for each partition by itself, which takes long with many."""
        entries = self._table.commits()
        for entry in entries[self._entries_read :]:
            for name, version in entry.txns.items():
                if name.count("/") == 3:
                    self._read_up_to[int(name.rpartition("/")[2])] = version
        self._entries_read = len(entries)
        return dict(self._read_up_to)

    def measure(self, seconds: float, into: Figures) -> None:
        pid = self.service.pid
        cpu, begun = cpu_seconds(pid), time.monotonic()
        fresh, memory = freshness(self._trickle, self._positions, seconds, pid)
        took = time.monotonic() - begun
        used = cpu_seconds(pid) - cpu
        into.seconds += took
        into.cpu_seconds += used
        into.cores.append(used / took)
        into.fresh += fresh
        into.memory_mb += memory
        into.descriptors_max = max(into.descriptors_max, descriptors(pid))

    def scraped(self, paths: list[str], every: float, seconds: float, into: Figures) -> None:
        if not paths:
            self.measure(seconds, into)
            return
        with Client(ask_regularly, self.service.http_port, paths, every) as scraper:
            time.sleep(1)  # until it has begun
            self.measure(seconds, into)
        into.asked_a_second = len(scraper.told["took"]) / scraper.told["seconds"]
        into.waits += scraper.told["took"]
        into.bytes += scraper.told["bytes"]


def show(name: str, told: dict[str, object], alone: Figures | None) -> None:
    line = f"{name:24} {told['core']:7.2%} of a core"
    if alone:
        line += f" ({told['core'] - alone.core:+.2%})"
    line += (
        f"  fresh {told['freshness_p50_seconds']:.2f} s p50, {told['freshness_p99_seconds']:.2f} s "
        f"p99  {told['resident_mb_max']:.0f} MB  {told['descriptors_max']} descriptors"
    )
    if told["requests"]:
        line += (
            f"  answers {told['wait_p50_seconds'] * 1e3:.1f} ms p50, "
            f"{told['wait_p99_seconds'] * 1e3:.1f} ms p99, {told['wait_max_seconds'] * 1e3:.0f} ms "
            f"at most, {told['without_answer']} of {told['requests']} missing, "
            f"{told['bytes_an_answer']:,} bytes"
        )
    print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=60, help="messages a second, all topics")
    parser.add_argument("--seconds", type=float, default=8, help="of each stretch")
    parser.add_argument("--rounds", type=int, default=2, help="of alone and scraped")
    parser.add_argument("--hostile-seconds", type=float, default=16)
    arguments = parser.parse_args()
    figures = {name: Figures() for name in [*SCRAPES, "hostile clients", "after them"]}
    with tempfile.TemporaryDirectory() as name, Bench(Path(name), arguments.rate) as bench:
        for _ in range(arguments.rounds):
            for what, (paths, every) in SCRAPES.items():
                bench.scraped(paths, every, arguments.seconds, figures[what])
                fresh = statistics.median(figures[what].fresh)
                print(
                    f"  {what}: {figures[what].cores[-1]:.2%} of a core, {fresh:.2f} s", flush=True
                )
        with all_at_once(bench.service.http_port) as hostile:
            print("  hostile clients come", flush=True)
            begun = time.monotonic()
            time.sleep(2)
            seconds = arguments.hostile_seconds
            bench.scraped(["/health"], PROBE_EVERY, seconds, figures["hostile clients"])
        did = {what: client.told for what, client in hostile.items()}
        clients_cpu = sum(client.cpu_seconds for client in hostile.values())
        clients_core = clients_cpu / (time.monotonic() - begun)
        print(f"  they did: {did}", flush=True)
        bench.scraped(["/health"], PROBE_EVERY, arguments.seconds, figures["after them"])
        wrong = bench.finish()
    alone, often = figures["alone"], figures[f"/metrics {OFTEN} times a s"]
    report = {what: of.told() for what, of in figures.items()}
    print("figures:")
    for what, told in report.items():
        show(what, told, None if what == "alone" else alone)
    scrape = (often.core - alone.core) / often.asked_a_second
    partitions = len(TOPICS) * PARTITIONS
    print(f"/metrics each second, {partitions} partitions: {scrape:.3%} of a core")
    print(f"the hostile clients themselves: {clients_core:.0%} of a core")
    print(f"offsets that are not in the tables just once: {wrong}")
    report |= {
        "scrape_core": scrape,
        "hostile": did,
        "hostile_clients_core": round(clients_core, 3),
        "offsets_wrong": wrong,
    }
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps(report, indent=1))
    if wrong:
        sys.exit(1)


if __name__ == "__main__":
    main()
