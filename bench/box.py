"""A cgroup that bounds what a command may use. Needs the right to make cgroups (v1 or v2)."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
PERIOD_US = 100_000


class Box:
    """`cores` and `memory_mb` for all processes that `wrapped` starts, together."""

    def __init__(self, cores: float, memory_mb: int) -> None:
        name = f"bronze-box-{os.getpid()}"
        quota, limit = int(cores * PERIOD_US), memory_mb << 20
        if (ROOT / "cgroup.controllers").exists():
            self._folders = [ROOT / name]
            settings = {"cpu.max": f"{quota} {PERIOD_US}", "memory.max": limit}
            self._settings = {self._folders[0] / key: value for key, value in settings.items()}
            self._killed = self._folders[0] / "memory.events"
        else:
            cpu, memory = ROOT / "cpu" / name, ROOT / "memory" / name
            self._folders = [cpu, memory]
            self._settings = {
                cpu / "cpu.cfs_period_us": PERIOD_US,
                cpu / "cpu.cfs_quota_us": quota,
                memory / "memory.limit_in_bytes": limit,
            }
            self._killed = memory / "memory.oom_control"

    def __enter__(self) -> Box:
        for folder in self._folders:
            folder.mkdir()
        for file, value in self._settings.items():
            file.write_text(str(value))
        return self

    def __exit__(self, *_: object) -> None:
        for folder in self._folders:
            for _ in range(50):
                with contextlib.suppress(OSError):
                    folder.rmdir()
                    break
                time.sleep(0.1)

    def wrapped(self, command: list[str]) -> list[str]:
        """The command so that it, and what it starts, is in the box."""
        join = "".join(f"echo $$ > {folder}/cgroup.procs && " for folder in self._folders)
        return ["/bin/sh", "-c", join + 'exec "$0" "$@"', *command]

    def kills(self) -> int:
        """How often the kernel ended a process of the box for want of memory."""
        words = self._killed.read_text().split()
        return int(words[words.index("oom_kill") + 1])
