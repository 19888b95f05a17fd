"""Many faults at once, over many tables: how the numbers of a full run come about."""

from __future__ import annotations

import time

import pytest
from cells import Cell, World, play, repeat, until
from report import LEAST, LEAST_AMBIGUOUS
from soak import SoakCell, Weather, toxiproxy

# A little more than a full run needs.
MARGIN = 1.1
KILL_CELLS = 3
FREEZE_CELLS = 2
DOUBT_CELLS = 4
STORM_CELLS = 2
SOAK_CELLS = 6


@pytest.fixture
def world(broker, minio, tmp_path, counts, seed) -> World:
    print(f"seed {seed}")
    return World(broker, minio, tmp_path, counts, seed)


def kill(cell: Cell) -> None:
    if cell.chance.random() < 0.6:
        cell.killed_at_random()
    else:
        cell.killed_at_a_point()


@pytest.mark.timeout(300)
def test_a_little_of_everything(world, folder):
    """Rows 1, 3, 4, 5 and 12 for half a minute; the full run has more of each."""
    play(
        {
            Cell(world, "kill"): repeat(6, kill),
            Cell(world, "disk", folder): repeat(4, kill),
            Cell(world, "freeze"): repeat(2, Cell.frozen),
            Cell(world, "doubt"): lambda cell: cell.doubted(2),
            Cell(world, "storm"): lambda cell: cell.stormed(3),
        }
    )


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_the_numbers_of_a_full_run(world, folder):
    """Rows 1, 3, 4, 5 and 12: as often as the guarantees say."""

    def each(what: int, cells: int) -> int:
        return int(MARGIN * what / cells) + 1

    cells = {}
    for number in range(KILL_CELLS):
        torture = repeat(each(LEAST["kills"], KILL_CELLS), kill)
        cells[Cell(world, f"kill-{number}", folder if number == 0 else None)] = torture
    for number in range(FREEZE_CELLS):
        torture = repeat(each(LEAST["long_stops"], FREEZE_CELLS), Cell.frozen)
        cells[Cell(world, f"freeze-{number}")] = torture
    for number in range(DOUBT_CELLS):
        wanted = each(LEAST_AMBIGUOUS, DOUBT_CELLS)
        cells[Cell(world, f"doubt-{number}")] = lambda cell, wanted=wanted: cell.doubted(wanted)
    for number in range(STORM_CELLS):
        turns = each(LEAST["rebalances"], STORM_CELLS)
        cells[Cell(world, f"storm-{number}")] = lambda cell, turns=turns: cell.stormed(turns)
    play(cells)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_soak(world, request, counts):
    """Everything in soak.py mixed at random, for --minutes."""
    minutes = request.config.getoption("--minutes")
    counts.add(soak_minutes=minutes)
    deadline = time.monotonic() + 60 * minutes
    with toxiproxy(world) as toxics:
        cells = []
        for number in range(SOAK_CELLS):
            cell = SoakCell(world, f"soak-{number}", toxics.link(world.minio.address))
            if number % 2:
                cell.allow_losses()
            cells.append(cell)
        weather = Weather(world, deadline)
        play({cell: until(deadline, SoakCell.act) for cell in cells}, weather.run)
