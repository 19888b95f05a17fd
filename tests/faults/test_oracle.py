"""What the oracle looks at, where no sabotaged service shows it."""

from __future__ import annotations

from pathlib import Path

import pytest
from deltalake import write_deltalake
from harness.payloads import FOREIGN_ROWS
from harness.tables import Table
from oracle import Verdict, places_in
from writers import foreign_file


@pytest.fixture
def adds(folder) -> tuple[Table, list[dict]]:
    """A table, and the files of one commit to it."""
    table = Table(folder, "t")
    write_deltalake(table.uri, FOREIGN_ROWS, partition_by=["_ingestion_date"])
    return table, [foreign_file(table)["add"] for _ in range(3)]


def spoil_size(_file: Path, add: dict) -> None:
    add["size"] += 1


def spoil_count(_file: Path, add: dict) -> None:
    add["stats"] = add["stats"].replace('"numRecords": 1', '"numRecords": 2')


def lose(file: Path, _add: dict) -> None:
    file.unlink()


SPOILT = [
    pytest.param(spoil_size, "bytes, not", id="size"),
    pytest.param(spoil_count, "rows, other than it states", id="count"),
    pytest.param(lose, "not in the store", id="gone"),
]


@pytest.mark.parametrize(("spoil", "said"), SPOILT)
def test_a_live_file_is_looked_at_although_another_of_its_commit_is_removed(adds, spoil, said):
    table, files = adds
    live = {add["path"]: add for add in files[1:]}
    honest = Verdict()
    assert places_in(honest, table, files, live) is None
    assert honest.holds, honest

    spoil(Path(table.uri) / files[2]["path"], files[2])

    verdict = Verdict()
    assert places_in(verdict, table, files, live) is None
    assert len(verdict.problems) == 1 and said in verdict.problems[0], verdict


def test_a_commit_of_which_nothing_is_removed_has_its_places(adds):
    table, files = adds
    verdict = Verdict()
    assert places_in(verdict, table, files, {add["path"]: add for add in files}) == []
    assert verdict.holds, verdict
