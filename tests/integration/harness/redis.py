"""A real redis-server in one process, with one client from outside."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from .certificates import Certificate
from .processes import Process, Server, free_port, wait_until


class Redis(Server):
    """Keeps nothing on disk: whoever kills it empties it. Its address stays the same."""

    def __init__(
        self,
        directory: Path,
        *,
        password: str = "",
        socket: bool = False,
        certificate: Certificate | None = None,
        settings: dict[str, str] | None = None,
    ) -> None:
        """With a certificate by TLS only."""
        self.directory = directory
        self.port = free_port()
        self._password = password
        self._socket = directory / "redis.sock" if socket else None
        self._certificate = certificate
        self._settings = settings or {}
        directory.mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        user = f":{self._password}@" if self._password else ""
        if self._socket:
            return f"unix://{user}{self._socket}"
        return f"redis{'s' if self._certificate else ''}://{user}127.0.0.1:{self.port}"

    def start(self) -> None:
        settings = {"save": "", "appendonly": "no", "bind": "127.0.0.1", **self._settings}
        if self._password:
            settings["requirepass"] = self._password
        if self._socket:
            settings |= {"port": "0", "unixsocket": str(self._socket)}
        elif self._certificate:
            settings |= {
                **{"port": "0", "tls-port": str(self.port), "tls-auth-clients": "no"},
                "tls-cert-file": str(self._certificate.pem),
                "tls-key-file": str(self._certificate.key),
                "tls-ca-cert-file": str(self._certificate.authority),
            }
        else:
            settings["port"] = str(self.port)
        words = [word for name, value in settings.items() for word in (f"--{name}", value)]
        server = shutil.which("redis-server")
        assert server, "redis-server is not installed"
        self._process = Process(
            [server, *words], self.directory / "redis.log", directory=self.directory
        )
        wait_until(self._answers, 30, "Redis answers")

    def _answers(self) -> bool:
        assert self._process and self._process.running, self._process and self._process.tail()
        return self.ask("PING", timeout=2) == b"PONG\n"

    # --- the client ---------------------------------------------------------------------------

    def ask(self, *words: str, stdin: bytes | None = None, timeout: float = 20) -> bytes:
        """The answer as it is printed; `stdin` is one more word at the end."""
        address = ["-s", str(self._socket)] if self._socket else ["-p", str(self.port)]
        if self._password:
            address += ["-a", self._password, "--no-auth-warning"]
        if self._certificate:
            address += ["--tls", "--insecure"]
        if stdin is not None:
            address.append("-x")
        try:
            done = subprocess.run(
                ["redis-cli", *address, *words], input=stdin, capture_output=True, timeout=timeout
            )
        except subprocess.TimeoutExpired:
            return b""
        return done.stdout

    def kept(self) -> list[str]:
        """The keys."""
        return self.ask("KEYS", "*").decode().split()

    def get(self, key: str) -> bytes:
        return self.ask("GET", key).removesuffix(b"\n")

    def set(self, key: str, value: bytes) -> None:
        assert self.ask("SET", key, stdin=value) == b"OK\n"

    def clients(self) -> int:
        """How many are connected."""
        lines = self.ask("CLIENT", "LIST").splitlines()
        return sum(line.startswith(b"id=") and b"cmd=client" not in line for line in lines)

    def change_password(self, password: str) -> None:
        """Of who comes from now on; all others are sent away."""
        assert self.ask("CONFIG", "SET", "requirepass", password) == b"OK\n"
        self._password = password
        assert self.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").strip()

    def flush(self) -> None:
        assert self.ask("FLUSHALL") == b"OK\n"
