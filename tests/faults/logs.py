"""What somebody else can do to a table's log, by hand and without any library."""

from __future__ import annotations

import json
import os
import time
import uuid
from pathlib import Path

from deltalake import DeltaTable
from harness.tables import Table

HINT = "_last_checkpoint"


def log_folder(table: Table) -> Path:
    """REQUIRES: the table is in a local folder."""
    return Path(table.uri) / "_delta_log"


def entry(table: Table, version: int) -> Path:
    return log_folder(table) / f"{version:020}.json"


def newest_version(table: Table) -> int:
    names = [path.name for path in log_folder(table).glob("*.json")]
    return max(int(name[:20]) for name in names if name[:20].isdecimal() and len(name) == 25)


def append_entry(table: Table, *actions: dict) -> int:
    """Writes the next log entry as a whole, whoever else writes; returns its version."""
    info = {"commitInfo": {"timestamp": time.time_ns() // 1_000_000, "operation": "BY HAND"}}
    staged = log_folder(table) / f"staged-{uuid.uuid4()}"
    staged.write_text("".join(json.dumps(action) + "\n" for action in (info, *actions)))
    try:
        while True:
            version = newest_version(table) + 1
            try:
                os.link(staged, entry(table, version))
            except FileExistsError:
                continue
            return version
    finally:
        staged.unlink()


def checkpoint(table: Table) -> Path:
    """Has delta-rs write a checkpoint of the newest version; returns its file."""
    foreign = DeltaTable(table.uri)
    foreign.create_checkpoint()
    return log_folder(table) / f"{foreign.version():020}.checkpoint.parquet"
