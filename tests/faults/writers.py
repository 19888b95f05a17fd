"""Other writers of a table: delta-rs, as fast as it can."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

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
