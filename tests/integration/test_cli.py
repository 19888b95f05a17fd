"""The command line: help, exit codes, messages, signals."""

from __future__ import annotations

import re
import signal
import time

import pytest
from harness.minio import Bucket
from harness.payloads import json_values
from harness.processes import free_port, wait_until
from harness.service import run_command

VARIABLES = [
    "KAFKA_BOOTSTRAP_SERVERS",
    "KAFKA_CONSUMER_GROUP",
    "KAFKA_TOPICS",
    "KAFKA_START",
    "KAFKA_POLL_TIMEOUT_MS",
    "KAFKA_SESSION_TIMEOUT_MS",
    "KAFKA_SECURITY_PROTOCOL",
    "KAFKA_SASL_MECHANISM",
    "KAFKA_SASL_USERNAME",
    "KAFKA_SASL_PASSWORD",
    "KAFKA_PROPERTIES",
    "BATCH_INTERVAL_SECONDS",
    "BATCH_MAX_BYTES",
    "BATCH_MAX_ROWS",
    "DELTA_BASE_PATH",
    "BRONZE_BUCKET",
    "S3_ENDPOINT_URL",
    "S3_ENDPOINT",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_REGION",
    "WRITE_RETRY_SECONDS",
    "SHUTDOWN_TIMEOUT_SECONDS",
    "HTTP_HOST",
    "HTTP_PORT",
    "HEALTH_MAX_WRITE_AGE_SECONDS",
    "HEALTH_WHEN_IDLE",
    "LOG_LEVEL",
    "LOG_FORMAT",
    "MEMORY_LIMIT_MB",
]


def test_help_lists_every_variable_with_its_default():
    done = run_command("--help")
    assert done.exit_code == 0
    missing = [name for name in VARIABLES if not re.search(rf"\b{name}\b", done.output)]
    assert not missing
    for default in ("kafka:29092", "bronze-ingestion", "http://minio:9000", "rideshare-bronze"):
        assert default in done.output


def test_version():
    done = run_command("--version")
    assert done.exit_code == 0
    assert re.search(r"\d+\.\d+\.\d+", done.output)


def test_all_configuration_errors_are_named_at_once():
    wrong = {
        "BATCH_INTERVAL_SECONDS": "soon",
        "HTTP_PORT": "99999",
        "KAFKA_TOPICS": "a,a",
        "KAFKA_START": "yesterday",
        "LOG_LEVEL": "loud",
        "WRITE_RETRY_SECONDS": "-1",
        "HEALTH_WHEN_IDLE": "maybe",
        "KAFKA_PROPERTIES": "enable.auto.commit=true",
    }
    done = run_command("run", environment=wrong)
    assert done.exit_code == 2
    missing = [name for name in wrong if name not in done.text]
    assert not missing, done.text


def test_configuration_errors_keep_secrets():
    done = run_command(
        "run",
        environment={
            "AWS_SECRET_ACCESS_KEY": "do-not-show-this",
            "KAFKA_SASL_PASSWORD": "nor-this",
            "HTTP_PORT": "none",
        },
    )
    assert done.exit_code == 2
    assert "AWS_ACCESS_KEY_ID" in done.text
    assert "do-not-show-this" not in done.text and "nor-this" not in done.text


@pytest.mark.parametrize("arguments", [["--nonsense"], ["frobnicate"], ["run", "--twice"]])
def test_wrong_usage_ends_with_2(arguments):
    done = run_command(*arguments)
    assert done.exit_code == 2
    assert done.errors


def test_healthcheck_tells_by_its_exit_code(topic, broker, group, environment, start):
    assert run_command("healthcheck", environment={"HTTP_PORT": str(free_port())}).exit_code == 1
    instance = start(environment(topic))
    instance.wait_answering()
    port = {"HTTP_PORT": str(instance.http_port), "HTTP_HOST": "127.0.0.1"}
    wait_until(
        lambda: run_command("healthcheck", environment=port).exit_code == 0, 10, "it is healthy"
    )
    instance.stop()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 128 + 15), (signal.SIGINT, 128 + 2)])
def test_a_second_signal_ends_at_once(
    number, code, broker, minio, topic, group, environment, start
):
    instance = start(environment(topic, SHUTDOWN_TIMEOUT_SECONDS="60"))
    broker.produce(topic, json_values(20))
    broker.wait_caught_up(group, topic)
    minio.stop()
    broker.produce(topic, json_values(20))
    instance.wait_errors(30)

    instance.send(number)
    time.sleep(1)
    assert instance.running
    instance.send(number)

    assert instance.wait_exit(3) == code


def test_sigint_flushes_like_sigterm(broker, topic, folder, group, environment, start):
    instance = start(environment(topic, store=folder))
    broker.produce(topic, json_values(20))
    broker.wait_caught_up(group, topic)
    instance.send(signal.SIGINT)
    assert instance.wait_exit(20) == 0


def test_a_missing_bucket_is_named_with_its_repair(broker, minio, topic, environment, start):
    missing = Bucket(minio, "no-such-bucket-anywhere")
    instance = start(environment(topic, store=missing))
    assert instance.wait_exit(30) == 1
    said = instance.log()
    assert missing.name in said
    assert "create" in said.lower()


@pytest.mark.parametrize(
    ("variable", "value"),
    [("AWS_SECRET_ACCESS_KEY", "not-the-secret"), ("AWS_ACCESS_KEY_ID", "nobody")],
)
def test_a_wrong_key_is_named_with_its_repair(variable, value, topic, environment, start):
    instance = start(environment(topic, **{variable: value}))
    assert instance.wait_exit(30) == 1
    said = instance.log()
    assert "AWS_ACCESS_KEY_ID" in said and "AWS_SECRET_ACCESS_KEY" in said
    if variable == "AWS_SECRET_ACCESS_KEY":
        assert value not in said


def test_the_configuration_in_effect_is_logged_without_secrets(
    broker, topic, bucket, group, environment, start
):
    instance = start(environment(topic))
    instance.wait_answering()
    instance.wait_log("KAFKA_CONSUMER_GROUP")
    said = instance.log()
    assert group in said and bucket.name in said
    assert bucket.environment()["AWS_SECRET_ACCESS_KEY"] not in said
    instance.stop()


def test_logs_can_be_json(broker, topic, folder, group, environment, start):
    import json

    instance = start(environment(topic, store=folder, LOG_FORMAT="json"))
    broker.produce(topic, json_values(5))
    broker.wait_caught_up(group, topic)
    instance.stop()
    assert all(isinstance(json.loads(line), dict) for line in instance.log().splitlines())
