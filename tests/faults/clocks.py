"""A wall clock that jumps, for instances that are told of its file."""

from __future__ import annotations

import os
from pathlib import Path

HOUR = 3600
YEAR = 366 * 24 * HOUR


class WallClock:
    """The service's clock, so many seconds from the true one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.shifts: list[int] = []
        self.jump(0)

    def jump(self, shift: int) -> None:
        """To so many seconds from the true time, all at once."""
        staged = self.path.with_suffix(".next")
        staged.write_text(str(shift))
        os.replace(staged, self.path)
        self.shifts.append(shift)
