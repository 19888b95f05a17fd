"""Row 14: somebody damages a table's log, or takes the table away.

Whatever is broken: the service works, or stops with a message that names the file and the repair.
It never begins at a wrong offset. That a hint, an entry, a checkpoint and a table that others have
cleaned up or rewritten are read rightly is also in bridge/src/table/tests.rs; that a table whose
state is lost is not begun anew, in test_takeover.py and test_check.py.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from deltalake import DeltaTable, Schema
from harness.payloads import Stream, json_values
from harness.processes import wait_until
from harness.tables import Table
from logs import HINT, append_entry, checkpoint, entry, log_folder, newest_version

pytestmark = pytest.mark.row(14)

DONE = 0
STOPPED = 1
FULL = pytest.mark.full


@pytest.fixture
def table(folder, topic) -> Table:
    return Table(folder, topic)


@pytest.fixture
def once(environment, start, folder, topic) -> Callable[..., tuple[int, str]]:
    """Runs the service to the end of the topic; returns its exit code and its log."""

    def run(**variables: str) -> tuple[int, str]:
        instance = start(environment(topic, store=folder, **variables), "run", "--once")
        code = instance.wait_exit(60)
        return code, instance.log()

    return run


@pytest.fixture
def aged(broker, topic, table, group, once) -> Table:
    """A table of several versions, a checkpoint in the middle, and more to copy."""
    for _ in range(2):
        broker.produce(topic, json_values(30))
        code, log = once()
        assert code == DONE, log
    assert newest_version(table) >= 3
    checkpoint(table)
    for _ in range(2):
        broker.produce(topic, json_values(20))
        code, log = once()
        assert code == DONE, log
    broker.produce(topic, json_values(20))
    return table


def checkpoint_file(table: Table):
    (found,) = log_folder(table).glob("*.checkpoint.parquet")
    return found


def remove_hint(table: Table) -> None:
    (log_folder(table) / HINT).unlink()


def corrupt_hint(table: Table) -> None:
    (log_folder(table) / HINT).write_bytes(b'{"version": 3, "si\x00')


def empty_hint(table: Table) -> None:
    (log_folder(table) / HINT).write_bytes(b"")


def cleaned_up(table: Table) -> None:
    """What every engine does after a while: entries before the checkpoint go."""
    for version in range(int(checkpoint_file(table).name[:20])):
        entry(table, version).unlink()


def nothing_but_entries(table: Table) -> None:
    remove_hint(table)
    checkpoint_file(table).unlink()


@pytest.mark.parametrize(
    "damage",
    [
        remove_hint,
        corrupt_hint,
        cleaned_up,
        pytest.param(empty_hint, marks=FULL),
        pytest.param(nothing_but_entries, marks=FULL),
    ],
)
def test_goes_on(damage, aged, broker, group, once, topic, oracle):
    progress = aged.progress(group, broker.topic_uuid(topic))
    damage(aged)
    code, log = once()
    assert code == DONE, log
    for partition, offset in progress.items():
        assert f"partition {partition} begins at offset {offset}:" in log
    oracle(aged)


def test_rows_of_a_lost_entry_come_again(aged, broker, topic, group, once, oracle):
    entry(aged, newest_version(aged)).unlink()
    code, log = once()
    assert code == DONE, log
    oracle(Table(aged.store, topic), may_fall=True)


def dangling_hint(table: Table) -> tuple[list[str], Callable[[], None]]:
    checkpoint_file(table).unlink()
    return [HINT, "delete"], lambda: remove_hint(table)


def truncated_checkpoint(table: Table) -> tuple[list[str], Callable[[], None]]:
    damaged = checkpoint_file(table)
    damaged.write_bytes(damaged.read_bytes()[:-100])

    def repair() -> None:
        damaged.unlink()
        remove_hint(table)

    return [damaged.name, "delete it"], repair


def empty_checkpoint(table: Table) -> tuple[list[str], Callable[[], None]]:
    checkpoint_file(table).write_bytes(b"")
    return [HINT, "delete"], lambda: remove_hint(table)


def moved_away(table: Table, version: int) -> tuple[list[str], Callable[[], None]]:
    lost = entry(table, version)
    kept = lost.read_bytes()
    lost.unlink()
    return [lost.name, "missing", "backup"], lambda: lost.write_bytes(kept) and None


def missing_entry(table: Table) -> tuple[list[str], Callable[[], None]]:
    return moved_away(table, int(checkpoint_file(table).name[:20]) + 1)


def missing_first_entry(table: Table) -> tuple[list[str], Callable[[], None]]:
    nothing_but_entries(table)
    return moved_away(table, 0)


def half_an_entry(table: Table) -> tuple[list[str], Callable[[], None]]:
    damaged = entry(table, newest_version(table))
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[: len(whole) // 2])
    return [damaged.name, "backup"], lambda: damaged.write_bytes(whole) and None


@pytest.mark.parametrize(
    "damage",
    [
        dangling_hint,
        truncated_checkpoint,
        missing_entry,
        half_an_entry,
        pytest.param(empty_checkpoint, marks=FULL),
        pytest.param(missing_first_entry, marks=FULL),
    ],
)
def test_stops_and_names_the_repair(damage, aged, broker, group, once, topic, oracle):
    offsets = broker.committed_offsets(group, topic)
    words, repair = damage(aged)
    before = sorted(path.name for path in log_folder(aged).iterdir())

    code, log = once()

    assert code == STOPPED, log
    assert any(all(word in line for word in words) for line in log.splitlines()), (words, log)
    assert "begins at offset" not in log
    assert sorted(path.name for path in log_folder(aged).iterdir()) == before
    assert broker.committed_offsets(group, topic) == offsets

    repair()
    code, log = once()
    assert code == DONE, log
    oracle(aged)


def drop(table: Table) -> None:
    shutil.rmtree(table.uri)


def recreated(more: int | None) -> Callable[[Table], None]:
    """The same columns, another table: of one version, or so many more than the old one."""

    def take(table: Table) -> None:
        schema = json.dumps(json.loads(table.metadata()["schemaString"]))
        last = 0 if more is None else newest_version(table) + more
        drop(table)
        DeltaTable.create(
            table.uri, Schema.from_json(schema), partition_by=["_ingestion_date"], mode="error"
        )
        while newest_version(table) < last:
            append_entry(table, {"txn": {"appId": "somebody else", "version": 1}})

    return take


RECREATED = [
    pytest.param(recreated(None), id="one-version"),
    pytest.param(recreated(0), id="as-many-versions"),
    pytest.param(recreated(3), id="more-versions", marks=FULL),
]
REPAIRS = ("restore", "delete", "take over")


def names_the_repair(said: str, table: Table) -> bool:
    """Which table, by its directory or the id that it had, and what to do."""
    is_named = table.name in said or table.commits()[0].metadata["id"] in said
    return is_named and any(word in said.lower() for word in REPAIRS)


@pytest.mark.parametrize("take", [pytest.param(drop, id="dropped"), *RECREATED])
def test_a_table_that_is_taken_away_while_down_is_not_begun_anew(
    take, aged, broker, group, once, topic
):
    offsets = broker.committed_offsets(group, topic)
    assert aged.commits()[0].metadata
    take(aged)
    code, log = once()
    assert code == STOPPED, log
    stops = [line for line in log.splitlines() if "state was lost" in line]
    assert stops and all(names_the_repair(line, aged) for line in stops), stops or log
    assert "begins at offset" not in log
    assert broker.committed_offsets(group, topic) == offsets
    assert not DeltaTable(aged.uri).file_uris()


@pytest.fixture
def running(broker, topic, table, group, environment, start, folder):
    broker.produce(topic, json_values(30))
    variables = environment(
        topic, store=folder, BATCH_INTERVAL_SECONDS="0.2", WRITE_RETRY_SECONDS="2"
    )
    instance = start(variables)
    broker.wait_caught_up(group, topic)
    return instance


def test_a_table_that_is_dropped_underneath_ends_the_service(
    running, broker, topic, table, group, once, oracle, tmp_path
):
    offsets = broker.committed_offsets(group, topic)
    kept = shutil.copytree(table.uri, tmp_path / "backup")
    # Before it is gone.
    assert table.commits()[0].metadata
    drop(table)
    broker.produce(topic, json_values(30))

    assert running.wait_exit(60) == STOPPED
    said = [line for line in running.log().splitlines() if "no Delta log" in line]
    assert any(names_the_repair(line, table) for line in said), said or running.tail()
    assert broker.committed_offsets(group, topic) == offsets
    assert not list(log_folder(table).glob("*.json"))

    code, log = once()
    assert code == STOPPED and "state was lost" in log, log
    assert broker.committed_offsets(group, topic) == offsets

    restore(table, kept)
    code, log = once()
    assert code == DONE, log
    oracle(Table(table.store, topic))


def restore(table: Table, kept: Path) -> None:
    """From a backup, as the message says."""
    if Path(table.uri).exists():
        drop(table)
    shutil.copytree(kept, table.uri)


@pytest.mark.parametrize("take", RECREATED)
def test_a_table_that_is_recreated_underneath_stops_its_topic(
    take, running, broker, topic, table, group, once, oracle, tmp_path
):
    offsets = broker.committed_offsets(group, topic)
    kept = shutil.copytree(table.uri, tmp_path / "backup")
    # Before it is gone.
    assert table.commits()[0].metadata
    take(table)
    broker.produce(topic, json_values(30))

    health = running.wait_unhealthy(60)
    said = [reason for reason in health.body["reasons"] if "replaced" in reason]
    assert any(names_the_repair(reason, table) for reason in said), health.body
    running.stop(codes=(0, 1))
    assert broker.committed_offsets(group, topic) == offsets
    assert not DeltaTable(table.uri).file_uris()

    restore(table, kept)
    code, log = once()
    assert code == DONE, log
    oracle(Table(table.store, topic))


@pytest.mark.full
def test_hints_and_checkpoints_that_break_underneath_disturb_nobody(
    running, broker, topic, table, group, once, oracle
):
    checkpoint(table)
    with Stream(broker, topic):
        for damage in (corrupt_hint, remove_hint):
            damage(table)
            goal = len(table.data_commits()) + 3
            wait_until(lambda goal=goal: len(table.data_commits()) >= goal, 40, "three commits")
        checkpoint_file(table).write_bytes(b"PAR1")
        goal = len(table.data_commits()) + 3
        wait_until(lambda: len(table.data_commits()) >= goal, 40, "three commits")
    broker.wait_caught_up(group, topic)
    running.stop()
    checkpoint_file(table).unlink()
    oracle(table)


def test_the_newest_entry_is_taken_away_underneath(running, broker, topic, table, group, oracle):
    """The table is the older version of itself, rows and progress alike: these rows come again."""
    entry(table, newest_version(table)).unlink()
    table = Table(table.store, topic)
    broker.produce(topic, json_values(30))

    running.wait_log("starting over from the table")
    running.wait_written(30 + 60)
    running.stop()
    oracle(table)
