"""Data files of every codec, read by delta-rs and DuckDB."""

from __future__ import annotations

import pyarrow.parquet
import pytest
from harness.payloads import json_values
from harness.tables import Table, assert_exactly_once


@pytest.mark.parametrize(
    ("setting", "codec", "ending"),
    [
        ("zstd", "ZSTD", "-c000.zstd.parquet"),
        ("zstd:22", "ZSTD", "-c000.zstd.parquet"),
        ("snappy", "SNAPPY", "-c000.snappy.parquet"),
        ("lz4", "LZ4", "-c000.lz4raw.parquet"),
        ("none", "UNCOMPRESSED", "-c000.parquet"),
    ],
)
def test_files_are_compressed_as_they_were_asked_to_be(
    setting, codec, ending, broker, topic, group, folder, environment, start
):
    broker.produce(topic, json_values(300))
    asked = environment(topic, store=folder, PARQUET_COMPRESSION=setting)
    instance = start(asked, "run", "--once")
    assert instance.wait_exit(40) == 0, instance.tail()
    table = Table(folder, topic)
    assert_exactly_once(table, broker, group)
    files = table.live_files()
    assert files and all(path.endswith(ending) for path in files)
    for path in files:
        group_of_rows = pyarrow.parquet.ParquetFile(
            f"{folder.path}/{table.name}/{path}"
        ).metadata.row_group(0)
        assert group_of_rows.column(0).path_in_schema == "_raw_value"
        assert group_of_rows.column(0).compression == codec
