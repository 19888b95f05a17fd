"""A server of OAuth tokens: client credentials for JSON Web Tokens that it signs."""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from .authority import Identity


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value: int) -> str:
    return base64url(value.to_bytes((value.bit_length() + 7) // 8, "big"))


class TokenServer:
    """Gives tokens by https to who knows the secret, and its public keys by http to brokers."""

    CLIENT_ID = "bronze-client"
    AUDIENCE = "kafka"
    LIFETIME_S = 300

    def __init__(self, identity: Identity, client_secret: str) -> None:
        self.client_secret = client_secret
        self.scopes: list[str | None] = []
        self.issued: list[str] = []
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._public = self._server()
        self._private = self._server()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(identity.certificate, identity.key)
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
        numbers = self._key.public_key().public_numbers()
        key = {"kty": "RSA", "kid": "1", "use": "sig", "alg": "RS256"}
        return {"keys": [{**key, "n": number(numbers.n), "e": number(numbers.e)}]}

    def token(self) -> str:
        now = int(time.time())
        claims = {
            **{"sub": self.CLIENT_ID, "aud": self.AUDIENCE, "scope": "read"},
            **{"iat": now, "exp": now + self.LIFETIME_S},
        }
        parts = ({"alg": "RS256", "kid": "1"}, claims)
        signed = ".".join(base64url(json.dumps(part).encode()) for part in parts)
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
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
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = urllib.parse.parse_qs(body)
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
