"""Rows 7, 8 and 9: the store is slow, refuses, lies, goes away, or is full.

Also: a store that is stopped while records wait, and one that comes late, in
tests/integration/test_restarts.py; a bucket that is missing and a wrong key at the start, in
test_cli.py; a bucket that is removed later, in test_offsets.py; what each answer of a store
means, in bridge/src/store/tests.rs.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness.minio import Bucket, Folder, MinioServer
from harness.payloads import Stream, json_values
from harness.processes import wait_until
from harness.service import FAULTY_BINARY, Bronze
from harness.tables import Table
from logs import log_folder
from oracle import Claim, claims
from s3_proxy import Exchange, Fault, Request, answer_instead, delayed, pass_on
from toxics import Link, Toxiproxy

STOPPED = 1
MIB = 1024 * 1024
LATENCY_MS = 5000
SLOW_KB_A_SECOND = 1000
PATIENCE_SECONDS = 4


@pytest.fixture(scope="module")
def toxiproxy(tmp_path_factory) -> Iterator[Toxiproxy]:
    server = Toxiproxy(tmp_path_factory.mktemp("toxiproxy"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def link(toxiproxy, minio) -> Link:
    return toxiproxy.link(minio.address)


def resident_mib(instance: Bronze) -> int:
    status = Path(f"/proc/{instance.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) // 1024


class Watch:
    """That an instance stays in its group and within its memory while something is wrong."""

    def __init__(self, instance: Bronze, limit_mib: int = 256) -> None:
        self._instance = instance
        self._limit_mib = limit_mib
        self._assigned = self._assignments()

    def _assignments(self) -> int:
        return self._instance.log().count("partitions assigned")

    def look(self) -> None:
        assert self._instance.running, self._instance.tail()
        assert self._instance.health() is not None
        assert resident_mib(self._instance) < self._limit_mib
        assert self._assignments() == self._assigned, "its partitions were given to it anew"

    def during(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.look()
            time.sleep(0.5)


def errors_of(instance: Bronze) -> int:
    return instance.wait_answering().body["errors"]


class Commits:
    """What an instance says to have committed from now on."""

    def __init__(self, instance: Bronze) -> None:
        self._instance = instance
        self._before = len(claims(instance.log()))

    def begun_since(self) -> list[Claim]:
        """Without the first, which may have been on its way."""
        return claims(self._instance.log())[self._before + 1 :]

    def wait_begun(self, count: int, timeout: float) -> list[Claim]:
        wait_until(
            lambda: len(self.begun_since()) >= count,
            timeout,
            f"{count} commits were begun and landed\n{self._instance.tail()}",
        )
        return self.begun_since()


@pytest.fixture
def recovers(broker, topic, group, oracle) -> Callable[..., None]:
    """recovers(instance, table) once the store works again: everything is there, and it says so."""

    def check(instance: Bronze, table: Table, timeout: float = 60) -> None:
        broker.wait_caught_up(group, topic, timeout=timeout)
        wait_until(lambda: instance.wait_answering().is_healthy, 10, "it is healthy again")
        assert errors_of(instance) == 0
        instance.stop()
        oracle(table)

    return check


# --- row 7 ----------------------------------------------------------------------------------------


@pytest.mark.row(7)
def test_a_storm_of_refusals(
    proxy, chance, counts, broker, topic, table, environment, start, recovers
):
    """Two requests of three are answered with 503, 500 or 429 for a while."""
    refusals = [(503, "SlowDown"), (503, "ServiceUnavailable"), (500, "InternalError")]
    refusals.append((429, "TooManyRequests"))

    def storm(_request: Request) -> Fault | None:
        if chance.random() < 1 / 3:
            return None
        counts.add(refusals=1)
        return answer_instead(*chance.choice(refusals))

    instance = start(
        environment(topic, S3_ENDPOINT_URL=proxy.endpoint, BATCH_INTERVAL_SECONDS="0.5")
    )
    with Stream(broker, topic):
        instance.wait_written(1)
        watch = Watch(instance)
        proxy.judge = storm
        watch.during(6)
        proxy.judge = pass_on
        watch.look()
    recovers(instance, table)


OUTAGES = [
    pytest.param(8, "60", id="8s"),
    pytest.param(600, "1800", id="10min", marks=pytest.mark.full),
]


@pytest.mark.row(7)
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("seconds", "retry_seconds"), OUTAGES)
def test_an_outage_under_load(
    seconds, retry_seconds, link, broker, topic, table, group, environment, start, recovers
):
    instance = start(
        environment(
            topic,
            S3_ENDPOINT_URL=link.endpoint,
            BATCH_INTERVAL_SECONDS="0.5",
            WRITE_RETRY_SECONDS=retry_seconds,
        )
    )
    with Stream(broker, topic, per_second=2000):
        instance.wait_written(1)
        watch = Watch(instance)
        link.cut()
        instance.wait_errors(60)
        # What had landed is told to Kafka.
        watch.during(3)
        landed = broker.committed_offsets(group, topic)
        watch.during(seconds)
        assert broker.committed_offsets(group, topic) == landed
        assert "reading pauses" in instance.log()
        link.mend()
        wait_until(lambda: errors_of(instance) == 0, 60, "writes succeed again")
        watch.look()
    recovers(instance, table, timeout=120)


@pytest.mark.row(7)
@pytest.mark.parametrize(
    "trouble", [answer_instead(503, "SlowDown"), delayed(25)], ids=["refused", "slow"]
)
def test_a_table_that_cannot_be_written_leaves_the_others_room(
    trouble, proxy, broker, new_topic, bucket, group, environment, start, oracle
):
    """A backlog for one table fills the memory, and its files do not get into the store."""
    stuck, well = new_topic(4), new_topic(4)
    broker.produce(stuck, random_values(30_000))
    proxy.judge = lambda request: (
        trouble if request.is_data_file and f"bronze_{stuck}/" in request.path else None
    )
    instance = start(
        environment(
            *(stuck, well),
            S3_ENDPOINT_URL=proxy.endpoint,
            BATCH_INTERVAL_SECONDS="1",
            MEMORY_LIMIT_MB="64",
        )
    )
    instance.wait_log(f"{stuck}: reading pauses", 60)
    table = Table(bucket, well)
    for _ in range(3):
        broker.produce(well, json_values(100))
        # Less than the other table's files take, even if nothing is wrong with them.
        broker.wait_caught_up(group, well, timeout=15)
    proxy.judge = pass_on
    broker.wait_caught_up(group, stuck, timeout=90)
    instance.stop()
    for each in (table, Table(bucket, stuck)):
        oracle(each)


@pytest.mark.full
@pytest.mark.row(7)
def test_connections_that_are_reset_all_the_time(
    link, broker, topic, table, group, environment, start, recovers
):
    variables = environment(topic, S3_ENDPOINT_URL=link.endpoint, BATCH_INTERVAL_SECONDS="0.5")
    instance = start(variables)
    with Stream(broker, topic):
        instance.wait_written(1)
        watch = Watch(instance)
        link.reset(after_ms=5)
        instance.wait_errors(90)
        landed = len(claims(instance.log()))
        watch.during(6)
        assert len(claims(instance.log())) == landed, "no answer comes through"
        link.mend()
    recovers(instance, table)


@pytest.mark.full
@pytest.mark.row(7)
@pytest.mark.timeout(400)
def test_answers_that_take_five_seconds(
    link, broker, topic, table, group, environment, start, recovers
):
    instance = start(environment(topic, S3_ENDPOINT_URL=link.endpoint, BATCH_INTERVAL_SECONDS="1"))
    with Stream(broker, topic):
        instance.wait_written(1)
        watch = Watch(instance)
        link.slow(LATENCY_MS)
        commits = Commits(instance)
        watch.during(60)
        # It goes on all the same.
        late = commits.wait_begun(2, 120)
        link.mend()
    assert min(commit.milliseconds for commit in late) >= LATENCY_MS, late
    recovers(instance, table, timeout=120)


@pytest.mark.full
@pytest.mark.row(7)
@pytest.mark.timeout(400)
def test_a_kilobyte_a_second(link, broker, topic, table, group, environment, start, recovers):
    instance = start(environment(topic, S3_ENDPOINT_URL=link.endpoint, BATCH_INTERVAL_SECONDS="1"))
    # So few that what comes during one commit can be written by the next.
    with Stream(broker, topic, per_second=50):
        instance.wait_written(1)
        watch = Watch(instance)
        link.narrow(1)
        late = Commits(instance).wait_begun(2, 150)
        print(late)
        # A byte takes a millisecond.
        assert all(commit.milliseconds >= commit.stored_bytes > 0 for commit in late), late
        # More than comes through.
        with Stream(broker, topic):
            watch.during(60)
        link.mend()
    recovers(instance, table, timeout=120)


@pytest.mark.full
@pytest.mark.row(7)
@pytest.mark.timeout(400)
def test_a_large_file_over_a_slow_link(
    link, broker, topic, table, group, environment, start, recovers
):
    """It takes several times as long as a request may at first."""
    broker.produce(topic, random_values(24_000))
    link.narrow(SLOW_KB_A_SECOND)
    variables = environment(
        topic,
        S3_ENDPOINT_URL=link.endpoint,
        BATCH_INTERVAL_SECONDS="10",
        BRONZE_STORE_TIMEOUT_MS=str(PATIENCE_SECONDS * 1000),
    )
    instance = start(variables, binary=FAULTY_BINARY)
    recovers(instance, table, timeout=150)
    largest = max(claim.stored_bytes for claim in claims(instance.log()))
    assert largest > 2 * PATIENCE_SECONDS * SLOW_KB_A_SECOND * 1000


@pytest.mark.full
@pytest.mark.row(7)
@pytest.mark.timeout(400)
def test_a_store_that_takes_connections_and_never_answers(
    link, broker, topic, table, group, environment, start, recovers
):
    instance = start(environment(topic, S3_ENDPOINT_URL=link.endpoint, BATCH_INTERVAL_SECONDS="1"))
    with Stream(broker, topic):
        instance.wait_written(1)
        watch = Watch(instance)
        link.swallow()
        instance.wait_errors(120)
        landed = len(claims(instance.log()))
        watch.during(60)
        assert len(claims(instance.log())) == landed, "no answer comes through"
        link.mend()
    recovers(instance, table, timeout=120)


@pytest.mark.row(7, 17)
def test_a_store_that_finds_our_clock_wrong(
    proxy, broker, topic, table, environment, start, recovers
):
    """Requests are signed with the time; the clock is set right after a while."""
    instance = start(
        environment(topic, S3_ENDPOINT_URL=proxy.endpoint, BATCH_INTERVAL_SECONDS="0.5")
    )
    with Stream(broker, topic):
        instance.wait_written(1)
        watch = Watch(instance)
        refusal = answer_instead(403, "RequestTimeTooSkewed")
        # The answer to a HEAD cannot say why.
        proxy.judge = lambda request: None if request.method == "HEAD" else refusal
        wait_until(lambda: errors_of(instance) > 2, 60, "/health counts failed writes")
        assert "RequestTimeTooSkewed" in instance.log()
        watch.look()
        proxy.judge = pass_on
    recovers(instance, table)


# --- row 8 ----------------------------------------------------------------------------------------


def of_everything(_request: Request) -> bool:
    return True


def of_commits(request: Request) -> bool:
    return request.is_commit


def of_data_files(request: Request) -> bool:
    return request.is_data_file


DENIALS = [
    pytest.param(of_everything, 400, "ExpiredToken", id="expired"),
    pytest.param(of_everything, 403, "InvalidAccessKeyId", id="key-gone", marks=pytest.mark.full),
    pytest.param(of_commits, 403, "AccessDenied", id="no-commits"),
    pytest.param(of_data_files, 403, "AccessDenied", id="no-files", marks=pytest.mark.full),
]


@pytest.mark.row(8)
@pytest.mark.parametrize(("which", "status", "code"), DENIALS)
def test_access_that_is_taken_away_ends_the_service_at_once(
    which, status, code, proxy, broker, topic, table, group, environment, start, oracle
):
    broker.produce(topic, json_values(50))
    instance = start(
        environment(topic, S3_ENDPOINT_URL=proxy.endpoint, BATCH_INTERVAL_SECONDS="0.3")
    )
    broker.wait_caught_up(group, topic)
    landed = broker.committed_offsets(group, topic)

    proxy.judge = lambda request: answer_instead(status, code) if which(request) else None
    broker.produce(topic, json_values(50))

    assert instance.wait_exit(60) == STOPPED
    (said,) = (line for line in instance.log().splitlines() if "Stopping" in line)
    assert code in said and topic in said, said
    assert broker.committed_offsets(group, topic) == landed

    proxy.judge = pass_on
    again = start(environment(topic, S3_ENDPOINT_URL=proxy.endpoint), "run", "--once")
    assert again.wait_exit(60) == 0, again.tail()
    oracle(table)


@pytest.mark.row(8)
def test_a_store_that_ignores_if_none_match_is_refused_at_the_start(
    proxy, broker, topic, bucket, group, environment, start
):
    files = bucket.server.filesystem()

    def overwrite(exchange: Exchange) -> None:
        answer = exchange.forward()
        if answer.status == 412:
            files.delete_file(exchange.request.path.lstrip("/"))
            answer = exchange.forward()
        exchange.send(answer)

    proxy.judge = lambda request: overwrite if request.header("if-none-match") else None
    broker.produce(topic, json_values(50))
    instance = start(environment(topic, S3_ENDPOINT_URL=proxy.endpoint))

    assert instance.wait_exit(60) == STOPPED
    assert "does not honour put-if-absent" in instance.log(), instance.tail()
    assert broker.committed_offsets(group, topic) == {}
    assert not Table(bucket, topic).commits()


# --- row 9 ----------------------------------------------------------------------------------------


@pytest.mark.full
@pytest.mark.row(9)
def test_a_store_that_is_killed_and_restarted(
    tmp_path, broker, topic, unique, group, environment, start, recovers
):
    server = MinioServer(tmp_path / "minio")
    try:
        server.start()
        bucket: Bucket = server.create_bucket(unique("b"))
        instance = start(environment(topic, store=bucket, BATCH_INTERVAL_SECONDS="0.2"))
        with Stream(broker, topic):
            written = 0
            for _ in range(3):
                instance.wait_written(written + 1)
                server.kill()
                time.sleep(1)
                server.start()
                written = instance.wait_answering().body["messages_written"]
        recovers(instance, Table(bucket, topic))
    finally:
        server.stop()


def mount(*arguments: str | Path) -> None:
    done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, f"mount needs root and CAP_SYS_ADMIN: {done.stderr}"


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Folder]:
    """A disk of its own, of 8 MiB."""
    path = tmp_path / "small"
    path.mkdir()
    mount("-t", "tmpfs", "-o", "size=8m", "bronze-test", path)
    try:
        yield Folder(path)
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)


def fill(disk: Path, leave: int) -> Path:
    """A file that takes all but so many bytes."""
    ballast = disk / "ballast"
    free = os.statvfs(disk)
    ballast.write_bytes(bytes(free.f_bavail * free.f_frsize - leave))
    return ballast


def assert_no_partial_entry(table: Table) -> None:
    for entry in log_folder(table).glob("[0-9]*.json"):
        for line in entry.read_text().splitlines():
            json.loads(line)


def random_values(count: int) -> list[bytes]:
    """Which no codec makes small."""
    return [json.dumps({"id": os.urandom(500).hex()}).encode() for _ in range(count)]


@pytest.mark.row(9)
@pytest.mark.parametrize(
    "leave",
    [
        pytest.param(0, id="full", marks=pytest.mark.full),
        pytest.param(48 * 1024, id="nearly-full"),
    ],
)
def test_a_disk_that_is_full(leave, small_disk, broker, topic, group, environment, start, recovers):
    table = Table(small_disk, topic)
    broker.produce(topic, random_values(20))
    # All that comes when it is nearly full is one batch, which does not fit.
    instance = start(environment(topic, store=small_disk, BATCH_INTERVAL_SECONDS="3"))
    broker.wait_caught_up(group, topic)
    landed = broker.committed_offsets(group, topic)

    ballast = fill(small_disk.path, leave)
    broker.produce(topic, random_values(200))
    wait_until(lambda: errors_of(instance) >= 3, 60, "/health counts failed writes")
    assert "space" in instance.log().lower(), instance.tail()
    assert broker.committed_offsets(group, topic) == landed
    assert_no_partial_entry(table)
    instance.kill()
    assert_no_partial_entry(table)

    second = start(environment(topic, store=small_disk, BATCH_INTERVAL_SECONDS="0.3"))
    time.sleep(2)
    ballast.unlink()
    recovers(second, table)


@pytest.mark.full
@pytest.mark.row(9)
def test_a_disk_that_is_full_for_a_while(
    small_disk, broker, topic, group, environment, start, recovers
):
    table = Table(small_disk, topic)
    instance = start(environment(topic, store=small_disk, BATCH_INTERVAL_SECONDS="0.3"))
    with Stream(broker, topic, per_second=100):
        instance.wait_written(1)
        for _ in range(2):
            ballast = fill(small_disk.path, 0)
            instance.wait_errors(60)
            ballast.unlink()
            wait_until(lambda: errors_of(instance) == 0, 60, "writes succeed again")
    recovers(instance, table)


@pytest.mark.row(9)
def test_a_disk_that_turns_read_only(small_disk, broker, topic, group, environment, start, oracle):
    table = Table(small_disk, topic)
    broker.produce(topic, json_values(50))
    variables = environment(topic, store=small_disk, BATCH_INTERVAL_SECONDS="0.3")
    instance = start(variables)
    broker.wait_caught_up(group, topic)
    landed = broker.committed_offsets(group, topic)

    mount("-o", "remount,ro", small_disk.path)
    broker.produce(topic, json_values(50))
    assert instance.wait_exit(60) == STOPPED
    assert "read-only" in instance.log().lower(), instance.tail()
    assert broker.committed_offsets(group, topic) == landed
    refused = start(variables)
    assert refused.wait_exit(60) == STOPPED
    assert "read-only" in refused.log().lower(), refused.tail()

    mount("-o", "remount,rw", small_disk.path)
    again = start(variables, "run", "--once")
    assert again.wait_exit(60) == 0, again.tail()
    oracle(table)
