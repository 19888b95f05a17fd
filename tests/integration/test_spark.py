"""Spark reads the tables: rows, schema, statistics, history, protocol."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from harness.payloads import json_values
from harness.processes import wait_until
from harness.spark import start_spark
from harness.tables import as_rows

# One JVM for both, which is slow to start.
pytestmark = pytest.mark.xdist_group("spark")


@pytest.fixture(scope="module")
def spark(tmp_path_factory):
    session = start_spark(tmp_path_factory.mktemp("spark"))
    yield session
    session.stop()


def test_spark_reads_rows_history_and_a_checkpoint(
    spark, broker, new_topic, folder, group, environment, start
):
    topic = new_topic(3)
    instance = start(environment(topic, store=folder, BATCH_INTERVAL_SECONDS="0.01"))
    instance.wait_log("begins at offset")
    path = f"{folder.path}/bronze_{topic}"

    def checkpointed_after_more() -> bool:
        for _ in range(250):
            broker.produce(topic, [None, "ümläut ✓".encode(), *json_values(4)])
        return any((Path(path) / "_delta_log").glob("*.checkpoint*.parquet"))

    wait_until(checkpointed_after_more, 120, "a checkpoint is written")
    broker.wait_caught_up(group, topic)
    instance.stop()

    frame = spark.read.format("delta").load(path)
    columns = ["_kafka_partition", "_kafka_offset", "_raw_value"]
    rows = as_rows(frame.select(*columns).collect())
    visible = [(r.partition, r.offset, r.value) for r in broker.read_visible(topic)]
    assert len(rows) == len(visible) and set(rows) == set(visible)
    late = [row for row in rows if row[1] >= 200]
    assert frame.where("_kafka_offset >= 200").count() == len(late) > 0

    history = spark.sql(f"DESCRIBE HISTORY delta.`{path}`").collect()
    written = [commit["operationParameters"].get("bronzeRows") for commit in history]
    assert sum(int(json.loads(count)) for count in written if count) == len(rows)
    detail = spark.sql(f"DESCRIBE DETAIL delta.`{path}`").collect()[0]
    assert (detail["minReaderVersion"], detail["minWriterVersion"]) == (1, 2)
    assert detail["partitionColumns"] == ["_ingestion_date"]


def test_spark_reads_keys_and_headers(spark, broker, new_topic, folder, environment, start):
    topic = new_topic(1)
    producer = broker.producer()
    headers = [("a", b"\xff"), ("b", None), ("a", b"")]
    producer.produce(topic, b"with", b"\x00key", headers=headers)
    producer.produce(topic, b"without")
    producer.flush(10)
    instance = start(environment(topic, store=folder, EXTRA_COLUMNS="all"), "run", "--once")
    assert instance.wait_exit(60) == 0, instance.tail()

    path = f"{folder.path}/bronze_{topic}"
    frame = spark.read.format("delta").load(path).orderBy("_kafka_offset")
    log = folder.path / f"bronze_{topic}" / "_delta_log" / f"{0:020}.json"
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    schema = next(action["metaData"]["schemaString"] for action in actions if "metaData" in action)
    assert schema == frame._jdf.schema().json()
    rows = [row.asDict(recursive=True) for row in frame.collect()]
    assert [row["_kafka_headers"] for row in rows] == [
        [{"key": name, "value": value} for name, value in headers],
        None,
    ]
    assert [row["_kafka_key"] for row in rows] == [b"\x00key", None]
    assert [row["_kafka_topic"] for row in rows] == [topic, topic]
    assert frame.where("exists(_kafka_headers, h -> h.key = 'b')").count() == 1
