"""What the benchmarks say when something is wrong."""

from __future__ import annotations

import os
import time
from types import SimpleNamespace

import pytest
import steady


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
