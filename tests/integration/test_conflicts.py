"""Others write to the same table at the same time."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError
from harness.payloads import FOREIGN_ROWS, Stream, json_values
from harness.processes import wait_until
from harness.tables import Table, assert_exactly_once


class Foreigner:
    """Does one thing to the table again and again, from a thread; counts what succeeded."""

    def __init__(self, action: Callable[[], None], pause: float) -> None:
        self._action = action
        self._pause = pause
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.done = 0

    def __enter__(self) -> Foreigner:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        while not self._stop.wait(self._pause):
            try:
                self._action()
            except DeltaError:
                continue
            self.done += 1


def foreign_rows(table: Table) -> int:
    found = table.duckdb(
        "SELECT count(*) FROM delta_scan('{table}') WHERE _kafka_partition IS NULL"
    )
    return found[0][0]


@pytest.fixture
def running(broker, topic, table, group, environment, start):
    """An instance whose table exists already."""
    broker.produce(topic, json_values(30))
    instance = start(environment(topic, BATCH_INTERVAL_SECONDS="0.2"))
    broker.wait_caught_up(group, topic)
    return instance


def copy_for_some_commits(
    broker, topic, table, group, foreigner: Foreigner, *, ours: int, theirs: int
) -> None:
    goal = len(table.data_commits()) + ours
    with Stream(broker, topic):
        wait_until(
            lambda: len(table.data_commits()) >= goal and foreigner.done >= theirs,
            90,
            f"{ours} more commits, {theirs} by others",
        )
    broker.wait_caught_up(group, topic)


def test_a_foreign_appender_loses_nothing_and_spoils_nothing(broker, topic, table, group, running):
    def append() -> None:
        write_deltalake(
            table.uri, FOREIGN_ROWS, mode="append", storage_options=table.store.options()
        )

    with Foreigner(append, 0.05) as appender:
        copy_for_some_commits(broker, topic, table, group, appender, ours=30, theirs=6)
    running.stop()

    assert foreign_rows(table) == appender.done
    assert_exactly_once(table, broker, group)


def test_a_newest_entry_that_somebody_replaced_is_noticed(
    broker, topic, folder, group, environment, start
):
    """The log still has an entry of that number, but not the one with our rows and progress."""
    table = Table(folder, topic)
    instance = start(environment(topic, store=folder, BATCH_INTERVAL_SECONDS="0.5"))
    broker.produce(topic, json_values(30), partition=0)
    broker.wait_caught_up(group, topic)
    newest = max(Path(table.uri, "_delta_log").glob("*.json"))
    newest.write_text(json.dumps({"commitInfo": {"timestamp": 1, "operation": "FOREIGN"}}) + "\n")
    broker.produce(topic, json_values(30), partition=0)
    instance.wait_log("another writer moved the progress")
    broker.wait_caught_up(group, topic)
    instance.stop()
    assert_exactly_once(table, broker, group)


def test_optimize_and_checkpoints_by_others(
    broker, topic, table, group, environment, start, running
):
    def rewrite() -> None:
        foreign = DeltaTable(table.uri, storage_options=table.store.options())
        foreign.optimize.compact()
        foreign.update_incremental()
        foreign.create_checkpoint()

    with Foreigner(rewrite, 0.5) as optimizer:
        copy_for_some_commits(broker, topic, table, group, optimizer, ours=15, theirs=2)
    running.stop()

    broker.produce(topic, json_values(50))
    second = start(environment(topic))
    broker.wait_caught_up(group, topic)
    second.stop()
    assert_exactly_once(table, broker, group)


def test_rows_deleted_by_others_are_not_written_again(
    broker, topic, table, group, environment, start, running
):
    running.stop()
    foreign = DeltaTable(table.uri, storage_options=table.store.options())
    foreign.delete("_kafka_partition = 0")
    broker.produce(topic, json_values(30), partition=1)

    second = start(environment(topic))
    broker.wait_caught_up(group, topic)
    second.stop()

    rows = table.rows_by_delta_rs()
    assert not [row for row in rows if row[0] == 0]
    assert len(rows) == len(set(rows))
    ends = broker.end_offsets(topic)
    assert len(rows) == ends[1] + ends[2]
