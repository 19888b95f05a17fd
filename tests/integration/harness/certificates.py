"""Certificates of a CA of the tests' own, made by openssl."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True)
class Certificate:
    pem: Path
    key: Path
    # Of the CA that issued it.
    authority: Path

    def context(self) -> ssl.SSLContext:
        """Of a server that shows it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.pem, self.key)
        return context


class Authority:
    """A CA whose files are in `directory`."""

    def __init__(self, directory: Path, name: str = "tests") -> None:
        directory.mkdir(parents=True)
        self._directory = directory
        self.pem = directory / "ca.pem"
        self._key = directory / "ca.key"
        subject = ("-subj", f"/CN={name}")
        openssl("req", "-x509", *KEY, "-keyout", self._key, "-out", self.pem, *subject)

    def issue(
        self,
        name: str,
        subject: str,
        days: int = 2,
        common_name: str = "server",
        key_password: str = "",
    ) -> Certificate:
        """`subject`: `IP:127.0.0.1`, `DNS:host` or several. With days below 0 it has ended."""
        files = {kind: self._directory / f"{name}.{kind}" for kind in ("pem", "key", "csr", "ext")}
        files["ext"].write_text(f"subjectAltName={subject}\n")
        common_name = f"/CN={common_name}"
        openssl("req", *KEY, "-keyout", files["key"], "-out", files["csr"], "-subj", common_name)
        openssl(
            *("x509", "-req", "-in", files["csr"], "-out", files["pem"], "-days", days),
            *("-CA", self.pem, "-CAkey", self._key, "-CAcreateserial", "-extfile", files["ext"]),
        )
        if key_password:
            locked = files["key"].with_suffix(".locked.key")
            words = ("-in", files["key"], "-out", locked, "-passout", f"pass:{key_password}")
            openssl("pkcs8", "-topk8", *words)
            locked.replace(files["key"])
        return Certificate(files["pem"], files["key"], self.pem)


def openssl(*words: object, said: bytes = b"") -> bytes:
    """What it answers to what is said to it."""
    command = ["openssl", *map(str, words)]
    done = subprocess.run(command, input=said, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@contextlib.contextmanager
def showing(certificate: Certificate) -> Iterator[str]:
    """The address of a server that shows a certificate and says nothing."""
    context = certificate.context()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                accepted, _ = listener.accept()
            except OSError:
                return
            with accepted, contextlib.suppress(OSError):
                context.wrap_socket(accepted, server_side=True).close()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()
