"""Faults on purpose, with real parts. Every random choice comes from one seed.

A run prints its seed; `--seed N`, or BRONZE_FAULTS_SEED=N, makes the same choices again. What was
done and seen is counted in `report.Counts`, and written to build/reports/faults.json at the end.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from groups import moves
from harness.group_offsets import falls, history_of
from harness.kafka import Broker
from harness.minio import MinioServer
from harness.tables import Table
from oracle import Verdict, examine
from report import Counts, Outcome, Report, shortfalls, write
from s3_proxy import S3Proxy

pytest_plugins = ["harness.fixtures"]

SEED_VARIABLE = "BRONZE_FAULTS_SEED"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("faults")
    group.addoption("--seed", type=int, help="make the random choices of an earlier run again")
    group.addoption(
        "--full",
        action="store_true",
        help="the full run, which fails when it injected fewer faults than it must",
    )
    group.addoption("--minutes", type=float, help="how long the soak test takes")


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        seed = config.workerinput["faults_seed"]
    elif config.getoption("--seed") is not None:
        seed = config.getoption("--seed")
    else:
        seed = int(os.environ.get(SEED_VARIABLE) or random.randrange(2**32))
    report = config.stash[REPORT] = Report(seed=seed, full=config.getoption("--full"))
    config.pluginmanager.register(Outcomes(report))
    if config.pluginmanager.hasplugin("xdist"):
        config.pluginmanager.register(Workers())


REPORT = pytest.StashKey[Report]()


class Outcomes:
    """Notes how each test ended, in whatever process it ran."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            name = report.nodeid.split("::")[-1]
            self._report.add(Outcome(name, report.outcome, round(report.duration, 1)))


class Workers:
    """Several processes (pytest -n): one seed for all, and their counts added up."""

    def pytest_configure_node(self, node) -> None:
        node.workerinput["faults_seed"] = node.config.stash[REPORT].seed

    def pytest_testnodedown(self, node, error: object) -> None:
        output = getattr(node, "workeroutput", None) or {}
        if "faults" in output:
            node.config.stash[REPORT].counts.absorb(output["faults"])


def pytest_report_header(config: pytest.Config) -> str:
    return f"faults: seed {config.stash[REPORT].seed}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    unwanted = {"full"} if not config.getoption("--full") else set()
    if config.getoption("--minutes") is None:
        unwanted.add("soak")
    left_out = [i for i in items if any(i.get_closest_marker(name) for name in unwanted)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    answer = yield
    report = item.config.stash[REPORT]
    if answer.failed:
        answer.sections.append(("faults", f"replay with --seed {report.seed}"))
    return answer


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    report = session.config.stash[REPORT]
    if hasattr(session.config, "workerinput"):
        session.config.workeroutput["faults"] = report.counts.state()
        return
    report.seconds = round(time.monotonic() - report.begun)
    report.passed = exitstatus == 0
    if report.full and shortfalls(report.counts):
        report.passed = False
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    if report.outcomes:
        write(report)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    report = terminalreporter.config.stash[REPORT]
    terminalreporter.section("faults")
    for line in report.counts.lines():
        terminalreporter.line(line)
    if report.full:
        for line in shortfalls(report.counts):
            terminalreporter.line(f"TOO FEW: {line}", red=True)


# --- fixtures -----------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def counts(request: pytest.FixtureRequest) -> Counts:
    """What was done and seen in the whole run; tests add to it."""
    return request.config.stash[REPORT].counts


@pytest.fixture(scope="session")
def full_run(request: pytest.FixtureRequest) -> bool:
    return request.config.stash[REPORT].full


@pytest.fixture(scope="session")
def seed(request: pytest.FixtureRequest) -> int:
    return request.config.stash[REPORT].seed


@pytest.fixture(scope="session", autouse=True)
def rebalances(session_broker: Broker, counts: Counts) -> Iterator[None]:
    """Counts what the broker says of its groups."""
    yield
    with (session_broker.directory / "broker.log").open(errors="replace") as log:
        counts.add(rebalances=moves(log))


@pytest.fixture
def chance(request: pytest.FixtureRequest, seed: int) -> random.Random:
    """The test's own random choices, the same whatever other tests run."""
    print(f"seed {seed}")
    return random.Random(f"{seed}/{request.node.name}")


@pytest.fixture
def oracle(broker: Broker, group: str, counts: Counts) -> Callable[..., Verdict]:
    """oracle(table, **more) fails unless the table holds every record exactly once.

    `may_fall`: the table was put back on purpose, and with it the group's offsets.
    """

    def ask(table: Table, may_fall: bool = False, **more) -> Verdict:
        verdict = examine(table, broker, group, **more)
        counts.add_verdict(verdict)
        for fall in [] if may_fall else falls(history_of(broker, group)):
            verdict.object_to(f"the group's offset of {fall}")
        assert verdict.holds, f"{table.topic}:\n{verdict}"
        return verdict

    return ask


@pytest.fixture
def proxy(minio: MinioServer) -> Iterator[S3Proxy]:
    """Stands between the service and MinIO; see s3_proxy.py."""
    with S3Proxy(minio.address) as running:
        yield running


@pytest.fixture
def instance_logs(tmp_path: Path) -> Callable[[], list[str]]:
    """The logs of all instances that the test has started."""
    return lambda: [log.read_text() for log in sorted(tmp_path.glob("instance-*/bronze.log"))]
