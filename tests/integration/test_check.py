"""`bronze check`: what it says of real parts, its exit codes, and that it changes nothing."""

from __future__ import annotations

import json
import time

import pyarrow.fs
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)
from harness.kafka import Broker
from harness.minio import PASSWORD, Bucket
from harness.payloads import json_values
from harness.processes import free_port, wait_until
from harness.service import KAFKA_TIMING, Finished, run_command
from harness.tables import Table
from test_lanes import create_with_expiring_txns, create_with_other_columns


def check(environment: dict[str, str], *arguments: str) -> Finished:
    return run_command("check", *arguments, environment={**KAFKA_TIMING, **environment})


def check_json(environment: dict[str, str], *arguments: str) -> tuple[int, dict]:
    done = check(environment, "--json", *arguments)
    report = json.loads(done.output)
    assert report["exit_code"] == done.exit_code, done.text
    assert done.errors == ""
    return done.exit_code, report


def findings(section: dict, *levels: str) -> str:
    """What the findings of these levels say, with their advice."""
    return "\n".join(
        f"{finding['message']} {finding['advice']}"
        for finding in section["findings"]
        if finding["level"] in levels
    )


@pytest.fixture
def run_once(start):
    def run(environment: dict[str, str]) -> None:
        assert start(environment, "run", "--once").wait_exit(60) == 0

    return run


def delete_records(broker: Broker, topic: str, before: dict[int, int]) -> None:
    wanted = [TopicPartition(topic, partition, offset) for partition, offset in before.items()]
    for answer in broker.admin.delete_records(wanted).values():
        answer.result(15)


# --- all well ---------------------------------------------------------------------------------


def test_before_the_first_run_all_is_well(broker, topic, group, environment):
    broker.produce(topic, json_values(30), partition=0)

    code, report = check_json(environment(topic))

    assert code == 0, report
    assert report["verdict"] == "ok"
    assert report["kafka"]["reachable"] and len(report["kafka"]["brokers"]) == 1
    assert report["kafka"]["cluster_id"]
    assert report["kafka"]["group"]["name"] == group and report["kafka"]["group"]["members"] == 0
    assert report["store"]["put_if_absent"] is True
    (found,) = report["topics"]
    assert found["topic"] == topic and found["exists"] and found["id"] == broker.topic_uuid(topic)
    assert found["table"]["state"] == "absent" and found["table"]["registry"] == "absent"
    assert found["lag"] == 30
    assert found["partitions"][0] == {
        "partition": 0,
        "level": "ok",
        "progress": None,
        "earliest": 0,
        "latest": 30,
        "lag": 30,
        "group_offset": None,
        "start": 0,
        "reason": "KAFKA_START",
    }


def test_after_a_run_progress_and_lag_are_shown(broker, topic, table, group, environment, run_once):
    broker.produce(topic, json_values(20), partition=1)
    variables = environment(topic)
    run_once(variables)
    broker.produce(topic, json_values(7), partition=1)

    code, report = check_json(variables)

    assert code == 0, report
    (found,) = report["topics"]
    assert found["table"]["state"] == "present" and found["table"]["registry"] == "same_topic"
    assert found["table"]["version"] == table.commits()[-1].version
    assert found["lag"] == 7
    row = found["partitions"][1]
    assert (row["progress"], row["latest"], row["lag"], row["start"]) == (20, 27, 7, 20)
    assert row["group_offset"] == broker.committed_offsets(group, topic)[1] == 20
    text = check(variables)
    assert text.exit_code == 0
    assert f"topic {topic}, lag 7" in text.output and "all well" in text.output


def test_beside_a_running_instance_its_membership_is_shown(
    broker, topic, group, environment, start
):
    variables = environment(topic)
    instance = start(variables)
    broker.wait_members(group, 1)

    code, report = check_json(variables)

    assert code == 0, report
    assert report["kafka"]["group"]["members"] == 1
    assert report["kafka"]["group"]["assignor"] == "cooperative-sticky"
    shares = [{(topic, p) for p in range(3)}]
    wait_until(lambda: broker.assignments(group) == shares, 30, "it has all partitions")
    instance.stop()


def test_a_topic_that_does_not_exist_yet_is_a_warning(broker, unique, environment):
    missing = unique("nowhere")

    code, report = check_json(environment(missing))

    assert code == 0, report
    assert report["topics"][0]["exists"] is False
    assert "does not exist" in findings(report["topics"][0], "warning")
    assert broker.partitions(missing) == []


def test_a_start_time_decides_where_to_begin(broker, new_topic, environment):
    topic = new_topic(1)
    producer = broker.producer()
    for number in range(10):
        producer.produce(topic, b"%d" % number, timestamp=1_700_000_000_000 + number * 1000)
    producer.flush(10)

    def start_from(where: str) -> int:
        code, report = check_json(environment(topic, KAFKA_START=where))
        assert code == 0, report
        return report["topics"][0]["partitions"][0]["start"]

    assert start_from("earliest") == 0
    assert start_from("latest") == 10
    assert start_from("2023-11-14T22:13:25Z") == 5
    assert start_from("2033-11-14T22:13:25Z") == 10


def test_many_partitions_take_seconds(broker, new_topic, environment):
    topics = [new_topic(40) for _ in range(5)]
    began = time.monotonic()

    code, report = check_json(environment(*topics))

    assert code == 0, report
    assert sum(len(found["partitions"]) for found in report["topics"]) == 200
    assert all(found["lag"] == 0 for found in report["topics"])
    assert time.monotonic() - began < 30


# --- regular expressions ----------------------------------------------------------------------


def pattern_of(report: dict) -> dict[str, list[str] | None]:
    return {entry["pattern"]: entry["topics"] for entry in report["kafka"]["patterns"]}


def test_what_a_pattern_matches_is_looked_at_and_is_what_the_service_copies(
    broker, unique, group, bucket, environment, start
):
    stem = unique("t").replace("-", "_")
    listed, matched = f"{stem}.listed", [f"{stem}.eu.1", f"{stem}.us.2"]
    others = [f"{stem}.asia.3", f"{stem}.eu.x", f"x{stem}.eu.1"]
    hidden = [f"__{stem}.eu.1", f"dlq_bronze_{stem}.eu.1"]
    for topic in [listed, *matched, *others, *hidden]:
        broker.create_topic(topic, 1)
        broker.produce(topic, json_values(5))
    pattern = rf"^(__|dlq_bronze_)?{stem}\.(eu|us)\.[0-9]$"
    variables = environment(listed, pattern, f"^{stem}.l")

    code, report = check_json(variables)

    assert code == 0, report
    assert [found["topic"] for found in report["topics"]] == [listed, *matched]
    assert all(found["lag"] == 5 for found in report["topics"])
    assert all(found["table"]["state"] == "absent" for found in report["topics"])
    assert pattern_of(report) == {pattern: matched, f"^{stem}.l": [listed]}
    assert f"{pattern}: 2 topics match now" in findings(report["kafka"], "ok")
    assert findings(report["configuration"], "warning") == ""
    assert f"topic {matched[1]}, lag 5" in check(variables).output
    assert Table(bucket, matched[0]).commits() == []

    instance = start(variables)
    broker.wait_caught_up(group, listed, *matched)
    shares = [{(topic, 0) for topic in [listed, *matched]}]
    wait_until(lambda: broker.assignments(group) == shares, 30, "it has all topics")
    instance.stop()
    code, report = check_json(variables)
    assert code == 0, report
    assert [found["lag"] for found in report["topics"]] == [0, 0, 0]
    assert [found["table"]["registry"] for found in report["topics"]] == ["same_topic"] * 3


def test_a_pattern_that_matches_nothing_is_a_warning(unique, environment):
    pattern = f"^{unique('nothing')}"
    code, report = check_json(environment(pattern))
    assert code == 0, report
    assert report["topics"] == [] and pattern_of(report) == {pattern: []}
    assert f"{pattern}: no topic matches" in findings(report["kafka"], "warning")


def test_matched_topics_that_would_share_a_table_are_a_problem(broker, unique, environment):
    stem = unique("t")
    for topic in (f"{stem}.a-b", f"{stem}.a_b"):
        broker.create_topic(topic, 1)
    code, report = check_json(environment(f"^{stem}"))
    assert code == 1, report
    assert [row["level"] for found in report["topics"] for row in found["partitions"]] == [
        "ok",
        "problem",
    ]
    assert "would share the dead-letter table" in findings(report["topics"][1], "problem")


def test_without_kafka_listed_tables_are_known_and_patterns_are_not(topic, environment):
    nobody = f"127.0.0.1:{free_port()}"
    code, report = check_json(
        environment(topic, "^some", KAFKA_BOOTSTRAP_SERVERS=nobody), "--timeout", "2"
    )
    assert code == 3
    assert pattern_of(report) == {"^some": None}
    assert "^some: what it matches is not known" in findings(report["kafka"], "unknown")
    assert [found["table"]["state"] for found in report["topics"]] == ["absent"]


# --- something is wrong -----------------------------------------------------------------------


def test_a_missing_bucket_is_named_with_its_repair(minio, topic, environment):
    missing = Bucket(minio, "no-such-bucket-to-check")
    code, report = check_json(environment(topic, store=missing))
    assert code == 1
    assert missing.name in findings(report["store"], "problem")
    assert "create it" in findings(report["store"], "problem")
    assert report["topics"][0]["table"]["state"] == "unknown"


@pytest.mark.parametrize("variable", ["AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"])
def test_a_wrong_key_is_named_with_its_repair(variable, topic, environment):
    code, report = check_json(environment(topic, **{variable: "not-the-right-one"}))
    assert code == 1
    said = findings(report["store"], "problem")
    assert "AWS_ACCESS_KEY_ID" in said and "AWS_SECRET_ACCESS_KEY" in said


def test_a_topic_that_was_created_anew_is_a_problem(broker, topic, environment, run_once):
    broker.produce(topic, json_values(10))
    variables = environment(topic)
    run_once(variables)
    broker.delete_topic(topic)
    broker.create_topic(topic, 3)

    code, report = check_json(variables)

    assert code == 1
    assert report["topics"][0]["table"]["registry"] == "other_topic"
    assert "created again" in findings(report["topics"][0], "problem")


def test_lost_data_is_a_problem_of_its_partition(broker, topic, environment, run_once):
    for partition in range(3):
        broker.produce(topic, json_values(10), partition=partition)
    variables = environment(topic)
    run_once(variables)
    broker.produce(topic, json_values(10), partition=1)
    delete_records(broker, topic, {1: 15})

    code, report = check_json(variables)

    assert code == 1
    rows = report["topics"][0]["partitions"]
    assert [row["level"] for row in rows] == ["ok", "problem", "ok"]
    assert [row["start"] for row in rows] == [10, None, 10]
    said = findings(report["topics"][0], "problem")
    assert "data loss" in said and "5 offsets are gone (10 to 14)" in said
    assert "ON_DATA_LOSS=skip" in said


def test_a_table_that_was_deleted_under_the_group_is_a_problem(
    broker, topic, table, environment, run_once
):
    broker.produce(topic, json_values(10))
    variables = environment(topic)
    run_once(variables)
    table.store.filesystem().delete_dir(table.name)

    code, report = check_json(variables)

    assert code == 1
    assert "belongs to another table" in findings(report["topics"][0], "problem")


@pytest.mark.parametrize("spoil", [create_with_other_columns, create_with_expiring_txns])
def test_a_table_of_the_wrong_kind_is_a_problem(spoil, topic, table, environment):
    spoil(table)
    code, report = check_json(environment(topic))
    assert code == 1
    assert table.name in findings(report["topics"][0], "problem")


def test_members_with_an_eager_assignor_are_a_warning(broker, topic, group, environment):
    from confluent_kafka import Consumer

    other = Consumer(
        {
            "bootstrap.servers": broker.bootstrap,
            "group.id": group,
            "partition.assignment.strategy": "range",
        }
    )
    other.subscribe([topic])
    try:
        deadline = time.monotonic() + 20
        while not other.assignment() and time.monotonic() < deadline:
            other.poll(0.2)
        code, report = check_json(environment(topic))
    finally:
        other.close()

    assert code == 0, report
    assert "range" in findings(report["kafka"], "warning")
    assert "cannot join" in findings(report["kafka"], "warning")


def test_rights_that_are_missing_are_named(tmp_path, unique, bucket):
    broker = Broker(tmp_path / "kafka")
    with (tmp_path / "kafka" / "server.properties").open("a") as properties:
        properties.write(
            "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n"
            "allow.everyone.if.no.acl.found=true\n"
        )
    hidden, unreadable, group = unique("hidden"), unique("unreadable"), unique("group")

    def deny(kind: ResourceType, name: str, operation: AclOperation) -> AclBinding:
        return AclBinding(
            kind,
            name,
            ResourcePatternType.LITERAL,
            "User:ANONYMOUS",
            "*",
            operation,
            AclPermissionType.DENY,
        )

    try:
        broker.start()
        for topic in (hidden, unreadable):
            broker.create_topic(topic, 1)
        denials = [
            deny(ResourceType.TOPIC, hidden, AclOperation.DESCRIBE),
            deny(ResourceType.TOPIC, unreadable, AclOperation.READ),
            deny(ResourceType.GROUP, group, AclOperation.READ),
        ]
        for answer in broker.admin.create_acls(denials).values():
            answer.result(15)
        code, report = check_json(
            {
                "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap,
                "KAFKA_CONSUMER_GROUP": group,
                "KAFKA_TOPICS": f"{hidden},{unreadable}",
                **bucket.environment(),
            }
        )
    finally:
        broker.stop()

    assert code == 1, report
    assert f"READ and DESCRIBE on the consumer group {group}" in findings(
        report["kafka"], "problem"
    )
    for found in report["topics"]:
        assert "Grant this user READ and DESCRIBE on the topic" in findings(found, "problem"), found


# --- something could not be told --------------------------------------------------------------


def test_without_kafka_the_exit_code_is_3(topic, environment):
    nobody = f"127.0.0.1:{free_port()}"
    began = time.monotonic()

    code, report = check_json(environment(topic, KAFKA_BOOTSTRAP_SERVERS=nobody), "--timeout", "3")

    assert code == 3
    assert time.monotonic() - began < 10
    assert not report["kafka"]["reachable"]
    said = findings(report["kafka"], "unknown")
    assert nobody in said and "KAFKA_BOOTSTRAP_SERVERS" in said
    assert report["store"]["put_if_absent"] is True
    assert report["topics"][0]["table"]["state"] == "absent"


def test_without_the_store_the_exit_code_is_3(topic, environment):
    nobody = f"http://127.0.0.1:{free_port()}"
    began = time.monotonic()

    code, report = check_json(environment(topic, S3_ENDPOINT_URL=nobody), "--timeout", "4")

    assert code == 3
    assert time.monotonic() - began < 10
    assert "S3_ENDPOINT_URL" in findings(report["store"], "unknown")
    assert report["kafka"]["reachable"]
    assert report["topics"][0]["exists"]
    assert report["topics"][0]["table"]["state"] == "unknown"


def test_what_is_certainly_wrong_wins_over_what_could_not_be_told(minio, topic, environment):
    code, report = check_json(
        environment(
            topic,
            store=Bucket(minio, "no-such-bucket-to-check"),
            KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{free_port()}",
        ),
        *("--timeout", "2"),
    )
    assert code == 1
    assert findings(report["kafka"], "unknown") and findings(report["store"], "problem")


# --- configuration ----------------------------------------------------------------------------


def test_all_configuration_errors_are_named_at_once():
    wrong = {
        "BATCH_INTERVAL_SECONDS": "soon",
        "HTTP_PORT": "99999",
        "KAFKA_TOPICS": "a,a",
        "KAFKA_PROPERTIES": "enable.auto.commit=true",
    }
    done = check(wrong)
    assert done.exit_code == 2 and done.output == ""
    assert [name for name in wrong if name not in done.errors] == []

    done = check(wrong, "--json")
    assert done.exit_code == 2
    report = json.loads(done.output)
    assert report["verdict"] == "bad_configuration" and report["exit_code"] == 2
    assert {error["name"] for error in report["configuration"]["errors"]} == set(wrong)


@pytest.mark.parametrize(
    "arguments", [["--timeout", "soon"], ["--timeout", "0"], ["--timeout", "nan"], ["--jsno"]]
)
def test_wrong_usage_ends_with_2(arguments):
    done = run_command("check", *arguments)
    assert done.exit_code == 2
    assert done.errors


def test_help_tells_the_exit_codes():
    done = run_command("check", "--help")
    assert done.exit_code == 0
    assert "--timeout" in done.output and "--json" in done.output
    assert "3 nothing is known to be wrong" in done.output


def test_each_variable_is_shown_with_its_source_and_no_secret(topic, environment):
    secrets = {
        "KAFKA_SASL_PASSWORD": "hunter-sasl",
        "KAFKA_PROPERTIES": "heartbeat.interval.ms=500;ssl.key.password=hunter-key",
        "AWS_SESSION_TOKEN": "hunter-token",
    }
    variables = environment(topic, BATCH_MAX_ROWS="", **secrets)
    as_json = check(variables, "--json")
    as_text = check(variables)

    for shown in (as_json.text, as_text.text):
        assert "hunter" not in shown and PASSWORD not in shown
    settings = {
        setting["name"]: (setting["value"], setting["source"])
        for setting in json.loads(as_json.output)["configuration"]["variables"]
    }
    assert settings["KAFKA_TOPICS"] == (topic, "environment")
    assert settings["BATCH_MAX_ROWS"] == ("0", "default")
    assert settings["AWS_SECRET_ACCESS_KEY"] == ("***", "environment")
    assert settings["KAFKA_SASL_PASSWORD"] == ("***", "environment")
    assert "ssl.key.password=***" in settings["KAFKA_PROPERTIES"][0]
    assert "KAFKA_SASL_PASSWORD is set but not used" in as_text.output
    without_path = {k: v for k, v in variables.items() if k != "DELTA_BASE_PATH"}
    bucket = variables["DELTA_BASE_PATH"].removeprefix("s3a://")
    derived = check({**without_path, "BRONZE_BUCKET": bucket})
    assert f"s3://{bucket}  (BRONZE_BUCKET)" in derived.output


# --- nothing changes --------------------------------------------------------------------------


def everything_in(bucket: Bucket) -> list[tuple[str, int, int]]:
    infos = bucket.filesystem().get_file_info(pyarrow.fs.FileSelector("", recursive=True))
    return sorted((info.path, info.size or 0, info.mtime_ns or 0) for info in infos)


def test_it_changes_nothing(broker, new_topic, bucket, group, environment, run_once):
    known, new = new_topic(), new_topic()
    broker.produce(known, json_values(10), partition=0)
    run_once(environment(known))
    broker.produce(known, json_values(10), partition=0)
    broker.produce(new, json_values(10))
    files = everything_in(bucket)
    offsets = broker.committed_offsets(group, known)
    commits = len(Table(bucket, known).commits())

    for arguments in ([], ["--json"]):
        assert check(environment(known, new), *arguments).exit_code == 0

    assert everything_in(bucket) == files
    assert broker.committed_offsets(group, known) == offsets
    assert broker.committed_offsets(group, new) == {}
    assert broker.assignments(group) == []
    assert len(Table(bucket, known).commits()) == commits


def test_it_leaves_a_local_folder_as_it_was(broker, topic, folder, environment):
    assert check(environment(topic, store=folder)).exit_code == 0
    assert list(folder.path.iterdir()) == []
