"""What a broker's log says of its groups: how often partitions moved between living members."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

JOINED = re.compile(r"dynamic member with id (\S+) joins group (\S+) in .* Adding to the group")
LEFT = re.compile(r"\[Group (\S+)\] Member (\S+) has left group")
FAILED = re.compile(r"Member (\S+) in group (\S+) has failed")
ABSENT = re.compile(r"Group (\S+) removed (?:dynamic )?members who haven't .*?: (.*)")
STABILIZED = re.compile(r"Stabilized group (\S+) generation \d+ with (\d+) members")


def moves(log: Iterable[str]) -> int:
    """Generations in which somebody came or went, and somebody was there before and after.

    A group whose members were all replaced, such as a lone instance that is started again, does
    not count; nor does a generation of the same members, nor that one member alone remains after
    another failed: the other may have been dead when the broker took it in.
    """
    members: dict[str, set[str]] = defaultdict(set)
    settled: dict[str, set[str]] = defaultdict(set)
    failed: dict[str, bool] = defaultdict(bool)
    count = 0
    for line in log:
        if found := JOINED.search(line):
            members[found[2]].add(found[1])
        elif found := LEFT.search(line):
            members[found[1]].discard(found[2])
        elif found := FAILED.search(line):
            members[found[2]].discard(found[1])
            failed[found[2]] = True
        elif found := ABSENT.search(line):
            members[found[1]] = {one for one in members[found[1]] if one not in found[2]}
            failed[found[1]] = True
        elif found := STABILIZED.search(line):
            now, before = set(members[found[1]]), settled[found[1]]
            settled[found[1]] = now
            moved = now != before and bool(now & before)
            certain = len(now) > 1 or not failed[found[1]]
            failed[found[1]] = False
            # Where the log and our account of it disagree, nothing is counted.
            count += len(now) == int(found[2]) and moved and certain
    return count


__all__ = ["moves"]
