"""Row 17: the wall clock jumps. Timers do not notice; dates are those of the clock.

A batch over midnight: tests/integration/test_dates.py.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta, timezone

import pytest
from clocks import HOUR, YEAR, WallClock
from harness.payloads import Stream, json_values
from harness.processes import wait_until
from harness.service import FAULTY_BINARY, run_command

pytestmark = pytest.mark.row(17)


def test_jumps_of_the_wall_clock(tmp_path, broker, topic, table, group, environment, start, oracle):
    begun = datetime.now(timezone.utc)
    clock = WallClock(tmp_path / "shift")
    instance = start(
        environment(
            topic,
            BATCH_INTERVAL_SECONDS="0.5",
            BRONZE_CLOCK_SHIFT_FILE=str(clock.path),
        ),
        binary=FAULTY_BINARY,
    )
    with Stream(broker, topic):
        for shift in [0, HOUR, 0, -HOUR, YEAR, -YEAR, 0]:
            clock.jump(shift)
            goal = len(table.data_commits()) + 2
            wait_until(
                lambda goal=goal: len(table.data_commits()) >= goal,
                60,
                f"batches are written with the clock {shift} s off\n{instance.tail()}",
            )
            health = instance.health()
            assert health.is_healthy and health.body["errors"] == 0, health
    broker.wait_caught_up(group, topic)
    instance.stop()
    oracle(table)
    ended = datetime.now(timezone.utc)

    assert "starting over" not in instance.log()
    seen = set()
    for row in table.arrow().to_pylist():
        at = row["_ingested_at"]
        assert row["_ingestion_date"] == at.strftime("%Y-%m-%d")
        shifts = [
            shift for shift in set(clock.shifts) if begun <= at - timedelta(seconds=shift) <= ended
        ]
        assert shifts, f"{at} is the time of no clock"
        seen.update(shifts)
    assert seen == set(clock.shifts)


def test_a_topic_that_is_created_again_after_a_clock_that_was_ahead(
    tmp_path, broker, topic, table, group, environment, start
):
    """Rows of the old topic bear times that have not come yet when the new one begins."""
    clock = WallClock(tmp_path / "shift")
    clock.jump(HOUR)
    settings = environment(
        topic, ON_TOPIC_RECREATED="new_epoch", BRONZE_CLOCK_SHIFT_FILE=str(clock.path)
    )
    broker.produce(topic, json_values(30), partition=0)
    instance = start(settings, binary=FAULTY_BINARY)
    broker.wait_caught_up(group, topic)
    instance.stop()
    old = len(broker.read_visible(topic))

    clock.jump(0)
    broker.delete_topic(topic)
    broker.create_topic(topic, 1)
    broker.produce(topic, json_values(50), partition=0)
    instance = start(settings, binary=FAULTY_BINARY)
    new = broker.topic_uuid(topic)
    wait_until(lambda: table.progress(group, new) == {0: 50}, 60, "the new topic is in the table")
    instance.stop()
    assert "by a clock that was ahead" in instance.log()
    since = next(version for app_id, version in table.txns().items() if app_id.endswith("/since"))
    times = [row["_ingested_at"].timestamp() * 1e6 for row in table.arrow().to_pylist()]
    assert sum(time < since for time in times) == old
    assert len(times) == old + 50
    verified = run_command("verify", environment=settings, timeout=120)
    assert verified.exit_code == 0, verified.text


@pytest.mark.full
def test_a_clock_that_jumps_all_the_time(
    tmp_path, broker, topic, table, group, environment, start, oracle
):
    """Over midnights in both directions, many times a second."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    clock = WallClock(tmp_path / "shift")
    instance = start(
        environment(topic, BATCH_INTERVAL_SECONDS="0.5", BRONZE_CLOCK_SHIFT_FILE=str(clock.path)),
        binary=FAULTY_BINARY,
    )

    def jump_and_count() -> bool:
        clock.jump(dice.choice([0, 12 * HOUR, 24 * HOUR, -24 * HOUR, YEAR]))
        return len(table.data_commits()) >= 5

    with Stream(broker, topic):
        wait_until(jump_and_count, 60, f"five commits\n{instance.tail()}", interval=0.05)
        clock.jump(0)
    broker.wait_caught_up(group, topic)
    assert instance.wait_answering().is_healthy
    instance.stop()
    oracle(table)
    for row in table.arrow().to_pylist():
        assert row["_ingestion_date"] == row["_ingested_at"].strftime("%Y-%m-%d")
