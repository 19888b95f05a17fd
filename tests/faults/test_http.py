"""Bad HTTP, asked of a whole service that copies meanwhile.

Every malformed, slow or oversized request, one by one, is in tests/unit/http_server_test.cpp.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import resource
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.payloads import Stream
from harness.processes import wait_until

TLS_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)


def reset_on_close(client: socket.socket) -> socket.socket:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return client


def say(port: int, *pieces: bytes) -> None:
    """Goes away without having read the answer."""
    with contextlib.suppress(OSError):
        client = reset_on_close(socket.create_connection(("127.0.0.1", port), timeout=5))
        for piece in pieces:
            client.sendall(piece)
        client.close()


def half_open(port: int) -> None:
    with contextlib.suppress(OSError):
        client = socket.create_connection(("127.0.0.1", port), timeout=5)
        client.sendall(b"GET /health HTTP/1.1\r\n")
        client.shutdown(socket.SHUT_WR)
        client.close()


BAD = [
    lambda port: say(port, TLS_HELLO),
    lambda port: say(port, b"GET /health HTTP/1.1\r\n\r\n"),
    lambda port: say(port, b"GET /", b"a" * 100_000),
    lambda port: say(port, b"GET /health HTTP/1.1\r\nX: ", b"a" * 100_000),
    lambda port: say(port, b"POST /health HTTP/1.1\r\nContent-Length: 1000000000\r\n\r\nx"),
    lambda port: say(port, b"HEAD /health HTTP/1.1\r\n\r\n", b"BREW / HTTP/1.1\r\n\r\n"),
    lambda port: say(port),
    half_open,
]


class Crowd:
    """Does bad things from some threads until it is stopped."""

    def __init__(self, port: int, threads: int = 4) -> None:
        self._port = port
        self._stop = threading.Event()
        self._turns = itertools.count()
        self.turns = 0
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]

    def __enter__(self) -> Crowd:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def _run(self) -> None:
        while not self._stop.wait(0.005):
            self.turns = next(self._turns)
            BAD[self.turns % len(BAD)](self._port)


@pytest.fixture
def running(broker, topic, environment, start):
    instance = start(environment(topic, BATCH_INTERVAL_SECONDS="0.3"))
    with Stream(broker, topic):
        instance.wait_written(1)
        yield instance
    instance.stop()


def assert_goes_on(running) -> None:
    written = running.health().body["messages_written"]
    running.wait_written(written + 100)


def descriptors(instance) -> int:
    return len(list(Path(f"/proc/{instance.pid}/fd").iterdir()))


def test_bad_clients_disturb_neither_health_nor_copying(running):
    before = descriptors(running)
    with Crowd(running.http_port) as crowd:
        until = time.monotonic() + 3
        while time.monotonic() < until:
            wait_until(running.health, 60, "/health answers")
            time.sleep(0.1)
        assert_goes_on(running)
    assert crowd.turns > 50
    wait_until(lambda: descriptors(running) < before + 20, 20, "connections are closed")


@pytest.mark.full
def test_head_is_answered_without_a_body(running):
    client = http.client.HTTPConnection("127.0.0.1", running.http_port, timeout=10)
    client.request("HEAD", "/health")
    answer = client.getresponse()
    assert answer.status == 200 and answer.read() == b""
    assert int(answer.headers["Content-Length"]) > 0


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("count", [1_000, pytest.param(10_000, marks=pytest.mark.full)])
@pytest.mark.timeout(300)
def test_idle_connections_disturb_neither_health_nor_copying(count, many_descriptors, running):
    """As many as this machine can open; each waits in the kernel or is closed by the service."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(count, hard - 500)
    idle = []
    try:
        for _ in range(count):
            client = socket.socket()
            idle.append(client)
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", running.http_port))
        longest = 0.0
        until = time.monotonic() + 4
        while time.monotonic() < until:
            begun = time.monotonic()
            wait_until(running.health, 60, "/health answers")
            longest = max(longest, time.monotonic() - begun)
        print(f"{count} idle connections: the slowest answer took {longest:.2f} s")
        assert_goes_on(running)
        assert descriptors(running) < 200
    finally:
        for client in idle:
            client.close()
