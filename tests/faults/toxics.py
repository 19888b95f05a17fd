"""Toxiproxy: a real proxy between the service and what it talks to, which spoils the connection."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

from harness.processes import DEPS, Process, free_port, wait_until


class Toxiproxy:
    """One server; each link of it is a port of its own in front of one address."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._port = free_port()
        self._process: Process | None = None
        self._links = 0

    def start(self) -> None:
        self._process = Process(
            [DEPS / "bin" / "toxiproxy-server", "-host", "127.0.0.1", "-port", str(self._port)],
            self._directory / "toxiproxy.log",
        )
        wait_until(self._answers, 20, "Toxiproxy answers")

    def stop(self) -> None:
        if self._process:
            self._process.end()

    def link(self, upstream: str) -> Link:
        self._links += 1
        name = f"link-{self._links}"
        address = f"127.0.0.1:{free_port()}"
        self.ask("POST", "/proxies", {"name": name, "listen": address, "upstream": upstream})
        return Link(self, name, address)

    def ask(self, method: str, path: str, body: dict | None = None) -> dict:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text else {}

    def _answers(self) -> bool:
        try:
            return bool(self.ask("GET", "/version") or True)
        except ValueError:
            return True
        except OSError:
            return False


class Link:
    """What is spoilt stays so until `mend`."""

    def __init__(self, server: Toxiproxy, name: str, address: str) -> None:
        self._server = server
        self._name = name
        self.address = address
        self._toxics: list[str] = []

    @property
    def endpoint(self) -> str:
        return f"http://{self.address}"

    def cut(self) -> None:
        """Nobody listens any more; open connections break."""
        self._server.ask("POST", f"/proxies/{self._name}", {"enabled": False})

    def slow(self, milliseconds: int) -> None:
        """Each answer comes so much later."""
        self._add("latency", "downstream", latency=milliseconds)

    def narrow(self, kilobytes_a_second: int) -> None:
        """In both directions."""
        for stream in ("upstream", "downstream"):
            self._add("bandwidth", stream, rate=kilobytes_a_second)

    def drip(self) -> None:
        """Answers come byte by byte, two a second."""
        self._add("slicer", "downstream", average_size=1, size_variation=0, delay=500_000)

    def reset(self, after_ms: int) -> None:
        """Every connection is reset after that time."""
        self._add("reset_peer", "downstream", timeout=after_ms)

    def swallow(self) -> None:
        """Connections stay open, and nothing comes through."""
        for stream in ("upstream", "downstream"):
            self._add("timeout", stream, timeout=0)

    def mend(self) -> None:
        for toxic in self._toxics:
            self._server.ask("DELETE", f"/proxies/{self._name}/toxics/{toxic}")
        self._toxics.clear()
        self._server.ask("POST", f"/proxies/{self._name}", {"enabled": True})

    def _add(self, kind: str, stream: str, **attributes: int) -> None:
        name = f"{kind}-{stream}"
        self._server.ask(
            "POST",
            f"/proxies/{self._name}/toxics",
            {"name": name, "type": kind, "stream": stream, "attributes": attributes},
        )
        self._toxics.append(name)
