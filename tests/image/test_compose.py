"""docker-compose.yml: read as it is, and its services run with what it says."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from container import Config, Container
from harness.processes import DEPS, ROOT, wait_until
from harness.stack import COMPOSE, Stack, services

TOPICS = [
    *("gps_pings", "trips", "driver_status", "surge_updates"),
    *("ratings", "payments", "driver_profiles", "rider_profiles"),
]
ROUND = 50

# Run inside, where the store's name holds.
READ = """
import json, os, sys
from deltalake import DeltaTable
found = {}
for topic in sys.argv[2:]:
    options = {**json.loads(sys.argv[1]), "AWS_ALLOW_HTTP": "true"}
    table = DeltaTable(f"s3://rideshare-bronze/bronze_{topic}", storage_options=options)
    values = table.to_pyarrow_table(columns=["_raw_value"])["_raw_value"].to_pylist()
    found[topic] = len({json.loads(value)["event_id"] for value in values})
    assert found[topic] == len(values), "an event is there twice"
print(json.dumps(found), flush=True)
# The reader's own threads may crash at the interpreter's regular end.
os._exit(0)
"""


@pytest.fixture
def stack(tmp_path: Path, buildah) -> Iterator[Stack]:
    made = Stack(tmp_path / "stack")
    yield made
    made.stop()


def test_the_service_is_limited_and_checked_as_promised():
    bronze = services()["bronze"]
    assert bronze["build"] == "."
    assert bronze["ports"] == ["8080:8080"]
    assert bronze["stop_grace_period"] == "30s"
    assert bronze["deploy"]["resources"]["limits"] == {"cpus": "0.5", "memory": "256M"}
    assert bronze["healthcheck"] == {
        "test": ["CMD", "bronze", "healthcheck"],
        "interval": "30s",
        "timeout": "5s",
        "retries": 3,
        "start_period": "10s",
    }
    assert bronze["environment"]["KAFKA_TOPICS"].split(",") == TOPICS


def test_only_the_producer_needs_a_profile():
    assert {name: s["profiles"] for name, s in services().items() if "profiles" in s} == {
        "producer": ["demo"]
    }


def test_images_are_pinned_and_what_is_named_exists():
    document = yaml.safe_load(COMPOSE.read_text())
    for name, service in document["services"].items():
        if name != "bronze":
            assert re.search(r":(\d+\.\d+\.\d+|RELEASE\.[\dTZ-]+)\}?$", service["image"]), name
        for other, condition in service.get("depends_on", {}).items():
            if condition["condition"] == "service_healthy":
                assert "healthcheck" in document["services"][other], f"{name} waits for {other}"
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            found = (ROOT / source).exists() if "/" in source else source in document["volumes"]
            assert found, f"{name}: {volume}"


def test_docker_compose_reads_it():
    """By the library with which `docker compose` reads its files."""
    command = [DEPS / "bin" / "compose-loader", "-format", "json", COMPOSE]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)["services"]) == set(services())


@pytest.mark.timeout(1800)
def test_the_services_work_together(
    stack: Stack, root: Path, config: Config, volume: Path, tmp_path: Path
):
    stack.start_minio()
    stack.start_kafka()
    wait_until(lambda: stack.is_healthy("kafka"), 90, "Kafka is healthy", 1)
    stack.run_script("topics")
    stack.run_script("topics")
    stack.create_bucket()
    bronze = Container(root, config, volume, tmp_path / "bronze.log", prefix=stack.enter())
    bronze.start(**stack.services["bronze"]["environment"])
    stack.run_script("producer", ROUNDS="2", EVENTS_PER_ROUND=str(ROUND))

    def all_written() -> bool:
        assert bronze.running, bronze.log()
        answer = bronze.execute("curl", "-sS", "http://bronze:8080/health").stdout
        return bool(answer) and json.loads(answer)["messages_written"] == 2 * ROUND * len(TOPICS)

    wait_until(all_written, 60, "all events are in the tables", 1)
    _, *check = stack.services["bronze"]["healthcheck"]["test"]
    assert bronze.execute(*check).returncode == 0
    bronze.signal(signal.SIGTERM)
    assert bronze.wait_exit(30) == 0, bronze.log()
    assert read_tables(stack) == dict.fromkeys(TOPICS, 2 * ROUND)


def store_options(stack: Stack) -> dict[str, str]:
    environment = stack.services["bronze"]["environment"]
    options = {name: value for name, value in environment.items() if name.startswith("AWS_")}
    return {**options, "AWS_ENDPOINT_URL": environment["S3_ENDPOINT_URL"]}


def read_tables(stack: Stack) -> dict[str, int]:
    options = json.dumps(store_options(stack))
    environment = {"PATH": os.environ["PATH"]}
    return json.loads(stack.run([sys.executable, "-c", READ, options, *TOPICS], environment))
