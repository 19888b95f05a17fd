"""Each rule, broken on purpose in a real process, makes the oracle object.

Every scenario is played twice: by the honest service, which passes, and by one that breaks the rule
the scenario is about. So a scenario proves nothing by accident, and the oracle is not blind.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import s3_proxy
from deltalake import DeltaTable
from harness.kafka import Broker
from harness.minio import Bucket
from harness.payloads import json_values, of_every_kind
from harness.processes import wait_until
from harness.service import FAULTY_BINARY, Bronze
from harness.tables import Table
from oracle import Verdict, examine, offsets_ahead_of_the_table
from replaying import STRICT, Replays, valid_now
from s3_proxy import S3Proxy

KILLED = 128 + 9
SESSION_MS = 1000
QUICK_GROUP = {
    "KAFKA_SESSION_TIMEOUT_MS": str(SESSION_MS),
    "KAFKA_PROPERTIES": "heartbeat.interval.ms=200;reconnect.backoff.max.ms=500",
}


@dataclass
class Stage:
    """What a scenario plays with."""

    broker: Broker
    bucket: Bucket
    proxy: S3Proxy
    group: str
    topic: str
    table: Table
    environment: Callable[..., dict[str, str]]
    start: Callable[..., Bronze]
    logs: Callable[[], list[str]]
    counts: object

    def instance(self, sabotage: str = "", **variables: str) -> Bronze:
        told = self.environment(self.topic, **{**QUICK_GROUP, **variables})
        if sabotage:
            told["BRONZE_SABOTAGE"] = sabotage
        return self.start(told, binary=FAULTY_BINARY)

    def verdict(self, **more) -> Verdict:
        return examine(
            self.table, self.broker, self.group, logs=self.logs(), by_kernel=False, **more
        )

    def settle(self, sabotage: str, broken_for: float = 30) -> None:
        """Until the group has committed everything, which a sabotaged service may never do."""
        deadline = time.monotonic() + (broken_for if sabotage else 90)
        while time.monotonic() < deadline:
            if self.broker.is_caught_up(self.group, self.topic):
                return
            time.sleep(0.2)


@pytest.fixture
def stage(
    broker, bucket, proxy, group, new_topic, environment, start, instance_logs, counts
) -> Stage:
    topic = new_topic(1)
    table = Table(bucket, topic)
    return Stage(
        broker, bucket, proxy, group, topic, table, environment, start, instance_logs, counts
    )


# --- scenarios ----------------------------------------------------------------------------------


def overtaken(stage: Stage, sabotage: str, more_for_the_heir: int) -> Verdict:
    """A's commit is lost, and A frozen until B has written the same records (and some more)."""
    stuck, go_on = threading.Event(), threading.Event()

    def judge(request):
        if not request.is_commit or request.version < 2 or stuck.is_set():
            return None

        def lose(exchange):
            stuck.set()
            go_on.wait(60)
            exchange.reset()

        return lose

    stage.proxy.judge = judge
    stage.broker.produce(stage.topic, json_values(100))
    first = stage.instance(
        sabotage, S3_ENDPOINT_URL=stage.proxy.endpoint, BATCH_INTERVAL_SECONDS="0.3"
    )
    wait_until(stuck.is_set, 30, "the first instance commits")
    stage.broker.produce(stage.topic, json_values(more_for_the_heir))
    first.send(signal.SIGSTOP)
    heir = stage.instance(BATCH_INTERVAL_SECONDS="0.3")
    heir.wait_written(100 + more_for_the_heir)
    stage.counts.add(long_stops=1)
    stage.broker.wait_caught_up(stage.group, stage.topic)
    heir.stop()
    go_on.set()
    first.send(signal.SIGCONT)
    # Its next try, whatever comes of it, follows the loss of its partitions or goes before it.
    wait_until(
        lambda: "starting over" in first.log() or "committed as" in first.log(),
        30,
        f"the first instance has looked at its commit again\n{first.tail()}",
    )
    stage.broker.produce(stage.topic, json_values(10))
    stage.settle(sabotage, broken_for=8)
    first.end()
    return stage.verdict()


def no_base_comparison(stage: Stage, sabotage: str) -> Verdict:
    return overtaken(stage, sabotage, more_for_the_heir=50)


def no_token_check(stage: Stage, sabotage: str) -> Verdict:
    return overtaken(stage, sabotage, more_for_the_heir=0)


def offsets_before_table(stage: Stage, sabotage: str) -> Verdict:
    """It dies before its commit, having read everything."""
    stage.broker.produce(stage.topic, json_values(100))
    instance = stage.instance(
        sabotage, BRONZE_KILL_POINT="commit_before_put:2", BATCH_INTERVAL_SECONDS="1"
    )
    assert instance.wait_exit(30) == KILLED
    stage.counts.add(kills=1)
    ahead = offsets_ahead_of_the_table(stage.table, stage.broker, stage.group)
    instance = stage.instance()
    instance.wait_written(100)
    stage.settle(sabotage)
    instance.stop()
    verdict = stage.verdict()
    if ahead:
        verdict.object_to(f"the group's offsets were ahead of the table: {ahead}")
    return verdict


def blind_put_retry(stage: Stage, sabotage: str) -> Verdict:
    """The commit lands, its answer does not come."""

    def judge(request):
        if not request.is_commit or request.version != 2:
            return None
        stage.counts.add_ambiguous("reset")
        return s3_proxy.reset_after

    stage.proxy.judge = judge
    stage.broker.produce(stage.topic, json_values(100))
    instance = stage.instance(sabotage, S3_ENDPOINT_URL=stage.proxy.endpoint)
    instance.wait_written(100)
    stage.settle(sabotage)
    instance.stop()
    return stage.verdict()


def no_uuid_check(stage: Stage, sabotage: str) -> Verdict:
    """The topic is deleted and created anew, with more records, while the instance is frozen."""
    stage.broker.produce(stage.topic, json_values(100))
    instance = stage.instance(
        sabotage, KAFKA_SESSION_TIMEOUT_MS="45000", BATCH_INTERVAL_SECONDS="0.3"
    )
    instance.wait_written(100)
    before = stage.broker.read_visible(stage.topic)
    progress = stage.broker.end_offsets(stage.topic)

    instance.send(signal.SIGSTOP)
    stage.broker.delete_topic(stage.topic)
    stage.broker.create_topic(stage.topic, 1)
    stage.broker.produce(stage.topic, json_values(300))
    instance.send(signal.SIGCONT)
    wait_until(
        lambda: "created again" in instance.log()
        or "deleted" in instance.log()
        or len(stage.table.data_commits()) > 1,
        40,
        f"the instance has noticed, or read on\n{instance.tail()}",
    )
    instance.end()
    return stage.verdict(expected=before, progress=progress)


def no_rewind(stage: Stage, sabotage: str) -> Verdict:
    """Somebody changes the table's configuration while a batch is open: it has to start over."""
    stage.broker.produce(stage.topic, json_values(10))
    # Long, because who comes back into the group looks at the table anyway.
    instance = stage.instance(
        sabotage, BATCH_INTERVAL_SECONDS="0.5", KAFKA_SESSION_TIMEOUT_MS="45000"
    )
    instance.wait_written(10)
    foreign = DeltaTable(stage.table.uri, storage_options=stage.table.store.options())
    foreign.alter.set_table_properties({"bronze.test": "changed"}, raise_if_not_exists=False)
    stage.broker.produce(stage.topic, json_values(100))
    instance.wait_log("starting over from the table", 30)
    stage.settle(sabotage, broken_for=8)
    instance.end()
    return stage.verdict()


def killed_after_its_first_commit(stage: Stage, sabotage: str, check_afterwards: str) -> Verdict:
    """Of two that a batch with dead letters makes."""
    odd = [b"{}", b"no JSON", b'{"a": 1}', b"\xff"] * 25
    stage.broker.produce(stage.topic, odd)
    instance = stage.instance(
        sabotage, DLQ_VALIDATE_JSON="true", BRONZE_KILL_POINT="commit_after_ack"
    )
    assert instance.wait_exit(30) == KILLED
    stage.counts.add(kills=1)
    stage.broker.produce(stage.topic, odd)
    instance = stage.instance(sabotage, DLQ_VALIDATE_JSON=check_afterwards)
    stage.settle(sabotage)
    instance.stop()
    return stage.verdict()


def dead_letters_after_main(stage: Stage, sabotage: str) -> Verdict:
    return killed_after_its_first_commit(stage, sabotage, check_afterwards="true")


def dead_letters_twice(stage: Stage, sabotage: str) -> Verdict:
    return killed_after_its_first_commit(stage, sabotage, check_afterwards="true")


def classification_not_fixed(stage: Stage, sabotage: str) -> Verdict:
    return killed_after_its_first_commit(stage, sabotage, check_afterwards="false")


def replayed(stage: Stage, sabotage: str, times: int) -> Verdict:
    """So many replays, one after the other, of dead letters that became valid."""
    stage.broker.produce(stage.topic, [of_every_kind("letter", n) for n in range(50)])
    variables = stage.environment(stage.topic, **STRICT)
    assert stage.start(variables, "run", "--once").wait_exit(60) == 0
    broken = {"BRONZE_SABOTAGE": sabotage} if sabotage else {}
    replays = Replays(stage.start, {**variables, **broken, "S3_ENDPOINT_URL": stage.proxy.endpoint})
    for _ in range(times):
        replays.run()
    return stage.verdict(replayed=valid_now(stage.broker, stage.topic))


def replay_without_look(stage: Stage, sabotage: str) -> Verdict:
    return replayed(stage, sabotage, times=2)


def lost_replay_again(stage: Stage, sabotage: str) -> Verdict:
    """The commit of a replay lands, its answer does not come."""
    doubted: list[int] = []

    def judge(request):
        if not request.is_commit or doubted:
            return None
        doubted.append(request.version)
        stage.counts.add_ambiguous("reset")
        return s3_proxy.reset_after

    stage.proxy.judge = judge
    return replayed(stage, sabotage, times=1)


SCENARIOS = [
    no_base_comparison,
    no_token_check,
    offsets_before_table,
    blind_put_retry,
    no_uuid_check,
    no_rewind,
    dead_letters_after_main,
    dead_letters_twice,
    classification_not_fixed,
    replay_without_look,
    lost_replay_again,
]


@pytest.mark.parametrize("sabotaged", ["honest", "sabotaged"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_a_broken_rule_is_noticed(scenario, sabotaged, stage, counts):
    if sabotaged == "honest":
        verdict = scenario(stage, "")
        counts.add_verdict(verdict)
        assert verdict.holds, str(verdict)
    else:
        verdict = scenario(stage, scenario.__name__)
        assert not verdict.holds, f"the oracle did not notice {scenario.__name__}"
        print(verdict)
