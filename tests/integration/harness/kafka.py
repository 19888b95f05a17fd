"""A real Kafka broker in one process, and what the tests ask of it."""

from __future__ import annotations

import base64
import subprocess
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from confluent_kafka import (
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    ConsumerGroupState,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from .processes import DEPS, Process, Server, free_port, wait_until

Answer = TypeVar("Answer")

JARS = DEPS / "kafka" / "libs"

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={directory}/data
auto.create.topics.enable=false
num.network.threads=2
num.io.threads=2
# Tests date records years back, which would be deleted soon.
log.retention.ms=-1
log.cleaner.dedupe.buffer.size=4194304
log.cleaner.backoff.ms=500
offsets.topic.replication.factor=1
offsets.topic.num.partitions=2
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=2
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=500
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
"""

NOT_READY = {
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError._NOENT,
    KafkaError._TIMED_OUT,
    KafkaError._TRANSPORT,
}

JVM = ["java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]


@dataclass(frozen=True, order=True)
class Record:
    partition: int
    offset: int
    value: bytes | None
    timestamp_ms: int | None


class Broker(Server):
    """KRaft broker and controller in one JVM. Its port stays the same over restarts."""

    PATIENCE_TO_STOP = 30
    PATIENCE_TO_ANSWER = 60

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.controller_port = free_port()
        self.bootstrap = f"127.0.0.1:{self.port}"
        self._properties = directory / "server.properties"
        self._admin: AdminClient | None = None
        self._reader: tuple[str, Consumer] | None = None
        directory.mkdir(parents=True, exist_ok=True)
        self._properties.write_text(
            PROPERTIES.format(
                port=self.port, controller_port=self.controller_port, directory=directory
            )
        )

    def start(self) -> None:
        if not (self.directory / "data" / "meta.properties").exists():
            self._format()
        self._process = Process(
            [*JVM, "-cp", f"{JARS}/*", "kafka.Kafka", self._properties],
            self.directory / "broker.log",
            directory=self.directory,
        )
        wait_until(self._answers, 120, f"the broker answers\n{self._process.tail(5)}", 0.2)

    def _format(self) -> None:
        # Never with a hyphen in front, which the tool would take for an option.
        cluster = base64.urlsafe_b64encode(b"k" + uuid.uuid4().bytes[1:]).decode().rstrip("=")
        self.run_tool(
            "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self._properties)
        )

    def _answers(self) -> bool:
        """Asked by a new client: librdkafka 2.14 is cut off for ever by an answer without brokers,
        which a fenced or starting broker gives.
        """
        assert self._process
        assert self._process.running, self._process.tail()
        self._admin = None
        self._close_reader()
        try:
            return bool(self.admin.list_topics(timeout=2).brokers)
        except Exception:
            return False

    def _client(self, **settings: str | int | bool) -> dict[str, str | int | bool]:
        """Quiet, and soon back after a restart of the broker."""
        return {
            "bootstrap.servers": self.bootstrap,
            "reconnect.backoff.max.ms": 200,
            "log_level": 0,
            **settings,
        }

    def run_tool(self, main_class: str, *arguments: str) -> str:
        """Runs a class of Kafka's own command-line tools; returns its standard output."""
        done = subprocess.run(
            [*JVM, "-cp", f"{JARS}/*", main_class, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=self.directory,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @property
    def admin(self) -> AdminClient:
        if self._admin is None:
            self._admin = AdminClient(self._client())
        return self._admin

    # --- topics -------------------------------------------------------------------------------

    def create_topic(self, topic: str, partitions: int, **settings: str) -> None:
        new = NewTopic(topic, partitions, 1, config=settings)
        self.admin.create_topics([new])[topic].result(15)
        wait_until(
            lambda: len(self.partitions(topic)) == partitions,
            15,
            f"topic {topic} has its partitions",
        )
        self.end_offsets(topic)

    def delete_topic(self, topic: str) -> None:
        self.admin.delete_topics([topic])[topic].result(15)
        wait_until(lambda: not self.partitions(topic), 15, f"topic {topic} is gone")

    def partitions(self, topic: str) -> list[int]:
        """None of a topic that is not there; any other error of the answer is no such answer."""

        def ask() -> list[int]:
            found = self.admin.list_topics(topic, timeout=10).topics[topic]
            if found.error is None:
                return sorted(found.partitions)
            if found.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return []
            raise KafkaException(found.error)

        return ask_until_ready(ask, f"the partitions of {topic}")

    def topic_uuid(self, topic: str) -> str:
        """URL-safe base64 of the topic id's 16 bytes, without padding."""
        description = self.admin.describe_topics(TopicCollection([topic]))[topic].result(15)
        identity = description.topic_id
        halves = (identity.get_most_significant_bits(), identity.get_least_significant_bits())
        raw = b"".join(half.to_bytes(8, "big", signed=True) for half in halves)
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    # --- offsets ------------------------------------------------------------------------------

    def end_offsets(self, topic: str) -> dict[int, int]:
        """What a read_committed consumer can reach: the last stable offset of each partition."""
        return self._list_offsets(topic, OffsetSpec.latest())

    def start_offsets(self, topic: str) -> dict[int, int]:
        return self._list_offsets(topic, OffsetSpec.earliest())

    def _list_offsets(self, topic: str, what: OffsetSpec) -> dict[int, int]:
        def ask() -> dict[int, int]:
            asked = {TopicPartition(topic, p): what for p in self.partitions(topic)}
            answers = self.admin.list_offsets(asked, isolation_level=IsolationLevel.READ_COMMITTED)
            return {key.partition: answer.result(15).offset for key, answer in answers.items()}

        return ask_until_ready(ask, f"the offsets of {topic}")

    def committed_offsets(self, group: str, topic: str) -> dict[int, int]:
        """Only the partitions for which the group has committed something."""

        def ask() -> dict[int, int]:
            asked = [TopicPartition(topic, p) for p in self.partitions(topic)]
            answer = self._reader_of(group).committed(asked, timeout=15)
            failed = [tp.error for tp in answer if tp.error is not None]
            if failed:
                raise KafkaException(failed[0])
            return {tp.partition: tp.offset for tp in answer if tp.offset >= 0}

        return ask_until_ready(ask, f"the offsets of group {group}")

    def delete_offsets(self, group: str, topic: str) -> None:
        """The group has no members."""
        command = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
        options = ("--delete-offsets", "--execute", "--group", group, "--topic", topic)
        self.run_tool(command, "--bootstrap-server", self.bootstrap, *options)

    def _reader_of(self, group: str) -> Consumer:
        """A consumer that never joins the group, kept for the next question about it.

        Not the admin client: librdkafka 2.14 dereferences a null pointer there when the coordinator
        has moved or is not ready (rd_kafka_handle_OffsetFetch on a handle without a group).
        """
        if self._reader is None or self._reader[0] != group:
            self._close_reader()
            self._reader = (
                group,
                Consumer({"bootstrap.servers": self.bootstrap, "group.id": group, "log_level": 0}),
            )
        return self._reader[1]

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader[1].close()
            self._reader = None

    def is_caught_up(self, group: str, topic: str) -> bool:
        committed = self.committed_offsets(group, topic)
        return all(committed.get(p) == end for p, end in self.end_offsets(topic).items() if end > 0)

    def wait_caught_up(self, group: str, *topics: str, timeout: float = 40) -> None:
        for topic in topics:
            wait_until(
                lambda topic=topic: self.is_caught_up(group, topic),
                timeout,
                f"group {group} has committed all of {topic}",
                0.2,
            )

    def assignments(self, group: str) -> list[set[tuple[str, int]]]:
        """The partitions of each member, for a group that is not rebalancing; else nothing."""
        found = ask_until_ready(
            lambda: self.admin.describe_consumer_groups([group])[group].result(15),
            f"the members of group {group}",
        )
        if found.state != ConsumerGroupState.STABLE:
            return []
        return [
            {(tp.topic, tp.partition) for tp in member.assignment.topic_partitions}
            for member in found.members
        ]

    def wait_members(self, group: str, count: int, timeout: float = 30) -> None:
        """Until so many members share the partitions, each with one at least."""
        wait_until(
            lambda: len(shares := self.assignments(group)) == count and all(shares),
            timeout,
            f"group {group} has {count} members with partitions",
            0.2,
        )

    def group_lag(self, group: str, topic: str) -> dict[int, int]:
        """The lag as Kafka's own kafka-consumer-groups prints it."""
        printed = self.run_tool(
            "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
            *("--bootstrap-server", self.bootstrap, "--describe", "--group", group),
        )
        rows = [line.split() for line in printed.splitlines()]
        return {int(row[2]): int(row[5]) for row in rows if len(row) > 5 and row[1] == topic}

    # --- records ------------------------------------------------------------------------------

    def produce(self, topic: str, values: Iterable[bytes | None], partition: int = -1) -> int:
        """Writes the values and waits until all are acknowledged; returns how many there were."""
        failures: list[KafkaError] = []

        def delivered(error: KafkaError | None, _message: object) -> None:
            if error is not None:
                failures.append(error)

        producer = self.producer()
        count = 0
        for value in values:
            producer.produce(topic, value=value, partition=partition, on_delivery=delivered)
            producer.poll(0)
            count += 1
        unsent = producer.flush(30)
        assert not failures and not unsent, (failures[:3], unsent)
        return count

    def damage(self, topic: str, partition: int, value: bytes) -> None:
        """Changes this value, stored uncompressed, on disk; its batch's checksum no longer fits."""
        segment = self.directory / "data" / f"{topic}-{partition}" / f"{0:020}.log"
        content = segment.read_bytes()
        assert content.count(value) == 1, f"{value!r} is {content.count(value)} times in {segment}"
        with segment.open("r+b") as file:
            file.seek(content.index(value))
            file.write(bytes([value[0] ^ 1]))

    def producer(self, **settings: str | int | bool) -> Producer:
        defaults = {"linger.ms": 5, "partitioner": "random", "sticky.partitioning.linger.ms": 0}
        return Producer(self._client(**{**defaults, **settings}))

    def read_visible(self, topic: str) -> list[Record]:
        """All that a read_committed consumer sees, read without the group machinery."""
        ends = self.end_offsets(topic)
        starts = self.start_offsets(topic)
        waiting = {p for p, end in ends.items() if starts[p] < end}
        settings = {
            "group.id": f"oracle-{uuid.uuid4()}",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
        consumer = Consumer(self._client(**settings))
        consumer.assign([TopicPartition(topic, p, starts[p]) for p in sorted(waiting)])
        records: list[Record] = []
        try:
            while waiting:
                messages = consumer.consume(1000, timeout=20)
                assert messages, f"no more records of {topic} while waiting for {waiting}"
                for message in messages:
                    if message.error() is None:
                        records.append(as_record(message))
                    elif message.error().code() == KafkaError._PARTITION_EOF:
                        waiting.discard(message.partition())
                    else:
                        raise AssertionError(message.error())
        finally:
            consumer.close()
        return [record for record in records if record.offset < ends[record.partition]]


def ask_until_ready(ask: Callable[[], Answer], what: str) -> Answer:
    """Asks again while the broker has not yet settled who answers for a partition or a group."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return ask()
        except KafkaException as failure:
            if failure.args[0].code() not in NOT_READY or time.monotonic() > deadline:
                raise AssertionError(f"cannot ask for {what}: {failure}") from failure
        time.sleep(0.2)


def as_record(message) -> Record:
    kind, milliseconds = message.timestamp()
    return Record(
        message.partition(),
        message.offset(),
        message.value(),
        milliseconds if kind != TIMESTAMP_NOT_AVAILABLE and milliseconds != -1 else None,
    )
