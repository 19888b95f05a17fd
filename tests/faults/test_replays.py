"""`bronze replay` under faults: every dead letter that became valid is a row, once."""

from __future__ import annotations

import signal
import threading

import pytest
import s3_proxy
from cells import AMBIGUOUS, Cell, Doubts, World, play, repeat
from harness.payloads import Stream, of_every_kind
from harness.processes import wait_until
from harness.service import KAFKA_TIMING, Bronze, run_command
from harness.tables import Table
from replaying import KILL_POINTS, STRICT, Replays, rows_of, valid_now
from s3_proxy import S3Proxy

LETTERS = 40


def produce(broker, topic: str, letters: int) -> None:
    """So many that become valid; their offsets are 1, 6, 11, ..."""
    broker.produce(topic, [of_every_kind("letters", n) for n in range(5 * letters)], partition=0)


@pytest.fixture
def replays(new_topic, bucket, environment, start) -> Replays:
    """Of a topic of one partition."""
    return Replays(start, environment(new_topic(1), **STRICT))


@pytest.fixture
def letters(broker, bucket, replays, start) -> Table:
    """A table with LETTERS dead letters that become valid by a replay, and as many that do not."""
    table = Table(bucket, replays.variables["KAFKA_TOPICS"])
    produce(broker, table.topic, LETTERS)
    assert start(replays.variables, "run", "--once").wait_exit(60) == 0
    return table


@pytest.fixture
def holds(broker, oracle, instance_logs):
    """holds(table, replays): after one more replay, which nothing disturbs, everything is right."""

    def ask(table: Table, replays: Replays) -> None:
        replays.run()
        oracle(table, logs=instance_logs(), replayed=valid_now(broker, table.topic))
        done = run_command("verify", environment={**KAFKA_TIMING, **replays.variables}, timeout=120)
        assert done.exit_code == 0, done.text

    return ask


def test_a_replay_is_killed_at_every_kill_point(
    broker, group, bucket, replays, start, chance, counts, holds
):
    """Beside the service, which commits to the same tables all the time."""
    table = Table(bucket, replays.variables["KAFKA_TOPICS"])
    service = start({**replays.variables, "BATCH_INTERVAL_SECONDS": "0.2"})
    with Stream(broker, table.topic, value_of=of_every_kind):
        service.wait_written(1)
        for point in chance.sample(KILL_POINTS, len(KILL_POINTS)):
            wait_until(lambda point=point: replays.kill_at(point), 60, f"killed at {point}")
            counts.add(kills=1, kill_points=1)
    broker.wait_caught_up(group, table.topic)
    service.stop()
    holds(table, replays)


def test_wrong_answers_to_replays(letters, replays, proxy, chance, counts, holds, full_run):
    """Each replay makes one commit, which is done, or lands late, while the answer says else."""
    times = 4 if full_run else 1
    rounds = [kind for kind in AMBIGUOUS for _ in range(times)]
    chance.shuffle(rounds)
    width = 5 * LETTERS // len(rounds)
    for number, kind in enumerate(rounds):
        doubts = Doubts(chance, {kind: 1}, counts)
        proxy.judge = doubts.judge
        offsets = f"{number * width}-{(number + 1) * width}"
        rows = replays.run("--offsets", offsets, S3_ENDPOINT_URL=proxy.endpoint)
        assert rows == width // 5, (kind, offsets)
    assert replays.run() == LETTERS - len(rounds) * width // 5
    holds(letters, replays)


def test_a_replay_that_was_stopped_is_fenced(letters, replays, proxy, counts, holds):
    """Another has replayed the same before its commit arrives."""
    on_its_way, go_on = threading.Event(), threading.Event()

    def hold(exchange):
        on_its_way.set()
        go_on.wait(60)
        exchange.send(exchange.forward())

    proxy.judge = lambda request: hold if request.is_commit and not on_its_way.is_set() else None
    patient = {"S3_ENDPOINT_URL": proxy.endpoint, "BRONZE_STORE_TIMEOUT_MS": "30000"}
    stopped = replays.begin(**patient)
    wait_until(on_its_way.is_set, 30, "the commit is on its way")
    stopped.send(signal.SIGSTOP)
    counts.add(long_stops=1)
    assert replays.run() == LETTERS
    go_on.set()
    stopped.send(signal.SIGCONT)
    assert rows_of(stopped) == 0
    holds(letters, replays)


def test_a_storm_during_a_replay(letters, replays, proxy, chance, holds):
    """Three of ten requests fail: nothing is done, or it is and the answer is lost."""
    faults = [
        s3_proxy.answer_instead(503, "SlowDown"),
        s3_proxy.answer_instead(500, "InternalError"),
        s3_proxy.answer_after(503, "SlowDown"),
        s3_proxy.reset_instead,
        s3_proxy.reset_after,
        s3_proxy.delayed(0.3),
    ]
    proxy.judge = lambda _request: chance.choice(faults) if chance.random() < 0.3 else None
    half = 5 * LETTERS // 2
    for offsets in (f"0-{half}", f"{half}-{2 * half}"):
        replays.run("--offsets", offsets, S3_ENDPOINT_URL=proxy.endpoint)
    holds(letters, replays)


# --- everything at once -------------------------------------------------------------------------


class ReplayCell(Cell):
    """Its records are of every kind; replays come while its service runs, dies and is doubted."""

    value_of = staticmethod(of_every_kind)

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.variables = STRICT
        # The store's answers to replays are those of this one.
        self.proxy = S3Proxy(world.minio.address)

    def begin_replay(self, **variables: str) -> Bronze:
        replays = Replays(self.start_command, {})
        return replays.begin(S3_ENDPOINT_URL=self.proxy.endpoint, **variables)

    def replayed_beside(self) -> None:
        """Two replays at once, beside a service that may die."""
        service = self.start()
        service.wait_written(1, timeout=30 + self.patience)
        pair = [self.begin_replay(), self.begin_replay()]
        if self.chance.random() < 0.5:
            self.rest(0, 1)
            self.kill(service)
            self.note("the service is killed beside two replays")
        rows = [rows_of(replay) for replay in pair]
        self.note(f"two replays at once: {rows} rows")
        if service.running:
            self.leave(service)

    def replay_killed(self) -> None:
        """One at a kill point, another at any moment."""
        point = self.chance.choice(KILL_POINTS)
        replays = Replays(self.start_command, {"S3_ENDPOINT_URL": self.proxy.endpoint})
        killed = replays.kill_at(point)
        self.counts.add(kills=int(killed))
        self.note(f"replay {'killed at' if killed else 'had nothing to write:'} {point}")
        replay = self.begin_replay()
        seconds = self.rest(0, 0.5)
        replay.kill()
        self.counts.add(kills=1)
        self.note(f"replay killed after {seconds:.2f} s")

    def replay_doubted(self) -> None:
        kind = self.chance.choice(list(AMBIGUOUS))
        doubts = Doubts(self.chance, {kind: 1}, self.counts, self.note)
        self.proxy.judge = doubts.judge
        rows = rows_of(self.begin_replay())
        self.proxy.judge = s3_proxy.pass_on
        self.note(f"replay, its commit doubted: {rows} rows")

    def finish(self) -> None:
        super().finish()
        self.proxy.judge = s3_proxy.pass_on
        rows_of(self.begin_replay())

    def replayed(self) -> set[tuple[int, int]]:
        return valid_now(self.broker, self.topic)


@pytest.fixture
def replay_cell(broker, minio, tmp_path, counts, seed):
    print(f"seed {seed}")
    cell = ReplayCell(World(broker, minio, tmp_path, counts, seed), "replay")
    with cell.proxy:
        yield cell


ACTIONS = (
    ReplayCell.replayed_beside,
    ReplayCell.replay_doubted,
    Cell.killed_at_random,
    ReplayCell.replay_killed,
)


@pytest.mark.timeout(300)
def test_replays_and_a_service_that_dies(replay_cell):
    play({replay_cell: repeat(len(ACTIONS), *ACTIONS)})


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_many_replays_and_a_service_that_dies(replay_cell):
    play({replay_cell: repeat(25 * len(ACTIONS), *ACTIONS)})
