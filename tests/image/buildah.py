"""Builds images without a Docker engine: Debian's buildah, its storage under .deps/image."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from harness.processes import DEPS

HOME = DEPS / "image"


class Buildah:
    """Images, working containers and the folders behind `RUN --mount=type=cache`."""

    def __init__(self) -> None:
        self._temporary = HOME / "tmp"
        self._temporary.mkdir(parents=True, exist_ok=True)
        # Copying whole layers works everywhere, but is slow.
        self._driver = "overlay" if self._works_with("overlay") else "vfs"

    def cache(self, identity: str) -> Path:
        """The folder that a build mounts for `type=cache,id=IDENTITY`."""
        return self._temporary / "buildah-cache" / identity

    def run(self, *arguments: str | Path, timeout: float = 60, log: Path | None = None) -> str:
        """Returns the standard output; with `log` all output goes there instead."""
        command = self._command(self._driver, *arguments)
        if log is None:
            done = subprocess.run(
                command, env=self._environment(), capture_output=True, text=True, timeout=timeout
            )
            assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
            return done.stdout.strip()
        with log.open("w") as output:
            done = subprocess.run(
                *(command,),
                env=self._environment(),
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=timeout,
            )
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-40:])
        assert done.returncode == 0, f"{' '.join(command)}\n{tail}"
        return ""

    def has(self, image: str) -> bool:
        return bool(self.run("images", "--quiet", "--filter", f"reference={image}"))

    def inspect(self, image: str) -> dict:
        return json.loads(self.run("inspect", "--type", "image", image))

    def _works_with(self, driver: str) -> bool:
        try:
            command = self._command(driver, "info")
            done = subprocess.run(command, env=self._environment(), capture_output=True, timeout=60)
        except FileNotFoundError:
            return False
        return done.returncode == 0

    @staticmethod
    def _command(driver: str, *arguments: str | Path) -> list[str]:
        return [
            *("buildah", "--storage-driver", driver),
            *("--root", str(HOME / f"storage-{driver}"), "--runroot", str(HOME / "run")),
            *map(str, arguments),
        ]

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "BUILDAH_ISOLATION": "chroot",
            # `docker build` writes this format; the other one knows no HEALTHCHECK.
            "BUILDAH_FORMAT": "docker",
            "TMPDIR": str(self._temporary),
        }
