"""The image: what it says, what is in it, and that it copies records as its own user."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import signal
import uuid
from pathlib import Path

import pytest
from base_images import names_in
from buildah import HOME, Buildah
from container import Config, Container
from harness.kafka import Broker
from harness.minio import Folder
from harness.payloads import json_values
from harness.processes import ROOT, free_port, wait_until
from harness.tables import Table, assert_exactly_once

# The first test builds the image.
BUILD_TIMEOUT_S = 1800
SECOND_NS = 1_000_000_000
MIB = 1024 * 1024


@pytest.mark.timeout(BUILD_TIMEOUT_S)
def test_it_says_what_it_is(buildah: Buildah, image: str, config: Config):
    found = buildah.inspect(image)["Docker"]["config"]
    assert (config.user, config.group) == ("10001", "10001")
    assert config.entrypoint == ("bronze",) and config.command == ("run",)
    assert config.directory == "/app"
    assert list(found["ExposedPorts"]) == ["8080/tcp"]
    assert found["Healthcheck"] == {
        "Test": ["CMD", "bronze", "healthcheck"],
        "Interval": 30 * SECOND_NS,
        "Timeout": 5 * SECOND_NS,
        "StartPeriod": 10 * SECOND_NS,
        "Retries": 3,
    }


@pytest.mark.timeout(BUILD_TIMEOUT_S)
def test_it_holds_what_runs_and_nothing_that_builds(root: Path):
    assert (root / "app" / "schemas").is_dir()
    assert (root / "usr/bin/curl").exists()
    assert (root / "etc/ssl/certs/ca-certificates.crt").exists()
    ours = [path for path in (root / "usr/local").rglob("*") if path.is_file()]
    assert {path.name for path in ours} == {"bronze"}
    assert not (root / "src").exists()
    assert not list((root / "usr/bin").glob("*g++*"))
    passwd = (root / "etc/passwd").read_text()
    assert re.search(r"^bronze:x:10001:10001:", passwd, re.M)


@pytest.mark.timeout(BUILD_TIMEOUT_S)
def test_it_is_small(buildah: Buildah, image: str, capsys: pytest.CaptureFixture[str]):
    archive = HOME / "export.tar"
    archive.unlink(missing_ok=True)
    buildah.run("push", "--quiet", image, f"docker-archive:{archive}", timeout=120)
    packed = archive.with_suffix(".tar.gz")
    with archive.open("rb") as plain, gzip.open(packed, "wb", compresslevel=6) as output:
        shutil.copyfileobj(plain, output, MIB)
    sizes = {"bytes": archive.stat().st_size, "bytes_compressed": packed.stat().st_size}
    with capsys.disabled():
        print(sizes)
    archive.unlink()
    packed.unlink()
    assert sizes["bytes"] <= 160 * MIB
    assert sizes["bytes_compressed"] <= 60 * MIB


def test_the_toolchain_is_one_that_the_crate_allows():
    builder, final = names_in(ROOT / "Dockerfile")
    version = re.fullmatch(r"rust:(\d+)\.(\d+)-slim-bookworm", builder)
    manifest = (ROOT / "bridge" / "Cargo.toml").read_text()
    minimum = re.search(r'^rust-version = "(\d+)\.(\d+)"', manifest, re.M)
    assert version and minimum
    assert tuple(map(int, version.groups())) >= tuple(map(int, minimum.groups()))
    assert final == "debian:bookworm-slim"


@pytest.mark.timeout(BUILD_TIMEOUT_S)
def test_it_copies_records_as_its_own_user(container: Container, broker: Broker, volume: Path):
    topic, group, port = f"trips-{uuid.uuid4().hex[:6]}", "image", str(free_port())
    broker.create_topic(topic, 3)
    broker.produce(topic, [None, "ümläut ✓".encode(), *json_values(500)])
    container.start(
        KAFKA_BOOTSTRAP_SERVERS=broker.bootstrap,
        KAFKA_TOPICS=topic,
        KAFKA_CONSUMER_GROUP=group,
        DELTA_BASE_PATH="file:///mnt",
        BATCH_INTERVAL_SECONDS="1",
        HTTP_PORT=port,
    )

    def healthy() -> bool:
        assert container.running, container.log()
        return container.execute("bronze", "healthcheck", HTTP_PORT=port).returncode == 0

    wait_until(healthy, 30, "bronze healthcheck is content")
    broker.wait_caught_up(group, topic)
    answer = container.execute("curl", "-fsS", f"http://127.0.0.1:{port}/health")
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["messages_written"] == 502

    status = container.status()
    assert status["NSpid"].split()[-1] == "1"
    assert set(status["Uid"].split()) == set(status["Gid"].split()) == {"10001"}
    assert int(status["CapEff"], 16) == 0

    container.signal(signal.SIGTERM)
    assert container.wait_exit(30) == 0, container.log()
    table = Table(Folder(volume), topic)
    assert_exactly_once(table, broker, group)
    owners = {path.stat().st_uid for path in volume.rglob("*")}
    assert owners == {10001}


@pytest.mark.timeout(BUILD_TIMEOUT_S)
def test_arguments_choose_the_command(container: Container):
    container.start("--version")
    assert container.wait_exit(30) == 0
    assert container.log().startswith("bronze ")


@pytest.mark.timeout(BUILD_TIMEOUT_S)
def test_bad_configuration_ends_it_with_2(container: Container):
    container.start(BATCH_INTERVAL_SECONDS="soon")
    assert container.wait_exit(30) == 2
    assert "BATCH_INTERVAL_SECONDS" in container.log()
