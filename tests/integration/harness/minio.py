"""A real S3 server (MinIO), one bucket of it, or a local folder, as places for tables."""

from __future__ import annotations

import shutil
import ssl
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow.fs

from .certificates import Certificate
from .processes import DEPS, Process, Server, free_port, wait_until

USER = "bronze-tests"
PASSWORD = "bronze-tests-secret"
REGION = "us-east-1"


class Store(Protocol):
    """A place for tables, as the service and each of the independent readers name it."""

    base_path: str

    def environment(self) -> dict[str, str]:
        """What the service must be told."""
        ...

    def uri(self, table: str) -> str: ...

    def options(self) -> dict[str, str]:
        """storage_options for delta-rs."""
        ...

    def duckdb_secret(self) -> str | None:
        """The statement that lets DuckDB in."""
        ...

    def filesystem(self) -> pyarrow.fs.FileSystem:
        """Rooted at the base path."""
        ...


class MinioServer(Server):
    """One server. Its port and its data stay the same over restarts.

    With a certificate it speaks TLS; with a domain, buckets may be named in the host.
    """

    def __init__(
        self, directory: Path, certificate: Certificate | None = None, domain: str = ""
    ) -> None:
        self.directory = directory
        self.port = free_port()
        self._console_port = free_port()
        self._scheme = "https" if certificate else "http"
        self._authority = str(certificate.authority) if certificate else None
        self._domain = domain
        certificates = directory / "certificates"
        certificates.mkdir(parents=True, exist_ok=True)
        if certificate:
            shutil.copy(certificate.pem, certificates / "public.crt")
            shutil.copy(certificate.key, certificates / "private.key")

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def endpoint(self) -> str:
        return f"{self._scheme}://{self.address}"

    @property
    def client_context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._authority)

    def start(self) -> None:
        self._process = Process(
            [
                *(DEPS / "bin" / "minio", "server", "--address", self.address),
                *("--console-address", f"127.0.0.1:{self._console_port}"),
                *("--certs-dir", self.directory / "certificates"),
                self.directory / "data",
            ],
            self.directory / "minio.log",
            environment={
                "HOME": str(self.directory),
                "MINIO_ROOT_USER": USER,
                "MINIO_ROOT_PASSWORD": PASSWORD,
                "MINIO_BROWSER": "off",
                "MINIO_UPDATE": "off",
                "MINIO_DOMAIN": self._domain,
            },
        )
        wait_until(self._answers, 30, "MinIO answers")

    def _answers(self) -> bool:
        assert self._process
        assert self._process.running, self._process.tail()
        try:
            with urllib.request.urlopen(
                f"{self.endpoint}/minio/health/ready",
                timeout=2,
                context=self.client_context,
            ) as answer:
                return answer.status == 200
        except OSError:
            return False

    def filesystem(self) -> pyarrow.fs.S3FileSystem:
        return pyarrow.fs.S3FileSystem(
            access_key=USER,
            secret_key=PASSWORD,
            endpoint_override=self.address,
            scheme=self._scheme,
            tls_ca_file_path=self._authority,
            region=REGION,
            allow_bucket_creation=True,
            allow_bucket_deletion=True,
            request_timeout=10,
            connect_timeout=5,
        )

    def create_bucket(self, name: str) -> Bucket:
        self.filesystem().create_dir(name)
        return Bucket(self, name)


@dataclass(frozen=True)
class Bucket:
    server: MinioServer
    name: str

    @property
    def base_path(self) -> str:
        return f"s3a://{self.name}"

    def environment(self) -> dict[str, str]:
        return {
            "DELTA_BASE_PATH": self.base_path,
            "S3_ENDPOINT_URL": self.server.endpoint,
            "AWS_ACCESS_KEY_ID": USER,
            "AWS_SECRET_ACCESS_KEY": PASSWORD,
            "AWS_REGION": REGION,
        }

    def uri(self, table: str) -> str:
        return f"s3://{self.name}/{table}"

    def options(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.server.endpoint,
            "AWS_ACCESS_KEY_ID": USER,
            "AWS_SECRET_ACCESS_KEY": PASSWORD,
            "AWS_REGION": REGION,
            "AWS_ALLOW_HTTP": "true",
        }

    def duckdb_secret(self) -> str:
        return f"""
            CREATE SECRET (TYPE s3, KEY_ID '{USER}', SECRET '{PASSWORD}', REGION '{REGION}',
                ENDPOINT '{self.server.address}', URL_STYLE 'path', USE_SSL false)"""

    def filesystem(self) -> pyarrow.fs.FileSystem:
        return pyarrow.fs.SubTreeFileSystem(self.name, self.server.filesystem())

    def delete(self) -> None:
        self.server.filesystem().delete_dir(self.name)


@dataclass(frozen=True)
class Folder:
    path: Path

    @property
    def base_path(self) -> str:
        return str(self.path)

    def environment(self) -> dict[str, str]:
        return {"DELTA_BASE_PATH": self.base_path}

    def uri(self, table: str) -> str:
        return str(self.path / table)

    def options(self) -> dict[str, str]:
        return {}

    def duckdb_secret(self) -> None:
        return None

    def filesystem(self) -> pyarrow.fs.FileSystem:
        return pyarrow.fs.SubTreeFileSystem(str(self.path), pyarrow.fs.LocalFileSystem())
