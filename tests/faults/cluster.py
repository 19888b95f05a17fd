"""Three brokers that share the work, so that a partition has somewhere to go."""

from __future__ import annotations

import base64
import uuid
from pathlib import Path

from confluent_kafka.admin import NewTopic
from harness.kafka import JARS, JVM, Broker
from harness.processes import Process, free_port, wait_until

PROPERTIES = """\
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={directory}/data
auto.create.topics.enable=false
num.network.threads=1
num.io.threads=2
log.cleaner.dedupe.buffer.size=4194304
default.replication.factor=3
min.insync.replicas=2
offsets.topic.replication.factor=3
offsets.topic.num.partitions=2
transaction.state.log.replication.factor=3
transaction.state.log.num.partitions=2
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=500
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
"""
NODES = 3


class Cluster(Broker):
    """Asked like a single broker; any one node may be down."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._ports = [free_port() for _ in range(NODES)]
        self._nodes: list[Process | None] = [None] * NODES
        controllers = [free_port() for _ in range(NODES)]
        voters = ",".join(f"{n}@127.0.0.1:{port}" for n, port in enumerate(controllers))
        self.bootstrap = ",".join(f"127.0.0.1:{port}" for port in self._ports)
        for node in range(NODES):
            self._folder(node).mkdir()
            (self._folder(node) / "server.properties").write_text(
                PROPERTIES.format(
                    node=node,
                    voters=voters,
                    port=self._ports[node],
                    controller_port=controllers[node],
                    directory=self._folder(node),
                )
            )

    def start(self) -> None:
        identity = base64.urlsafe_b64encode(b"k" + uuid.uuid4().bytes[1:]).decode().rstrip("=")
        for node in range(NODES):
            properties = self._folder(node) / "server.properties"
            self.run_tool(
                *("kafka.tools.StorageTool", "format", "-t", identity, "-c", str(properties))
            )
        for node in range(NODES):
            self.start_node(node)
        self.wait_nodes(NODES)

    def stop(self) -> None:
        for process in filter(None, self._nodes):
            process.end(30)

    def start_node(self, node: int) -> None:
        folder = self._folder(node)
        command = [*JVM, "-Xmx300m", "-cp", f"{JARS}/*", "kafka.Kafka"]
        self._nodes[node] = Process(
            [*command, folder / "server.properties"], folder / "broker.log", directory=folder
        )

    def kill_node(self, node: int) -> None:
        process = self._nodes[node]
        assert process
        process.kill()

    def wait_nodes(self, count: int) -> None:
        wait_until(lambda: self._known() == count, 120, f"{count} brokers are up", 0.3)

    def leaders(self, topic: str) -> dict[int, int]:
        found = self.admin.list_topics(topic, timeout=10).topics[topic].partitions
        return {number: partition.leader for number, partition in found.items()}

    def wait_in_sync(self, topic: str) -> None:
        def in_sync() -> bool:
            found = self.admin.list_topics(topic, timeout=10).topics[topic].partitions
            return all(len(partition.isrs) == NODES for partition in found.values())

        wait_until(in_sync, 90, f"all replicas of {topic} are in sync", 0.3)

    def create_topic(self, topic: str, partitions: int, **settings: str) -> None:
        new = NewTopic(topic, partitions, NODES, config=settings)
        self.admin.create_topics([new])[topic].result(30)
        self.wait_in_sync(topic)
        self.end_offsets(topic)

    def _known(self) -> int:
        try:
            return len(self.admin.list_topics(timeout=3).brokers)
        except Exception:
            return 0

    def _folder(self, node: int) -> Path:
        return self.directory / f"node-{node}"
