"""A container of an image without an engine: its file system, its user, its command, as PID 1.

Linux's own tools do it: namespaces for mounts and processes, a read-only root, no new privileges.
The network is this machine's.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from buildah import Buildah
from harness.processes import Process, wait_until
from harness.stack import children_of

ENTER = """\
set -eu
root=$1 folder=$2 user=$3 group=$4
shift 4
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --bind /etc/hosts "$root/etc/hosts"
mount --bind "$folder" "$root/mnt"
mount -o remount,bind,ro "$root"
exec setpriv --no-new-privs -- chroot --userspec="$user:$group" "$root" env -i "$@"
"""


@dataclass(frozen=True)
class Config:
    """What the image says about itself."""

    user: str
    group: str
    directory: str
    environment: tuple[str, ...]
    command: tuple[str, ...]
    entrypoint: tuple[str, ...]


def config_of(buildah: Buildah, image: str) -> Config:
    found = buildah.inspect(image)["Docker"]["config"]
    user, _, group = found["User"].partition(":")
    return Config(
        user=user,
        group=group,
        directory=found["WorkingDir"],
        environment=tuple(found["Env"]),
        command=tuple(found["Cmd"]),
        entrypoint=tuple(found["Entrypoint"]),
    )


class Container:
    """`docker run -e ... -v FOLDER:/mnt IMAGE ARGUMENTS`; ends with the test."""

    def __init__(
        self, root: Path, config: Config, folder: Path, log: Path, prefix: Sequence[str] = ()
    ) -> None:
        """`prefix`: a command that enters other namespaces and runs what follows it."""
        self._prefix = prefix
        self._root = root
        self._config = config
        self._folder = folder
        self._log = log
        self._process: Process | None = None

    def start(self, *arguments: str, **environment: str) -> None:
        config = self._config
        self._process = Process(
            [
                *self._prefix,
                *("unshare", "--fork", "--pid", "--kill-child", "--mount", "sh", "-c", ENTER, "-"),
                *(self._root, self._folder, config.user, config.group),
                *self._environment(environment),
                *config.entrypoint,
                *(arguments or config.command),
            ],
            self._log,
        )

    def execute(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """`docker exec`: beside the running service, as the same user."""
        config = self._config
        return subprocess.run(
            [
                *("nsenter", "--target", str(self.pid), "--mount", "--pid", "--net", "--root"),
                *("--setgid", config.group, "--setuid", config.user, "--", "env", "-i"),
                *self._environment(environment),
                *command,
            ],
            capture_output=True,
            text=True,
            timeout=30,
        )

    @property
    def pid(self) -> int:
        """Of the service, which is 1 inside."""
        assert self._process
        outer = self._process.pid
        return int(wait_until(lambda: children_of(outer), 10, "the container begins")[0])

    def status(self) -> Mapping[str, str]:
        """The kernel's own word on the service's process."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def wait_exit(self, timeout: float) -> int:
        assert self._process
        return self._process.wait(timeout)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.running

    def log(self) -> str:
        assert self._process
        return self._process.log()

    def end(self) -> None:
        if self._process:
            self._process.kill()

    def _environment(self, environment: Mapping[str, str]) -> list[str]:
        given = [f"{name}={value}" for name, value in environment.items()]
        return [f"--chdir={self._config.directory}", *self._config.environment, *given]
