"""Rows around midnight, with the service's wall clock moved."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

from harness.payloads import Stream, json_values
from harness.service import FAULTY_BINARY
from harness.tables import assert_exactly_once

# Enough for a slow machine to start and to read the first records.
BEFORE_MIDNIGHT = timedelta(seconds=12)


def shift_to(moment: datetime) -> str:
    return str(round((moment - datetime.now(timezone.utc)).total_seconds()))


def test_a_batch_over_midnight_has_files_of_both_dates(
    broker, topic, table, group, environment, start
):
    midnight = datetime(2026, 3, 1, tzinfo=timezone.utc)
    broker.produce(topic, json_values(50))
    midnight_here = time.monotonic() + BEFORE_MIDNIGHT.total_seconds()
    instance = start(
        environment(
            topic,
            BATCH_INTERVAL_SECONDS="90",
            BRONZE_CLOCK_SHIFT_SECONDS=shift_to(midnight - BEFORE_MIDNIGHT),
        ),
        binary=FAULTY_BINARY,
    )
    with Stream(broker, topic):
        instance.wait_log("partition 0 begins at offset", 20)
        # The clock crosses midnight while the one batch is open.
        time.sleep(max(0, midnight_here - time.monotonic()) + 3)
    instance.stop()

    rows = table.arrow().to_pylist()
    dates = {row["_ingestion_date"] for row in rows}
    assert dates == {"2026-02-28", "2026-03-01"}
    assert all(row["_ingestion_date"] == row["_ingested_at"].strftime("%Y-%m-%d") for row in rows)
    assert len(table.data_commits()) == 1, "one batch, one commit"
    # The last records may have come too late for the instance that was stopped.
    assert start(environment(topic), "run", "--once").wait_exit(60) == 0
    assert_exactly_once(table, broker, group)
