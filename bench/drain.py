"""Drains a backlog on eight topics by `run --once`, and by a bare librdkafka loop beside it.

Run by `make bench`: real Kafka broker, real MinIO, the release binary. Rounds alternate, so that
what else goes on in the machine meets all of them; figures are medians. Writes
build/reports/drain.json.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "integration"))
sys.path.insert(0, str(ROOT / "bench"))

from box import Box  # noqa: E402
from harness.kafka import Broker  # noqa: E402
from harness.minio import Folder, MinioServer, Store  # noqa: E402
from harness.processes import free_port  # noqa: E402
from harness.service import BINARY, plain_environment  # noqa: E402
from harness.tables import Table  # noqa: E402

TOPICS = [
    *("gps_pings", "trips", "driver_status", "surge_updates"),
    *("ratings", "payments", "driver_profiles", "rider_profiles"),
]
PARTITIONS = 4
PROGRAMS = BINARY.parent
REPORT = ROOT / "build" / "reports" / "drain.json"


@dataclass(frozen=True)
class Run:
    """One process from start to exit."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    stored_bytes: int = 0


def measured(command: list[str], environment: dict[str, str], box: Box | None = None) -> Run:
    if box:
        command = box.wrapped(command)
    begun = time.monotonic()
    pid = os.posix_spawn(
        command[0],
        command,
        environment,
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    peak_mb = 0.0
    while (ended := os.wait4(pid, os.WNOHANG))[0] == 0:
        peak_mb = max(peak_mb, peak_mb_of(pid))
        time.sleep(0.01)
    _, status, usage = ended
    seconds = time.monotonic() - begun
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit(f"{command[0]} ended with {os.waitstatus_to_exitcode(status)}")
    return Run(seconds, usage.ru_utime + usage.ru_stime, peak_mb)


def peak_mb_of(pid: int) -> float:
    """So far. (ru_maxrss begins with the memory of whoever started the process.)"""
    status = Path(f"/proc/{pid}/status").read_text()
    peaks = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(peaks[0]) / 1024 if peaks else 0.0


def bare_loop(broker: Broker) -> Run:
    command = [str(PROGRAMS / "bare_loop"), broker.bootstrap, str(PARTITIONS), *TOPICS]
    return measured(command, dict(os.environ))


def drained(broker: Broker, store: Store, group: str, records: int, box: Box | None = None) -> Run:
    environment = {
        **plain_environment(),
        **store.environment(),
        "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap,
        "KAFKA_CONSUMER_GROUP": group,
        "KAFKA_TOPICS": ",".join(TOPICS),
        "HTTP_PORT": str(free_port()),
        "LOG_LEVEL": "warn",
    }
    run = measured([str(BINARY), "run", "--once"], environment, box)
    actions = [Table(store, topic).delta_rs().get_add_actions(flatten=True) for topic in TOPICS]
    rows = sum(sum(action["num_records"].to_pylist()) for action in actions)
    if rows != records:
        raise SystemExit(f"{rows} rows of {records}")
    stored = sum(sum(action["size_bytes"].to_pylist()) for action in actions)
    return Run(run.seconds, run.cpu_seconds, run.peak_mb, stored)


def feed(broker: Broker, records: int) -> int:
    for topic in TOPICS:
        broker.create_topic(topic, PARTITIONS)
    program = str(PROGRAMS / "feed")
    answer = subprocess.run(
        [program, broker.bootstrap, str(records), str(PARTITIONS), *TOPICS],
        check=True,
        capture_output=True,
        text=True,
    )
    return int(answer.stdout)


def median_of(runs: list[Run]) -> Run:
    by_field = zip(*(asdict(run).values() for run in runs), strict=True)
    return Run(*(statistics.median(values) for values in by_field))


def show(name: str, run: Run, limit: Run, payload: int, records: int) -> None:
    line = (
        f"{name:12} {run.seconds:6.2f} s  {run.seconds / limit.seconds:4.1f}x  "
        f"{run.cpu_seconds / payload * 1e9:4.2f} CPU-s/GB  {run.peak_mb:4.0f} MB  "
        f"{records / run.seconds:9,.0f} messages/s"
    )
    if run.stored_bytes:
        line += f"  {payload / run.stored_bytes:.2f}x smaller"
    print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-box", action="store_true", help="without the run in half a core")
    arguments = parser.parse_args()
    records = arguments.records
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        broker = Broker(folder / "kafka")
        minio = MinioServer(folder / "minio")
        runs: dict[str, list[Run]] = {}
        try:
            broker.start()
            minio.start()
            payload = feed(broker, records)
            print(f"{records:,} messages, {payload / 1e9:.2f} GB, {len(TOPICS)} topics", flush=True)
            bare_loop(broker)
            for turn in range(arguments.rounds):
                disk = Folder(folder / f"tables-{turn}")
                bucket = minio.create_bucket(f"bench-{turn}")
                for what in ("bare loop", "local disk", "MinIO"):
                    store = disk if what == "local disk" else bucket
                    run = (
                        bare_loop(broker)
                        if what == "bare loop"
                        else drained(broker, store, f"{what}-{turn}", records)
                    )
                    runs.setdefault(what, []).append(run)
                    show(f"  {what}", run, runs["bare loop"][-1], payload, records)
            if not arguments.no_box:
                with Box(cores=0.5, memory_mb=256) as box:
                    bucket = minio.create_bucket("boxed")
                    runs["half a core"] = [drained(broker, bucket, "boxed", records, box)]
        finally:
            minio.stop()
            broker.stop()
    medians = {what: median_of(of) for what, of in runs.items()}
    print("medians:")
    for what, run in medians.items():
        show(what, run, medians["bare loop"], payload, records)
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    report = {"records": records, "payload_bytes": payload}
    report["medians"] = {what: asdict(run) for what, run in medians.items()}
    REPORT.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
