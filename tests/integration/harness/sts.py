"""Temporary credentials of a real MinIO, and stand-ins for the services of AWS that hand them out.

MinIO's own hold for 900 s at least. So what is issued here states an end of its own, and a proxy
before MinIO refuses it from then on, as S3 does.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import hmac
import http.server
import json
import re
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from xml.sax.saxutils import escape

from s3_proxy import Fault, Request, S3Proxy, answer_instead

from .certificates import Certificate
from .minio import PASSWORD, REGION, USER, MinioServer

CREDENTIAL = re.compile(r"Credential=([^/]+)/")


@dataclass(frozen=True)
class Credentials:
    key_id: str
    secret: str
    token: str
    # As a time of time.time().
    ends: float

    @property
    def expiration(self) -> str:
        end = datetime.datetime.fromtimestamp(self.ends, datetime.timezone.utc)
        return end.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def environment(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": self.key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_SESSION_TOKEN": self.token,
        }

    def profile(self, name: str) -> str:
        return (
            f"[{name}]\naws_access_key_id = {self.key_id}\n"
            f"aws_secret_access_key={self.secret}\naws_session_token = {self.token}\n"
        )

    def document(self, token: str) -> dict[str, str]:
        """As containers, instances and credential processes have it."""
        return {
            "Code": "Success",
            "AccessKeyId": self.key_id,
            "SecretAccessKey": self.secret,
            token: self.token,
            "Expiration": self.expiration,
        }


def assume_role(
    minio: MinioServer, lifetime: float = 900, policy: dict | None = None
) -> Credentials:
    """Of MinIO's administrator; with a policy, no more than it allows."""
    form = {"Action": "AssumeRole", "Version": "2011-06-15", "DurationSeconds": "900"}
    if policy:
        form["Policy"] = json.dumps(policy)
    body = urllib.parse.urlencode(form)
    request = urllib.request.Request(minio.endpoint, body.encode(), signed(minio.address, body))
    with urllib.request.urlopen(request, timeout=20, context=minio.client_context) as answer:
        xml = answer.read().decode()

    def part(name: str) -> str:
        found = re.search(f"<{name}>(.*?)</{name}>", xml)
        assert found, xml
        return found[1]

    return Credentials(
        part("AccessKeyId"), part("SecretAccessKey"), part("SessionToken"), time.time() + lifetime
    )


def signed(host: str, body: str) -> dict[str, str]:
    """The headers of a POST to STS, by version 4 of AWS's signatures."""
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    digest = hashlib.sha256(body.encode()).hexdigest()
    kind = "application/x-www-form-urlencoded"
    headers = f"content-type:{kind}\nhost:{host}\nx-amz-date:{now}\n"
    names = "content-type;host;x-amz-date"
    canonical = f"POST\n/\n\n{headers}\n{names}\n{digest}"
    scope = f"{now[:8]}/{REGION}/sts/aws4_request"
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{PASSWORD}".encode()
    for word in (*scope.split("/"), f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashed}"):
        key = hmac.new(key, word.encode(), hashlib.sha256).digest()
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={USER}/{scope}, SignedHeaders={names}, Signature={key.hex()}"
    )
    return {"Authorization": authorization, "X-Amz-Date": now, "Content-Type": kind}


class Issuer:
    """Hands out credentials as the services of AWS do by HTTP, and refuses those that have ended.

    What it says of itself: `token` must come with requests of containers, `identity` with web
    identities; an instance must ask by version 2.
    """

    ROLE = "bronze-role"

    def __init__(
        self,
        minio: MinioServer,
        lifetime: float,
        address: tuple[str, int] = ("127.0.0.1", 0),
        certificate: Certificate | None = None,
    ) -> None:
        self._minio = minio
        self.lifetime = lifetime
        self.token = "token-of-the-container"
        self.identity = "identity-of-the-pod"
        self.is_down = False
        # Whether MinIO knows what is issued.
        self.is_known = True
        # In the order in which they were issued.
        self.issued: list[Credentials] = []
        # Requests that came with credentials that had ended.
        self.refused: list[str] = []
        self._ends: dict[str, float] = {}
        self._server = http.server.ThreadingHTTPServer(address, handler_of(self))
        self._scheme = "https" if certificate else "http"
        if certificate:
            self._server.socket = certificate.context().wrap_socket(
                self._server.socket, server_side=True
            )

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}"

    @contextlib.contextmanager
    def running(self) -> Iterator[Issuer]:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()

    def issue(self, lifetime: float | None = None) -> Credentials:
        new = assume_role(self._minio, self.lifetime if lifetime is None else lifetime)
        if not self.is_known:
            new = replace(new, key_id=f"{len(self.issued):04}{new.key_id[4:]}")
        self._ends[new.key_id] = new.ends
        self.issued.append(new)
        return new

    def end(self, credentials: Credentials) -> None:
        """Before their time."""
        self._ends[credentials.key_id] = 0

    def judge(self, request: Request) -> Fault | None:
        """For the proxy before MinIO."""
        found = CREDENTIAL.search(request.header("authorization") or "")
        if found and self._ends.get(found[1], time.time() + 1) <= time.time():
            self.refused.append(f"{request.method} {request.path}")
            return answer_instead(400, "ExpiredToken")
        return None

    def proxy(self) -> S3Proxy:
        proxy = S3Proxy(self._minio.address)
        proxy.judge = self.judge
        return proxy

    # --- what it answers ----------------------------------------------------------------------

    def of_container(self, authorization: str | None) -> tuple[int, str]:
        if authorization != self.token:
            return 401, json.dumps({"code": "Unauthorized", "message": "no such token"})
        return 200, json.dumps(self.issue().document("Token"))

    def of_web_identity(self, form: dict[str, str]) -> tuple[int, str]:
        if form.get("WebIdentityToken") != self.identity or form["Action"] != (
            "AssumeRoleWithWebIdentity"
        ):
            return 400, (
                "<ErrorResponse><Error><Code>InvalidIdentityToken</Code>"
                "<Message>The token is not known</Message></Error></ErrorResponse>"
            )
        new = self.issue()
        parts = {
            "AccessKeyId": new.key_id,
            "SecretAccessKey": new.secret,
            "SessionToken": new.token,
            "Expiration": new.expiration,
        }
        inner = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in parts.items())
        return 200, (
            '<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
            f"<AssumeRoleWithWebIdentityResult><Credentials>{inner}</Credentials>"
            "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
        )

    def of_instance(self, path: str, token: str | None) -> tuple[int, str]:
        if token != "token-of-the-instance":
            return 401, "version 2 only"
        if path == "":
            return 200, f"{self.ROLE}\n"
        if path == self.ROLE:
            return 200, json.dumps(self.issue().document("Token"))
        return 404, "no such role"


def handler_of(issuer: Issuer) -> type[http.server.BaseHTTPRequestHandler]:
    instance = "/latest/meta-data/iam/security-credentials/"

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith(instance):
                token = self.headers.get("X-aws-ec2-metadata-token")
                self._answer(lambda: issuer.of_instance(self.path[len(instance) :], token))
            else:
                self._answer(lambda: issuer.of_container(self.headers.get("Authorization")))

        def do_PUT(self) -> None:
            lasts = int(self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", 0))
            known = self.path == "/latest/api/token" and lasts > 0
            self._answer(lambda: (200, "token-of-the-instance") if known else (400, "no such path"))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = dict(urllib.parse.parse_qsl(body))
            self._answer(lambda: issuer.of_web_identity(form))

        def _answer(self, answer) -> None:
            status, text = (503, "") if issuer.is_down else answer()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_words) -> None:
            pass

    return Handler
