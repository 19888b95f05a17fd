"""Changes what a broker has stored, as no producer of ours would send it."""

from __future__ import annotations

import struct

from .kafka import Broker

# Of a record batch, format 2.
LENGTH_AT = 8
CHECKSUM_AT = 17
CHECKED_FROM = 21


def rewrite(broker: Broker, topic: str, partition: int, old: bytes, new: bytes) -> None:
    """Replaces bytes of records that are stored uncompressed; the checksums are right after it."""
    assert len(old) == len(new)
    segment = broker.directory / "data" / f"{topic}-{partition}" / f"{0:020}.log"
    content = bytearray(segment.read_bytes())
    assert content.count(old) == 1, f"{old!r} is {content.count(old)} times in {segment}"
    place = content.index(old)
    content[place : place + len(old)] = new
    begin = 0
    while begin + CHECKED_FROM < len(content):
        end = begin + LENGTH_AT + 4 + struct.unpack_from(">i", content, begin + LENGTH_AT)[0]
        if begin < place < end:
            checksum = crc32c(bytes(content[begin + CHECKED_FROM : end]))
            struct.pack_into(">I", content, begin + CHECKSUM_AT, checksum)
        begin = end
    with segment.open("r+b") as file:
        file.write(content)


def crc32c(data: bytes) -> int:
    rest = 0xFFFFFFFF
    for byte in data:
        rest ^= byte
        for _ in range(8):
            rest = rest >> 1 ^ (0x82F63B78 if rest & 1 else 0)
    return rest ^ 0xFFFFFFFF
