"""Other writers of a table: delta-rs, as fast as it can, and one by hand that is faster."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError
from harness.payloads import FOREIGN_ROWS
from harness.tables import Table

# Losing races is the service's business here, not the others'.
PATIENT = CommitProperties(max_commit_retries=100)


class Others:
    """Each action in a thread of its own, again and again; counts what succeeded."""

    def __init__(self, **actions: tuple[Callable[[], None], float]) -> None:
        self._stop = threading.Event()
        self.done = dict.fromkeys(actions, 0)
        # What those were told that did not succeed.
        self.refused: Counter[str] = Counter()
        self._threads = [
            threading.Thread(target=self._run, args=(name, *action), daemon=True)
            for name, action in actions.items()
        ]

    def __enter__(self) -> Others:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _run(self, name: str, action: Callable[[], None], interval: float) -> None:
        while not self._stop.is_set():
            begun = time.monotonic()
            try:
                action()
                self.done[name] += 1
            except (DeltaError, OSError) as refused:
                self.refused[str(refused).partition("\n")[0]] += 1
            self._stop.wait(max(0.0, begun + interval - time.monotonic()))


def everything_at_once(table: Table) -> Others:
    options = table.store.options()

    def opened() -> DeltaTable:
        return DeltaTable(table.uri, storage_options=options)

    def append() -> None:
        write_deltalake(
            table.uri,
            FOREIGN_ROWS,
            mode="append",
            storage_options=options,
            commit_properties=PATIENT,
        )

    def vacuum() -> None:
        # Young enough to hit whatever is not referred to, old enough for the service's promise.
        opened().vacuum(
            retention_hours=1, dry_run=False, enforce_retention_duration=False, full=True
        )

    return Others(
        append=(append, 0.1),
        optimize=(lambda: opened().optimize.compact(commit_properties=PATIENT) and None, 1.0),
        delete=(
            lambda: opened().delete("_kafka_partition IS NULL", commit_properties=PATIENT) and None,
            1.5,
        ),
        vacuum=(vacuum, 1.0),
        checkpoint=(lambda: opened().create_checkpoint(), 1.0),
    )


def foreign_file(table: Table) -> dict:
    """Writes a file with a row of nobody; returns the action that adds it to the table.

    REQUIRES: the table is in a local folder.
    """
    rows = FOREIGN_ROWS.drop_columns(["_ingestion_date"])
    (date,) = FOREIGN_ROWS["_ingestion_date"].to_pylist()
    path = f"_ingestion_date={date}/foreign-{uuid.uuid4()}.parquet"
    file = Path(table.uri) / path
    file.parent.mkdir(exist_ok=True)
    pyarrow.parquet.write_table(rows, file)
    statistics = {
        "numRecords": rows.num_rows,
        "minValues": {},
        "maxValues": {},
        "nullCount": {name: rows[name].null_count for name in rows.column_names},
    }
    return {
        "add": {
            "path": path,
            "partitionValues": {"_ingestion_date": date},
            "size": file.stat().st_size,
            "modificationTime": time.time_ns() // 1_000_000,
            "dataChange": True,
            "stats": json.dumps(statistics),
        }
    }
