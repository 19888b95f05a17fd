"""What the benchmarks say when something is wrong."""

from __future__ import annotations

import json
import os
import time
from types import SimpleNamespace

import pytest
import steady
import targets


def test_a_partition_that_stands_still_fails_the_freshness():
    now = time.monotonic()
    trickle = SimpleNamespace(appended={(0, 5): now, (1, 7): now, (1, 8): now, (1, 2): now})
    looks = iter([{0: 5, 1: 7}, {0: 6, 1: 7}])
    seen = {}

    def look() -> dict[int, int]:
        seen.update(next(looks, {}))
        return dict(seen)

    with pytest.raises(SystemExit, match=r"2 records of payments .*: 2 of partition 1$"):
        steady.freshness(trickle, look, 0.1, os.getpid(), patience_seconds=0.2)


def test_what_is_visible_late_counts_with_the_time_that_it_took():
    begun = time.monotonic()
    trickle = SimpleNamespace(appended={(0, 0): begun, (0, 1): begun + 100})

    def look() -> dict[int, int]:
        return {0: int(time.monotonic() > begun + 0.3)}

    took, memory = steady.freshness(trickle, look, 0.1, os.getpid(), patience_seconds=5)

    assert len(took) == 1 and 0.3 <= took[0] < 5
    assert min(memory) > 0


def test_targets_are_told_as_reached_missed_and_not_measured(tmp_path):
    run = {"seconds": 2.0, "cpu_seconds": 4.0, "peak_mb": 97.0, "stored_bytes": 280_000_000}
    drain = {
        "records": 2_000_000,
        "payload_bytes": 1_000_000_000,
        "medians": {"bare loop": run, "local disk": run, "MinIO": {**run, "seconds": 3.0}},
    }
    (tmp_path / "drain.json").write_text(json.dumps(drain))
    commits = [
        "version 100: a commit takes 0.40 ms (median of 100 around it)",
        "version 9900: opened in 30 ms",
        "version 100000: a commit takes 0.60 ms (median of 100 around it)",
        "version 99900: opened in 130 ms",
    ]

    figures = targets.figures_of(tmp_path, commits)
    told = {line[:42].strip(): line[42:].split() for line in targets.table(figures)}

    assert figures["drain: wall time to the bare loop"] == 1.5
    assert figures["opening a table"] == 0.13
    assert told["drain: stored smaller"] == ["3.571", "x", "at", "least", "3.5", "x", "reached"]
    assert told["drain: CPU-seconds a GB of payload"][-2:] == ["NOT", "REACHED"]
    assert told["commit at version 100,000 to one at 100"][-2:] == ["NOT", "REACHED"]
    assert told["idle: of a core"][-2:] == ["not", "measured"]
    targets.forget(tmp_path)
    assert targets.figures_of(tmp_path, []) == {}
