"""The services of docker-compose.yml without an engine, in a network and host names of their own.

Kafka, its tools, MinIO and bronze are the real ones and get the commands and variables of the file.
Of Kafka's image the program runs that makes a configuration of the variables; it is in the jars.
The MinIO client is not there, so another S3 client creates the bucket.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import yaml

from .kafka import JARS, JVM
from .processes import DEPS, ROOT, Process, wait_until

COMPOSE = ROOT / "docker-compose.yml"

NAMESPACE = """\
import fcntl, socket, struct, subprocess, sys, time
up = struct.pack("16sH", b"lo", 1)
fcntl.ioctl(socket.socket(), 0x8914, up)
subprocess.run(["mount", "--bind", sys.argv[1], "/etc/hosts"], check=True)
print("ready", flush=True)
time.sleep(3600)
"""

CREATE_BUCKET = """\
import sys, pyarrow.fs
key, secret, endpoint, bucket = sys.argv[1:]
store = pyarrow.fs.S3FileSystem(access_key=key, secret_key=secret, endpoint_override=endpoint,
    scheme="http", allow_bucket_creation=True)
store.create_dir(bucket)
"""

# Kafka's own scripts, by the names under which the compose file and the README call them.
TOOLS = {
    "kafka-topics.sh": "org.apache.kafka.tools.TopicCommand",
    "kafka-console-producer.sh": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-broker-api-versions.sh": "org.apache.kafka.tools.BrokerApiVersionsCommand",
    "kafka-consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
}


def services() -> dict[str, dict]:
    return yaml.safe_load(COMPOSE.read_text())["services"]


def children_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


class Stack:
    """Ends with stop(). Takes root, for the namespaces."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.services = services()
        self.tools = directory / "bin"
        self._processes: list[Process] = []
        self._write_tools()
        hosts = directory / "hosts"
        hosts.write_text(f"127.0.0.1 localhost {socket.gethostname()} {' '.join(self.services)}\n")
        namespace = [
            *(
                "unshare",
                "--net",
                "--mount",
                "--fork",
                "--kill-child",
                sys.executable,
                "-c",
                NAMESPACE,
            )
        ]
        self._holder = Process([*namespace, hosts], directory / "namespace.log")
        wait_until(lambda: "ready" in self._holder.log(), 10, "the namespace is there")
        self._inside = children_of(self._holder.pid)[0]

    def enter(self, *command: str | Path) -> list[str]:
        """Without a word on it, the working directory would be the root of the file system."""
        return [
            *("nsenter", "--target", self._inside, "--net", "--mount"),
            *(f"--wdns={self.directory}", "--", *map(str, command)),
        ]

    def environment(self, service: str, **more: str) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "KAFKA_BIN": str(self.tools),
            **self.services[service].get("environment", {}),
            **more,
        }

    def start(
        self, name: str, command: list[str | Path], environment: Mapping[str, str]
    ) -> Process:
        log = self.directory / f"{name}.log"
        environment = {**environment, "HOME": str(self.directory)}
        process = Process(self.enter(*command), log, environment, self.directory)
        self._processes.append(process)
        return process

    # --- services -----------------------------------------------------------------------------

    def start_kafka(self) -> None:
        folders = {name: self.directory / name for name in ("default", "mounted", "final")}
        for folder in folders.values():
            folder.mkdir()
        # What the image brings along beside the programs; empty, since the variables count.
        for name in ("server.properties", "log4j2.yaml", "tools-log4j2.yaml"):
            (folders["default"] / name).touch()
        (folders["final"] / "server.properties").touch()
        environment = self.environment(
            "kafka",
            CLUSTER_ID="5L6g3nShT-eMCtK--X86sw",
            KAFKA_LOG_DIRS=str(self.directory / "kafka-data"),
        )
        arguments = [
            *("--default-configs-dir", folders["default"]),
            *("--mounted-configs-dir", folders["mounted"]),
            *("--final-configs-dir", folders["final"]),
        ]
        java = [*JVM, "-cp", f"{JARS}/*"]
        self.run([*java, "kafka.docker.KafkaDockerWrapper", "setup", *arguments], environment)
        properties = folders["final"] / "server.properties"
        self.start("kafka", [*java, "kafka.Kafka", properties], environment)

    def start_minio(self) -> None:
        service = self.services["minio"]
        data = self.directory / "minio-data"
        arguments = [str(data) if word == "/data" else word for word in service["command"]]
        self.start("minio", [DEPS / "bin" / "minio", *arguments], self.environment("minio"))

    def create_bucket(self) -> None:
        """What the service `bucket` says, by another client."""
        service = self.services["bucket"]
        (command,) = service["command"]
        name = re.search(r"mc mb --ignore-existing store/([\w-]+)", command)
        address = service["environment"]["MC_HOST_store"]
        parts = re.fullmatch(r"http://(\w+):(\w+)@([\w:]+)", address)
        assert name and parts
        self.run([sys.executable, "-c", CREATE_BUCKET, *parts.groups(), name[1]])

    def is_healthy(self, service: str) -> bool:
        """Runs the service's health check; that of Kafka's image with the tools of the jars."""
        kind, *command = self.services[service]["healthcheck"]["test"]
        assert kind == "CMD"
        command[0] = command[0].replace("/opt/kafka/bin", str(self.tools))
        done = subprocess.run(
            self.enter(*command), env=self.environment(service), capture_output=True, timeout=60
        )
        return done.returncode == 0

    def run_script(self, service: str, **more: str) -> str:
        """Runs a script of deploy/docker to its end, as the service says."""
        shell, script = self.services[service]["entrypoint"]
        (volume,) = self.services[service]["volumes"]
        source, target, _ = volume.split(":")
        local = script.replace(target, str(ROOT / source))
        return self.run([shell, local], self.environment(service, **more))

    def run(
        self,
        command: list[str | Path],
        environment: Mapping[str, str] | None = None,
        timeout: float = 120,
    ) -> str:
        done = subprocess.run(
            self.enter(*command),
            env=None if environment is None else dict(environment),
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=self.directory,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.end(15)
        self._holder.kill()

    def _write_tools(self) -> None:
        self.tools.mkdir(parents=True)
        for name, main_class in TOOLS.items():
            tool = self.tools / name
            tool.write_text(f"#!/bin/sh\nexec {' '.join(JVM)} -cp '{JARS}/*' {main_class} \"$@\"\n")
            tool.chmod(0o755)
