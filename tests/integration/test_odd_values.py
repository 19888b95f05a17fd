"""Odd values under every check: JSON Schema, Avro and Protobuf of files, frames of a registry; in
columns of text, of bytes and of base64. docs/bad-messages.md is the same as a table."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from harness.registry import SchemaRegistry, frame
from harness.tables import Table

MIB = 1024 * 1024
GENEROUS = {"max.message.bytes": str(12 * MIB)}
FARE = {"properties": {"fare": {"maximum": 100}}}
NODE = {
    "type": "record",
    "name": "Node",
    "fields": [
        {"name": "s", "type": "string"},
        {"name": "n", "type": ["null", "Node"]},
    ],
}
MESSAGE = 'syntax = "proto3"; message M { string s = 1; M m = 2; repeated int32 n = 3; }'
NO_JSON, NO_TEXT, REFUSED = "JSON_PARSE_ERROR", "ENCODING_ERROR", "SCHEMA_VALIDATION_ERROR"


@dataclass(frozen=True)
class Odd:
    """A value, what the check of its topic calls it, and what the message says; None = good."""

    name: str
    value: bytes | None
    error: str | None = None
    message: str = ""

    def told_by(self, raw_value: str) -> tuple[str, str] | None:
        if self.value is not None and raw_value == "string":
            try:
                self.value.decode()
            except UnicodeDecodeError as error:
                return NO_TEXT, f"the value is not valid UTF-8 at byte {error.start}"
        return (self.error, self.message) if self.error else None


def json_values(before: bytes = b"") -> list[Odd]:
    """Of JSON; `before` stands before each, and positions count from its first byte."""

    def no_json(position: int, what: str, framed: str = "cannot be read as JSON") -> tuple:
        at = f"at byte {len(before) + position}"
        if before:
            return NO_JSON, f"the value {framed} {at}"
        return NO_JSON, f"the value is not valid JSON {at}: {what}"

    def no_text(position: int) -> tuple[str, str]:
        return NO_TEXT, f"the value is not valid UTF-8 at byte {len(before) + position}"

    number = f"the value cannot be read as JSON at byte {len(before) + 7}: number out of range"
    large = b"x" * 10 * MIB
    values: list[tuple] = [
        ("good", b'{"fare": 1}'),
        ("refused", b'{"fare": 250}', REFUSED, "/fare: 250 is greater than the maximum of 100"),
        ("duplicate keys", b'{"fare": 250, "fare": 1}'),
        ("an integer of 100 bits", b'{"a": 1267650600228229401496703205376}'),
        ("1e400", b'{"a": [1e400]}', REFUSED, number),
        ("depth 1,024", b"[" * 1024 + b"]" * 1024),
        (
            "depth 100,000",
            b"[" * 100_000,
            *no_json(1024, "nested deeper than 1024", "is nested deeper than 1024 levels"),
        ),
        ("empty", b"", *no_json(0, "the text ends too early")),
        ("invalid UTF-8", b'{"a": "\xff"}', *no_text(7)),
        ("a raw surrogate", b'{"a": "\xed\xa0\x80"}', *no_text(7)),
        ("half a surrogate", b'{"a": "\\ud800"}', NO_JSON, "at byte "),
        ("BOM", b"\xef\xbb\xbf{}", *no_json(0, "a byte order mark")),
        ("a NUL byte", b'{"a": "\0"}', *no_json(7, "a control character in a string")),
        ("NUL bytes", b"\0" * 100, *no_json(0, "expected a value")),
        ("truncated", b'{"a": [1', *no_json(8, "the text ends too early")),
        ("trailing data", b"{} {}", *no_json(3, "more text after the value")),
        ("10 MiB", b'{"a": "' + large + b'"}'),
        ("10 MiB truncated", b'{"a": "' + large, NO_JSON, "at byte "),
        ("10 MiB of members", b"[" + b"1," * 5 * MIB + b"1]", REFUSED, "more than 50000 members"),
    ]
    return [Odd(name, before + value, *told) for name, value, *told in values]


def avro_string(text: bytes) -> bytes:
    return varint(2 * len(text)) + text


def varint(number: int) -> bytes:
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def avro_values(before: bytes = b"") -> list[Odd]:
    def at(position: int, what: str) -> tuple[str, str]:
        return REFUSED, f"{what} at byte {len(before) + position}"

    values: list[tuple] = [
        ("good", avro_string(b"a") + b"\0"),
        ("NUL bytes", avro_string(b"\0" * 100) + b"\0"),
        ("depth 400", b"\0\2" * 400 + b"\0\0"),
        ("10 MiB", avro_string(b"x" * 10 * MIB) + b"\0"),
        ("empty", b"", *at(0, "the value ends within a length")),
        ("invalid UTF-8", avro_string(b"a\xff") + b"\0", *at(2, "a string is not valid UTF-8")),
        ("a raw surrogate", avro_string(b"\xed\xa0\x80"), *at(1, "a string is not valid UTF-8")),
        ("truncated", b"\x0aabc", *at(1, "a string needs 5 bytes and 3 are left")),
        ("trailing data", b"\0\0\0", *at(2, "goes on for 1 bytes after its end by the schema")),
        ("a negative length", b"\1\0", *at(0, "a string of negative length -1")),
        ("a length of 2^62", varint(2**63) + b"\0", *at(10, "are left")),
        ("a number without end", b"\xff" * 20, *at(0, "a length has more than 64 bits")),
        ("an unknown branch", b"\0\6", *at(1, "the branch of a union is 3, and the schema has 2")),
        ("depth 100,000", b"\0\2" * 100_000, REFUSED, "nested deeper than 1024"),
    ]
    return [Odd(name, before + value, *told) for name, value, *told in values]


def protobuf_values(before: bytes = b"") -> list[Odd]:
    def at(position: int, what: str) -> tuple[str, str]:
        return REFUSED, f"{what} at byte {len(before) + position}"

    deep = b""
    for _ in range(200):
        deep = b"\x12" + varint(len(deep)) + deep
    values: list[tuple] = [
        ("good", b"\x0a\1a"),
        ("empty", b""),
        ("NUL bytes in a string", b"\x0a\x64" + b"\0" * 100),
        ("an unknown field", b"\x78\5"),
        ("10 MiB", b"\x0a" + varint(10 * MIB) + b"x" * 10 * MIB),
        ("NUL bytes", b"\0" * 100, *at(0, "a field number of 0, which no field has,")),
        ("invalid UTF-8", b"\x0a\2a\xff", *at(3, "a string is not valid UTF-8")),
        ("a raw surrogate", b"\x0a\3\xed\xa0\x80", *at(2, "a string is not valid UTF-8")),
        ("truncated", b"\x0a\5abc", *at(2, "a string needs 5 bytes and 3 are left")),
        ("trailing data", b"\x0a\1a\x0a", *at(4, "the value ends within a length")),
        ("another wire type", b"\x08\1", *at(0, "which is not its type,")),
        ("a length of 2^63", b"\x0a" + varint(2**63), *at(11, "are left")),
        ("depth 200", deep, REFUSED, "messages nested deeper than 100"),
        ("depth 100,000", b"\x23" * 100_000, REFUSED, "messages nested deeper than 100"),
    ]
    return [Odd(name, before + value, *told) for name, value, *told in values]


def unframed() -> list[Odd]:
    """What names no schema, or one that there is not."""
    values = [
        *(Odd(f"{n} bytes", b"\0" * n, REFUSED, f"{n} bytes: the value is not") for n in range(5)),
        Odd("JSON", b'{"a": 1}', REFUSED, "0x7b at byte 0: the value is not framed"),
        Odd("another first byte", b"\1\0\0\0\1\2", REFUSED, "0x01 at byte 0: the value is not"),
    ]
    for schema_id in (0, 2**31 - 1, -1, -(2**31)):
        message = f"the schema registry does not know the schema id {schema_id} ("
        values.append(Odd(f"id {schema_id}", frame(schema_id, b"\2"), REFUSED, message))
    return values


def framed(registry: SchemaRegistry, unique: Callable[[str], str]) -> list[Odd]:
    of_json = registry.register(unique("json"), json.dumps(FARE), "JSON")
    of_avro = registry.register(unique("avro"), json.dumps(NODE))
    of_protobuf = registry.register(unique("protobuf"), MESSAGE, "PROTOBUF")
    first_message = b"\0"
    return [
        *unframed(),
        *json_values(frame(of_json, b"")),
        *avro_values(frame(of_avro, b"")),
        *protobuf_values(frame(of_protobuf, first_message)),
        Odd("an unknown message", frame(of_protobuf, b"\2\4"), REFUSED, "has no message with"),
        Odd("a negative message index", frame(of_protobuf, b"\2\1"), REFUSED, "a negative"),
    ]


@pytest.mark.parametrize("raw_value", ["string", "binary", "base64"])
def test_each_odd_value_is_where_it_belongs(
    raw_value, broker, new_topic, bucket, environment, start, registry, unique, tmp_path
):
    sent = {new_topic(1, **GENEROUS): [Odd("null", None), *framed(registry, unique)]}
    schemas = tmp_path / "schemas"
    schemas.mkdir()
    for values, file, schema in [
        (json_values(), "json", json.dumps(FARE)),
        (avro_values(), "avsc", json.dumps(NODE)),
        (protobuf_values(), "proto", MESSAGE),
    ]:
        topic = new_topic(1, **GENEROUS)
        Path(schemas / f"{topic}.{file}").write_text(schema)
        sent[topic] = [Odd("null", None), *values]
    producer = broker.producer(**{"message.max.bytes": 12 * MIB})
    for topic, values in sent.items():
        for odd in values:
            producer.produce(topic, odd.value, partition=0)
    assert producer.flush(60) == 0
    variables = {
        "RAW_VALUE": raw_value,
        "DLQ_VALIDATE_SCHEMA": "true",
        "DLQ_SCHEMA_DIR": str(schemas),
        "SCHEMA_REGISTRY_URL": registry.url,
        "MEMORY_LIMIT_MB": "128",
    }
    instance = start(environment(*sent, **variables), "run", "--once")
    assert instance.wait_exit(100) == 0, instance.tail()
    for topic, values in sent.items():
        assert_each_is_where_it_belongs(bucket, topic, values, raw_value)


def assert_each_is_where_it_belongs(bucket, topic: str, values: list[Odd], raw_value: str) -> None:
    rows = Table(bucket, topic).arrow().select(["_kafka_offset", "_raw_value"]).to_pylist()
    kept = {row["_kafka_offset"]: as_bytes(row["_raw_value"], raw_value) for row in rows}
    columns = ["_kafka_offset", "error_type", "error_message", "_original_bytes"]
    letters = Table.of_dead_letters(bucket, topic).arrow().select(columns).to_pylist()
    dead = {letter["_kafka_offset"]: letter for letter in letters}
    assert len(rows) + len(letters) == len(values) == len(kept.keys() | dead.keys())
    for offset, odd in enumerate(values):
        told = odd.told_by(raw_value)
        if told is None:
            assert offset in kept, (odd.name, dead[offset]["error_message"])
            assert kept[offset] == odd.value, odd.name
            continue
        assert offset in dead, odd.name
        error, message = told
        assert dead[offset]["error_type"] == error, (odd.name, dead[offset]["error_message"])
        assert message in dead[offset]["error_message"], odd.name
        assert dead[offset]["_original_bytes"] == odd.value, odd.name


def as_bytes(kept: str | bytes | None, raw_value: str) -> bytes | None:
    if kept is None or raw_value == "binary":
        return kept
    return base64.b64decode(kept) if raw_value == "base64" else kept.encode()
