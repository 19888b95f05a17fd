"""Fixtures of every suite with real parts.

One broker and one MinIO for the whole session; topics, groups and buckets of each test's own.
"""

from __future__ import annotations

import itertools
import re
import signal
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .kafka import Broker
from .minio import Bucket, Folder, MinioServer, Store
from .processes import running
from .registry import SchemaRegistry
from .service import BINARY, Bronze
from .tables import Table


def pytest_configure() -> None:
    """SIGTERM ends the run like Ctrl-C, with clean-up."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def session_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    yield from running(Broker(tmp_path_factory.mktemp("kafka")))


@pytest.fixture(scope="session")
def session_minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MinioServer]:
    yield from running(MinioServer(tmp_path_factory.mktemp("minio")))


@pytest.fixture(scope="session")
def session_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SchemaRegistry]:
    yield from running(SchemaRegistry(tmp_path_factory.mktemp("registry")))


@pytest.fixture
def registry(session_registry: SchemaRegistry) -> SchemaRegistry:
    session_registry.ensure_running()
    return session_registry


@pytest.fixture
def broker(session_broker: Broker) -> Broker:
    session_broker.ensure_running()
    return session_broker


@pytest.fixture
def minio(session_minio: MinioServer) -> MinioServer:
    session_minio.ensure_running()
    return session_minio


@pytest.fixture
def unique(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """Names that no other test uses, with the test's own name in them."""
    test = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower()).strip("-")
    run = uuid.uuid4().hex[:6]
    return lambda kind: f"{kind}-{test[:30].strip('-')}-{run}"


@pytest.fixture
def bucket(minio: MinioServer, unique: Callable[[str], str]) -> Bucket:
    return minio.create_bucket(unique("b"))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    path = tmp_path / "tables"
    path.mkdir()
    return Folder(path)


@pytest.fixture
def group(unique: Callable[[str], str]) -> str:
    return unique("group")


@pytest.fixture
def new_topic(broker: Broker, unique: Callable[[str], str]) -> Callable[..., str]:
    """new_topic(partitions=3, **settings) creates a topic and returns its name."""
    numbers = itertools.count()

    def create(partitions: int = 3, **settings: str) -> str:
        topic = f"{unique('topic')}-{next(numbers)}"
        broker.create_topic(topic, partitions, **settings)
        return topic

    return create


@pytest.fixture
def topic(new_topic: Callable[..., str]) -> str:
    return new_topic()


@pytest.fixture
def environment(broker: Broker, bucket: Bucket, group: str) -> Callable[..., dict[str, str]]:
    """environment(topic, ..., store=..., NAME=value) tells an instance what to copy to where."""

    def tell(*topics: str, store: Store = bucket, **variables: str) -> dict[str, str]:
        return {
            "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap,
            "KAFKA_CONSUMER_GROUP": group,
            "KAFKA_TOPICS": ",".join(topics),
            **store.environment(),
            **variables,
        }

    return tell


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Bronze]]:
    """start(environment, *arguments, binary=...) starts an instance that ends with the test."""
    started: list[Bronze] = []

    def launch(environment: dict[str, str], *arguments: str, binary: Path = BINARY) -> Bronze:
        directory = tmp_path / f"instance-{len(started)}"
        instance = Bronze(directory, environment, arguments or ("run",), binary)
        started.append(instance)
        return instance

    yield launch
    for instance in started:
        instance.end()


@pytest.fixture
def table(bucket: Bucket, topic: str) -> Table:
    return Table(bucket, topic)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    """A failed test shows the last lines of each instance's log."""
    report = yield
    if report.when == "call" and report.failed and "tmp_path" in getattr(item, "funcargs", {}):
        for log in sorted(item.funcargs["tmp_path"].glob("instance-*/bronze.log")):
            lines = log.read_text(errors="replace").splitlines()[-60:]
            report.sections.append((f"{log.parent.name}", "\n".join(lines)))
    return report
