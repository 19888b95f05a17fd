"""Starting and ending child processes by their own pid, and waiting for what they do."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

Seen = TypeVar("Seen")

ROOT = Path(__file__).resolve().parents[3]
DEPS = ROOT / ".deps"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / (1 << 20)


def descriptors(pid: int) -> int:
    """How many are open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def wait_until(
    predicate: Callable[[], Seen], timeout: float, what: str, interval: float = 0.1
) -> Seen:
    """Returns the first true value of `predicate`; fails with `what` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        seen = predicate()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"after {timeout} s still not: {what} (last seen: {seen!r})")
        time.sleep(interval)


# Even when the tests themselves are killed, nothing of theirs goes on.
ENDS_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL")


def max_resident_mb(pid: int) -> float:
    with open(f"/proc/{pid}/status") as status:
        peak = next(line for line in status if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1024


class Process:
    """One child process whose output goes to a file; it dies with the process that started it."""

    def __init__(
        self,
        command: Sequence[str | Path],
        log: Path,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
    ) -> None:
        self.log_path = log
        with log.open("ab") as output:
            self._child = subprocess.Popen(
                [*ENDS_WITH_PARENT, *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if environment is None else dict(environment),
                cwd=directory,
            )

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def running(self) -> bool:
        return self._child.poll() is None

    @property
    def exit_code(self) -> int | None:
        """As a shell shows it: 128 + N after signal N; None while it runs."""
        code = self._child.poll()
        return 128 - code if code is not None and code < 0 else code

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def wait(self, timeout: float) -> int:
        try:
            self._child.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout} s:\n{self.tail()}") from None
        assert self.exit_code is not None
        return self.exit_code

    def kill(self) -> None:
        if self.running:
            self._child.kill()
        self._child.wait(10)

    def end(self, patience: float = 10) -> None:
        """Asks it to stop, and kills it when it does not."""
        if not self.running:
            return
        self.signal(signal.SIGCONT)
        self._child.terminate()
        try:
            self._child.wait(patience)
        except subprocess.TimeoutExpired:
            self.kill()

    def tail(self, lines: int = 40) -> str:
        return "\n".join(self.log().splitlines()[-lines:])


class Server:
    """A server in one process of its own, for as long as the tests need it."""

    PATIENCE_TO_STOP = 10
    PATIENCE_TO_ANSWER = 30
    _process: Process | None = None

    def start(self) -> None:
        """Until it answers."""
        raise NotImplementedError

    def _answers(self) -> bool:
        raise NotImplementedError

    def stop(self) -> None:
        if self._process:
            self._process.end(self.PATIENCE_TO_STOP)

    def kill(self) -> None:
        if self._process:
            self._process.kill()

    def freeze(self) -> None:
        """It no longer answers, but forgets nothing."""
        assert self._process
        self._process.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process
        self._process.signal(signal.SIGCONT)
        wait_until(self._answers, self.PATIENCE_TO_ANSWER, "it answers after its freeze", 0.2)

    def ensure_running(self) -> None:
        if not self._process or not self._process.running:
            self.start()


S = TypeVar("S", bound=Server)


def running(server: S) -> Iterator[S]:
    """For a fixture: the server, started, and stopped when the fixture ends."""
    try:
        server.start()
        yield server
    finally:
        server.stop()
