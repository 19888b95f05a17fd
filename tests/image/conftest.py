"""The image, built once for the session from the Dockerfile as it is."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from base_images import lend_compiled, lend_crates, make_debian, make_rust, names_in
from buildah import HOME, Buildah
from container import Config, Container, config_of
from harness.kafka import Broker
from harness.processes import ROOT, running

IMAGE = "bronze-under-test"


def pytest_configure() -> None:
    """SIGTERM ends the run like Ctrl-C, with clean-up."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def buildah() -> Buildah:
    if os.geteuid() != 0:
        pytest.skip("building an image without an engine takes root")
    assert shutil.which("buildah") and shutil.which("mmdebstrap"), "run scripts/bootstrap test"
    made = Buildah()
    # What a run that was killed has left mounted.
    made.run("rm", "--all")
    return made


@pytest.fixture(scope="session")
def image(buildah: Buildah) -> str:
    dockerfile = ROOT / "Dockerfile"
    builder, final = names_in(dockerfile)
    make_debian(buildah, final)
    make_rust(buildah, builder, final)
    lend_crates(buildah)
    lend_compiled(buildah)
    options = ("--pull-never", "--layers", "--tag", IMAGE)
    buildah.run("build", *options, ROOT, timeout=1500, log=HOME / "build.log")
    return IMAGE


@pytest.fixture(scope="session")
def config(buildah: Buildah, image: str) -> Config:
    return config_of(buildah, image)


@pytest.fixture(scope="session")
def root(buildah: Buildah, image: str) -> Iterator[Path]:
    """The image's file system, mounted."""
    working = buildah.run("from", "--pull-never", image)
    mounted = Path(buildah.run("mount", working))
    # An engine puts its own file there.
    (mounted / "etc" / "hosts").touch()
    yield mounted
    buildah.run("rm", working)


@pytest.fixture
def volume(tmp_path: Path, config: Config) -> Path:
    """A folder of the image's user, at /mnt in the container."""
    folder = tmp_path / "volume"
    folder.mkdir()
    os.chown(folder, int(config.user), int(config.group))
    return folder


@pytest.fixture
def container(tmp_path: Path, root: Path, config: Config, volume: Path) -> Iterator[Container]:
    made = Container(root, config, volume, tmp_path / "container.log")
    yield made
    made.end()


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    yield from running(Broker(tmp_path_factory.mktemp("kafka")))
