"""A service that checks for JSON, and replays that do not: what is no JSON becomes valid by them.

What is no UTF-8 stays bad.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from cells import KILLED, STORE_TIMEOUT_MS
from harness.dead_letters import error_of
from harness.kafka import Broker
from harness.service import FAULTY_BINARY, Bronze

Place = tuple[int, int]

STRICT = {"DLQ_VALIDATE_JSON": "true"}
LAX = {"DLQ_VALIDATE_JSON": "false", "BRONZE_STORE_TIMEOUT_MS": str(STORE_TIMEOUT_MS)}

# Passed by every replay that has something to write.
KILL_POINTS = [
    "replay_after_look",
    "replay_mid_batch",
    "flush_before_file",
    "flush_mid_file",
    "flush_after_file",
    "replay_before_commit",
    "commit_before_put",
    "commit_after_put",
    "replay_after_commit",
]


def valid_now(broker: Broker, topic: str) -> set[Place]:
    """The places of the dead letters that such a replay accepts."""
    records = broker.read_visible(topic)
    return {(r.partition, r.offset) for r in records if error_of(r.value) == "JSON_PARSE_ERROR"}


@dataclass(frozen=True)
class Replays:
    """Starts them, and says how they ended."""

    start: Callable[..., Bronze]
    variables: dict[str, str]

    def begin(self, *arguments: str, **variables: str) -> Bronze:
        told = {**self.variables, **LAX, **variables}
        return self.start(told, "replay", "--json", *arguments, binary=FAULTY_BINARY)

    def run(self, *arguments: str, **variables: str) -> int:
        """Returns how many rows it has written."""
        return rows_of(self.begin(*arguments, **variables))

    def kill_at(self, point: str) -> bool:
        """Whether it got there; otherwise there was nothing to write."""
        replay = self.begin(BRONZE_KILL_POINT=point)
        code = replay.wait_exit(60)
        assert code in (0, KILLED), f"at {point}: exit code {code}\n{replay.tail()}"
        return code == KILLED


def rows_of(replay: Bronze) -> int:
    code = replay.wait_exit(90)
    assert code == 0, f"exit code {code}:\n{replay.tail()}"
    (report,) = (json.loads(line) for line in replay.log().splitlines() if line.startswith("{"))
    (topic,) = report["topics"]
    return topic["replayed"]
