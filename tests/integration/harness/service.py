"""The service under test as a child process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from .processes import ROOT, Process, free_port, wait_until

BINARY = ROOT / "build" / "release" / "bronze"
FAULTY_BINARY = ROOT / "build" / "release" / "bronze_faulty"

# Short enough that a killed member is forgotten soon, long enough for a loaded machine.
KAFKA_TIMING = {
    "KAFKA_SESSION_TIMEOUT_MS": "4000",
    "KAFKA_PROPERTIES": "heartbeat.interval.ms=500;reconnect.backoff.max.ms=500",
}


@dataclass(frozen=True)
class Health:
    status: int
    body: dict

    @property
    def is_healthy(self) -> bool:
        return self.status == 200


def plain_environment() -> dict[str, str]:
    """Nothing of the caller's that the service would read as its configuration."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}


class Bronze:
    """One running instance; its variables are given whole, none is inherited."""

    def __init__(
        self,
        directory: Path,
        environment: dict[str, str],
        arguments: tuple[str, ...] = ("run",),
        binary: Path = BINARY,
    ) -> None:
        assert binary.exists(), f"{binary} is not built"
        directory.mkdir(parents=True, exist_ok=True)
        self.http_port = free_port()
        self.environment = {
            **plain_environment(),
            **KAFKA_TIMING,
            "HTTP_HOST": "127.0.0.1",
            "HTTP_PORT": str(self.http_port),
            "BATCH_INTERVAL_SECONDS": "1",
            **environment,
        }
        self._process = Process(
            [binary, *arguments], directory / "bronze.log", self.environment, directory
        )

    # --- HTTP ---------------------------------------------------------------------------------

    def health(self) -> Health | None:
        """None while nothing answers."""
        url = f"http://127.0.0.1:{self.http_port}/health"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return Health(answer.status, json.load(answer))
        except urllib.error.HTTPError as answer:
            return Health(answer.code, json.load(answer))
        except OSError:
            return None

    def pages(self) -> str:
        """All that it tells by HTTP."""
        texts = []
        for path in ("/", "/health", "/status", "/metrics", "/livez", "/readyz"):
            try:
                url = f"http://127.0.0.1:{self.http_port}{path}"
                with urllib.request.urlopen(url, timeout=5) as answer:
                    texts.append(answer.read().decode())
            except urllib.error.HTTPError as answer:
                texts.append(answer.read().decode())
        return "\n".join(texts)

    def wait_answering(self, timeout: float = 10) -> Health:
        return wait_until(lambda: self._alive() and self.health(), timeout, "/health answers")

    def wait_written(self, messages: int, timeout: float = 30) -> Health:
        def written() -> Health | None:
            self._alive()
            health = self.health()
            return health if health and health.body["messages_written"] >= messages else None

        return wait_until(written, timeout, f"{messages} messages are written\n{self.tail()}")

    def wait_consumed(self, topic: str, messages: int, timeout: float = 30) -> None:
        self.wait_answering()
        line = f'bronze_messages_consumed_total{{topic="{topic}"}} {messages}\n'
        wait_until(
            lambda: self._alive() and line in self.pages(),
            timeout,
            f"{messages} messages of {topic} are read",
        )

    def wait_errors(self, timeout: float = 30) -> None:
        wait_until(
            lambda: self.wait_answering().body["errors"] > 0,
            timeout,
            "/health counts failed writes",
        )

    def wait_unhealthy(self, timeout: float = 30) -> Health:
        def unhealthy() -> Health | None:
            self._alive()
            health = self.health()
            return health if health and not health.is_healthy else None

        return wait_until(unhealthy, timeout, "/health answers 503")

    # --- the process --------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.running

    @property
    def exit_code(self) -> int | None:
        return self._process.exit_code

    def log(self) -> str:
        return self._process.log()

    def tail(self) -> str:
        return self._process.tail()

    def wait_log(self, text: str, timeout: float = 20, times: int = 1) -> None:
        wait_until(
            lambda: self.log().count(text) >= times,
            timeout,
            f"the log says {text!r} {times} times",
        )

    def send(self, number: signal.Signals) -> None:
        self._process.signal(number)

    def wait_exit(self, timeout: float = 30) -> int:
        return self._process.wait(timeout)

    def stop(self, timeout: float = 30, codes: tuple[int, ...] = (0,)) -> None:
        """SIGTERM; without other `codes`, everything must be flushed."""
        self.send(signal.SIGTERM)
        code = self.wait_exit(timeout)
        assert code in codes, f"exit code {code}:\n{self.tail()}"

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> None:
        """For clean-up: whatever state it is in."""
        self._process.end(3)

    def _alive(self) -> bool:
        assert self.running, f"exit code {self.exit_code}:\n{self.tail()}"
        return True


@dataclass(frozen=True)
class Finished:
    exit_code: int
    output: str
    errors: str

    @property
    def text(self) -> str:
        return self.output + self.errors


def run_command(
    *arguments: str, environment: dict[str, str] | None = None, timeout: float = 30
) -> Finished:
    """Runs a command of the service to its end."""
    assert BINARY.exists(), f"{BINARY} is not built"
    done = subprocess.run(
        [BINARY, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**plain_environment(), **(environment or {})},
    )
    code = done.returncode
    return Finished(128 - code if code < 0 else code, done.stdout, done.stderr)
