"""`bronze replay`: dead letters that are valid now become rows, each once, whatever happens."""

from __future__ import annotations

import base64
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter

import pyarrow as pa
import pytest
from confluent_kafka import TopicPartition
from harness.dead_letters import FIRST_TEN, DeadLetters, now_us, pass_over
from harness.payloads import Stream, json_values
from harness.processes import free_port
from harness.service import (
    BINARY,
    FAULTY_BINARY,
    KAFKA_TIMING,
    Finished,
    plain_environment,
    run_command,
)
from harness.tables import Table, assert_files_are_as_stated, assert_log_is_contiguous

KILLED = 128 + 9
BROKEN = b'{"half": '
NOT_UTF8 = b'{"name": "\xff\xfe"}'


def replay(environment: dict[str, str], *arguments: str) -> Finished:
    return run_command(
        "replay", *arguments, environment={**KAFKA_TIMING, **environment}, timeout=120
    )


def replay_json(environment: dict[str, str], *arguments: str) -> tuple[int, dict]:
    done = replay(environment, "--json", *arguments)
    report = json.loads(done.output)
    assert report["exit_code"] == done.exit_code, done.text
    return done.exit_code, report


def counts(report: dict, topic: int = 0) -> dict[tuple[str, str], int]:
    return {
        (of["error_type"], of["outcome"]): of["letters"] for of in report["topics"][topic]["counts"]
    }


def verify_json(environment: dict[str, str]) -> tuple[int, dict]:
    done = run_command("verify", "--json", environment={**KAFKA_TIMING, **environment}, timeout=120)
    return done.exit_code, json.loads(done.output)


def assert_clean(environment: dict[str, str]) -> list[dict]:
    """What verify says of the partitions of the first topic."""
    code, report = verify_json(environment)
    assert code == 0, report
    return report["topics"][0]["epochs"][-1]["partitions"]


def assert_rows(table: Table, broker, without: set[tuple[int, int]] = frozenset()) -> None:
    """All records but those, once each, with their bytes."""
    expected = Counter(
        (r.partition, r.offset, r.value)
        for r in broker.read_visible(table.topic)
        if (r.partition, r.offset) not in without
    )
    assert Counter(table.rows_by_delta_rs()) == expected
    assert Counter(table.rows_by_duckdb()) == expected
    assert_log_is_contiguous(table)
    assert_files_are_as_stated(table)


@pytest.fixture
def run_once(start):
    def run(environment: dict[str, str]) -> None:
        assert start(environment, "run", "--once").wait_exit(60) == 0

    return run


def test_letters_that_are_valid_now_become_rows_once(
    broker, topic, table, group, environment, run_once
):
    for partition in range(2):
        broker.produce(topic, json_values(20), partition=partition)
    variables = environment(topic)
    run_once(variables)
    broker.produce(topic, [b"{}", BROKEN, BROKEN, NOT_UTF8, b"{}", BROKEN], partition=0)
    broker.produce(topic, [NOT_UTF8, b"{}", BROKEN], partition=1)
    pass_over(broker, table, group)
    letters = DeadLetters(table.store, topic)
    before = letters.delta_rs().version()
    still_bad = {(0, 23), (1, 20)}
    assert_clean(variables)

    version = table.commits()[-1].version
    code, dry = replay_json(variables, "--dry-run")
    assert code == 0 and dry["dry_run"], dry
    assert counts(dry) == {
        ("JSON_PARSE_ERROR", "replayed"): 4,
        ("ENCODING_ERROR", "still_bad"): 2,
    }
    assert table.commits()[-1].version == version

    code, report = replay_json(variables)
    assert code == 0, report
    assert counts(report) == counts(dry)
    assert report["topics"][0]["commits"] == 1
    (bad,) = (of for of in report["topics"][0]["counts"] if of["outcome"] == "still_bad")
    assert bad["now"] == "ENCODING_ERROR" and "at byte 10" in bad["sample"]
    commit = table.commits()[-1]
    assert commit.version == version + 1
    assert commit.info["operationParameters"]["bronzeReplayed"] == (
        '{"0":[[21,23],[25,26]],"1":[[22,23]]}'
    )
    counted = {a.split("/")[-2]: v for a, v in commit.txns.items() if a.endswith("/replayed")}
    assert counted == {"0": 3, "1": 1}
    assert_rows(table, broker, still_bad)
    rows = table.arrow().to_pylist()
    (row,) = (r for r in rows if (r["_kafka_partition"], r["_kafka_offset"]) == (0, 25))
    (sent,) = (r for r in broker.read_visible(topic) if (r.partition, r.offset) == (0, 25))
    assert row["_kafka_timestamp"].timestamp() * 1000 == pytest.approx(sent.timestamp_ms)
    assert row["_ingestion_date"] == row["_ingested_at"].strftime("%Y-%m-%d")

    code, again = replay_json(variables)
    assert code == 0, again
    assert counts(again)["JSON_PARSE_ERROR", "already_there"] == 4
    assert again["topics"][0]["replayed"] == 0 and table.commits()[-1].version == version + 1
    first, second, _ = assert_clean(variables)
    assert (first["dead_letters"], first["replayed"], first["duplicates"]) == (4, 3, 0)
    assert (second["dead_letters"], second["replayed"]) == (2, 1)
    assert letters.delta_rs().version() == before and len(letters.rows()) == 6

    broker.produce(topic, json_values(5), partition=0)
    run_once(variables)
    assert_rows(table, broker, still_bad)
    assert_clean(variables)

    text = replay(variables, "--topic", topic)
    assert text.exit_code == 0
    assert f"{topic}: 6 dead letters, 0 replayed" in text.output
    assert "already replayed" in text.output and "still bad: ENCODING_ERROR" in text.output


@pytest.mark.parametrize(
    "kill_point",
    [
        "flush_before_file",
        "flush_after_file",
        "replay_before_commit",
        "commit_before_put",
        "commit_after_put",
        "replay_after_commit",
    ],
)
def test_a_kill_at(kill_point, broker, new_topic, folder, group, environment, run_once, start):
    topic = new_topic(1)
    table = Table(folder, topic)
    broker.produce(topic, json_values(10))
    variables = environment(topic, store=folder)
    run_once(variables)
    broker.produce(topic, [BROKEN, b"{}", BROKEN, BROKEN])
    pass_over(broker, table, group)

    faulty = start({**variables, "BRONZE_KILL_POINT": kill_point}, "replay", binary=FAULTY_BINARY)
    assert faulty.wait_exit(30) == KILLED
    landed = kill_point in ("commit_after_put", "replay_after_commit")
    code, report = replay_json(variables)

    assert code == 0, report
    assert counts(report) == {("JSON_PARSE_ERROR", "already_there" if landed else "replayed"): 3}
    assert_rows(table, broker)
    (partition,) = assert_clean(variables)
    assert partition["replayed"] == 3


def test_only_what_is_chosen_is_replayed(broker, new_topic, folder, group, environment, run_once):
    topic, other = new_topic(2), new_topic(1)
    variables = environment(topic, other, store=folder)
    for name in (topic, other):
        broker.produce(name, json_values(5), partition=0)
    broker.produce(topic, json_values(5), partition=1)
    run_once(variables)
    for partition in range(2):
        broker.produce(topic, [BROKEN] * 10, partition=partition)
    pass_over(broker, Table(folder, topic), group)
    middle = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 1))
    time.sleep(1.5)
    broker.produce(topic, [BROKEN] * 3, partition=0)
    pass_over(broker, Table(folder, topic), group)
    broker.produce(other, [BROKEN], partition=0)
    pass_over(broker, Table(folder, other), group)

    def chosen(*arguments: str) -> int:
        code, report = replay_json(variables, "--dry-run", *arguments)
        assert code == 0, report
        return sum(of["letters"] for of in report["topics"])

    assert chosen() == 24
    assert chosen("--topic", topic) == 23
    assert chosen("--topic", f"^{other[:-2]}-[0-9]+$") == 24
    assert chosen("--topic", topic, "--topic", other) == 24
    assert chosen("--error-type", "ENCODING_ERROR") == 0
    assert chosen("--error-type", "JSON_PARSE_ERROR", "--error-type", "ENCODING_ERROR") == 24
    assert chosen("--topic", topic, "--since", middle) == 3
    assert chosen("--topic", topic, "--until", middle) == 20
    assert chosen("--topic", topic, "--partition", "1") == 10
    assert chosen("--topic", topic, "--offsets", "7-9") == 4
    assert chosen("--topic", topic, "--partition", "0", "--offsets", "14-16") == 2

    code, report = replay_json(variables, "--topic", topic, "--partition", "1", "--offsets", "7-9")
    assert code == 0 and report["topics"][0]["replayed"] == 2, report
    assert len(Table(folder, topic).rows_by_delta_rs()) == 12
    code, report = replay_json(variables)
    assert counts(report) == {
        ("JSON_PARSE_ERROR", "replayed"): 21,
        ("JSON_PARSE_ERROR", "already_there"): 2,
    }
    for name in (topic, other):
        assert_rows(Table(folder, name), broker)
    assert_clean(variables)


def test_beside_the_running_service_and_other_replays(
    broker, new_topic, folder, group, environment, run_once, start
):
    topic = new_topic(1)
    table = Table(folder, topic)
    broker.produce(topic, json_values(10))
    variables = environment(topic, store=folder, BATCH_INTERVAL_SECONDS="0.1")
    run_once(variables)
    # Far apart, so that they need several commits.
    broker.produce(topic, itertools.chain.from_iterable([(BROKEN, b"{}")] * 10_000))
    pass_over(broker, table, group)

    reports: list[dict] = []
    with Stream(broker, topic):
        instance = start(variables)
        instance.wait_written(10)
        threads = [
            threading.Thread(target=lambda: reports.append(replay_json(variables)[1]))
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    broker.wait_caught_up(group, topic)
    instance.stop()

    assert [report["exit_code"] for report in reports] == [0, 0, 0], reports
    assert sum(report["topics"][0]["replayed"] for report in reports) == 10_000
    assert_rows(table, broker)
    (partition,) = assert_clean(variables)
    assert (partition["replayed"], partition["duplicates"]) == (10_000, 0)


def test_a_table_of_the_original_has_no_bytes(
    broker, new_topic, folder, group, environment, run_once
):
    topic = new_topic(1)
    table = Table(folder, topic)
    broker.produce(topic, json_values(4))
    variables = environment(topic, store=folder)
    run_once(variables)
    broker.produce(topic, [BROKEN, NOT_UTF8])
    letters = DeadLetters(folder, topic)
    bad = [r for r in broker.read_visible(topic) if r.offset >= 4]
    kinds = ("JSON_PARSE_ERROR", "ENCODING_ERROR")
    letters.add(
        [letters.letter(r, kind) for r, kind in zip(bad, kinds, strict=True)], pa.schema(FIRST_TEN)
    )

    code, report = replay_json(variables)
    assert code == 0, report
    assert counts(report) == {
        ("JSON_PARSE_ERROR", "not_passed"): 1,
        ("ENCODING_ERROR", "not_passed"): 1,
    }
    pass_over(broker, table, group, lambda value: "ANY" if value in (BROKEN, NOT_UTF8) else None)
    letters.delta_rs().delete("error_type = 'ANY'")
    code, report = replay_json(variables)
    assert code == 0, report
    assert counts(report) == {
        ("JSON_PARSE_ERROR", "replayed"): 1,
        ("ENCODING_ERROR", "bytes_not_kept"): 1,
    }
    assert_rows(table, broker, {(0, 5)})


def test_a_table_keeps_its_form_of_values(broker, new_topic, folder, group, environment, run_once):
    topic = new_topic(1)
    broker.produce(topic, [b"{}", NOT_UTF8])
    variables = environment(topic, store=folder)
    run_once(variables)
    version = Table(folder, topic).commits()[-1].version

    for form in ("binary", "base64"):
        code, report = replay_json({**variables, "RAW_VALUE": form})
        (told,) = report["topics"]
        assert (code, told["status"], told["replayed"]) == (1, "failed", 0), report
        assert f"RAW_VALUE asks for {form}" in told["message"], told
        assert "_raw_value of the table is string" in told["message"], told
    assert Table(folder, topic).commits()[-1].version == version


@pytest.mark.parametrize("form", ["binary", "base64"])
def test_a_new_table_of_another_form_gets_what_kafka_no_longer_has(
    form, broker, new_topic, folder, group, environment, run_once
):
    topic = new_topic(1)
    broker.produce(topic, [b"{}", NOT_UTF8, b"{}", NOT_UTF8])
    variables = environment(topic, store=folder)
    run_once(variables)
    assert len(DeadLetters(folder, topic).rows()) == 2
    table = Table(folder, topic)
    (folder.path / table.name).rename(folder.path / "moved_away")
    wanted = TopicPartition(topic, 0, 2)
    broker.admin.delete_records([wanted])[wanted].result(15)
    again = {**variables, "KAFKA_CONSUMER_GROUP": f"{group}-2", "RAW_VALUE": form}

    code, report = replay_json(again)
    assert code == 1 and "there is no table" in report["topics"][0]["message"], report
    run_once(again)
    code, report = replay_json(again)

    assert code == 0, report
    assert counts(report) == {
        ("ENCODING_ERROR", "replayed"): 1,
        ("ENCODING_ERROR", "already_there"): 1,
    }
    written = {
        row["_kafka_offset"]: row["_raw_value"] for row in Table(folder, topic).arrow().to_pylist()
    }
    encoded = {
        "binary": lambda value: value,
        "base64": lambda value: base64.b64encode(value).decode(),
    }[form]
    assert written == {1: encoded(NOT_UTF8), 2: encoded(b"{}"), 3: encoded(NOT_UTF8)}
    assert_clean(again)


def test_letters_are_judged_by_the_kind_of_schema_that_is_there_now(
    broker, new_topic, folder, group, environment, run_once, tmp_path
):
    topic = new_topic(1)
    schemas = tmp_path / "schemas"
    schemas.mkdir()
    (schemas / f"{topic}.json").write_text('{"type": "object", "maxProperties": 0}')
    variables = environment(
        topic,
        store=folder,
        RAW_VALUE="binary",
        DLQ_VALIDATE_SCHEMA="true",
        DLQ_SCHEMA_DIR=str(schemas),
    )
    # Of Avro: a string of its length, which is doubled.
    avro = b"\x06abc"
    broker.produce(topic, [b"{}", avro, b'{"one": 1}', b"\x06ab"])
    run_once(variables)
    code, report = replay_json(variables)
    assert code == 0, report
    assert counts(report) == {
        ("JSON_PARSE_ERROR", "still_bad"): 2,
        ("SCHEMA_VALIDATION_ERROR", "still_bad"): 1,
    }

    (schemas / f"{topic}.json").unlink()
    (schemas / f"{topic}.avsc").write_text('"string"')
    code, report = replay_json(variables)

    assert code == 0, report
    assert counts(report) == {
        ("JSON_PARSE_ERROR", "replayed"): 1,
        ("JSON_PARSE_ERROR", "still_bad"): 1,
        ("SCHEMA_VALIDATION_ERROR", "still_bad"): 1,
    }
    now = {of["now"] for of in report["topics"][0]["counts"] if of["outcome"] == "still_bad"}
    assert now == {"SCHEMA_VALIDATION_ERROR"}
    rows = {r["_kafka_offset"]: r["_raw_value"] for r in Table(folder, topic).arrow().to_pylist()}
    assert rows == {0: b"{}", 1: avro}
    assert_clean(variables)


def test_letters_of_an_older_topic_stay_where_they_are(
    broker, new_topic, folder, group, environment, run_once
):
    topic = new_topic(1)
    table = Table(folder, topic)
    variables = environment(topic, store=folder, ON_TOPIC_RECREATED="new_epoch")
    broker.produce(topic, json_values(4))
    run_once(variables)
    broker.produce(topic, [BROKEN] * 2)
    pass_over(broker, table, group)
    broker.delete_topic(topic)
    broker.create_topic(topic, 1)
    broker.produce(topic, json_values(2))
    run_once(variables)
    broker.produce(topic, [BROKEN, b"{}", BROKEN, BROKEN])
    pass_over(broker, table, group)

    code, report = replay_json(variables)
    assert code == 0, report
    assert counts(report) == {
        ("JSON_PARSE_ERROR", "replayed"): 3,
        ("JSON_PARSE_ERROR", "other_topic"): 2,
    }
    (partition,) = assert_clean(variables)
    assert (partition["rows"], partition["replayed"]) == (6, 3)


def test_key_and_headers_go_into_the_columns_for_them(
    broker, new_topic, folder, group, environment, run_once
):
    topic = new_topic(1)
    table = Table(folder, topic)
    columns = "_kafka_topic,_kafka_key,_kafka_headers,_kafka_timestamp_type"
    variables = environment(topic, store=folder, EXTRA_COLUMNS=columns)
    broker.produce(topic, [b"{}", b"{}", b"{}"])
    run_once(variables)
    letters = DeadLetters(folder, topic)
    (record,) = (r for r in broker.read_visible(topic) if r.offset == 1)
    table.delta_rs().delete("_kafka_offset = 1")
    headers = [{"key": "a", "value": b"\xff"}, {"key": "a", "value": None}]
    letters.add(
        [letters.letter(record, "JSON_PARSE_ERROR", _kafka_key=b"\x00k", _kafka_headers=headers)]
    )

    code, report = replay_json(variables)
    assert code == 0 and report["topics"][0]["replayed"] == 1, report
    (row,) = (r for r in table.arrow().to_pylist() if r["_kafka_offset"] == 1)
    assert (row["_kafka_topic"], row["_kafka_key"]) == (topic, b"\x00k")
    assert row["_kafka_headers"] == headers and row["_kafka_timestamp_type"] is None


def peak_memory(environment: dict[str, str]) -> tuple[int, int]:
    """The exit code of `bronze replay`, and how many MB it took."""
    measure = (
        "import resource, subprocess, sys\n"
        "code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode\n"
        "print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", measure, str(BINARY), "replay"],
        env={**plain_environment(), **KAFKA_TIMING, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    code, peak = done.stdout.split()
    return int(code), int(peak)


def test_large_letters_fit_into_the_memory(broker, new_topic, bucket, group, environment, run_once):
    topic = new_topic(1)
    table = Table(bucket, topic)
    count, size = 12, 10 << 20
    broker.produce(topic, [b"{}"] * (count + 1))
    variables = environment(topic, MEMORY_LIMIT_MB="256")
    run_once(variables)
    table.delta_rs().delete(f"_kafka_offset < {count}")
    letters = DeadLetters(bucket, topic)
    records = [r for r in broker.read_visible(topic) if r.offset < count]
    values = [os.urandom(size // 2).hex().encode() for _ in records]
    letters.add(
        [
            letters.letter(
                record, "JSON_PARSE_ERROR", original_payload=value.decode(), _original_bytes=value
            )
            for record, value in zip(records, values, strict=True)
        ]
    )

    code, peak = peak_memory(variables)

    assert code == 0
    found = {offset: value for _, offset, value in table.rows_by_delta_rs() if offset < count}
    assert [found[r.offset] == v for r, v in zip(records, values, strict=True)] == [True] * count
    assert peak < 256, peak


def test_neither_kafka_nor_a_dead_letter_table_is_needed(
    broker, new_topic, folder, group, environment, run_once, unique
):
    topic = new_topic(1)
    broker.produce(topic, [BROKEN.replace(b"half", b"good") + b"1}"])
    variables = environment(topic, store=folder, WRITE_RETRY_SECONDS="1")
    run_once({**variables, "DLQ_ENABLED": "false"})
    code, report = replay_json(variables)
    assert code == 0 and report["topics"][0]["status"] == "no_dead_letters", report

    broker.produce(topic, [BROKEN])
    pass_over(broker, Table(folder, topic), group)
    nobody = f"127.0.0.1:{free_port()}"
    code, report = replay_json({**variables, "KAFKA_BOOTSTRAP_SERVERS": nobody})
    assert code == 0 and report["topics"][0]["replayed"] == 1, report

    done = replay({**variables, "KAFKA_BOOTSTRAP_SERVERS": nobody}, "--topic", "^.*")
    assert done.exit_code == 3 and "name the topics by --topic" in done.output

    nowhere = {
        "DELTA_BASE_PATH": "s3://nowhere",
        "S3_ENDPOINT_URL": f"http://{nobody}",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
    }
    code, report = replay_json({**variables, **nowhere})
    assert code == 3 and report["topics"][0]["status"] == "unreachable", report


def test_letters_that_nobody_replayed_are_doubles_to_verify(
    broker, new_topic, folder, group, environment, run_once
):
    topic = new_topic(1)
    broker.produce(topic, json_values(10))
    variables = environment(topic, store=folder)
    run_once(variables)
    letters = DeadLetters(folder, topic)
    (record,) = (r for r in broker.read_visible(topic) if r.offset == 3)
    letters.add([letters.letter(record, "JSON_PARSE_ERROR", _ingested_at=now_us())])

    code, report = verify_json(variables)
    assert code == 1, report
    assert {f["code"] for f in report["topics"][0]["findings"]} == {"duplicate_rows"}

    code, report = replay_json(variables)
    assert code == 0 and report["topics"][0]["replayed"] == 0, report


def test_wrong_usage_and_configuration_end_with_2():
    for arguments in (["--offsets", "9"], ["--since", "soon"], ["--jsno"], ["--partition", "-1"]):
        done = run_command("replay", *arguments)
        assert done.exit_code == 2 and done.errors, done.text

    done = run_command(
        "replay",
        "--json",
        "--topic",
        "../x",
        "--error-type",
        "BAD",
        environment={"HTTP_PORT": "0x"},
    )
    report = json.loads(done.output)
    assert done.exit_code == 2
    assert {error["name"] for error in report["errors"]} == {
        "--topic",
        "--error-type",
        "HTTP_PORT",
    }


def test_help_tells_the_options_and_exit_codes():
    done = run_command("replay", "--help")
    assert done.exit_code == 0
    options = ("--topic", "--error-type", "--since", "--until", "--partition", "--offsets")
    for text in (*options, "--dry-run", "--json", "3 the store"):
        assert text in done.output, text
