"""With a real redis-server: a restart need not read the logs, and whatever Redis does or tells,
every row is in its table once.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness.certificates import Authority
from harness.payloads import Stream, json_values
from harness.processes import running, wait_until
from harness.redis import Redis
from harness.service import run_command
from harness.tables import Table, assert_exactly_once
from s3_proxy import S3Proxy
from test_observability import metrics
from toxics import Link, Toxiproxy

TABLES = 2
LOOKS = 2
CANNOT = "Redis cannot be used"
AGAIN = "Redis can be used again"
ENTRY = re.compile(r"/_delta_log/(\d{20})\.json$")


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    yield from running(Redis(tmp_path / "redis"))


@pytest.fixture
def toxiproxy(tmp_path: Path) -> Iterator[Toxiproxy]:
    yield from running(Toxiproxy(tmp_path))


@pytest.fixture
def proxy(minio) -> Iterator[S3Proxy]:
    with S3Proxy(minio.address) as proxy:
        yield proxy


@pytest.fixture
def by_proxy(proxy) -> dict[str, str]:
    """For an instance whose requests to the store are to be seen."""
    return {"S3_ENDPOINT_URL": proxy.endpoint}


def cache_counts(instance) -> tuple[int, int, int]:
    """Hits, misses and errors."""
    instance.wait_answering()
    told = metrics(instance)
    return tuple(int(told[f"bronze_cache_{name}_total"]) for name in ("hits", "misses", "errors"))


def wait_for_errors(instance, errors: int) -> None:
    wait_until(lambda: cache_counts(instance)[2] >= errors, 60, f"there were {errors} errors")


def state_key(redis: Redis, table: str) -> str:
    (key,) = [key for key in redis.kept() if key.endswith(f"/{table}")]
    return key


def wait_for_state(redis: Redis, table: Table) -> None:
    """Until Redis has the state of the table's last version."""

    def kept() -> bool:
        text = redis.get(state_key(redis, table.name))
        return json.loads(text)["version"] == table.commits()[-1].version

    wait_until(kept, 20, f"the last state of {table.name} is kept")


class Reads:
    """What is asked of the store about a table."""

    def __init__(self, proxy: S3Proxy, table: Table) -> None:
        self._proxy = proxy
        self._table = table
        self._begin = len(proxy.seen)

    def _targets(self, method: str) -> list[str]:
        seen = self._proxy.seen[self._begin :]
        return [target for how, target in seen if how == method and self._table.name in target]

    def entries(self) -> set[int]:
        """The versions of the log entries that were read."""
        found = (ENTRY.search(target.partition("?")[0]) for target in self._targets("GET"))
        return {int(match[1]) for match in found if match}

    def checkpoints(self) -> list[str]:
        return [target for target in self._targets("GET") if "checkpoint" in target]

    def listings(self) -> int:
        return sum("list-type=2" in target for target in self._targets("GET"))


def grow(broker, topic: str, instance, commits: int) -> None:
    """So many commits to the topic's table."""
    for _ in range(commits):
        before = instance.wait_answering().body["messages_written"]
        broker.produce(topic, json_values(5), partition=0)
        instance.wait_written(before + 5)


def test_a_restart_reads_no_log(
    broker, topic, table, group, environment, by_proxy, proxy, redis, start
):
    variables = environment(topic, BATCH_INTERVAL_SECONDS="0.1", REDIS_URL=redis.url, **by_proxy)
    first = start(variables)
    grow(broker, topic, first, 6)
    first.stop()
    last = table.commits()[-1].version
    assert last >= 7
    assert all(state_digest(commit) for commit in table.commits())

    # Redis has the state of the last commit, though the service ended right after it.
    assert json.loads(redis.get(state_key(redis, table.name)))["version"] == last
    warm = Reads(proxy, table)
    second = start(variables)
    wait_until(lambda: cache_counts(second)[0] == TABLES * LOOKS, 30, "all tables are looked up")
    assert cache_counts(second) == (TABLES * LOOKS, 0, 0)
    assert warm.entries() == {last}
    assert not warm.checkpoints()
    assert warm.listings() == 1, "for what came after it"
    grow(broker, topic, second, 1)
    second.stop()

    redis.flush()
    last = table.commits()[-1].version
    cold = Reads(proxy, table)
    third = start(variables)
    wait_until(lambda: cache_counts(third)[1] >= TABLES, 30, "all tables are looked up")
    third.stop()
    assert cold.entries() == set(range(last + 1))
    assert cold.checkpoints()
    # What was read anew is kept anew.
    assert json.loads(redis.get(state_key(redis, table.name)))["version"] == last
    assert_exactly_once(table, broker, group)


def state_digest(commit) -> str | None:
    return commit.info["operationParameters"].get("bronzeState")


def test_without_redis_nothing_is_different(broker, topic, table, group, environment, start):
    instance = start(environment(topic))
    broker.produce(topic, json_values(20))
    instance.wait_written(20)
    assert cache_counts(instance) == (0, 0, 0)
    assert "REDIS" not in instance.log() and "Redis" not in instance.log()
    instance.stop()
    assert not any(state_digest(commit) for commit in table.commits())


Lie = Callable[[bytes, bytes], bytes | None]


def moved(by: int) -> Lie:
    """All positions, forward or back."""

    def lie(last: bytes, _first: bytes) -> bytes:
        state = json.loads(last)
        for app_id in state["txns"]:
            if app_id.rpartition("/")[2].isdecimal():
                state["txns"][app_id] = max(0, state["txns"][app_id] + by)
        return json.dumps(state, separators=(",", ":")).encode()

    return lie


def changed(**more: object) -> Lie:
    return lambda last, _first: json.dumps({**json.loads(last), **more}).encode()


def of_another_table(last: bytes, _first: bytes) -> bytes:
    state = json.loads(last)
    state["metadata"]["id"] = "11111111-2222-3333-4444-555555555555"
    return json.dumps(state).encode()


def without_registry(last: bytes, _first: bytes) -> bytes:
    return json.dumps({**json.loads(last), "txns": {}}).encode()


# None: the key is deleted. What is believed is as true as it is old.
BELIEVED: dict[str, Lie] = {
    "left as it is": lambda last, _first: last,
    "an older state": lambda _last, first: first,
}
REFUSED: dict[str, Lie] = {
    "deleted": lambda _last, _first: None,
    "positions moved forward": moved(+7),
    "positions moved back": moved(-7),
    "nothing known": without_registry,
    "of another table": of_another_table,
    "of another version": changed(version=2),
    "of a version that is not there": changed(version=4711),
    "the same, written otherwise": changed(),
    "of a later format": changed(format=2),
    "cut": lambda last, _first: last[:-20],
    "longer": lambda last, _first: last + b" ",
    "empty": lambda _last, _first: b"",
    "no text": lambda _last, _first: bytes(range(256)),
    "huge": lambda _last, _first: b"[" * (3 << 20),
}


def test_lies_move_no_position(broker, new_topic, bucket, environment, redis, start):
    lies = {**BELIEVED, **REFUSED, "a list": None, "that of another topic": None}
    topics = {name: new_topic(1) for name in lies}
    tables = {name: Table(bucket, topic) for name, topic in topics.items()}
    variables = environment(
        *topics.values(), BATCH_INTERVAL_SECONDS="0.2", REDIS_URL=redis.url, DLQ_ENABLED="false"
    )
    first = start(variables)
    for count in (1, 2):
        for topic in topics.values():
            broker.produce(topic, json_values(10))
        first.wait_written(10 * count * len(topics), timeout=60)
        if count == 1:
            wait_for_state(redis, tables["an older state"])
            older = {name: redis.get(state_key(redis, t.name)) for name, t in tables.items()}
    first.stop()
    keys = {name: state_key(redis, table.name) for name, table in tables.items()}
    kept = {name: redis.get(key) for name, key in keys.items()}
    for name, lie in {**BELIEVED, **REFUSED}.items():
        told = lie(kept[name], older[name])
        redis.ask("DEL", keys[name])
        if told is not None:
            redis.set(keys[name], told)
    redis.ask("DEL", keys["a list"])
    redis.ask("RPUSH", keys["a list"], "first", "second")
    redis.set(keys["that of another topic"], kept["left as it is"])
    for topic in topics.values():
        broker.produce(topic, json_values(10))

    second = start(variables)
    second.wait_written(10 * len(topics), timeout=60)
    hits, misses, errors = cache_counts(second)
    # There are no dead-letter tables; and the look after an opening may find what that has kept.
    assert hits + misses == len(lies) * TABLES * LOOKS
    assert hits >= len(BELIEVED) * LOOKS
    assert misses >= len(lies) * LOOKS + len(lies) - len(BELIEVED)
    assert errors == 0
    second.stop()
    for name, table in tables.items():
        offsets = sorted(offset for _, offset, _ in table.rows_by_delta_rs())
        assert offsets == list(range(30)), name


def test_redis_dies_freezes_and_forgets_while_rows_arrive(
    broker, topic, table, group, environment, redis, start
):
    variables = environment(topic, BATCH_INTERVAL_SECONDS="0.2", REDIS_URL=redis.url)
    instance = start(variables)
    instance.wait_answering()
    with Stream(broker, topic):
        wait_until(redis.kept, 30, "states are kept")
        redis.freeze()
        instance.wait_log(CANNOT)
        goes_on(instance)
        redis.thaw()
        instance.wait_log(AGAIN, 30)
        redis.flush()
        wait_until(redis.kept, 30, "states are kept again")
        redis.kill()
        goes_on(instance)
        # Killed, with no Redis to go by.
        instance.kill()
        second = start(variables)
        second.wait_log(CANNOT)
        second.wait_written(1)
        redis.start()
        second.wait_log(AGAIN, 90)
        wait_until(redis.kept, 30, "states are kept anew")
        second.kill()
        third = start(variables)
        third.wait_written(1)
        assert cache_counts(third)[0] > 0
    broker.wait_caught_up(group, topic)
    third.stop()
    assert instance.log().count(CANNOT) == 1
    assert second.log().count(CANNOT) == 1
    assert_exactly_once(table, broker, group)


def goes_on(instance) -> None:
    """Writes several batches more."""
    for _ in range(3):
        written = instance.wait_answering().body["messages_written"]
        instance.wait_written(written + 1, timeout=20)


def test_a_full_redis_costs_no_rows(broker, topic, table, group, environment, tmp_path, start):
    settings = {"maxmemory": "1mb", "maxmemory-policy": "noeviction"}
    for redis in running(Redis(tmp_path / "full", settings=settings)):
        for size in (10_000, 1_000, 100):
            while redis.ask("RPUSH", "filler", stdin=bytes(size)).strip().isdigit():
                pass
        instance = start(environment(topic, BATCH_INTERVAL_SECONDS="0.2", REDIS_URL=redis.url))
        broker.produce(topic, json_values(100))
        instance.wait_log(CANNOT)
        assert "maxmemory" in instance.log()
        broker.wait_caught_up(group, topic)
        assert cache_counts(instance)[2] > 0
        assert redis.kept() == ["filler"]
        # Once there is room, what waited is kept.
        redis.flush()
        redis.ask("CONFIG", "SET", "maxmemory", "0")
        # A server that cannot be used is left alone for up to a minute.
        wait_until(lambda redis=redis: len(redis.kept()) == TABLES, 90, "both states are kept")
        wait_for_state(redis, table)
        instance.stop()
    assert_exactly_once(table, broker, group)


def test_addresses_and_passwords(broker, topic, table, group, environment, tmp_path, start):
    """TLS, a Unix socket and authentication; and each of them wrong."""
    certificate = Authority(tmp_path / "ca").issue("server", "IP:127.0.0.1")
    stranger = Authority(tmp_path / "stranger")
    tls = Redis(
        tmp_path / "tls",
        password="hunter2",
        certificate=certificate,
    )
    socket = Redis(tmp_path / "socket", password="hunter2", socket=True)
    for secured, more in ((tls, {"REDIS_CA": str(certificate.authority)}), (socket, {})):
        for redis in running(secured):
            variables = environment(topic, BATCH_INTERVAL_SECONDS="0.2", REDIS_URL=redis.url)
            for hits in (0, TABLES):
                instance = start({**variables, **more})
                broker.produce(topic, json_values(20))
                instance.wait_written(20)
                assert cache_counts(instance)[0] >= hits
                assert CANNOT not in instance.log()
                assert "hunter2" not in instance.log()
                instance.stop()
            assert secured.ask("DBSIZE") == b"2\n"

            wrong = [{"REDIS_URL": redis.url.replace("hunter2", "hunter3"), **more}]
            if more:
                wrong += [{"REDIS_CA": str(stranger.pem)}, {}]
            for variant in wrong:
                instance = start({**variables, **variant})
                broker.produce(topic, json_values(20))
                instance.wait_written(20)
                assert CANNOT in instance.log()
                assert "hunter" not in instance.log()
                assert cache_counts(instance)[0] == 0
                instance.stop()
    assert_exactly_once(table, broker, group)


def test_a_password_that_changes_in_its_file_needs_no_restart(
    broker, topic, table, group, environment, tmp_path, start
):
    address = tmp_path / "url"
    for redis in running(Redis(tmp_path / "redis", password="hunter2")):
        address.write_text(redis.url + "\n")
        variables = environment(topic, BATCH_INTERVAL_SECONDS="0.2", REDIS_URL_FILE=str(address))
        instance = start(variables)
        with Stream(broker, topic):
            wait_until(redis.kept, 30, "states are kept")
            redis.change_password("hunter3")
            instance.wait_log(CANNOT)
            address.write_text("redis://nonsense:nonsense:hunter4")
            wait_for_errors(instance, cache_counts(instance)[2] + 1)
            address.write_text(redis.url)
            instance.wait_log(AGAIN, 60)
            wait_for_state(redis, table)
        broker.wait_caught_up(group, topic)
        assert "hunter" not in instance.log() + instance.pages()
        instance.stop()
    assert_exactly_once(table, broker, group)


@pytest.mark.parametrize(
    "spoil",
    [lambda link: link.slow(400), Link.drip, lambda link: link.narrow(1)],
    ids=["slow", "drip", "narrow"],
)
def test_a_slow_redis_holds_nobody_up(
    broker, topic, table, group, environment, redis, toxiproxy, start, spoil
):
    """Answers come late, byte by byte, or at a kilobyte a second."""
    link = toxiproxy.link(f"127.0.0.1:{redis.port}")
    variables = environment(
        topic, BATCH_INTERVAL_SECONDS="0.2", REDIS_URL=f"redis://{link.address}"
    )
    first = start(variables)
    with Stream(broker, topic):
        wait_until(redis.kept, 30, "states are kept")
        first.stop()
        spoil(link)
        begin = time.monotonic()
        second = start(variables)
        second.wait_written(1)
        assert time.monotonic() - begin < 20
        goes_on(second)
        begin = time.monotonic()
        second.stop()
        assert time.monotonic() - begin < 15
    third = start({**variables, "REDIS_URL": redis.url})
    broker.wait_caught_up(group, topic)
    third.stop()
    assert_exactly_once(table, broker, group)


def test_who_takes_a_partition_over_reads_no_log(
    broker, new_topic, bucket, group, environment, by_proxy, proxy, redis, start
):
    topic = new_topic(1)
    table = Table(bucket, topic)
    variables = environment(topic, BATCH_INTERVAL_SECONDS="0.1", REDIS_URL=redis.url, **by_proxy)
    first = start(variables)
    grow(broker, topic, first, 1)
    second = start(variables)
    wait_until(lambda: cache_counts(second)[0] == TABLES, 30, "its tables are open")
    opened = table.commits()[-1].version
    grow(broker, topic, first, 12)
    takes_over = Reads(proxy, table)
    first.stop()
    wait_until(lambda: cache_counts(second)[0] == TABLES * LOOKS, 30, "it has the partition")
    last = table.commits()[-1].version
    assert last >= opened + 12
    assert takes_over.entries() == {last}
    assert takes_over.listings() == 1
    grow(broker, topic, second, 1)
    second.stop()
    assert_exactly_once(table, broker, group)


@pytest.fixture
def impatient(tmp_path: Path) -> Iterator[Redis]:
    """Closes connections that are idle for a second."""
    yield from running(Redis(tmp_path / "impatient", settings={"timeout": "1"}))


def test_a_connection_that_redis_closes_costs_nothing(
    broker, new_topic, bucket, group, environment, by_proxy, proxy, impatient, start
):
    topic = new_topic(1)
    table = Table(bucket, topic)
    variables = environment(
        topic, BATCH_INTERVAL_SECONDS="0.1", REDIS_URL=impatient.url, **by_proxy
    )
    first = start(variables)
    grow(broker, topic, first, 1)
    second = start(variables)
    wait_until(lambda: cache_counts(second)[0] == TABLES, 30, "its tables are open")
    grow(broker, topic, first, 5)
    wait_for_state(impatient, table)
    wait_until(lambda: impatient.clients() == 0, 30, "nobody is connected")
    takes_over = Reads(proxy, table)
    first.stop()
    wait_until(lambda: cache_counts(second)[0] == TABLES * LOOKS, 30, "it has the partition")
    assert takes_over.entries() == {table.commits()[-1].version}
    wait_until(lambda: impatient.clients() == 0, 30, "nobody is connected")
    grow(broker, topic, second, 1)
    assert cache_counts(second)[2] == 0
    assert CANNOT not in first.log() + second.log()
    second.stop()
    assert_exactly_once(table, broker, group)


def test_check_says_whether_redis_answers(environment, topic, redis):
    def told(url: str) -> tuple[int, list[dict], str]:
        done = run_command("check", "--json", environment=environment(topic, REDIS_URL=url))
        found = json.loads(done.output)["store"]["findings"]
        return done.exit_code, [f for f in found if f["subject"] == "redis"], done.text

    code, (finding,), _ = told(redis.url)
    assert (code, finding["level"]) == (0, "ok")
    redis.freeze()
    code, (finding,), _ = told(redis.url)
    assert (code, finding["level"]) == (0, "warning")
    redis.stop()
    code, (finding,), text = told(redis.url.replace("//", "//:hunter2@"))
    assert (code, finding["level"]) == (0, "warning")
    assert "REDIS_URL" in finding["advice"]
    assert "hunter2" not in text


def test_a_bad_address_ends_the_service(environment, topic, tmp_path):
    for variables, named in (
        ({"REDIS_URL": "redis://me:hunter2@host:port"}, "REDIS_URL"),
        ({"REDIS_URL": "rediss://host", "REDIS_CA": "/dev/null"}, "REDIS_CA"),
        ({"REDIS_URL": "rediss://host", "REDIS_CA": __file__}, "REDIS_CA"),
    ):
        done = run_command("run", environment=environment(topic, **variables))
        assert done.exit_code == 2, done.text
        assert named in done.errors
        assert "hunter2" not in done.text
