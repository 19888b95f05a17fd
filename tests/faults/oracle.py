"""Whether a table holds every record of its topic exactly once, and says so truthfully.

Nothing here is the service's own code or word: Kafka is asked by an independent read_committed
consumer, the log is read as JSON, the files by pyarrow, the rows by delta-rs and by DuckDB. Only at
the end `bronze check` is asked whether it can open the table too.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError
from harness.kafka import Broker, Record
from harness.service import run_command
from harness.tables import Row, Table, as_rows, statistics

Place = tuple[int, int]

PATIENCE_S = 60
DEAD_LETTER_COLUMNS = ["_kafka_partition", "_kafka_offset", "_original_bytes", "_kafka_timestamp"]
# A column of microseconds ends there.
LAST_MS = (2**63 - 1) // 1000

COMMITTED = re.compile(
    r" (?P<topic>[\w.-]+): (?P<rows>\d+) rows, .*\((?P<stored>\d+) stored\) "
    r"committed as version (?P<version>\d+) in (?P<ms>\d+) ms, token (?P<token>[\w-]+)"
)
TRIED_AGAIN = re.compile(r"tried again|looking again")


@dataclass
class Verdict:
    """`problems` is empty when the table is right."""

    records: int = 0
    duplicates: int = 0
    losses: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not self.problems

    def object_to(self, what: str, examples: Iterable | None = None) -> None:
        shown = "" if examples is None else f", such as {sorted(examples)[:5]}"
        self.problems.append(what + shown)

    def __str__(self) -> str:
        return "\n".join(self.problems) or f"{self.records} records, once each"


def examine(
    table: Table,
    broker: Broker,
    group: str,
    *,
    expected: Iterable[Record] | None = None,
    progress: dict[int, int] | None = None,
    logs: Iterable[str] = (),
    by_kernel: bool = True,
    check_exits: tuple[int, ...] = (0,),
    replayed: frozenset[Place] | set[Place] = frozenset(),
) -> Verdict:
    """Compares the table with its topic as it is now.

    `expected`: the records that should be there, when Kafka does not show them any more.
    `progress`: where it should be, when the topic is another one now or was not read to its end.
    `logs`: of the instances; what they claim to have committed must be true.
    `by_kernel`: also read by DuckDB, and opened by `bronze check`, which ends with one of
    `check_exits`: it says so when a topic cannot go on.
    `replayed`: the dead letters that must be rows too; no other may.
    """
    verdict = Verdict()
    records = list(broker.read_visible(table.topic) if expected is None else expected)
    uuid = broker.topic_uuid(table.topic) if progress is None else None
    if progress is None:
        progress = broker.end_offsets(table.topic)
    verdict.records = len(records)
    compare_rows(verdict, table, records, replayed)
    compare_progress(verdict, table, broker, group, progress, uuid)
    dead = {row.place for row in dead_letters(table)}
    follow_the_log(verdict, table, group, {(r.partition, r.offset) for r in records} - dead)
    follow_the_replays(verdict, table, group, replayed)
    compare_claims(verdict, table, logs)
    if by_kernel:
        compare_by_kernel(verdict, table, records, dead - replayed)
        open_by_bronze(verdict, table, broker, group, check_exits)
    return verdict


# --- rows ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stored:
    """A row, or a dead letter."""

    partition: int
    offset: int
    value: bytes | None
    micros: int | None

    @property
    def place(self) -> Place:
        return (self.partition, self.offset)


def compare_rows(
    verdict: Verdict, table: Table, records: list[Record], replayed: set[Place]
) -> None:
    """The multiset of offsets in the table and its dead letters; then payloads and timestamps."""
    letters = dead_letters(table)
    stored = read_rows(table) + letters
    if lost := replayed - {letter.place for letter in letters}:
        verdict.object_to(f"{len(lost)} dead letters were not kept", lost)
    expected = Counter((r.partition, r.offset) for r in records) + Counter(replayed)
    found = Counter(row.place for row in stored)
    surplus, missing = found - expected, expected - found
    verdict.duplicates, verdict.losses = surplus.total(), missing.total()
    if surplus:
        verdict.object_to(f"{surplus.total()} rows too many", surplus)
    if missing:
        verdict.object_to(f"{missing.total()} records are missing", missing)
    known = {(r.partition, r.offset): r for r in records}
    here = [row for row in stored if row.place in known]
    altered = [row.place for row in here if row.value != known[row.place].value]
    if altered:
        verdict.object_to(f"{len(altered)} payloads are not those of Kafka", altered)
    moved = [row.place for row in here if row.micros != micros_of(known[row.place])]
    if moved:
        verdict.object_to(f"{len(moved)} timestamps are not those of Kafka", moved)


def micros_of(record: Record) -> int | None:
    """None when the column cannot hold it."""
    milliseconds = record.timestamp_ms
    if milliseconds is None or abs(milliseconds) > LAST_MS:
        return None
    return milliseconds * 1000


def read_rows(table: Table) -> list[Stored]:
    return as_stored(
        table.arrow().select(
            ["_kafka_partition", "_kafka_offset", "_raw_value", "_kafka_timestamp"]
        )
    )


def dead_letters(table: Table) -> list[Stored]:
    """Those of the topic in the dead-letter table, if there is one."""
    name = f"dlq_bronze_{table.topic.replace('-', '_')}"
    try:
        found = DeltaTable(table.store.uri(name), storage_options=table.store.options())
    except TableNotFoundError:
        return []
    return as_stored(found.to_pyarrow_table(columns=DEAD_LETTER_COLUMNS))


def as_stored(read: pa.Table) -> list[Stored]:
    """From columns for partition, offset, value and timestamp; without rows of foreign writers."""
    partitions, offsets, values, times = read.columns
    rows = zip(
        partitions.to_pylist(),
        offsets.to_pylist(),
        values.to_pylist(),
        times.cast(pa.int64()).to_pylist(),
        strict=True,
    )
    return [
        Stored(partition, offset, value.encode() if isinstance(value, str) else value, micros)
        for partition, offset, value, micros in rows
        if partition is not None
    ]


def compare_by_kernel(
    verdict: Verdict, table: Table, records: list[Record], dead: set[Place]
) -> None:
    """The same rows by the other implementation of Delta that DuckDB has in common with us.

    `dead`: of these records there are no rows.
    """
    expected: Counter[Row] = Counter(
        (r.partition, r.offset, r.value) for r in records if (r.partition, r.offset) not in dead
    )
    found = Counter(table.rows_by_duckdb())
    if found != expected:
        different = (found - expected) + (expected - found)
        places = [row[:2] for row in different]
        verdict.object_to(f"by DuckDB {different.total()} rows are not as expected", places)


# --- progress and log ---------------------------------------------------------------------------


def compare_progress(
    verdict: Verdict,
    table: Table,
    broker: Broker,
    group: str,
    expected: dict[int, int],
    uuid: str | None,
) -> None:
    """txn version == next offset; and Kafka's own number is never ahead of it."""
    progress = table.progress(group, uuid or uuids_of(table, group)[0])
    if progress != expected:
        verdict.object_to(f"the table's progress is {progress}, not {expected}")
    if uuid is not None:
        ahead = offsets_ahead_of_the_table(table, broker, group)
        if ahead:
            verdict.object_to(f"the group's offsets are ahead of the table: {ahead}")


def offsets_ahead_of_the_table(table: Table, broker: Broker, group: str) -> dict[int, Place]:
    """Partition -> (committed to Kafka, in the table), where Kafka knows more than the table."""
    committed = broker.committed_offsets(group, table.topic)
    progress = table.progress(group, broker.topic_uuid(table.topic))
    return {
        partition: (offset, progress.get(partition, 0))
        for partition, offset in committed.items()
        if offset > progress.get(partition, 0)
    }


def uuids_of(table: Table, group: str) -> list[str]:
    """Of the topics whose progress the table keeps for this group, the latest first."""
    prefix = f"bronze/{quote(group, safe='')}/"
    found: dict[str, None] = {}
    for commit in reversed(table.commits()):
        for app_id in commit.txns:
            if app_id.startswith(prefix) and app_id.count("/") == 3:
                found[app_id.split("/")[2]] = None
    return list(found) or ["none"]


def follow_the_log(verdict: Verdict, table: Table, group: str, visible: set[Place]) -> None:
    """Each commit holds exactly the visible records between the txns before it and its own, but
    for dead letters."""
    check_numbers(verdict, table)
    prefix = f"bronze/{quote(group, safe='')}/"
    before: dict[str, int] = {}
    live = table.live_files()
    by_partition: dict[int, list[int]] = defaultdict(list)
    for partition, offset in sorted(visible):
        by_partition[partition].append(offset)
    for commit in table.commits():
        moved = {
            app_id: next_offset
            for app_id, next_offset in commit.txns.items()
            if app_id.startswith(prefix) and app_id.count("/") == 3
        }
        places = places_in(verdict, table, commit.adds, live)
        if moved and places is not None:
            stated = {
                (partition, offset)
                for app_id, next_offset in moved.items()
                for partition in [int(app_id.rsplit("/", 1)[1])]
                for offset in by_partition[partition]
                if before.get(app_id, 0) <= offset < next_offset
            }
            registers = "bronzeRegisters" in json.dumps(commit.info)
            if not registers and Counter(places) != Counter(stated):
                verdict.object_to(
                    f"version {commit.version} has {len(places)} rows, but its txns say "
                    f"{len(stated)}",
                    Counter(places) - Counter(stated) or stated - set(places),
                )
        before.update(moved)


def follow_the_replays(verdict: Verdict, table: Table, group: str, replayed: set[Place]) -> None:
    """Each commit of a replay counts its rows and names them; all together, the replayed ones."""
    prefix = f"bronze/{quote(group, safe='')}/"
    counts: Counter[str] = Counter()
    live = table.live_files()
    for commit in table.commits():
        moved = {a: n for a, n in commit.txns.items() if a.startswith(prefix) and "/replayed" in a}
        if not moved:
            continue
        named = {
            (int(partition), offset)
            for partition, ranges in json.loads(
                commit.info["operationParameters"]["bronzeReplayed"]
            ).items()
            for first, next_offset in ranges
            for offset in range(first, next_offset)
        }
        places = places_in(verdict, table, commit.adds, live)
        if places is not None and Counter(places) != Counter(named):
            verdict.object_to(f"version {commit.version} names other rows than it has", named)
        by_partition = Counter(str(partition) for partition, _ in named)
        for app_id, count in moved.items():
            added, counts[app_id] = count - counts[app_id], count
            if added != by_partition[app_id.split("/")[3]]:
                verdict.object_to(f"version {commit.version} counts {added} more of {app_id}")
    if counts.total() != len(replayed):
        verdict.object_to(f"{counts.total()} rows are counted as replayed, not {len(replayed)}")


def check_numbers(verdict: Verdict, table: Table) -> None:
    """No number is missing; the first is 0, or entries were cleaned up behind a checkpoint."""
    listed = table.store.filesystem().get_file_info(
        pyarrow.fs.FileSelector(f"{table.name}/_delta_log")
    )
    names = [info.base_name for info in listed]
    versions = sorted(int(name[:20]) for name in names if re.fullmatch(r"\d{20}\.json", name))
    checkpoints = [int(name[:20]) for name in names if re.match(r"\d{20}\.checkpoint\.", name)]
    if not versions or versions != list(range(versions[0], versions[-1] + 1)):
        verdict.object_to(f"the log is not contiguous: {versions}")
    elif versions[0] > max(checkpoints, default=-1) + 1:
        verdict.object_to(f"the log begins at {versions[0]}, behind every checkpoint")


def places_in(
    verdict: Verdict, table: Table, adds: list[dict], live: dict[str, dict]
) -> list[Place] | None:
    """The places of the rows in the files of one commit; None when one was removed since.

    Those that are still live are looked at either way.
    """
    files = table.store.filesystem()
    places: list[Place] = []
    whole = True
    for add in adds:
        if add["path"] not in live:
            whole = False
            continue
        location = f"{table.name}/{unquote(add['path'])}"
        info = files.get_file_info(location)
        if info.type != pyarrow.fs.FileType.File:
            verdict.object_to(f"{location} is in the log, but not in the store")
            whole = False
            continue
        if info.size != add["size"]:
            verdict.object_to(f"{location} has {info.size} bytes, not {add['size']}")
        read = pyarrow.parquet.read_table(
            location,
            columns=["_kafka_partition", "_kafka_offset"],
            filesystem=files,
            partitioning=None,
        )
        if "stats" in add and read.num_rows != statistics(add)["numRecords"]:
            verdict.object_to(f"{location} has {read.num_rows} rows, other than it states")
        places += zip(*(column.to_pylist() for column in read.columns), strict=True)
    # Rows of foreign writers came from no partition.
    return [place for place in places if place[0] is not None] if whole else None


# --- what the service says ----------------------------------------------------------------------


@dataclass(frozen=True)
class Claim:
    topic: str
    rows: int
    stored_bytes: int
    version: int
    milliseconds: int
    token: str


def claims(log: str) -> list[Claim]:
    """What an instance says to have committed, from its log."""
    return [
        Claim(
            m["topic"],
            int(m["rows"]),
            int(m["stored"]),
            int(m["version"]),
            int(m["ms"]),
            m["token"],
        )
        for m in COMMITTED.finditer(log)
    ]


def compare_claims(verdict: Verdict, table: Table, logs: Iterable[str]) -> None:
    """A version that an instance calls its own commit has its token, and no other has it."""
    commits = table.commits()
    for claim in (c for log in logs for c in claims(log) if c.topic == table.topic):
        holders = [c.version for c in commits if claim.token in json.dumps(c.info)]
        if holders != [claim.version]:
            verdict.object_to(
                f"an instance says that version {claim.version} is its own, but its token "
                f"{claim.token} is in {holders}"
            )


def open_by_bronze(
    verdict: Verdict, table: Table, broker: Broker, group: str, exits: tuple[int, ...]
) -> None:
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap,
        "KAFKA_CONSUMER_GROUP": group,
        "KAFKA_TOPICS": table.topic,
        **table.store.environment(),
    }
    # A broker on a busy machine may be about to elect itself anew.
    deadline = time.monotonic() + PATIENCE_S
    while True:
        done = run_command("check", environment=environment)
        if done.exit_code in exits:
            return
        if time.monotonic() > deadline or "Kafka does not tell" not in done.text:
            verdict.object_to(f"bronze check: exit code {done.exit_code}\n{done.text}")
            return
        time.sleep(1)


__all__ = ["Claim", "Verdict", "as_rows", "claims", "examine", "offsets_ahead_of_the_table"]
