"""A server of OAuth tokens: client credentials for JSON Web Tokens that it signs."""

from __future__ import annotations

import base64
import json
import threading
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from .certificates import Certificate, openssl

# The public exponent of openssl's keys.
EXPONENT = 65537


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class TokenServer:
    """Gives tokens by https to who knows the secret, and its public keys by http to brokers.

    At /token, that is; at /busy it says 503, and at /mute nothing.
    """

    CLIENT_ID = "bronze-client"
    AUDIENCE = "kafka"

    def __init__(self, directory: Path, certificate: Certificate, client_secret: str) -> None:
        self.client_secret = client_secret
        self.lifetime_s = 300
        self.scopes: list[str | None] = []
        self.issued: list[str] = []
        self._key = directory / "tokens.key"
        openssl("genrsa", "-out", self._key, 2048)
        self._public = self._server()
        self._private = self._server()
        context = certificate.context()
        self._private.socket = context.wrap_socket(self._private.socket, server_side=True)

    @property
    def url(self) -> str:
        return f"https://localhost:{self._private.server_port}/token"

    @property
    def keys_url(self) -> str:
        return f"http://127.0.0.1:{self._public.server_port}/keys"

    @contextmanager
    def running(self) -> Iterator[TokenServer]:
        servers = (self._public, self._private)
        threads = [threading.Thread(target=server.serve_forever) for server in servers]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            for server in servers:
                server.shutdown()
                server.server_close()
            for thread in threads:
                thread.join()

    def keys(self) -> dict:
        _, modulus = openssl("rsa", "-in", self._key, "-noout", "-modulus").decode().split("=")
        key = {"kty": "RSA", "kid": "1", "use": "sig", "alg": "RS256"}
        numbers = {"n": bytes.fromhex(modulus.strip()), "e": EXPONENT.to_bytes(3, "big")}
        return {"keys": [{**key, **{name: base64url(n) for name, n in numbers.items()}}]}

    def token(self) -> str:
        now = int(time.time())
        claims = {
            **{"sub": self.CLIENT_ID, "aud": self.AUDIENCE, "scope": "read"},
            **{"iat": now, "exp": now + self.lifetime_s},
        }
        parts = ({"alg": "RS256", "kid": "1"}, claims)
        signed = ".".join(base64url(json.dumps(part).encode()) for part in parts)
        signature = openssl("dgst", "-sha256", "-sign", self._key, said=signed.encode())
        return f"{signed}.{base64url(signature)}"

    def grant(self, authorization: str, form: dict[str, list[str]]) -> tuple[int, dict]:
        self.scopes.append(form.get("scope", [None])[0])
        known = base64.b64encode(f"{self.CLIENT_ID}:{self.client_secret}".encode()).decode()
        if authorization != f"Basic {known}":
            return 401, {"error": "invalid_client", "error_description": "unknown client"}
        if form.get("grant_type") != ["client_credentials"]:
            return 400, {"error": "unsupported_grant_type"}
        self.issued.append(self.token())
        return 200, {"access_token": self.issued[-1], "token_type": "Bearer"}

    def _server(self) -> ThreadingHTTPServer:
        tokens = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer(200, tokens.keys())

            def do_POST(self) -> None:
                if self.path == "/mute":
                    return
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = urllib.parse.parse_qs(body)
                if self.path == "/busy":
                    self.answer(503, {"error": "temporarily_unavailable"})
                    return
                self.answer(*tokens.grant(self.headers.get("Authorization", ""), form))

            def answer(self, status: int, content: dict) -> None:
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: object) -> None:
                pass

        return ThreadingHTTPServer(("127.0.0.1", 0), Handler)
