"""Stands before an S3 server and can do to each request what a network or a store may do to it.

    proxy.judge = lambda request: s3_proxy.answer_after(503) if request.is_commit else None

A judge looks at a request and returns None (pass it on) or a fault: a function that gets the
`Exchange` and does with it what it wants. The Host header goes through unchanged, because it is
signed.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

COMMIT = re.compile(r"/_delta_log/(\d{20})\.json$")
LINE_MAX = 65536


@dataclass(frozen=True)
class Request:
    method: str
    # With the query.
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def is_commit(self) -> bool:
        """The conditional PUT of a log entry."""
        return self.method == "PUT" and bool(COMMIT.search(self.path))

    @property
    def version(self) -> int:
        """Of the log entry."""
        found = COMMIT.search(self.path)
        assert found
        return int(found[1])

    @property
    def is_data_file(self) -> bool:
        return (
            self.method in ("PUT", "POST")
            and self.path.endswith(".parquet")
            and ("_delta_log" not in self.path)
        )

    @property
    def is_checkpoint(self) -> bool:
        return self.method in ("PUT", "POST") and ".checkpoint." in self.path

    @property
    def is_hint(self) -> bool:
        return self.method == "PUT" and self.path.endswith("/_last_checkpoint")


@dataclass(frozen=True)
class Answer:
    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Connection:
    """Of a client."""

    def __init__(self, accepted: socket.socket) -> None:
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = accepted
        self.reader = accepted.makefile("rb")

    def close(self) -> None:
        """At once: the reader alone would keep the connection open."""
        self.reader.close()
        self.socket.close()


class Exchange:
    """One request and the connection that waits for its answer."""

    def __init__(self, proxy: S3Proxy, connection: Connection, request: Request) -> None:
        self._proxy = proxy
        self._connection = connection.socket
        self._whole = connection
        self.request = request
        # Whether the server has said that it did what was asked.
        self.done = False

    def forward(self) -> Answer:
        """Has the server do it."""
        answer = self._proxy.ask_server(self.request)
        self.done = answer.status == 200
        return answer

    def send(self, answer: Answer) -> None:
        lines = [f"HTTP/1.1 {answer.status} {answer.reason}"]
        lines += [f"{name}: {value}" for name, value in answer.headers]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        body = b"" if self.request.method == "HEAD" else answer.body
        self._connection.sendall(head + body)

    def answer(self, status: int, code: str = "Injected", **headers: str) -> None:
        """An error as S3 words it; nothing is asked of the server."""
        body = f"<Error><Code>{code}</Code><Message>injected</Message></Error>".encode()
        fields = (("Content-Type", "application/xml"), ("Content-Length", str(len(body))))
        more = tuple((name.replace("_", "-"), value) for name, value in headers.items())
        self.send(Answer(status, code, fields + more, body))

    def reset(self) -> None:
        """The client sees ECONNRESET."""
        no_linger = struct.pack("ii", 1, 0)
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
        self._whole.close()

    def wait_until_client_leaves(self, seconds: float) -> bool:
        """Whether the client closed the connection within that time."""
        self._connection.settimeout(seconds)
        try:
            return self._connection.recv(1) == b""
        except TimeoutError:
            return False
        except OSError:
            return True


Fault = Callable[[Exchange], None]
Judge = Callable[[Request], Fault | None]


def pass_on(_request: Request) -> None:
    """The judge who does nothing."""


# --- faults -------------------------------------------------------------------------------------


def answer_after(status: int, code: str = "Injected") -> Fault:
    """It is done, but the client is told otherwise."""

    def fault(exchange: Exchange) -> None:
        exchange.forward()
        exchange.answer(status, code)

    return fault


def answer_instead(status: int, code: str = "Injected", **headers: str) -> Fault:
    """Nothing is done."""
    return lambda exchange: exchange.answer(status, code, **headers)


def reset_after(exchange: Exchange) -> None:
    """It is done, and the connection breaks."""
    exchange.forward()
    exchange.reset()


def reset_instead(exchange: Exchange) -> None:
    exchange.reset()


def answer_too_late(exchange: Exchange) -> None:
    """It is done at once; the answer comes when the client has given up."""
    answer = exchange.forward()
    exchange.wait_until_client_leaves(60)
    exchange.send(answer)


def land_too_late(seconds: float) -> Fault:
    """The connection breaks; the request reaches the store only afterwards."""

    def fault(exchange: Exchange) -> None:
        exchange.reset()
        time.sleep(seconds)
        exchange.forward()

    return fault


def watched(fault: Fault, tell: Callable[[bool], None]) -> Fault:
    """Tells, when the fault is over, whether the server has done what was asked."""

    def and_tell(exchange: Exchange) -> None:
        try:
            fault(exchange)
        finally:
            tell(exchange.done)

    return and_tell


def delayed(seconds: float) -> Fault:
    def fault(exchange: Exchange) -> None:
        time.sleep(seconds)
        exchange.send(exchange.forward())

    return fault


def trickled(bytes_per_second: int) -> Fault:
    """The answer comes at this pace, and the request takes as long as it would at it."""

    def fault(exchange: Exchange) -> None:
        time.sleep(len(exchange.request.body) / bytes_per_second)
        answer = exchange.forward()
        time.sleep(len(answer.body) / bytes_per_second)
        exchange.send(answer)

    return fault


# --- the server ---------------------------------------------------------------------------------


class S3Proxy:
    """Listens on a port of its own while used as a context; one thread a connection."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._mine = threading.local()
        self._lock = threading.Lock()
        self._open: set[Connection] = set()
        self._closing = False
        self.judge: Judge = pass_on
        # For tests: what was asked, in order of arrival.
        self.seen: list[tuple[str, str]] = []

    @property
    def endpoint(self) -> str:
        host, port = self._listener.getsockname()
        return f"http://{host}:{port}"

    def __enter__(self) -> S3Proxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing = True
        self._listener.close()
        with self._lock:
            # Wakes the threads that read from them.
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.socket.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._closing:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            connection = Connection(accepted)
            with self._lock:
                self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: Connection) -> None:
        try:
            while request := read_request(connection.reader):
                with self._lock:
                    self.seen.append((request.method, request.target))
                exchange = Exchange(self, connection, request)
                fault = self.judge(request)
                if fault is None:
                    exchange.send(exchange.forward())
                else:
                    fault(exchange)
        except (OSError, ValueError, http.client.HTTPException):
            # Either side went away; whoever still waits sees the connection end.
            pass
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def ask_server(self, request: Request) -> Answer:
        """On this thread's own connection to the server, made anew when it was closed."""
        for attempt in (0, 1):
            upstream = getattr(self._mine, "connection", None)
            fresh = upstream is None
            if upstream is None:
                upstream = http.client.HTTPConnection(self._upstream, timeout=60)
                self._mine.connection = upstream
            try:
                return exchange_with(upstream, request)
            except (OSError, http.client.HTTPException):
                upstream.close()
                self._mine.connection = None
                # Only an idle connection that the server had closed is worth another try.
                if fresh or attempt or request.method == "PUT":
                    raise
        raise AssertionError("unreachable")


def exchange_with(upstream: http.client.HTTPConnection, request: Request) -> Answer:
    upstream.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
    for name, value in request.headers:
        upstream.putheader(name, value)
    upstream.endheaders(request.body or None)
    answer = upstream.getresponse()
    body = answer.read()
    headers = [
        (name, value)
        for name, value in answer.getheaders()
        if name.lower() not in ("transfer-encoding", "connection")
    ]
    if not any(name.lower() == "content-length" for name, _ in headers):
        headers.append(("Content-Length", str(len(body))))
    return Answer(answer.status, answer.reason, tuple(headers), body)


def read_request(reader) -> Request | None:
    """None when the client has closed the connection."""
    first = reader.readline(LINE_MAX)
    if not first:
        return None
    method, target, _ = first.decode("latin-1").split(" ", 2)
    headers: list[tuple[str, str]] = []
    while (line := reader.readline(LINE_MAX).decode("latin-1").rstrip("\r\n")) != "":
        name, _, value = line.partition(":")
        headers.append((name, value.strip()))
    length = next((int(v) for n, v in headers if n.lower() == "content-length"), 0)
    body = reader.read(length)
    if len(body) < length:
        return None
    return Request(method, target, tuple(headers), body)
