"""The faults that can be mixed while cells run; `make soak` draws them by chance.

A `SoakCell` does one thing after the other to its instances, its store and its topic, in
circumstances that are drawn too. `Weather` is what all cells share: the broker and the store
themselves die, or freeze, and come back.
"""

from __future__ import annotations

import json
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import s3_proxy
from cells import ENDS, Cell, World
from clocks import HOUR, YEAR, WallClock
from confluent_kafka import KafkaException
from harness.kafka import Record
from oracle import Place
from s3_proxy import S3Proxy
from topics import add_partitions, forget_before
from toxics import Link, Toxiproxy
from writers import everything_at_once

PARTITIONS_MAX = 9
REFUSALS = [(503, "SlowDown"), (503, "ServiceUnavailable"), (500, "InternalError"), (429, "Later")]
TRANSACTION_MS = "60000"


def some_values(count: int) -> list[bytes]:
    return [b'"%s"' % uuid.uuid4().hex.encode() for _ in range(count)]


class SoakCell(Cell):
    """Its topic, too, is tortured; what Kafka has forgotten it remembers for the oracle."""

    patience = 120
    renew_after = 20.0
    ends = ENDS

    def __init__(self, world: World, name: str, link: Link) -> None:
        super().__init__(world, name)
        self._link = link
        self._seen: dict[Place, Record] = {}
        self._deleted: set[Place] = set()
        self.may_lose = False

    def allow_losses(self) -> None:
        """Records are deleted before they are read; its instances go on all the same."""
        self.may_lose = True
        self.variables["ON_DATA_LOSS"] = "skip"

    def act(self) -> None:
        """One thing, in up to two circumstances."""
        circumstances = [self.beside_others, self.in_transactions, self.by_a_jumping_clock]
        things: list[Callable[[], None]] = [
            self.killed_at_random,
            self.killed_at_a_point,
            self.frozen,
            lambda: self.stormed(2),
            lambda: self.doubted(2),
            self.spoilt,
            self.refused,
            self.grown,
        ]
        if self.may_lose:
            things += [self.overtaken, self.overtaken]
        with ExitStack() as around:
            for circumstance in self.chance.sample(circumstances, self.chance.randint(0, 2)):
                around.enter_context(circumstance())
            self.chance.choice(things)()

    # --- circumstances ----------------------------------------------------------------------

    @contextmanager
    def beside_others(self) -> Iterator[None]:
        """delta-rs appends rows of nobody, and optimizes, deletes, vacuums and checkpoints."""
        if not self._is_begun():
            # Else the others would create the table.
            yield
            return
        with everything_at_once(self.table) as others:
            yield
        self.counts.add(foreign_writes=sum(others.done.values()))
        self.note(f"others wrote: {others.done}")

    def _is_begun(self) -> bool:
        try:
            return bool(self.table.commits())
        except OSError:
            return False

    @contextmanager
    def by_a_jumping_clock(self) -> Iterator[None]:
        clock = WallClock(self.world.directory / f"{self.name}.shift")
        dice = random.Random(self.chance.random())
        over = threading.Event()

        def jump() -> None:
            while not over.wait(dice.uniform(0.5, 3)):
                clock.jump(dice.choice([0, HOUR, -HOUR, 24 * HOUR, YEAR, -YEAR]))

        jumper = threading.Thread(target=jump, daemon=True)
        self.variables["BRONZE_CLOCK_SHIFT_FILE"] = str(clock.path)
        jumper.start()
        try:
            yield
        finally:
            over.set()
            jumper.join()
            del self.variables["BRONZE_CLOCK_SHIFT_FILE"]
            self.counts.add(clock_jumps=len(clock.shifts))
            self.note(f"the clock has jumped {len(clock.shifts)} times")

    @contextmanager
    def in_transactions(self) -> Iterator[None]:
        """One is aborted, and one is open meanwhile, which ends either way."""
        name = f"{self.topic}-{uuid.uuid4()}"
        try:
            producer = self._transactional(name)
            self._begin(producer, b"dropped")
            producer.abort_transaction(30)
            keep = self.chance.random() < 0.5
            self._begin(producer, b"kept" if keep else b"dropped")
        except KafkaException as failure:
            # The broker is away: then there is none open, or the last one will be aborted.
            self.note(f"no transaction: {failure}")
            self._abort_what_is_open(name)
            yield
            return
        # It holds the topic up, so that what is done meanwhile may wait for its end.
        over = threading.Event()
        seconds = self.chance.uniform(1, 6)

        def end() -> None:
            over.wait(seconds)
            try:
                (producer.commit_transaction if keep else producer.abort_transaction)(30)
                self.counts.add(transactions=2)
                self.note(f"a transaction is aborted, and one was open; kept: {keep}")
            except KafkaException as failure:
                self.note(f"a transaction that does not end: {failure}")
                self._abort_what_is_open(name)

        ender = threading.Thread(target=end, daemon=True)
        ender.start()
        try:
            yield
        finally:
            over.set()
            ender.join()

    def _transactional(self, name: str):
        settings = {"transactional.id": name, "transaction.timeout.ms": TRANSACTION_MS}
        producer = self.broker.producer(**settings)
        producer.init_transactions(30)
        return producer

    def _begin(self, producer, word: bytes) -> None:
        producer.begin_transaction()
        for number in range(40):
            producer.produce(self.topic, b'"%s %s %d"' % (word, uuid.uuid4().hex.encode(), number))
        assert producer.flush(60) == 0

    def _abort_what_is_open(self, name: str) -> None:
        """Else the end of the topic would move when nobody expects it."""
        deadline = time.monotonic() + self.patience
        while time.monotonic() < deadline:
            try:
                self._transactional(name)
                return
            except KafkaException as failure:
                self.note(f"the transaction is still open: {failure}")
                time.sleep(1)
        raise AssertionError(f"cannot end the transactions of {name}")

    # --- what is done to it -----------------------------------------------------------------

    def spoilt(self) -> None:
        """The connections to the store."""
        spoil = {
            "slow": lambda: self._link.slow(self.chance.choice([50, 300, 2000])),
            "narrow": lambda: self._link.narrow(self.chance.choice([5, 50])),
            "reset": lambda: self._link.reset(self.chance.choice([5, 100])),
            "swallow": self._link.swallow,
            "cut": self._link.cut,
        }
        instance = self.start(S3_ENDPOINT_URL=self._link.endpoint)
        self.rest(0.5, 2)
        kind = self.chance.choice(list(spoil))
        spoil[kind]()
        seconds = self.rest(1, 6)
        self._link.mend()
        self.counts.add(spoilt_connections=1)
        self.note(f"connections to the store: {kind} for {seconds:.1f} s")
        self.rest(0, 2)
        self.leave(instance)

    def refused(self) -> None:
        """Two requests of three, for a while."""
        dice = random.Random(self.chance.random())

        def storm(_request: s3_proxy.Request) -> s3_proxy.Fault | None:
            if dice.random() < 1 / 3:
                return None
            self.counts.add(refusals=1)
            return s3_proxy.answer_instead(*dice.choice(REFUSALS))

        with S3Proxy(self.world.minio.address) as proxy:
            instance = self.start(S3_ENDPOINT_URL=proxy.endpoint)
            self.rest(0, 2)
            proxy.judge = storm
            seconds = self.rest(1, 6)
            proxy.judge = s3_proxy.pass_on
            self.note(f"refused for {seconds:.1f} s")
            self.rest(0, 2)
            self.leave(instance)

    def grown(self) -> None:
        """A partition more, with records, under the eyes of an instance."""
        instance = self.start()
        self.rest(0, 1)
        self._patiently(self._grow)
        self.rest(0.5, 3)
        self.leave(instance)

    def _grow(self) -> None:
        there = len(self.broker.partitions(self.topic))
        if there < PARTITIONS_MAX:
            add_partitions(self.broker, self.topic, there + 1)
            self.counts.add(partitions_added=1)
            self.note(f"{there + 1} partitions")
        newest = len(self.broker.partitions(self.topic)) - 1
        self.broker.produce(self.topic, some_values(30), partition=newest)

    def overtaken(self) -> None:
        """Records that nobody has read yet are deleted."""
        # What the last instance had sent before it died has landed by then.
        self.rest(2, 4)
        self._patiently(self._forget)

    def _forget(self) -> None:
        for record in self.broker.read_visible(self.topic):
            self._seen[(record.partition, record.offset)] = record
        uuid_ = self.broker.topic_uuid(self.topic)
        at = self.table.progress(self.group, uuid_)
        waiting = sorted(p for p in self._seen if at and p[1] >= at.get(p[0], 0))
        if not waiting:
            return
        partition, _ = self.chance.choice(waiting)
        offsets = [offset for p, offset in waiting if p == partition]
        last = self.chance.choice(offsets)
        forget_before(self.broker, self.topic, partition, last + 1)
        assert self.table.progress(self.group, uuid_) == at, "somebody still writes"
        self._deleted |= {(partition, offset) for offset in offsets if offset <= last}
        self.counts.add(deletions=1)
        self.note(f"partition {partition}: deleted before {last + 1}")

    def expected(self) -> list[Record] | None:
        """All that was ever to be seen, without what was deleted and is stated as skipped.

        A broker that is killed soon after it deleted may have the records again; then they are to
        be copied. What is stated as skipped and was never deleted is missing.
        """
        if not self._deleted:
            return None
        for record in self.broker.read_visible(self.topic):
            self._seen[(record.partition, record.offset)] = record
        gone = self._deleted & self._stated_as_skipped()
        return [record for place, record in self._seen.items() if place not in gone]

    def _stated_as_skipped(self) -> set[Place]:
        places: set[Place] = set()
        for commit in self.table.commits():
            stated = commit.info.get("operationParameters", {}).get("bronzeSkipped", "{}")
            for partition, (begin, end) in json.loads(stated).items():
                places |= {(int(partition), offset) for offset in range(begin, end)}
        return places

    # --- patience ---------------------------------------------------------------------------

    def _patiently(self, what: Callable[[], object]) -> None:
        """Again while the broker or the store is away."""
        deadline = time.monotonic() + self.patience
        while True:
            try:
                what()
                return
            except (KafkaException, AssertionError, OSError):
                if time.monotonic() > deadline:
                    raise
            time.sleep(1)
            self._ask_anew()

    def _ask_anew(self) -> None:
        """A client of a broker that was away may be cut off for ever."""
        self.broker._admin = None
        self.broker._close_reader()

    def finish(self) -> None:
        # So that each partition has progress of which the table can tell.
        self._patiently(self._one_record_each)
        super().finish()

    def _one_record_each(self) -> None:
        self._ask_anew()
        for partition in self.broker.partitions(self.topic):
            self.broker.produce(self.topic, some_values(1), partition=partition)


class Weather:
    """Until then the broker and the store are killed or frozen, one at a time."""

    def __init__(self, world: World, until: float) -> None:
        self._world = world
        self._until = until
        self._chance = random.Random(f"{world.seed}/weather")

    def run(self) -> None:
        storms = [self._broker_dies, self._broker_freezes, self._store_dies]
        while self._wait(5, 25):
            storm = self._chance.choice(storms)
            print(f"weather: {storm.__name__.strip('_')}", flush=True)
            storm()

    def _wait(self, least: float, most: float) -> bool:
        """Whether there is time left."""
        wake = time.monotonic() + self._chance.uniform(least, most)
        while time.monotonic() < min(wake, self._until):
            time.sleep(0.2)
        return time.monotonic() < self._until

    def _broker_dies(self) -> None:
        self._world.broker.kill()
        time.sleep(self._chance.uniform(0, 5))
        self._world.broker.start()
        self._world.counts.add(broker_restarts=1)

    def _broker_freezes(self) -> None:
        self._world.broker.freeze()
        time.sleep(self._chance.uniform(1, 6))
        self._world.broker.thaw()
        self._world.counts.add(broker_freezes=1)

    def _store_dies(self) -> None:
        self._world.minio.kill()
        time.sleep(self._chance.uniform(0, 5))
        self._world.minio.start()
        self._world.counts.add(store_restarts=1)


@contextmanager
def toxiproxy(world: World) -> Iterator[Toxiproxy]:
    server = Toxiproxy(world.directory)
    try:
        server.start()
        yield server
    finally:
        server.stop()


__all__ = ["SoakCell", "Weather", "toxiproxy"]
