"""All of bad HTTP at once, beside a whole service that copies meanwhile."""

from __future__ import annotations

import itertools
import re
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest
from harness.hostile_http import (
    IDLE_CONNECTIONS,
    REOPENED_A_SECOND,
    VISITS,
    Client,
    all_at_once,
    ask_regularly,
    get,
)
from harness.payloads import Stream
from harness.processes import descriptors, resident_mb, wait_until
from harness.tables import Table, assert_exactly_once

BATCH_INTERVAL_SECONDS = 0.5
HOSTILE_SECONDS = 8
# Generous: the clients take most of both cores.
GAP_MAX_SECONDS = 15
WAIT_MAX_SECONDS = 10
MEMORY_MAX_GROWTH_MB = 48
DESCRIPTORS_MAX_GROWTH = 320


class Greatest:
    """What the process took at most meanwhile."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.descriptors = 0
        self.resident_mb = 0.0

    def __enter__(self) -> Greatest:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            self.descriptors = max(self.descriptors, descriptors(self._pid))
            self.resident_mb = max(self.resident_mb, resident_mb(self._pid))


@pytest.fixture
def odd_topic(broker, unique) -> str:
    """Every kind of character that Kafka takes."""
    topic = f"0.{unique('Odd_Topic')}..-_."
    broker.create_topic(topic, 3)
    return topic


def series_of(text: str) -> Iterator[tuple[str, dict[str, str], float]]:
    """As a server that scrapes reads them."""
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        name, labels, value = re.fullmatch(r"([a-z_]+)(?:\{(.*)\})? (\S+)", line).groups()
        pairs = re.findall(r'([a-z_]+)="((?:[^"\\]|\\.)*)"', labels or "")
        assert ",".join(f'{key}="{text}"' for key, text in pairs) == (labels or "")
        yield name, dict(pairs), float(value)


def gaps_between_commits(table: Table, begin: float, end: float) -> list[float]:
    """Seconds between the commits of a stretch of time, and to its ends."""
    times = [commit.info["timestamp"] / 1000 for commit in table.data_commits()]
    within = [begin, *(at for at in times if begin < at < end), end]
    return [after - before for before, after in itertools.pairwise(within)]


def test_copying_goes_on_beside_hostile_clients(
    broker, odd_topic, bucket, group, environment, start
):
    variables = environment(odd_topic, BATCH_INTERVAL_SECONDS=str(BATCH_INTERVAL_SECONDS))
    instance = start(variables)
    table = Table(bucket, odd_topic)
    with Stream(broker, odd_topic):
        instance.wait_written(500)
        before, memory = descriptors(instance.pid), resident_mb(instance.pid)
        with Greatest(instance.pid) as greatest, all_at_once(instance.http_port) as hostile:
            time.sleep(2)
            begin = time.time()
            with Client(ask_regularly, instance.http_port, ["/health"], 0.1) as good:
                time.sleep(HOSTILE_SECONDS)
            end = time.time()
        gaps = gaps_between_commits(table, begin, end)
        text = get(instance.http_port, "/metrics", 10).decode()
        assert instance.wait_answering().is_healthy
        wait_until(lambda: descriptors(instance.pid) < before + 20, 20, "connections are closed")
    instance.stop()
    answers = [took for took in good.told["took"] if took is not None]
    print(
        f"gaps up to {max(gaps):.1f} s, {len(answers)} of {len(good.told['took'])} answers in up "
        f"to {max(answers):.2f} s, {memory:.0f} to {greatest.resident_mb:.0f} MB, {before} to "
        f"{greatest.descriptors} descriptors",
        {name: client.told for name, client in hostile.items()},
    )

    assert_exactly_once(table, broker, group)
    assert max(gaps) < GAP_MAX_SECONDS
    assert len(answers) == len(good.told["took"]) > 0
    assert max(answers) < WAIT_MAX_SECONDS
    assert greatest.resident_mb < memory + MEMORY_MAX_GROWTH_MB
    assert greatest.descriptors < before + DESCRIPTORS_MAX_GROWTH
    # They did what they are for.
    assert all(hostile["visit_often"].told[visit] > 10 for visit in VISITS)
    assert hostile["stay_idle"].told > min(IDLE_CONNECTIONS, 4 * REOPENED_A_SECOND)
    assert hostile["drip"].told > 0 and hostile["take_nothing"].told > 10

    check = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, check=False)
    assert check.returncode == 0
    series = list(series_of(text))
    topics = {labels["topic"] for _, labels, _ in series if "topic" in labels}
    assert topics == {odd_topic}
    rows = [value for name, _, value in series if name == "bronze_rows_committed_total"]
    assert rows[0] >= 500
