"""HTTP clients beside a service, each kind in a process of its own: hostile ones, and good ones
that say how long they waited.

Every malformed, slow or oversized request, one by one, is in tests/unit/http_server_test.cpp.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import resource
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.synchronize import Event
from typing import Any

IDLE_CONNECTIONS = 10_000
# A client that is closed comes again, at most so often.
REOPENED_A_SECOND = 2_000
SLOW_CONNECTIONS = 100
TLS_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)
# More than the ports of one address last: each closed connection keeps its own for a minute.
SOURCES = [f"127.0.0.{number}" for number in range(2, 22)]


class Client:
    """Does `work(port, stop, ...)` in a process of its own until it is left; then `told`."""

    def __init__(self, work: Callable[..., Any], port: int, *more: object) -> None:
        context = multiprocessing.get_context("spawn")
        self._stop = context.Event()
        self._answer, answer = context.Pipe(duplex=False)
        arguments = (work, answer, port, self._stop, *more)
        self._process = context.Process(target=_work, args=arguments, daemon=True)
        self.told: Any = None
        self.cpu_seconds = 0.0

    def __enter__(self) -> Client:
        self._process.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        if self._answer.poll(60):
            self.told, self.cpu_seconds = self._answer.recv()
        self._process.join(10)
        self._process.kill()
        assert self.told is not None, "a client of the server failed"


def _work(work: Callable[..., Any], answer: Any, port: int, stop: Event, *more: object) -> None:
    told = work(port, stop, *more)
    answer.send((told, time.process_time()))


# --- hostile ------------------------------------------------------------------------------------


def connected(port: int, number: int = 0, receive_bytes: int | None = None) -> socket.socket:
    client = socket.socket()
    client.settimeout(5)
    if receive_bytes:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    client.bind((SOURCES[number % len(SOURCES)], 0))
    client.connect(("127.0.0.1", port))
    return client


def reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def say(*pieces: bytes) -> Callable[[socket.socket], None]:
    """And goes away without having read the answer."""

    def visit(client: socket.socket) -> None:
        for piece in pieces:
            client.sendall(piece)

    return visit


def half_open(client: socket.socket) -> None:
    client.sendall(b"GET /health HTTP/1.1\r\n")
    client.shutdown(socket.SHUT_WR)
    client.recv(100)


def gone_mid_answer(client: socket.socket) -> None:
    client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
    client.recv(100)


def asks(line: str) -> Callable[[socket.socket], None]:
    """And reads what it gets."""

    def visit(client: socket.socket) -> None:
        client.sendall(f"{line}\r\nHost: x\r\n\r\n".encode())
        while client.recv(65_536):
            pass

    return visit


VISITS: dict[str, Callable[[socket.socket], None]] = {
    "unknown path": asks("GET /nothing HTTP/1.1"),
    "unknown method": asks("BREW /health HTTP/1.1"),
    "other method": asks("DELETE /metrics HTTP/1.1"),
    "HEAD": asks("HEAD /metrics HTTP/1.1"),
    "oversized URI": say(b"GET /", b"a" * 100_000),
    "oversized header": say(b"GET /health HTTP/1.1\r\nX: ", b"a" * 100_000),
    "oversized body": say(
        b"POST /health HTTP/1.1\r\nContent-Length: 1000000000\r\n\r\n", b"x" * 300_000
    ),
    "TLS hello": say(TLS_HELLO),
    "gone before the answer": say(b"GET /status HTTP/1.1\r\n\r\n"),
    "gone mid-answer": gone_mid_answer,
    "half-open": half_open,
    "nothing said": say(),
}


def visit_often(port: int, stop: Event, threads: int = 4, pause: float = 0.01) -> dict[str, int]:
    """All of VISITS in turns; how often each was done."""
    done = dict.fromkeys(VISITS, 0)
    turns = itertools.count()

    def run() -> None:
        while not stop.wait(pause):
            number = next(turns)
            name = [*VISITS][number % len(VISITS)]
            with contextlib.suppress(OSError):
                client = connected(port, number)
                try:
                    VISITS[name](client)
                finally:
                    reset(client)
            done[name] += 1

    workers = [threading.Thread(target=run) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return done


def stay_idle(port: int, stop: Event, count: int = IDLE_CONNECTIONS) -> int:
    """Holds so many connections and says nothing; how many it opened in all."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(count, hard - 500)
    poller = select.epoll()
    held: dict[int, socket.socket] = {}
    opened = 0
    while not stop.wait(0.05):
        for descriptor, _ in poller.poll(0, maxevents=count):
            held.pop(descriptor).close()
        first = opened == 0
        room = count - len(held)
        for _ in range(room if first else min(room, REOPENED_A_SECOND // 20)):
            client = socket.socket()
            client.setblocking(False)
            client.bind((SOURCES[opened % len(SOURCES)], 0))
            client.connect_ex(("127.0.0.1", port))
            held[client.fileno()] = client
            # Writable = connected, which is nothing to react to.
            poller.register(client, select.EPOLLRDHUP)
            opened += 1
    return opened


def drip(port: int, stop: Event, count: int = SLOW_CONNECTIONS) -> int:
    """So many slow lorises, each a byte every 0.1 s; how many of them were cut off."""
    held: list[socket.socket] = []
    cut_off = 0
    while not stop.wait(0.1):
        for client in list(held):
            try:
                client.sendall(b"x")
            except OSError:
                held.remove(client)
                client.close()
                cut_off += 1
        while len(held) < count and not stop.is_set():
            with contextlib.suppress(OSError):
                held.append(connected(port, len(held)))
                held[-1].sendall(b"GET /health HTTP/1.1\r\nX-Slow: ")
    return cut_off


def take_nothing(port: int, stop: Event, path: str = "/status", count: int = 50) -> int:
    """So many clients that ask and never read, and come again when they are given up; how often."""
    asked = 0
    held: list[socket.socket] = []
    while not stop.wait(0.05):
        if len(held) >= count:
            held.pop(0).close()
        with contextlib.suppress(OSError):
            held.append(connected(port, asked, receive_bytes=2_048))
            held[-1].sendall(f"GET {path} HTTP/1.1\r\n\r\n".encode())
            asked += 1
    return asked


HOSTILE: list[Callable[..., Any]] = [stay_idle, visit_often, drip, take_nothing]


@contextlib.contextmanager
def all_at_once(port: int) -> Iterator[dict[str, Client]]:
    """Every hostile client there is, by name; what they tell is known in the end."""
    with contextlib.ExitStack() as stack:
        yield {work.__name__: stack.enter_context(Client(work, port)) for work in HOSTILE}


# --- good ---------------------------------------------------------------------------------------


def get(port: int, path: str, timeout: float) -> bytes:
    """The body of an answer that is there and whole; else OSError."""
    text = b""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        while chunk := client.recv(1 << 20):
            text += chunk
    head, _, body = text.partition(b"\r\n\r\n")
    if f"Content-Length: {len(body)}\r\n".encode() not in head + b"\r\n":
        raise OSError("the answer is cut")
    return body


def ask_regularly(
    port: int, stop: Event, paths: list[str], every: float, timeout: float = 10
) -> dict[str, Any]:
    """Seconds that each answer took, None = none in time or not whole; its bytes; for how long."""
    took: list[float | None] = []
    sizes: list[int] = []
    first = due = time.monotonic()
    while not stop.is_set():
        for path in paths:
            begun = time.monotonic()
            try:
                sizes.append(len(get(port, path, timeout)))
                took.append(time.monotonic() - begun)
            except OSError:
                took.append(None)
        due = max(due + every, time.monotonic())
        stop.wait(max(0.0, due - time.monotonic()))
    return {"took": took, "bytes": sizes, "seconds": time.monotonic() - first}
