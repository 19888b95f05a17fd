"""A real schema registry in one process: Apicurio, by its Confluent-compatible interface."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path

from .processes import DEPS, Process, Server, free_port, wait_until

FOLDER = DEPS / "apicurio"


class SchemaRegistry(Server):
    """Keeps its schemas in a file, so that it knows them when it is started again."""

    PATIENCE_TO_ANSWER = 120

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._port = free_port()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/apis/ccompat/v7"

    def start(self) -> None:
        (jar,) = FOLDER.glob("apicurio-registry-app-*-runner.jar")
        command = [
            "java",
            "-Xmx256m",
            "-XX:TieredStopAtLevel=1",
            "-XX:+UseSerialGC",
            "-Dquarkus.http.host=127.0.0.1",
            f"-Dquarkus.http.port={self._port}",
            f"-Dapicurio.datasource.url=jdbc:h2:file:{self._directory}/registry;WRITE_DELAY=0",
            "-jar",
            jar,
        ]
        self._process = Process(command, self._directory / "registry.log", directory=FOLDER)
        wait_until(
            self._answers, self.PATIENCE_TO_ANSWER, "the schema registry answers", interval=0.5
        )

    def ensure_running(self) -> None:
        super().ensure_running()
        self.thaw()

    def _answers(self) -> bool:
        assert self._process and self._process.running, "the schema registry ended"
        try:
            with urllib.request.urlopen(f"{self.url}/subjects", timeout=5) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def register(self, subject: str, schema: str, kind: str = "AVRO", references=()) -> int:
        """The id of the schema."""
        body = {"schema": schema, "schemaType": kind, "references": list(references)}
        request = urllib.request.Request(
            f"{self.url}/subjects/{subject}/versions",
            json.dumps(body).encode(),
            {"Content-Type": "application/vnd.schemaregistry.v1+json"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)["id"]


def frame(schema_id: int, payload: bytes) -> bytes:
    return b"\0" + (schema_id % 2**32).to_bytes(4, "big") + payload
