"""Cells: each a topic, a table and a group of its own, tortured by a thread of its own.

Cells run side by side on one broker and one MinIO, so that one waits while another works. All
choices of a cell come from its own seed; what it does stands in its diary.
"""

from __future__ import annotations

import copy
import random
import signal
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import s3_proxy
from harness.group_offsets import falls, history_of
from harness.kafka import Broker, Record
from harness.minio import MinioServer, Store
from harness.payloads import Stream, small_json
from harness.service import FAULTY_BINARY, Bronze
from harness.tables import Table
from oracle import TRIED_AGAIN, Verdict, claims, examine
from report import Counts
from s3_proxy import S3Proxy

KILLED = 128 + 9
SESSION_MS = 1000
STORE_TIMEOUT_MS = 700
RECORDS_PER_SECOND = 100

# In a storm SIGTERM may come before the program listens to it, or a batch may have to be dropped
# meanwhile, because its partitions were lost.
ENDS = (0, 4, 128 + 15)

QUICK_GROUP = {
    "KAFKA_SESSION_TIMEOUT_MS": str(SESSION_MS),
    "KAFKA_PROPERTIES": "heartbeat.interval.ms=200;reconnect.backoff.max.ms=500",
}

# Passed by every instance that writes; the others need a part of their own.
KILL_POINTS = [
    "assign_before_read",
    "assign_after_read",
    "flush_before_file",
    "flush_mid_file",
    "flush_after_file",
    "commit_before_put",
    "commit_after_put",
    "commit_after_ack",
    "offsets_before_commit",
    "offsets_after_commit",
]

AMBIGUOUS: dict[str, list[s3_proxy.Fault]] = {
    "503": [s3_proxy.answer_after(503, "SlowDown")],
    "500": [s3_proxy.answer_after(500, "InternalError")],
    "reset": [s3_proxy.reset_after],
    "late": [
        s3_proxy.answer_too_late,
        s3_proxy.land_too_late(0.02),
        s3_proxy.land_too_late(0.3),
        s3_proxy.land_too_late(1.5),
    ],
    "409": [s3_proxy.answer_after(409, "ConditionalRequestConflict")],
}


class Doubts:
    """Judges for an S3Proxy: every second commit gets a wrong answer of the kinds still `wanted`.

    Counted are those that the store has done. Of the others, which came so late that the service
    had put that version itself, it is only counted that they were there.
    """

    def __init__(
        self,
        chance: random.Random,
        wanted: dict[str, int],
        counts: Counts,
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._chance = chance
        self._counts = counts
        self._note = note
        self._lock = threading.Lock()
        self._underway: Counter[str] = Counter()
        self._honest = True
        self.left = dict(wanted)

    @property
    def over(self) -> bool:
        with self._lock:
            return not any(self.left.values())

    def judge(self, request: s3_proxy.Request) -> s3_proxy.Fault | None:
        if not request.is_commit:
            return None
        with self._lock:
            self._honest = not self._honest
            kinds = [kind for kind, left in self.left.items() if left > self._underway[kind]]
            if self._honest or not kinds:
                return None
            kind = self._chance.choice(kinds)
            self._underway[kind] += 1
            fault = self._chance.choice(AMBIGUOUS[kind])
        return s3_proxy.watched(fault, lambda done: self._tell(kind, done))

    def _tell(self, kind: str, done: bool) -> None:
        with self._lock:
            self._underway[kind] -= 1
            self.left[kind] -= done
        self._note(f"answer: {kind}{'' if done else ', which the store has not done'}")
        if done:
            self._counts.add_ambiguous(kind)
        elif kind == "late":
            self._counts.add(landed_too_late=1)
        else:
            self._counts.add(answers_of_nothing_done=1)


@dataclass(frozen=True)
class World:
    """What all cells share."""

    broker: Broker
    minio: MinioServer
    directory: Path
    counts: Counts
    seed: int


class Cell:
    """One table under torture; `run` in a thread, then `judge`."""

    # In seconds, for what takes a few when nothing is wrong.
    patience = 20
    # See Stream.
    renew_after: float | None = None
    # What its records are made of.
    value_of = staticmethod(small_json)
    # The exit codes of an instance alone that is asked to stop.
    ends: tuple[int, ...] = (0,)

    def __init__(self, world: World, name: str, store: Store | None = None) -> None:
        self.world = world
        self.name = f"{name}-{world.seed}"
        self.chance = random.Random(f"{world.seed}/{name}")
        # Its own, because a broker keeps one consumer for one caller.
        self.broker = copy.copy(world.broker)
        self.broker._reader = None
        self.counts = world.counts
        self.store = store or world.minio.create_bucket(f"cell-{self.name}")
        self.topic = f"cell-{self.name}"
        self.group = f"group-{self.name}"
        self.broker.create_topic(self.topic, 4)
        self.table = Table(self.store, self.topic)
        self.instances: list[Bronze] = []
        # For every instance.
        self.variables: dict[str, str] = {}
        self.diary: list[str] = []
        self.failure: BaseException | None = None
        self._begun = time.monotonic()

    # --- instances --------------------------------------------------------------------------

    def start(self, **variables: str) -> Bronze:
        return self.start_command(variables, "run")

    def start_command(
        self, variables: dict[str, str], *arguments: str, binary: Path = FAULTY_BINARY
    ) -> Bronze:
        directory = self.world.directory / self.name / f"instance-{len(self.instances)}"
        environment = {
            "KAFKA_BOOTSTRAP_SERVERS": self.broker.bootstrap,
            "KAFKA_CONSUMER_GROUP": self.group,
            "KAFKA_TOPICS": self.topic,
            **self.store.environment(),
            **QUICK_GROUP,
            "BATCH_INTERVAL_SECONDS": "0.2",
            "BRONZE_STORE_TIMEOUT_MS": str(STORE_TIMEOUT_MS),
            **self.variables,
            **variables,
        }
        instance = Bronze(directory, environment, arguments, binary)
        self.instances.append(instance)
        return instance

    def kill(self, instance: Bronze) -> None:
        assert instance.running, f"exit code {instance.exit_code}:\n{instance.tail()}"
        instance.kill()
        self.counts.add(kills=1)

    def note(self, what: str) -> None:
        self.diary.append(f"{time.monotonic() - self._begun:7.1f} {what}")

    def rest(self, least: float, most: float) -> float:
        seconds = self.chance.uniform(least, most)
        time.sleep(seconds)
        return seconds

    # --- what is done to it -----------------------------------------------------------------

    def killed_at_random(self) -> None:
        instance = self.start()
        seconds = self.rest(0.5, 3)
        self.kill(instance)
        self.note(f"kill -9 after {seconds:.2f} s")

    def killed_at_a_point(self) -> None:
        point = self.chance.choice(KILL_POINTS)
        if not point.startswith("assign"):
            point = f"{point}:{self.chance.randint(1, 4)}"
        instance = self.start(BRONZE_KILL_POINT=point)
        code = instance.wait_exit(40 + self.patience)
        assert code == KILLED, f"exit code {code}:\n{instance.tail()}"
        self.counts.add(kills=1)
        self.note(f"kill -9 at {point}")

    def frozen(self) -> None:
        """Two instances share the topic; one is stopped for longer than the session time-out."""
        pair = [self.start(), self.start()]
        self.rest(0.5, 2)
        zombie = self.chance.choice(pair)
        zombie.send(signal.SIGSTOP)
        seconds = self.rest(1.2 * SESSION_MS / 1000, 3 * SESSION_MS / 1000)
        zombie.send(signal.SIGCONT)
        self.counts.add(long_stops=1)
        self.note(f"stopped for {seconds:.2f} s")
        self.rest(0.5, 2)
        for instance in pair:
            self.leave(instance)

    def leave(self, instance: Bronze) -> None:
        """By SIGTERM or by SIGKILL."""
        if self.chance.random() < 0.5:
            self.kill(instance)
            self.note("kill -9")
        else:
            instance.stop(timeout=60, codes=ENDS)
            self.counts.add(terminations=1)
            self.note(f"SIGTERM: {instance.exit_code}")

    def stormed(self, turns: int) -> None:
        """Instances join and die every 2 to 5 s; two or three are there at any time."""
        running = [self.start(), self.start()]
        for _ in range(turns):
            self.rest(2, 5)
            running.append(self.start())
            self.note("joins")
            self.rest(0, 1)
            self.leave(running.pop(self.chance.randrange(len(running))))
        for instance in running:
            self.leave(instance)

    def doubted(self, wanted: int) -> None:
        """Every second commit is spoilt, until in each of five ways so many of them were done."""
        doubts = Doubts(self.chance, dict.fromkeys(AMBIGUOUS, wanted), self.counts, self.note)
        with S3Proxy(self.world.minio.address) as proxy:
            proxy.judge = doubts.judge
            instance = self.start(S3_ENDPOINT_URL=proxy.endpoint, BATCH_INTERVAL_SECONDS="0.1")
            deadline = time.monotonic() + self.patience + 8 * wanted * len(AMBIGUOUS)
            while not doubts.over and time.monotonic() < deadline:
                assert instance.running, instance.tail()
                time.sleep(0.1)
            assert doubts.over, f"not doubted in time: {doubts.left}"
            instance.stop(timeout=60, codes=self.ends)

    # --- running and judging ----------------------------------------------------------------

    def run(self, torture: Callable[[Cell], None]) -> None:
        """Records arrive meanwhile. Afterwards one instance finishes what is left."""
        try:
            with Stream(
                self.broker, self.topic, RECORDS_PER_SECOND, self.renew_after, self.value_of
            ):
                torture(self)
        except BaseException as failure:
            self.failure = failure
        try:
            self.finish()
        except BaseException as failure:
            self.failure = self.failure or failure
        finally:
            self.end_all()

    def finish(self) -> None:
        self.end_all()
        last = self.start()
        self.broker.wait_caught_up(self.group, self.topic, timeout=100 + self.patience)
        last.stop(timeout=60)

    def end_all(self) -> None:
        for instance in self.instances:
            instance.end()

    def tell(self) -> None:
        state = self.diary[-1] if self.diary else "begins"
        if self.failure is not None:
            state = f"FAILED after {state}: {self.failure}"
        print(f"{self.name}: {len(self.diary)} faults, {state}", flush=True)

    def logs(self) -> list[str]:
        return [instance.log() for instance in self.instances]

    def expected(self) -> list[Record] | None:
        """None for all that Kafka shows."""
        return None

    def replayed(self) -> set[tuple[int, int]]:
        """The places of the dead letters that must be rows too."""
        return set()

    def judge(self) -> Verdict:
        """Of the table as it is now, whatever became of the torture."""
        verdict = examine(
            self.table,
            self.broker,
            self.group,
            expected=self.expected(),
            logs=self.logs(),
            replayed=self.replayed(),
        )
        self.counts.add_verdict(verdict)
        for fall in falls(history_of(self.broker, self.group)):
            verdict.object_to(f"the group's offset of {fall}")
        if self.failure is not None:
            verdict.object_to("".join(traceback.format_exception(self.failure)))
        self.counts.add(tried_again=sum(len(TRIED_AGAIN.findall(log)) for log in self.logs()))
        self.counts.add(commits=sum(len(claims(log)) for log in self.logs()))
        return verdict


def play(
    cells: dict[Cell, Callable[[Cell], None]], meanwhile: Callable[[], None] = lambda: None
) -> None:
    """Runs all cells side by side and fails with the diary of each whose table is not right.

    `meanwhile` runs in this thread: a process ends with the thread that has started it.
    """
    counts = next(iter(cells)).counts
    threads = [
        threading.Thread(target=cell.run, args=(torture,), name=cell.name)
        for cell, torture in cells.items()
    ]
    with ExitStack() as clean_up:
        for cell in cells:
            clean_up.callback(cell.end_all)
        for thread in threads:
            thread.start()
        meanwhile()
        begun = time.monotonic()
        while any(thread.is_alive() for thread in threads):
            for thread in threads:
                thread.join(15 / len(threads))
            if time.monotonic() - begun > 30:
                begun = time.monotonic()
                for cell in cells:
                    cell.tell()
                print(*counts.lines()[:2], sep="\n", flush=True)
    wrong = []
    for cell in cells:
        verdict = cell.judge()
        print(f"{cell.name}: {len(cell.instances)} instances, {verdict}", flush=True)
        if not verdict.holds:
            wrong.append("\n".join([f"{cell.name}:", str(verdict), *cell.diary[-40:]]))
    assert not wrong, "\n\n".join(wrong)


def repeat(times: int, *actions: Callable[[Cell], None]) -> Callable[[Cell], None]:
    """So many actions, one after the other, of those given in turn."""

    def torture(cell: Cell) -> None:
        for turn in range(times):
            actions[turn % len(actions)](cell)

    return torture


def until(deadline: float, *actions: Callable[[Cell], None]) -> Callable[[Cell], None]:
    """Actions drawn by chance, until the monotonic clock says `deadline`."""

    def torture(cell: Cell) -> None:
        while time.monotonic() < deadline:
            cell.chance.choice(actions)(cell)

    return torture


__all__ = ["Cell", "World", "play", "repeat", "until"]
