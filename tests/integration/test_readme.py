"""The recipes of the README, run as printed where the names in them are true.

A recipe is a code block below a comment `<!-- recipe: NAME -->`.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from harness.processes import ROOT, Process, wait_until
from harness.service import BINARY, run_command
from harness.stack import Stack

pytestmark = pytest.mark.timeout(600)

README = (ROOT / "README.md").read_text()
EVENTS = 60
SCRIPT_S = 300
HEALTH = "http://localhost:8080/health"

# Threads of the readers may crash at the interpreter's regular end.
END = "\nimport os, sys\nsys.stdout.flush()\nos._exit(0)\n"

BEFORE = {
    # What the first line of the recipe fetches for a user.
    "duckdb": """
import duckdb_extensions
for extension in ("httpfs", "delta"):
    duckdb_extensions.import_extension(extension)
""",
    "spark": f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(ROOT / "tests" / "integration")!r})
from harness.spark import start_spark
spark = start_spark(Path("spark"))
""",
}


@dataclass(frozen=True)
class Recipe:
    language: str
    text: str


def recipes() -> dict[str, Recipe]:
    found = re.findall(r"<!-- recipe: (\S+) -->\n```(\w*)\n(.*?)\n```", README, re.S)
    return {name: Recipe(language, text) for name, language, text in found}


class Desk:
    """Where somebody sits who has started the compose file and reads the README."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    def follow(self, name: str) -> str:
        recipe = recipes()[name]
        if recipe.language == "python":
            command = [sys.executable, "-c", BEFORE.get(name, "") + recipe.text + END]
        else:
            command = ["bash", "-euo", "pipefail", "-c", recipe.text]
        return self.stack.run(command, self._environment(), timeout=SCRIPT_S)

    def copy_into_lake(self) -> str:
        variables = {"KAFKA_BOOTSTRAP_SERVERS": "localhost:9092", "KAFKA_TOPICS": "trips"}
        environment = {**self._environment(), **variables, "DELTA_BASE_PATH": "lake"}
        return self.stack.run([BINARY, "run", "--once"], environment, timeout=SCRIPT_S)

    def start_service(self) -> Process:
        environment = self.stack.environment("bronze", KAFKA_TOPICS="trips")
        return self.stack.start("bronze", [BINARY], environment)

    def _environment(self) -> dict[str, str]:
        path = f"{self.stack.tools}:{os.environ['PATH']}"
        return {"PATH": path, "HOME": str(self.stack.directory)}


@dataclass(frozen=True)
class Lake:
    """What was seen while a table on the local disk was read, and started over."""

    spark: str
    first: str
    again: str


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    if os.geteuid() != 0:
        pytest.skip("a network with the names of the compose file takes root")
    stack = Stack(tmp_path_factory.mktemp("readme"))
    try:
        stack.start_minio()
        stack.start_kafka()
        wait_until(lambda: stack.is_healthy("kafka"), 120, "Kafka is healthy", 1)
        stack.run_script("topics", TOPICS="trips")
        stack.create_bucket()
        stack.run_script("producer", TOPICS="trips", ROUNDS="1", EVENTS_PER_ROUND=str(EVENTS))
        yield Desk(stack)
    finally:
        stack.stop()


@pytest.fixture(scope="module")
def lake(desk: Desk) -> Lake:
    first = desk.copy_into_lake()
    spark = desk.follow("spark")
    desk.follow("start-over")
    again = desk.copy_into_lake()
    # The group's offsets would otherwise count as those of a lost table.
    desk.follow("start-over")
    return Lake(spark, first, again)


@pytest.fixture(scope="module")
def service(desk: Desk, lake: Lake) -> Process:
    """The service as in the compose file, with all events in its table."""
    process = desk.start_service()

    def written() -> bool:
        assert process.running, process.tail()
        answer = desk.stack.run(["curl", "-s", "--retry", "9", "--retry-connrefused", HEALTH])
        return json.loads(answer)["messages_written"] == EVENTS

    wait_until(written, 60, "all events are in the table", 1)
    return process


def test_every_recipe_is_run():
    assert set(recipes()) == {
        *("health", "duckdb", "polars", "spark"),
        *("lag", "deltalake", "start-over"),
    }


def test_health(desk: Desk, service: Process):
    assert json.loads(desk.follow("health"))["status"] == "healthy"


@pytest.mark.parametrize("name", ["duckdb", "polars"])
def test_fields_of_the_json(desk: Desk, service: Process, name: str):
    assert re.search(r"driver-\d+", desk.follow(name))


def test_fields_of_the_json_in_spark(lake: Lake):
    assert re.search(r"driver-\d+", lake.spark)


def test_lag(desk: Desk, service: Process):
    def lines() -> list[list[str]]:
        found = [line.split() for line in desk.follow("lag").splitlines()]
        return [line for line in found if line[:2] == ["bronze-ingestion", "trips"]]

    seen = wait_until(lines, 30, "the group is listed", 1)
    assert len(seen) == int(desk.stack.services["topics"]["environment"]["PARTITIONS"])
    # Columns: group, topic, partition, current offset, end offset, lag.
    assert all(line[5] in ("0", "-") for line in seen), seen


def test_what_is_in_a_table(desk: Desk, service: Process):
    output = desk.follow("deltalake")
    assert f"rows {EVENTS}" in output
    assert re.search(r"^\d{4}-\d\d-\d\d$", output, re.M)


def test_starting_over(lake: Lake):
    for log in (lake.first, lake.again):
        rows = re.findall(r"(\d+) rows", log)
        assert sum(map(int, rows)) == EVENTS, log


def test_the_variables_of_the_docker_command_exist():
    command = README[README.index("docker run -d") :].split("```")[0]
    names = re.findall(r"-e (\w+)", command)
    known = run_command("--help").output
    assert names and all(name in known for name in names)
