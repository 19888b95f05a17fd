"""What is counted is what was done."""

from __future__ import annotations

import random

import s3_proxy
from cells import Doubts
from groups import moves
from report import Counts

LINE = "INFO GroupMetadataManager - [GroupCoordinator id=1 topic=__consumer_offsets partition=1] "


def joins(member: str) -> str:
    return (
        f"{LINE}Pending dynamic member with id {member} joins group g in "
        "PreparingRebalance state. Adding to the group now."
    )


def fails(member: str) -> str:
    return f"{LINE}Member {member} in group g has failed, removing it from the group."


def leaves(member: str) -> str:
    return (
        f"{LINE}[Group g] Member {member} has left group through explicit `LeaveGroup` request; "
        "client reason: not provided"
    )


def settles(members: int) -> str:
    return f"{LINE}Stabilized group g generation 7 with {members} members."


def test_a_lone_instance_that_starts_again_is_no_rebalance():
    log = [joins("a"), settles(1), fails("a"), joins("b"), settles(1), leaves("b"), joins("c")]
    assert moves([*log, settles(1)]) == 0


def test_who_comes_to_somebody_or_leaves_somebody_moves_partitions():
    log = [joins("a"), settles(1), joins("b"), settles(2), joins("c"), settles(3)]
    absent = f"{LINE}Group g removed dynamic members who haven't joined: [b, c]"
    assert moves([*log, leaves("a"), settles(2)]) == 3
    assert moves([*log, fails("a"), settles(2)]) == 3
    assert moves([*log, leaves("a"), leaves("b"), settles(1)]) == 3
    # Whether they still lived is not known.
    assert moves([*log, absent, settles(1)]) == 2
    # Nobody came or went.
    assert moves([*log, settles(3)]) == 2
    # All were replaced.
    assert moves([*log, absent, fails("a"), joins("d"), joins("e"), settles(2)]) == 2


class Server:
    """Answers as it is told."""

    def __init__(self, status: int) -> None:
        self._status = status

    def ask_server(self, _request) -> s3_proxy.Answer:
        return s3_proxy.Answer(self._status, "", (), b"")


class Exchange(s3_proxy.Exchange):
    """Of no connection."""

    def __init__(self, server: Server, request: s3_proxy.Request) -> None:
        self._proxy = server
        self.request = request
        self.done = False

    def send(self, answer: s3_proxy.Answer) -> None:
        pass

    def reset(self) -> None:
        pass

    def wait_until_client_leaves(self, seconds: float) -> bool:
        return True


def test_only_what_the_store_has_done_is_an_ambiguous_answer():
    counts = Counts()
    doubts = Doubts(random.Random(1), {"late": 2, "503": 1}, counts)
    request = s3_proxy.Request("PUT", f"/t/_delta_log/{7:020}.json", (), b"")

    def answer(status: int) -> None:
        while (fault := doubts.judge(request)) is None:
            assert not doubts.over
        fault(Exchange(Server(status), request))

    for _ in range(4):
        answer(412)
    assert not counts.ambiguous and doubts.left == {"late": 2, "503": 1}
    assert counts.other["landed_too_late"] + counts.other["answers_of_nothing_done"] == 4
    for _ in range(3):
        answer(200)
    assert counts.ambiguous == {"late": 2, "503": 1} and doubts.over
