"""What the running service tells of itself: /metrics, /livez, /readyz, /status."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.error
import urllib.request

import pytest
from harness.processes import wait_until
from test_alerts import METRICS, metric_of

INVALID_UTF8 = b"\xff"


def ask(instance, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{instance.http_port}{path}", timeout=10
        ) as got:
            return got.status, got.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def metrics(instance) -> dict[str, float]:
    """By series, as it is written."""
    status, text = ask(instance, "/metrics")
    assert status == 200
    return {
        series: float(value)
        for series, value in re.findall(r"^(bronze_\S+) (\S+)$", text, re.MULTILINE)
    }


def test_every_series_is_there_from_the_start(topic, environment, start):
    instance = start(environment(topic))
    instance.wait_answering()

    status, text = ask(instance, "/metrics")

    assert status == 200
    check = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, check=False)
    assert check.returncode == 0
    series = metrics(instance)
    named = {metric_of(one.split("{")[0]) for one in series}
    later = {
        "bronze_consumer_lag",
        "bronze_consumer_lag_seconds",
        "bronze_retention_risk_seconds",
    }
    assert set(METRICS) - later <= named <= set(METRICS)
    assert series[f'bronze_rows_committed_total{{topic="{topic}"}}'] == 0
    for kind in ("ENCODING_ERROR", "JSON_PARSE_ERROR", "SCHEMA_VALIDATION_ERROR"):
        assert series[f'bronze_dead_letters_total{{topic="{topic}",type="{kind}"}}'] == 0
    for outcome in ("committed", "conflict", "failed"):
        assert f'bronze_commits_total{{topic="{topic}",outcome="{outcome}"}}' in series


def test_metrics_count_what_happened(broker, topic, environment, start):
    instance = start(environment(topic))
    broker.produce(topic, [b'{"n":1}'] * 97 + [INVALID_UTF8] * 3, partition=1)
    instance.wait_written(97)
    wait_until(lambda: json.loads(ask(instance, "/status")[1])["totals"]["lag"] == 0, 20, "no lag")

    series = metrics(instance)

    def of_topic(name: str, more: str = "") -> float:
        return series[f'{name}{{topic="{topic}"{more}}}']

    assert of_topic("bronze_rows_committed_total") == 97
    assert of_topic("bronze_messages_consumed_total") == 100
    assert of_topic("bronze_bytes_committed_total") == 97 * 7 + 3
    assert of_topic("bronze_dead_letters_total", ',type="ENCODING_ERROR"') == 3
    assert of_topic("bronze_commits_total", ',outcome="committed"') >= 2
    assert of_topic("bronze_consumer_lag", ',partition="1"') == 0
    assert series["bronze_commit_duration_seconds_count"] >= 1
    assert series["bronze_files_written_total"] >= 2
    assert series["bronze_memory_resident_bytes"] > 10_000_000
    assert series["bronze_ready"] == series["bronze_healthy"] == 1


def test_a_commit_is_found_in_the_log_by_its_token(broker, topic, table, environment, start):
    instance = start(environment(topic))
    broker.produce(topic, [b"{}"] * 5)
    instance.wait_written(5)

    (one,) = json.loads(ask(instance, "/status")[1])["topics"]

    commit = one["last_commit"]
    instance.wait_log(f"token {commit['token']}")
    (entry,) = [c for c in table.commits() if c.version == commit["version"]]
    assert commit["token"] in json.dumps(entry.info)


def test_a_store_that_is_silent_for_seconds_makes_it_not_ready(
    broker, topic, minio, environment, start
):
    instance = start(environment(topic))
    instance.wait_answering()
    wait_until(lambda: ask(instance, "/readyz")[0] == 200, 20, "ready")
    minio.freeze()
    try:
        broker.produce(topic, [b"{}"])

        wait_until(lambda: ask(instance, "/readyz")[0] == 503, 20, "not ready")

        (reason,) = json.loads(ask(instance, "/readyz")[1])["reasons"]
        assert re.fullmatch(r"the store at s3://\S+ has not answered a request for \d+ s", reason)
        assert ask(instance, "/livez") == (200, '{"live":true,"reasons":[]}')
    finally:
        minio.thaw()
    wait_until(lambda: ask(instance, "/readyz")[0] == 200, 40, "ready again")


def test_without_a_broker_it_lives_and_is_not_ready(topic, environment, start):
    instance = start(environment(topic, KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1"))
    instance.wait_answering()

    assert ask(instance, "/livez")[0] == 200
    status, body = ask(instance, "/readyz")

    assert status == 503
    reasons = json.loads(body)["reasons"]
    assert any(reason.startswith("no answer from Kafka at 127.0.0.1:1") for reason in reasons)


@pytest.mark.parametrize(
    "path", ["/", "/health", "/livez", "/metrics", "/readyz", "/status", "/status/topics"]
)
def test_other_methods_are_refused_everywhere(topic, environment, start, path):
    instance = start(environment(topic))
    instance.wait_answering()
    request = urllib.request.Request(
        f"http://127.0.0.1:{instance.http_port}{path}", data=b"x", method="POST"
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    assert refused.value.code == 405
    assert refused.value.headers["Allow"] == "GET, HEAD"
