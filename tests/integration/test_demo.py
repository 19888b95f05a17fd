"""bronze demo: an in-process Kafka, tables in a folder, nothing else needed."""

from __future__ import annotations

import ast
import fcntl
import json
import os
import pty
import re
import shlex
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import duckdb_extensions
import pytest
from deltalake import DeltaTable
from harness.processes import Process, free_port, wait_until
from harness.service import BINARY, plain_environment, run_command

TOPICS = [
    "gps_pings",
    "trips",
    "driver_status",
    "surge_updates",
    "ratings",
    "payments",
    "driver_profiles",
    "rider_profiles",
]
# What would send a service to somewhere else, or keep it from starting.
OF_A_REAL_SERVICE = {
    "KAFKA_BOOTSTRAP_SERVERS": "nowhere.invalid:9092",
    "KAFKA_TOPICS": "^.*",
    "KAFKA_START": "yesterday",
    "DELTA_BASE_PATH": "s3a://nowhere/of-use",
    "S3_ENDPOINT_URL": "http://nowhere.invalid:9000",
    "AWS_PROFILE": "nobody",
    "BATCH_INTERVAL_SECONDS": "1000",
    "LOG_FORMAT": "nonsense",
}

RUN_BY_DUCKDB = "import duckdb, sys; print(duckdb.sql(sys.argv[1]).fetchall())"


class Demo:
    """One run in `folder`."""

    def __init__(self, folder: Path, *arguments: str, port: int | None = None) -> None:
        self.folder = folder
        self.port = port or free_port()
        environment = {**plain_environment(), **OF_A_REAL_SERVICE, "HTTP_PORT": str(self.port)}
        output = folder / f"output-{self.port}.txt"
        self.process = Process([BINARY, "demo", *arguments], output, environment, folder)

    @property
    def output(self) -> str:
        return self.process.log()

    @property
    def run_folder(self) -> str:
        return re.search(r"^  tables  (\S+)/$", self.output, re.M)[1]

    def health(self) -> dict | None:
        url = re.search(r"^  health  (\S+)", self.output, re.M)
        if not url:
            return None
        try:
            with urllib.request.urlopen(url[1], timeout=5) as answer:
                return json.load(answer)
        except OSError:
            return None

    def wait_output(self, text: str, timeout: float = 20) -> None:
        def said() -> bool:
            assert self.process.running or text in self.output, self.output
            return text in self.output

        wait_until(said, timeout, f"the demo says {text!r}")

    def summary(self) -> dict[str, tuple[int, int, int]]:
        """(produced, in the table, files) of each topic and in total."""
        rows = re.findall(
            r"^  (\w+) +([\d,]+) +([\d,]+) +([\d,]+) +[\d.]+ [kM]B +[\d.]+ [kM]B +(?:[\d.]+x|-)$",
            self.output,
            re.M,
        )
        return {name: tuple(int(n.replace(",", "")) for n in numbers) for name, *numbers in rows}

    def query(self, begin: str) -> str:
        return re.search(rf"^  ({begin} .*)$", self.output, re.M)[1]

    def table(self, topic: str) -> DeltaTable:
        return DeltaTable(self.folder / self.run_folder / f"bronze_{topic}")


@pytest.fixture
def start_demo(tmp_path: Path) -> Iterator:
    started: list[Demo] = []

    def start(*arguments: str, port: int | None = None) -> Demo:
        demo = Demo(tmp_path, *arguments, port=port)
        started.append(demo)
        return demo

    yield start
    for demo in started:
        demo.process.end(3)


def assert_tables_hold_what_was_printed(demo: Demo) -> None:
    summary = demo.summary()
    assert list(summary) == [*TOPICS, "total"], demo.output
    for topic in TOPICS:
        table = demo.table(topic)
        produced, rows, files = summary[topic]
        read = table.to_pyarrow_table(columns=["_kafka_partition", "_kafka_offset", "_raw_value"])
        assert produced == rows == read.num_rows > 0, topic
        assert files == len(table.file_uris()), topic
        places = set(zip(*(read[c].to_pylist() for c in read.column_names[:2]), strict=True))
        assert len(places) == rows, f"{topic}: a record is there twice"
        for value in read["_raw_value"].to_pylist()[:100]:
            assert json.loads(value)["event_id"]
    assert summary["total"][1] == sum(summary[topic][1] for topic in TOPICS)


def test_demo_twice_in_one_folder(start_demo, tmp_path):
    first = start_demo("--seconds", "3", "--rate", "2000")
    health = wait_until(first.health, 10, "/health answers")
    assert health["status"] == "healthy"
    wait_until(
        lambda: (first.health() or {}).get("messages_written", 0) > 0, 20, "/health tells of rows"
    )
    assert first.process.wait(30) == 0, first.output
    assert_tables_hold_what_was_printed(first)
    produced = first.summary()["total"][0]
    # Less and more on a machine that stands still for a moment; far from the default.
    assert 1000 <= produced <= 12_000, "the rate is kept, more or less"
    assert re.search(r"^\d s of 3 s: [\d,]+ produced, .* behind, .* memory", first.output, re.M)
    assert "\x1b" not in first.output
    assert "committed as version" in (tmp_path / first.run_folder / "bronze.log").read_text()

    second = start_demo("--seconds", "1", "--rate", "2000")
    assert second.process.wait(30) == 0, second.output
    assert second.run_folder != first.run_folder
    assert_tables_hold_what_was_printed(second)
    assert_tables_hold_what_was_printed(first)


def test_the_printed_queries_work_as_printed(start_demo, tmp_path):
    demo = start_demo("--seconds", "2", "--rate", "1000")
    assert demo.process.wait(30) == 0, demo.output
    rows = demo.summary()["trips"][1]

    assert "  pip install deltalake\n" in demo.output
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        demo.query("python3"),
        shell=True,
        cwd=tmp_path,
        env={"PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{rows} rows in "), done.stdout

    program, option, query = shlex.split(demo.query("duckdb"))
    assert (program, option) == ("duckdb", "-c")
    duckdb_extensions.import_extension("delta")
    # In a process of its own, since the path is relative.
    done = subprocess.run(
        [sys.executable, "-c", RUN_BY_DUCKDB, query],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    counts = dict(ast.literal_eval(done.stdout))
    assert sum(counts.values()) == rows
    assert "trip.requested" in counts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_early_and_cleanly(number, start_demo):
    demo = start_demo("--seconds", "600", "--rate", "2000")
    demo.wait_output("s of 600 s: ")
    begun = time.monotonic()
    demo.process.signal(number)
    assert demo.process.wait(20) == 0, demo.output
    assert time.monotonic() - begun < 15
    assert_tables_hold_what_was_printed(demo)
    assert "Every table has as many rows as were produced" in demo.output


def test_production_follows_consumption(start_demo):
    """Far more than the in-process Kafka keeps, as fast as it goes: nothing is lost."""
    demo = start_demo("--seconds", "6", "--rate", "1000000")
    assert demo.process.wait(60) == 0, demo.output
    produced, rows, _ = demo.summary()["total"]
    assert produced == rows > 50_000


def test_a_port_that_is_taken_does_not_matter(start_demo):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        demo = start_demo("--seconds", "1", "--rate", "100", port=port)
        wait_until(demo.health, 10, "/health answers elsewhere")
        assert f"(port {port} is taken)" in demo.output
        assert demo.process.wait(30) == 0, demo.output


def test_on_a_terminal_one_block_is_redrawn(tmp_path):
    environment = {**plain_environment(), "TERM": "xterm", "HTTP_PORT": str(free_port())}
    child, terminal = pty.fork()
    if child == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        os.chdir(tmp_path)
        os.execve(BINARY, [str(BINARY), "demo", "--seconds", "4", "--rate", "500"], environment)
    output = b""
    try:
        while chunk := os.read(terminal, 65536):
            output += chunk
    except OSError:
        pass  # the other end is closed
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, output.decode()
    blocks = output.decode().split("\x1b[12A\r")
    assert len(blocks) > 4
    for block in blocks[1:-1]:
        lines = block.replace("\r", "").split("\n")
        assert [line.split()[0] for line in lines[1:9]] == TOPICS, block
        assert "memory" in lines[11]


@pytest.mark.parametrize(
    "arguments",
    [["--seconds", "0"], ["--seconds", "soon"], ["--rate", "0"], ["--rate", "-5"], ["--rate"]],
)
def test_wrong_values_end_with_2(arguments, tmp_path):
    done = subprocess.run(
        [BINARY, "demo", *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=20
    )
    assert done.returncode == 2
    assert arguments[0] in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_malformed_port_ends_with_2():
    done = run_command("demo", environment={"HTTP_PORT": "none"})
    assert done.exit_code == 2
    assert "HTTP_PORT" in done.errors


def test_help_tells_the_exit_codes():
    done = run_command("demo", "--help")
    assert done.exit_code == 0
    for text in ("--seconds", "--rate", "30", "5000", "Exit codes: 0 "):
        assert text in done.output


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "bronze-demo").write_text("in the way")
    done = subprocess.run(
        [BINARY, "demo"], cwd=tmp_path, capture_output=True, text=True, timeout=20
    )
    assert done.returncode == 1
    assert f"{tmp_path}/bronze-demo" in done.stderr
