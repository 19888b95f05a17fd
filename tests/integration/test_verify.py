"""`bronze verify`: what it finds in clean and in damaged tables, and what it cannot tell."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
from confluent_kafka import TopicPartition
from deltalake import DeltaTable, Schema, write_deltalake
from harness.kafka import Broker
from harness.minio import Folder
from harness.payloads import Stream, json_values
from harness.processes import free_port, wait_until
from harness.service import BINARY, KAFKA_TIMING, Finished, run_command
from harness.tables import Table, statistics

TIMESTAMP = pa.timestamp("us", tz="UTC")


def verify(environment: dict[str, str], *arguments: str) -> Finished:
    return run_command(
        "verify", *arguments, environment={**KAFKA_TIMING, **environment}, timeout=120
    )


def verify_json(environment: dict[str, str], *arguments: str) -> tuple[int, dict]:
    done = verify(environment, "--json", *arguments)
    report = json.loads(done.output)
    assert report["exit_code"] == done.exit_code, done.text
    return done.exit_code, report


def codes(report: dict, level: str = "problem") -> set[str]:
    found = itertools.chain(report["findings"], *(of["findings"] for of in report["topics"]))
    return {finding["code"] for finding in found if finding["level"] == level}


def messages(report: dict, code: str) -> str:
    found = itertools.chain(report["findings"], *(of["findings"] for of in report["topics"]))
    return "\n".join(finding["message"] for finding in found if finding["code"] == code)


def partitions(report: dict, topic: int = 0) -> list[dict]:
    (epoch,) = report["topics"][topic]["epochs"]
    return epoch["partitions"]


@pytest.fixture
def run_once(start):
    def run(environment: dict[str, str]) -> None:
        assert start(environment, "run", "--once").wait_exit(60) == 0

    return run


def send_transactions(broker: Broker, topic: str, *ends: str) -> None:
    """One record each; a transaction also leaves a control record."""
    producer = broker.producer(**{"transactional.id": f"tx-{topic}"})
    producer.init_transactions(30)
    for end in ends:
        producer.begin_transaction()
        producer.produce(topic, json_values(1)[0], partition=0)
        producer.flush(10)
        getattr(producer, f"{end}_transaction")(30)


# --- clean ------------------------------------------------------------------------------------


def test_a_clean_table_with_aborted_transactions(broker, topic, environment, run_once):
    for partition in range(2):
        broker.produce(topic, json_values(20), partition=partition)
    send_transactions(broker, topic, "commit", "abort", "commit")
    variables = environment(topic)
    run_once(variables)
    broker.produce(topic, json_values(7), partition=1)

    code, report = verify_json(variables)

    assert code == 0, report
    assert report["verdict"] == "clean" and not codes(report) and not codes(report, "unknown")
    (found,) = report["topics"]
    assert (found["topic"], found["table"]) == (topic, f"bronze_{topic}")
    assert found["table_exists"] and found["dead_letter_table_exists"]
    assert found["rows"] == 42 and found["kafka_told"]
    assert found["epochs"][0]["topic_id"] == broker.topic_uuid(topic)
    first, second, third = partitions(report)
    # Two records, and what is between and after them: two commit markers, and the aborted
    # transaction's record and marker.
    assert first["gaps"] == {
        "explained": 4,
        "retention": 0,
        "before_take_over": 0,
        "skipped": 0,
        "missing": 0,
        "unknown": 0,
    }
    assert first["ranges"] == [[0, 21], [24, 25]] and first["range_count"] == 2
    assert (first["rows"], first["progress"], first["latest"], first["lag"]) == (22, 26, 26, 0)
    assert (second["rows"], second["progress"], second["lag"], second["begin"]) == (20, 20, 7, 0)
    assert (third["rows"], third["duplicates"], third["ranges"]) == (0, 0, [])

    text = verify(variables, topic)
    assert text.exit_code == 0, text.text
    assert f"topic {topic}: bronze_{topic} at version" in text.output
    assert text.output.splitlines()[-1].startswith("clean: 1 topics, 0 problems")

    nobody = f"127.0.0.1:{free_port()}"
    code, report = verify_json({**variables, "KAFKA_BOOTSTRAP_SERVERS": nobody}, "--timeout", "2")

    assert code == 3, report
    assert codes(report) == set()
    assert codes(report, "unknown") == {"kafka_unreachable", "gaps_not_read"}
    assert not report["topics"][0]["kafka_told"] and report["topics"][0]["rows"] == 42
    assert [row["rows"] for row in partitions(report)] == [22, 20, 0]
    assert partitions(report)[0]["gaps"]["unknown"] == 4


def test_what_compaction_and_retention_removed_is_not_missing(
    broker, new_topic, folder, environment, run_once
):
    compacted = new_topic(
        1,
        **{"cleanup.policy": "compact", "segment.ms": "200", "min.cleanable.dirty.ratio": "0.01"},
    )
    shortened = new_topic(1)
    producer = broker.producer()
    for number in range(30):
        producer.produce(compacted, b"%d" % number, key=b"%d" % (number % 3))
    producer.flush(10)

    def is_compacted() -> bool:
        # Only segments that are no longer written to are compacted.
        producer.produce(compacted, b"last", key=b"last")
        producer.flush(10)
        return min(record.offset for record in broker.read_visible(compacted)) > 0

    wait_until(is_compacted, 90, "the topic is compacted", 1)
    send_transactions(broker, shortened, "commit", "abort", "commit")
    broker.produce(shortened, json_values(5), partition=0)
    variables = environment(compacted, shortened, store=folder)
    run_once(variables)
    broker.admin.delete_records([TopicPartition(shortened, 0, 5)])[
        TopicPartition(shortened, 0, 5)
    ].result(15)

    code, report = verify_json(variables)

    assert code == 0, report
    (by_compaction,) = partitions(report, 0)
    assert by_compaction["gaps"]["explained"] >= 27 - by_compaction["rows"]
    assert by_compaction["gaps"]["explained"] > 0
    (by_retention,) = partitions(report, 1)
    assert by_retention["gaps"]["retention"] == 3 and by_retention["gaps"]["explained"] == 1
    assert "retention" in codes(report, "info")


def test_gaps_that_are_far_apart_are_all_read(broker, new_topic, folder, environment, run_once):
    topic = new_topic(1)
    send_transactions(broker, topic, "abort", "commit")
    broker.produce(topic, [b"%d" % number for number in range(25_000)], partition=0)
    send_transactions(broker, topic, "commit", "abort")
    variables = environment(topic, store=folder)
    run_once(variables)

    code, report = verify_json(variables)
    assert code == 0, report
    assert partitions(report)[0]["gaps"]["explained"] == 6

    ends = "0, 1, 2, 12000, 25003, 25004"
    Table(folder, topic).delta_rs().delete(f"_kafka_offset IN ({ends})")
    code, report = verify_json(variables)
    assert code == 1, report
    assert "offsets 2, 12000, 25003 to 25004" in messages(report, "missing_rows")


def test_what_waits_for_an_open_transaction_is_lag(
    broker, new_topic, folder, environment, run_once
):
    topic = new_topic(1)
    broker.produce(topic, json_values(10))
    variables = environment(topic, store=folder)
    run_once(variables)
    producer = broker.producer(**{"transactional.id": f"tx-{topic}"})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, b"{}", partition=0)
    producer.flush(10)
    broker.produce(topic, json_values(20))

    code, report = verify_json(variables)
    producer.abort_transaction(30)

    assert code == 0, report
    (row,) = partitions(report)
    assert (row["latest"], row["high_watermark"], row["lag"]) == (10, 31, 21)
    assert "21 offsets, 10 to 30," in messages(report, "open_transaction")


def test_beside_a_running_service_nothing_is_dirty(
    broker, topic, folder, group, environment, start
):
    variables = environment(topic, store=folder, BATCH_INTERVAL_SECONDS="0.2")
    with Stream(broker, topic):
        instance = start(variables)
        instance.wait_written(100)
        for _ in range(5):
            code, report = verify_json(variables)
            assert code == 0, report
    instance.stop()


def test_topics_that_patterns_match_are_verified(broker, unique, folder, environment, run_once):
    prefix = unique("pattern")
    names = [f"{prefix}-{name}" for name in ("one", "two")]
    for name in names:
        broker.create_topic(name, 1)
        broker.produce(name, json_values(3))
    variables = environment(f"^{prefix}-.*", store=folder)
    run_once(variables)

    code, report = verify_json(variables)

    assert code == 0, report
    assert [found["topic"] for found in report["topics"]] == names
    assert [found["rows"] for found in report["topics"]] == [3, 3]


def kafka_rows(offsets: list[int], partition: int = 0) -> pa.Table:
    count = len(offsets)
    return pa.table(
        {
            "_raw_value": pa.array(["{}"] * count),
            "_kafka_partition": pa.array([partition] * count, pa.int32()),
            "_kafka_offset": pa.array(offsets, pa.int64()),
            "_kafka_timestamp": pa.array([None] * count, TIMESTAMP),
            "_ingested_at": pa.array([1_700_000_000_000_000] * count, TIMESTAMP),
            "_ingestion_date": pa.array(["2023-11-14"] * count),
        }
    )


def test_what_another_program_did_before_the_take_over_is_only_told(
    broker, new_topic, folder, environment, run_once
):
    topic = new_topic(1)
    broker.produce(topic, json_values(20))
    table = Table(folder, topic)
    for offsets in ([0, 1, 2, 3], [2, 3, 6, 7]):
        write_deltalake(
            table.uri, kafka_rows(offsets), mode="append", partition_by=["_ingestion_date"]
        )
    variables = environment(topic, store=folder, KAFKA_START="earliest")

    code, report = verify_json(variables)
    assert code == 3, report
    assert codes(report, "unknown") == {"not_registered"}

    run_once(variables)
    code, report = verify_json(variables)

    assert code == 0, report
    assert codes(report, "warning") == {"duplicates_before_take_over"}
    (row,) = partitions(report)
    assert (row["begin"], row["progress"], row["rows"]) == (8, 20, 20)
    assert (row["duplicates"], row["duplicates_of_others"]) == (2, 2)
    assert row["gaps"]["before_take_over"] == 2


def test_skipped_offsets_and_a_topic_that_was_created_again(
    broker, new_topic, folder, environment, run_once
):
    topic = new_topic(2)
    policies = {"ON_TOPIC_RECREATED": "new_epoch", "ON_DATA_LOSS": "skip"}
    variables = environment(topic, store=folder, **policies)

    def produce(count: int) -> None:
        for partition in range(2):
            broker.produce(topic, json_values(count), partition=partition)

    produce(30)
    run_once(variables)
    produce(20)
    wanted = TopicPartition(topic, 0, 40)
    broker.admin.delete_records([wanted])[wanted].result(15)
    run_once(variables)

    code, report = verify_json(variables)
    assert code == 0, report
    assert "10 offsets were skipped" in messages(report, "skipped")
    assert "30 to 39" in messages(report, "skipped")
    assert [row["gaps"]["skipped"] for row in partitions(report)] == [10, 0]

    broker.delete_topic(topic)
    broker.create_topic(topic, 2)
    produce(10)
    code, report = verify_json(variables)
    assert code == 3 and codes(report, "unknown") == {"other_topic"}, report

    run_once(variables)
    code, report = verify_json(variables)

    assert code == 0, report
    old, new = report["topics"][0]["epochs"]
    assert [row["rows"] for row in old["partitions"]] == [40, 50]
    assert [row["rows"] for row in new["partitions"]] == [10, 10]
    assert not old["current"] and new["current"] and new["since_us"] > 0
    assert new["topic_id"] == broker.topic_uuid(topic)


# --- damaged ----------------------------------------------------------------------------------


class Copies:
    """Copies of one clean table, each of which is damaged in its own way."""

    def __init__(self, directory: Path, folder: Folder, topic: str, variables: dict) -> None:
        self._directory = directory
        self._folder = folder
        self._topic = topic
        self._variables = variables

    def verify(self, name: str, damage: Callable[[Table], None]) -> tuple[int, dict]:
        path = self._directory / f"copy-{name}"
        shutil.copytree(self._folder.path, path)
        table = Table(Folder(path), self._topic)
        damage(table)
        return verify_json({**self._variables, "DELTA_BASE_PATH": str(path)})


@pytest.fixture
def copies(broker, new_topic, group, folder, tmp_path, environment, run_once) -> Copies:
    """Of a table with two data commits and offsets 0 to 59 in each of two partitions."""
    topic = new_topic(2)
    # Dead letters are made by the tests that want some.
    variables = environment(topic, store=folder, DLQ_ENABLED="false")
    for count in (40, 20):
        for partition in range(2):
            broker.produce(topic, json_values(count), partition=partition)
        run_once(variables)
    return Copies(tmp_path, folder, topic, variables)


def path_of(table: Table, *parts: str) -> Path:
    return Path(table.uri).joinpath(*parts)


def entry(table: Table, version: int) -> Path:
    return path_of(table, "_delta_log", f"{version:020}.json")


def newest(table: Table) -> int:
    return table.commits()[-1].version


def append_entry(table: Table, *actions: dict) -> None:
    version = newest(table) + 1
    info = {"commitInfo": {"timestamp": 1, "operation": "FOREIGN", "operationParameters": {}}}
    lines = [json.dumps(action) for action in (info, *actions)]
    entry(table, version).write_text("\n".join(lines) + "\n")


def first_add(table: Table) -> dict:
    return table.data_commits()[0].adds[0]


def set_txns(table: Table, move: int) -> None:
    """Moves the progress of every partition on or back."""
    moved = [
        {"txn": {"appId": app_id, "version": version + move}}
        for app_id, version in table.txns().items()
        if app_id.count("/") == 3
    ]
    append_entry(table, *moved)


def double_a_file(table: Table) -> None:
    add = first_add(table)
    twin = add["path"].replace("part-", "part-twin-")
    shutil.copy(path_of(table, add["path"]), path_of(table, twin))
    append_entry(table, {"add": {**add, "path": twin}})


def remove_a_file(table: Table) -> None:
    path = first_add(table)["path"]
    append_entry(table, {"remove": {"path": path, "deletionTimestamp": 1, "dataChange": True}})


def lose_a_file(table: Table) -> None:
    path_of(table, first_add(table)["path"]).unlink()


def break_a_file(table: Table) -> None:
    path_of(table, first_add(table)["path"]).write_bytes(b"PAR1 no more")


def shorten_a_file(table: Table) -> None:
    path = path_of(table, first_add(table)["path"])
    pyarrow.parquet.write_table(pyarrow.parquet.ParquetFile(path).read().slice(0, 70), path)


def test_rows_that_are_double_or_missing_are_found(copies):
    code, report = copies.verify("none", lambda table: None)
    assert code == 0, report
    assert [row["rows"] for row in partitions(report)] == [60, 60]

    code, report = copies.verify("double", double_a_file)
    assert code == 1 and codes(report) == {"duplicate_rows"}, report
    assert [row["duplicates"] for row in partitions(report)] == [40, 40]
    assert "40 offsets are there more than once: 0 to 39" in messages(report, "duplicate_rows")

    code, report = copies.verify("removed", remove_a_file)
    assert code == 1 and codes(report) == {"missing_rows", "rows_lost"}, report
    assert [row["gaps"]["missing"] for row in partitions(report)] == [40, 40]
    assert "offsets 0 to 39" in messages(report, "missing_rows")
    assert "80 rows" in messages(report, "rows_lost")
    assert "FOREIGN at version" in messages(report, "rows_lost")

    def delete(table: Table) -> None:
        table.delta_rs().delete("_kafka_partition = 1 AND _kafka_offset IN (3, 4, 50)")

    code, report = copies.verify("deleted", delete)
    assert code == 1 and codes(report) == {"missing_rows", "rows_lost"}, report
    assert "3 records that Kafka has are in no row: offsets 3 to 4, 50" in messages(
        report, "missing_rows"
    )
    assert partitions(report)[1]["ranges"] == [[0, 3], [5, 50], [51, 60]]

    def compact(table: Table) -> None:
        table.delta_rs().optimize.compact()
        table.delta_rs().optimize.z_order(["_raw_value"])

    code, report = copies.verify("compacted", compact)
    assert code == 0, report
    assert report["topics"][0]["files"] == 1


def test_files_that_are_not_as_the_log_says_are_found(copies):
    code, report = copies.verify("lost", lose_a_file)
    assert code == 1, report
    assert codes(report) == {"file_missing", "missing_rows", "rows_lost"}

    code, report = copies.verify("broken", break_a_file)
    assert code == 1, report
    assert codes(report) == {"file_broken", "file_size", "missing_rows", "rows_lost"}

    code, report = copies.verify("shortened", shorten_a_file)
    assert code == 1, report
    assert codes(report) == {"file_size", "file_rows", "missing_rows", "rows_lost"}
    assert "70 rows, the log says 80" in messages(report, "file_rows")

    def misstate(table: Table) -> None:
        log = entry(table, table.data_commits()[0].version)
        add = first_add(table)
        stats = statistics(add)
        stated = json.dumps({**stats, "numRecords": stats["numRecords"] + 1})
        changed = {**add, "size": add["size"] + 1, "stats": stated}
        lines = [
            line if '"add"' not in line else json.dumps({"add": changed})
            for line in log.read_text().splitlines()
        ]
        log.write_text("\n".join(lines) + "\n")

    code, report = copies.verify("misstated", misstate)
    assert code == 1 and codes(report) == {"file_size", "file_rows"}, report


def test_progress_that_does_not_go_with_the_rows_is_found(broker, copies):
    code, report = copies.verify("behind", lambda table: set_txns(table, -10))
    assert code == 1, report
    assert codes(report) == {"rows_beyond_progress", "table_set_back"}
    assert "the first is 50" in messages(report, "rows_beyond_progress")

    code, report = copies.verify("beyond", lambda table: set_txns(table, 5))
    assert code == 1 and codes(report) == {"log_truncated"}, report

    (topic,) = [found["topic"] for found in report["topics"]]
    broker.produce(topic, json_values(5), partition=1)
    code, report = copies.verify("ahead", lambda table: set_txns(table, 5))
    assert code == 1, report
    assert codes(report) == {"log_truncated", "missing_rows"}
    assert "5 records that Kafka has are in no row: offsets 60 to 64" in messages(
        report, "missing_rows"
    )


def test_a_damaged_log_is_found(copies):
    def lose_an_entry(table: Table) -> None:
        entry(table, newest(table) - 1).unlink()

    code, report = copies.verify("hole", lose_an_entry)
    assert code == 1 and codes(report) == {"log_broken"}, report
    assert "is missing" in messages(report, "log_broken")

    def break_an_entry(table: Table) -> None:
        entry(table, newest(table)).write_text("not a log entry\n")

    code, report = copies.verify("broken", break_an_entry)
    assert code == 1 and codes(report) == {"log_broken"}, report

    code, report = copies.verify("end", lambda table: entry(table, newest(table)).unlink())
    assert code == 1 and codes(report) == {"table_set_back"}, report

    def lose_an_old_entry(table: Table) -> None:
        table.delta_rs().create_checkpoint()
        entry(table, 1).unlink()

    code, report = copies.verify("old", lose_an_old_entry)
    assert codes(report) == set() and codes(report, "warning") == {"log_entry_missing"}, report


def clean_log(table: Table) -> None:
    """As other engines clean it up after a while."""
    table.delta_rs().create_checkpoint()
    for version in range(newest(table)):
        entry(table, version).unlink()


def retain_from(broker: Broker, topic: str, offset: int, partition: int = 0) -> None:
    wanted = TopicPartition(topic, partition, offset)
    broker.admin.delete_records([wanted])[wanted].result(15)


def test_rows_that_are_gone_from_a_table_whose_log_was_cleaned(broker, copies):
    def delete(*predicates: str) -> Callable[[Table], None]:
        def damage(table: Table) -> None:
            for predicate in predicates:
                table.delta_rs().delete(predicate)
            clean_log(table)

        return damage

    code, report = copies.verify("cleaned", delete())
    assert code == 0 and not codes(report, "unknown"), report
    assert [row["begin"] for row in partitions(report)] == [None, None]

    for name, predicate, found in (
        ("all", "true", "beginning_unknown"),
        ("partition", "_kafka_partition = 1", "beginning_unknown"),
        ("first", "_kafka_offset < 3", "beginning_unknown"),
        ("middle", "_kafka_offset IN (10, 11)", "missing_rows"),
    ):
        code, report = copies.verify(name, delete(predicate))
        assert code == 3 and codes(report, "unknown") == {found}, report
        assert partitions(report)[1]["level"] == "unknown"

    for partition in range(2):
        retain_from(broker, copies._topic, 60, partition)
    for name, predicate in (
        ("forgotten-all", "true"),
        ("forgotten-middle", "_kafka_offset IN (10, 11)"),
    ):
        code, report = copies.verify(name, delete(predicate))
        assert code == 3 and codes(report, "unknown") == {"rows_lost"}, report

    code, report = copies.verify("forgotten-none", delete())
    assert code == 0, report


def test_a_cleaned_log_makes_no_other_start_dirty(broker, new_topic, folder, environment, run_once):
    topic = new_topic(1)
    broker.produce(topic, json_values(10))
    variables = environment(topic, store=folder, KAFKA_START="latest")
    run_once(variables)
    broker.produce(topic, json_values(10))
    run_once(variables)
    assert verify_json(variables)[0] == 0
    clean_log(Table(folder, topic))

    code, report = verify_json(variables)
    assert code == 3 and codes(report) == set(), report
    assert codes(report, "unknown") == {"beginning_unknown"}
    assert "offsets 0 to 9" in messages(report, "beginning_unknown")

    retain_from(broker, topic, 10)
    code, report = verify_json(variables)
    assert code == 0, report


def foreign_row(table: Table, offset: int) -> None:
    """A row that another program appends to partition 0."""
    folder, name = "_ingestion_date=2023-11-14", f"part-foreign-{offset}.parquet"
    path = path_of(table, folder, name)
    path.parent.mkdir(exist_ok=True)
    pyarrow.parquet.write_table(kafka_rows([offset]).drop(["_ingestion_date"]), path)
    add = {
        "path": f"{folder}/{name}",
        "size": path.stat().st_size,
        "partitionValues": {"_ingestion_date": "2023-11-14"},
        "modificationTime": 1,
        "dataChange": True,
        "stats": json.dumps({"numRecords": 1}),
    }
    append_entry(table, {"add": add})


def test_rows_of_no_record_are_found(broker, new_topic, copies, folder, environment, run_once):
    for offset, found in (
        (-5, "rows_not_written"),
        (2**63 - 1, "rows_not_written"),
        (2**63 - 2, "rows_beyond_progress"),
    ):
        code, report = copies.verify(
            f"odd{offset}", lambda table, at=offset: foreign_row(table, at)
        )
        assert code == 1 and codes(report) == {found}, report

    topic = new_topic(1)
    send_transactions(broker, topic, "commit", "abort", "commit")
    variables = environment(topic, store=folder)
    run_once(variables)
    assert verify_json(variables)[0] == 0
    foreign_row(Table(folder, topic), 2)

    code, report = verify_json(variables)
    assert code == 1 and codes(report) == {"rows_not_written"}, report
    assert "2 rows written, 3 there" in messages(report, "rows_not_written")


def peak_memory(environment: dict[str, str], *arguments: str) -> tuple[int, int]:
    """The exit code of `bronze verify`, and how many MB it took."""
    measure = (
        "import resource, subprocess, sys\n"
        "code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode\n"
        "print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", measure, str(BINARY), "verify", *arguments],
        env={**os.environ, **KAFKA_TIMING, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    code, peak = done.stdout.split()
    return int(code), int(peak)


def test_large_log_entries_of_others_take_little_memory(
    broker, new_topic, folder, environment, run_once
):
    topic = new_topic(1)
    broker.produce(topic, json_values(10))
    variables = environment(topic, store=folder)
    run_once(variables)
    table = Table(folder, topic)
    tags = {"purpose": "x" * 2_000}
    for _ in range(4):
        removals = [
            {"remove": {"path": f"f{n}", "dataChange": False, "deletionTimestamp": 1, "tags": tags}}
            for n in range(20_000)
        ]
        append_entry(table, *removals)
    table.delta_rs().create_checkpoint()

    code, peak = peak_memory(variables, "--memory", "64")

    assert code == 0
    assert peak < 64 + 64


def dead_letters(table: Table, offsets: list[int], topic: str | None = None) -> None:
    count = len(offsets)
    letters = pa.table(
        {
            "error_message": pa.array(["not UTF-8"] * count),
            "error_type": pa.array(["ENCODING_ERROR"] * count),
            "original_payload": pa.array(["?"] * count),
            "kafka_topic": pa.array([topic or table.topic] * count),
            "_kafka_partition": pa.array([0] * count, pa.int32()),
            "_kafka_offset": pa.array(offsets, pa.int64()),
            "_ingested_at": pa.array([1_700_000_000_000_000] * count, TIMESTAMP),
        }
    )
    directory = f"dlq_bronze_{table.topic}".replace("-", "_")
    write_deltalake(str(path_of(table).parent / directory), letters)


def test_dead_letters_count_as_present(copies):
    def set_aside(table: Table) -> None:
        table.delta_rs().delete("_kafka_partition = 0 AND _kafka_offset IN (7, 8)")
        dead_letters(table, [7, 8])

    code, report = copies.verify("aside", set_aside)
    assert code == 0, report
    assert report["topics"][0]["dead_letter_table_exists"]
    row = partitions(report)[0]
    assert (row["rows"], row["dead_letters"], row["duplicates"]) == (58, 2, 0)
    assert row["ranges"] == [[0, 60]]

    def set_aside_of_others(table: Table) -> None:
        dead_letters(table, [7], topic=table.topic.replace("-", "_"))

    code, report = copies.verify("others", set_aside_of_others)
    assert code == 0 and partitions(report)[0]["dead_letters"] == 0, report

    code, report = copies.verify("both", lambda table: dead_letters(table, [7]))
    assert code == 1 and codes(report) == {"duplicate_rows"}, report


def test_a_table_that_is_not_there(copies, unique):
    def leave(table: Table) -> None:
        shutil.rmtree(path_of(table))

    code, report = copies.verify("gone", leave)
    assert code == 1 and codes(report) == {"table_lost"}, report

    topic = unique("never-written")
    code, report = verify_json(copies._variables, topic)
    assert code == 3, report
    assert codes(report, "unknown") == {"table_absent"}
    assert report["topics"][0]["topic"] == topic and not report["topics"][0]["table_exists"]

    code, report = verify_json({**copies._variables, "KAFKA_CONSUMER_GROUP": unique("stranger")})
    assert code == 3, report
    assert codes(report, "unknown") == {"not_registered"}
    assert "set KAFKA_CONSUMER_GROUP" in messages(report, "not_registered")

    code, report = verify_json(copies._variables, "--memory", "1")
    assert code == 0, report


def test_a_table_that_lost_its_state(copies):
    def create_again(table: Table) -> None:
        schema = Schema.from_json(table.metadata()["schemaString"])
        shutil.rmtree(table.uri)
        DeltaTable.create(table.uri, schema, partition_by=["_ingestion_date"], mode="error")

    code, report = copies.verify("again", create_again)
    assert code == 1 and codes(report) == {"table_lost"}, report

    def lose_the_registration(table: Table) -> None:
        path = entry(table, 1)
        lines = path.read_text().splitlines()
        kept = [
            line
            for line in lines
            if json.loads(line).get("txn", {}).get("appId", "").count("/") != 2
        ]
        assert len(kept) == len(lines) - 1
        path.write_text("\n".join(kept) + "\n")

    code, report = copies.verify("unregistered", lose_the_registration)
    assert code == 1, report
    assert len(codes(report)) == 1 and not codes(report, "unknown"), report


# --- usage ------------------------------------------------------------------------------------


def test_wrong_usage_and_configuration_end_with_2():
    for arguments in (["--memory", "0"], ["--timeout", "soon"], ["--jsno"]):
        done = run_command("verify", *arguments)
        assert done.exit_code == 2 and done.errors

    done = run_command("verify", "--json", "../x", environment={"HTTP_PORT": "99999"})
    report = json.loads(done.output)
    assert done.exit_code == 2 and report["verdict"] == "bad_usage"
    assert {error["name"] for error in report["errors"]} == {"TOPIC", "HTTP_PORT"}
    assert "../x" in done.errors


def test_help_tells_the_exit_codes():
    done = run_command("verify", "--help")
    assert done.exit_code == 0
    for text in ("--json", "--timeout", "--gap-timeout", "--memory", "TOPIC", "1 dirty"):
        assert text in done.output, text
