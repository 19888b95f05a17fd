"""A topic's dead-letter table, and a stand-in for the service that fills it.

The stand-in writes what the service would: the bad records of a range go into the dead-letter
table, with its progress, then the good ones into the main table, with its own.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

from .kafka import Broker, Record
from .minio import Store
from .tables import Table

TIMESTAMP = pa.timestamp("us", tz="UTC")
HEADERS = pa.list_(pa.struct([("key", pa.string()), ("value", pa.binary())]))
FIRST_TEN = [
    pa.field("error_message", pa.string(), nullable=False),
    pa.field("error_type", pa.string(), nullable=False),
    pa.field("original_payload", pa.string(), nullable=False),
    pa.field("kafka_topic", pa.string(), nullable=False),
    pa.field("_kafka_partition", pa.int32()),
    pa.field("_kafka_offset", pa.int64()),
    pa.field("_ingested_at", TIMESTAMP),
    pa.field("session_id", pa.string()),
    pa.field("correlation_id", pa.string()),
    pa.field("causation_id", pa.string()),
]
SCHEMA = pa.schema(
    [
        *FIRST_TEN,
        pa.field("_original_bytes", pa.binary()),
        pa.field("_kafka_key", pa.binary()),
        pa.field("_kafka_headers", HEADERS),
        pa.field("_kafka_timestamp", TIMESTAMP),
    ]
)


class DeadLetters:
    """One dead-letter table, seen from outside."""

    def __init__(self, store: Store, topic: str) -> None:
        self.store = store
        self.topic = topic
        self.name = f"dlq_bronze_{topic}".replace("-", "_")

    @property
    def uri(self) -> str:
        return self.store.uri(self.name)

    def delta_rs(self) -> DeltaTable:
        return DeltaTable(self.uri, storage_options=self.store.options())

    def rows(self) -> list[dict]:
        return self.delta_rs().to_pyarrow_table().to_pylist()

    def add(self, letters: list[dict], schema: pa.Schema = SCHEMA, **txns: int) -> None:
        properties = CommitProperties(
            app_transactions=[Transaction(app_id, version) for app_id, version in txns.items()]
        )
        write_deltalake(
            self.uri,
            pa.Table.from_pylist([fitted(letter, schema) for letter in letters], schema),
            mode="append",
            schema_mode="merge",
            storage_options=self.store.options(),
            commit_properties=properties,
        )

    def letter(self, record: Record, error_type: str, **more: object) -> dict:
        value = record.value or b""
        return {
            "error_message": f"{error_type} for a test",
            "error_type": error_type,
            "original_payload": value.decode(errors="replace"),
            "kafka_topic": self.topic,
            "_kafka_partition": record.partition,
            "_kafka_offset": record.offset,
            "_ingested_at": now_us(),
            "_original_bytes": record.value,
            "_kafka_timestamp": record.timestamp_ms and record.timestamp_ms * 1000,
            **more,
        }


def fitted(letter: dict, schema: pa.Schema) -> dict:
    return {name: letter.get(name) for name in schema.names}


def now_us() -> int:
    return time.time_ns() // 1000


def error_of(value: bytes | None) -> str | None:
    """What the tiers up to JSON say of it."""
    if value is None:
        return None
    try:
        json.loads(value.decode())
    except UnicodeDecodeError:
        return "ENCODING_ERROR"
    except ValueError:
        return "JSON_PARSE_ERROR"
    return None


def pass_over(
    broker: Broker,
    table: Table,
    group: str,
    error: Callable[[bytes | None], str | None] = error_of,
) -> list[Record]:
    """Does what the service does with the records after its progress; returns the bad ones."""
    prefix = f"bronze/{quote(group, safe='')}/{broker.topic_uuid(table.topic)}/"
    progress = table.progress(group, broker.topic_uuid(table.topic))
    new = [r for r in broker.read_visible(table.topic) if r.offset >= progress[r.partition]]
    ends = broker.end_offsets(table.topic)
    moved = {p: (progress[p], ends[p]) for p in sorted(ends) if progress[p] < ends[p]}
    txns = {f"{prefix}{p}": next for p, (_, next) in moved.items()}
    bad = [record for record in new if error(record.value)]
    letters = DeadLetters(table.store, table.topic)
    letters.add([letters.letter(r, error(r.value)) for r in bad], **txns)
    append_rows(table, [r for r in new if not error(r.value)], moved, txns)
    return bad


def append_rows(
    table: Table, records: list[Record], moved: dict[int, tuple[int, int]], txns: dict[str, int]
) -> None:
    """One log entry, as the service writes it."""
    day = time.strftime("%Y-%m-%d", time.gmtime())
    path = f"_ingestion_date={day}/part-{uuid.uuid4()}.parquet"
    files = table.store.filesystem()
    times = [r.timestamp_ms and r.timestamp_ms * 1000 for r in records]
    rows = pa.table(
        {
            "_raw_value": pa.array([r.value.decode() for r in records], pa.string()),
            "_kafka_partition": pa.array([r.partition for r in records], pa.int32()),
            "_kafka_offset": pa.array([r.offset for r in records], pa.int64()),
            "_kafka_timestamp": pa.array(times, TIMESTAMP),
            "_ingested_at": pa.array([now_us()] * len(records), TIMESTAMP),
        }
    )
    actions: list[dict] = [{"txn": {"appId": a, "version": v}} for a, v in txns.items()]
    if records:
        files.create_dir(f"{table.name}/_ingestion_date={day}")
        with files.open_output_stream(f"{table.name}/{path}") as stream:
            pyarrow.parquet.write_table(rows, stream)
        add = {
            "path": path,
            "size": files.get_file_info(f"{table.name}/{path}").size,
            "partitionValues": {"_ingestion_date": day},
            "modificationTime": time.time_ns() // 1_000_000,
            "dataChange": True,
            "stats": json.dumps({"numRecords": len(records)}),
        }
        actions.append({"add": add})
    parameters = {
        "bronzeToken": str(uuid.uuid4()),
        "bronzeOffsets": json.dumps({str(p): [*span] for p, span in moved.items()}),
        "bronzeRows": str(len(records)),
        "bronzeTopic": table.topic,
    }
    info = {"timestamp": 1, "operation": "STREAMING UPDATE", "operationParameters": parameters}
    version = table.commits()[-1].version + 1
    lines = [json.dumps(action) for action in ({"commitInfo": info}, *actions)]
    with files.open_output_stream(f"{table.name}/_delta_log/{version:020}.json") as stream:
        stream.write(("\n".join(lines) + "\n").encode())
