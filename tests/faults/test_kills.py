"""Row 1: kill -9 at every step, one table for all of them; orphan files are all that is left."""

from __future__ import annotations

import os
import signal
import threading

import s3_proxy
from cells import KILL_POINTS, KILLED, QUICK_GROUP
from deltalake import DeltaTable
from harness.payloads import Stream
from harness.service import FAULTY_BINARY


def test_killed_at_every_kill_point(
    broker, topic, table, environment, start, chance, oracle, counts, instance_logs
):
    variables = environment(topic, BATCH_INTERVAL_SECONDS="0.3", **QUICK_GROUP)

    def armed(point: str, **more: str):
        return start({**variables, "BRONZE_KILL_POINT": point, **more}, binary=FAULTY_BINARY)

    def wait_killed(instance, point: str) -> None:
        assert instance.wait_exit(60) == KILLED, f"at {point}:\n{instance.tail()}"
        counts.add(kills=1, kill_points=1)

    # Twice at the points of a batch: the first batch lands, the second is hit.
    points = [p if p.startswith("assign") else f"{p}:{chance.randint(1, 2)}" for p in KILL_POINTS]
    chance.shuffle(points)
    with Stream(broker, topic):
        for point in ["init_after_put", *points]:
            wait_killed(armed(point), point)

        instance = armed("shutdown_mid_drain")
        instance.wait_written(1)
        instance.send(signal.SIGTERM)
        wait_killed(instance, "shutdown_mid_drain")

        # Something is unwritten when the heir comes, and nothing is lost before it is revoked.
        patient = {"BATCH_INTERVAL_SECONDS": "3", "KAFKA_SESSION_TIMEOUT_MS": "30000"}
        instance = armed("revoke_mid_flush", **patient)
        instance.wait_written(1)
        heir = start(variables)
        wait_killed(instance, "revoke_mid_flush")
    broker.wait_caught_up(variables["KAFKA_CONSUMER_GROUP"], topic)
    heir.stop()
    oracle(table, logs=instance_logs())


def test_killed_between_the_two_commits(
    broker, topic, table, environment, start, oracle, counts, instance_logs
):
    """Other checks hold after each restart: what was decided stays."""
    odd = [b"{}", b"no JSON", b"\xff", b'{"a": 1}', None, b""]
    variables = environment(topic, BATCH_INTERVAL_SECONDS="0.3", **QUICK_GROUP)
    for check in ("true", "false", "true"):
        broker.produce(topic, odd * 20)
        instance = start(
            {
                **variables,
                "DLQ_VALIDATE_JSON": check,
                "BRONZE_KILL_POINT": "dead_letters_after_commit",
            },
            binary=FAULTY_BINARY,
        )
        assert instance.wait_exit(60) == KILLED, instance.tail()
        counts.add(kills=1, kill_points=1)
    last = start({**variables, "DLQ_VALIDATE_JSON": "false"})
    broker.wait_caught_up(variables["KAFKA_CONSUMER_GROUP"], topic)
    last.stop()
    oracle(table, logs=instance_logs())


def test_killed_in_the_middle_of_a_large_file(
    broker, topic, table, group, environment, start, oracle, proxy, counts, instance_logs
):
    """Of a file that goes up in parts one has arrived."""
    variables = environment(
        topic,
        BATCH_INTERVAL_SECONDS="30",
        S3_ENDPOINT_URL=proxy.endpoint,
        MEMORY_LIMIT_MB="512",
        **QUICK_GROUP,
    )
    # Hardly compressible, and more than is sent in one request.
    large = [f'"{number} {os.urandom(450_000).hex()}"'.encode() for number in range(45)]
    broker.produce(topic, large)
    reached = threading.Event()
    instance = start({**variables, "BATCH_MAX_ROWS": str(len(large))})

    def kill(exchange):
        instance.send(signal.SIGKILL)
        reached.set()

    def judge(request):
        second = request.is_data_file and "partNumber=2" in request.target
        return kill if second and not reached.is_set() else None

    proxy.judge = judge
    assert instance.wait_exit(90) == KILLED
    assert reached.is_set()
    counts.add(kills=1, kills_at_requests=1)
    last = start({**variables, "BATCH_INTERVAL_SECONDS": "0.5"})
    broker.wait_caught_up(group, topic, timeout=60)
    last.stop()
    oracle(table, logs=instance_logs())


def test_killed_at_every_request(
    broker, topic, table, environment, start, oracle, proxy, counts, instance_logs
):
    """The shipped program, between what it sends to the store and the answer."""
    variables = environment(
        topic, BATCH_INTERVAL_SECONDS="0.3", S3_ENDPOINT_URL=proxy.endpoint, **QUICK_GROUP
    )
    places = {
        "a data file that does not arrive": (lambda r: r.is_data_file, False),
        "a data file of which it never hears": (lambda r: r.is_data_file, True),
        "a commit that does not arrive": (lambda r: r.is_commit, False),
        "a commit of which it never hears": (lambda r: r.is_commit, True),
        "a checkpoint that does not arrive": (lambda r: r.is_checkpoint, False),
        "a checkpoint without a hint": (lambda r: r.is_hint, False),
        "a hint of which it never hears": (lambda r: r.is_hint, True),
    }
    with Stream(broker, topic):
        # A table of which every third version has a checkpoint.
        instance = start(variables)
        instance.wait_written(1)
        instance.stop()
        written = DeltaTable(table.uri, storage_options=table.store.options())
        written.alter.set_table_properties({"delta.checkpointInterval": "3"})

        for place, (is_it, arrives) in places.items():
            instance = start(variables)
            reached = threading.Event()

            def kill(exchange, instance=instance, reached=reached, arrives=arrives):
                if arrives:
                    exchange.forward()
                instance.send(signal.SIGKILL)
                reached.set()

            def judge(request, is_it=is_it, reached=reached, kill=kill):
                return kill if is_it(request) and not reached.is_set() else None

            proxy.judge = judge
            assert instance.wait_exit(60) == KILLED, f"at {place}:\n{instance.tail()}"
            assert reached.is_set(), place
            proxy.judge = s3_proxy.pass_on
            counts.add(kills=1, kills_at_requests=1)
        last = start(variables)
    broker.wait_caught_up(variables["KAFKA_CONSUMER_GROUP"], topic)
    last.stop()
    oracle(table, logs=instance_logs())
