"""What is in a table, told by readers that share no code with the service, and the oracle.

The log is read as plain JSON here, the rows by delta-rs and by DuckDB.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

import duckdb
import duckdb_extensions
import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet
from deltalake import DeltaTable

from .kafka import Broker
from .minio import Store

Row = tuple[int, int, bytes | None]


@dataclass
class Commit:
    """The actions of one entry of the log."""

    version: int
    info: dict = field(default_factory=dict)
    metadata: dict | None = None
    protocol: dict | None = None
    adds: list[dict] = field(default_factory=list)
    removes: list[dict] = field(default_factory=list)
    txns: dict[str, int] = field(default_factory=dict)

    @property
    def row_count(self) -> int:
        return sum(statistics(add)["numRecords"] for add in self.adds)


def statistics(add: dict) -> dict:
    return json.loads(add["stats"])


def parse_commit(version: int, lines: str) -> Commit:
    commit = Commit(version)
    for line in filter(None, lines.splitlines()):
        for kind, content in json.loads(line).items():
            if kind == "add":
                commit.adds.append(content)
            elif kind == "remove":
                commit.removes.append(content)
            elif kind == "txn":
                commit.txns[content["appId"]] = content["version"]
            elif kind == "metaData":
                commit.metadata = content
            elif kind == "protocol":
                commit.protocol = content
            elif kind == "commitInfo":
                commit.info = content
    return commit


class Table:
    """One table of the service, seen from outside."""

    def __init__(self, store: Store, topic: str) -> None:
        self.store = store
        self.topic = topic
        self.name = f"bronze_{topic}"
        self._commits: list[Commit] = []

    @classmethod
    def of_dead_letters(cls, store: Store, topic: str) -> Table:
        table = cls(store, topic)
        table.name = f"dlq_bronze_{topic.replace('-', '_')}"
        return table

    @property
    def uri(self) -> str:
        return self.store.uri(self.name)

    # --- the log ------------------------------------------------------------------------------

    def commits(self) -> list[Commit]:
        """All log entries from 0 on; entries once read are not read again."""
        files = self.store.filesystem()
        while True:
            version = len(self._commits)
            path = f"{self.name}/_delta_log/{version:020}.json"
            if files.get_file_info(path).type != pyarrow.fs.FileType.File:
                return self._commits
            with files.open_input_stream(path) as stream:
                self._commits.append(parse_commit(version, stream.read().decode()))

    def data_commits(self) -> list[Commit]:
        return [commit for commit in self.commits() if commit.adds]

    def txns(self) -> dict[str, int]:
        latest: dict[str, int] = {}
        for commit in self.commits():
            latest.update(commit.txns)
        return latest

    def progress(self, group: str, topic_uuid: str) -> dict[int, int]:
        """The next offset of each partition as the table knows it."""
        prefix = f"bronze/{quote(group, safe='')}/{topic_uuid}/"
        return {
            int(app_id.removeprefix(prefix)): version
            for app_id, version in self.txns().items()
            if app_id.startswith(prefix) and app_id.removeprefix(prefix).isdecimal()
        }

    def live_files(self) -> dict[str, dict]:
        live: dict[str, dict] = {}
        for commit in self.commits():
            for remove in commit.removes:
                live.pop(remove["path"], None)
            for add in commit.adds:
                live[add["path"]] = add
        return live

    def metadata(self) -> dict:
        return [commit.metadata for commit in self.commits() if commit.metadata][-1]

    def protocol(self) -> dict:
        return [commit.protocol for commit in self.commits() if commit.protocol][-1]

    # --- rows ---------------------------------------------------------------------------------

    def delta_rs(self) -> DeltaTable:
        return DeltaTable(self.uri, storage_options=self.store.options())

    def arrow(self) -> pa.Table:
        return self.delta_rs().to_pyarrow_table()

    def rows_by_delta_rs(self) -> list[Row]:
        read = self.arrow().select(["_kafka_partition", "_kafka_offset", "_raw_value"])
        return as_rows(zip(*(column.to_pylist() for column in read.columns), strict=True))

    def rows_by_duckdb(self) -> list[Row]:
        return as_rows(
            self.duckdb(
                "SELECT _kafka_partition, _kafka_offset, _raw_value FROM delta_scan('{table}')"
            )
        )

    def duckdb(self, query: str) -> list[tuple]:
        """Runs a query in which {table} stands for the table's address."""
        for extension in ("httpfs", "delta"):
            duckdb_extensions.import_extension(extension)
        with duckdb.connect() as connection:
            connection.execute("LOAD httpfs; LOAD delta; SET TimeZone = 'UTC'")
            if secret := self.store.duckdb_secret():
                connection.execute(secret)
            return connection.execute(query.format(table=self.uri)).fetchall()


def as_rows(found: Iterable[tuple]) -> list[Row]:
    """Rows of foreign writers, which came from no partition, are left out."""
    return [
        (partition, offset, None if value is None else value.encode())
        for partition, offset, value in found
        if partition is not None
    ]


# --- the oracle ---------------------------------------------------------------------------------


def assert_exactly_once(table: Table, broker: Broker, group: str) -> None:
    """The table holds what a read_committed consumer sees, once each, and says so truthfully."""
    expected = Counter((r.partition, r.offset, r.value) for r in broker.read_visible(table.topic))
    assert_same_rows(Counter(table.rows_by_delta_rs()), expected, "delta-rs")
    assert_same_rows(Counter(table.rows_by_duckdb()), expected, "DuckDB")
    assert table.progress(group, broker.topic_uuid(table.topic)) == broker.end_offsets(table.topic)
    assert_log_is_contiguous(table)
    assert_files_are_as_stated(table)


def assert_same_rows(found: Counter[Row], expected: Counter[Row], reader: str) -> None:
    missing, surplus = expected - found, found - expected
    assert not missing and not surplus, (
        f"by {reader}: {missing.total()} rows are missing, such as {some(missing)}; "
        f"{surplus.total()} are too many, such as {some(surplus)}"
    )


def some(rows: Counter[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: row[:2])[:5]


def assert_log_is_contiguous(table: Table) -> None:
    files = table.store.filesystem()
    listed = files.get_file_info(pyarrow.fs.FileSelector(f"{table.name}/_delta_log"))
    names = (info.base_name for info in listed)
    versions = sorted(
        int(name.removesuffix(".json"))
        for name in names
        if name.endswith(".json") and name[:20].isdecimal() and len(name) == 25
    )
    assert versions == list(range(len(versions))), versions


def assert_files_are_as_stated(table: Table) -> None:
    files = table.store.filesystem()
    for path, add in table.live_files().items():
        location = f"{table.name}/{unquote(path)}"
        info = files.get_file_info(location)
        assert info.type == pyarrow.fs.FileType.File, f"{location} is in the log, but not there"
        assert info.size == add["size"], location
        if "stats" in add:
            content = pyarrow.parquet.read_metadata(location, filesystem=files)
            assert content.num_rows == statistics(add)["numRecords"], location
