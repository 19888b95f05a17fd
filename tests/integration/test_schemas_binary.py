"""Avro, Protobuf and JSON by a real schema registry, written by the serializers of
confluent-kafka, and RAW_VALUE."""

from __future__ import annotations

import base64
import importlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from deltalake.schema import PrimitiveType
from harness.certificates import Authority
from harness.processes import ROOT, free_port, max_resident_mb
from harness.registry import SchemaRegistry, frame
from harness.service import KAFKA_TIMING, Finished, run_command
from harness.tables import Table

PROBE = ROOT / "build" / "release" / "schema_probe"
FIXTURES = ROOT / "tests" / "fixtures"
SCHEMAS = FIXTURES / "schemas"
PLACE = (SCHEMAS / "bronze.test.Place.avsc").read_text()
TRIP = json.dumps(
    {
        "type": "record",
        "name": "bronze.test.Trip",
        "fields": [
            {"name": "id", "type": "string"},
            {"name": "to", "type": "bronze.test.Place"},
            {"name": "via", "type": {"type": "array", "items": "bronze.test.Place"}},
        ],
    }
)
HERE = {"name": "Zürich", "at": {"lat": 47.4, "lon": 8.5}}


def probe(*words: str, values: list[bytes]) -> list[dict]:
    """What becomes of values."""
    done = subprocess.run(
        [PROBE, *words],
        input="".join(f"{value.hex()}\n" for value in values),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def verdicts(*words: str, values: list[bytes]) -> list[str]:
    return [told["verdict"] for told in probe(*words, values=values)]


@pytest.fixture
def client(registry: SchemaRegistry) -> SchemaRegistryClient:
    return SchemaRegistryClient({"url": registry.url})


def value_of(topic: str) -> SerializationContext:
    return SerializationContext(topic, MessageField.VALUE)


@pytest.fixture(scope="session")
def rides_pb2(tmp_path_factory: pytest.TempPathFactory):
    """The Python classes of rides.proto."""
    from grpc_tools import protoc

    folder = tmp_path_factory.mktemp("protobuf")
    known = Path(protoc.__file__).parent / "_proto"
    arguments = ["protoc", f"-I{SCHEMAS}", f"-I{known}", f"--python_out={folder}"]
    assert protoc.main([*arguments, "common/place.proto", "rides.proto"]) == 0
    sys.path.insert(0, str(folder))
    return importlib.import_module("rides_pb2")


# --- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["rides.avsc", "rides.proto", "legacy.proto"])
def test_files_take_what_other_encoders_wrote(name: str) -> None:
    payloads = json.loads((FIXTURES / "payloads.json").read_text())[name]
    values = [bytes.fromhex(payload) for payload in payloads]
    schema = str(SCHEMAS / name)
    assert verdicts(schema, values=values) == ["ACCEPTED"] * len(values)
    assert verdicts(schema, values=[b"\xff" + values[-1]]) == ["SCHEMA_VALIDATION_ERROR"]


# --- a real registry ------------------------------------------------------------------------------


def test_avro_with_a_reference(registry, client, unique) -> None:
    place, topic = unique("place"), unique("trips")
    client.register_schema(place, Schema(PLACE, "AVRO"))
    references = [SchemaReference("bronze.test.Place", place, 1)]
    serialize = AvroSerializer(client, Schema(TRIP, "AVRO", references))
    value = serialize({"id": "1", "to": HERE, "via": [HERE, HERE]}, value_of(topic))
    good, short, long = probe("registry", registry.url, values=[value, value[:-1], value + b"\0"])
    assert good["verdict"] == "ACCEPTED", good
    assert short["verdict"] == long["verdict"] == "SCHEMA_VALIDATION_ERROR"
    assert f"at byte {len(value)} (schema " in long["message"]


def test_protobuf_with_imports_and_message_indexes(registry, client, unique, rides_pb2) -> None:
    topic = unique("rides")
    ride = rides_pb2.Ride(id="1", cents=5)
    ride.legs.add(turns=[1, -1]).to.name = "dort"
    ride.extra.update({"a": [1, None]})
    other = rides_pb2.Other(number=3)
    leg = rides_pb2.Ride.Leg(marks=[1])
    note = rides_pb2.Ride.Leg.Note(text="links")
    values = []
    for message in (ride, other, leg, note):
        serialize = ProtobufSerializer(type(message), client)
        values.append(serialize(message, value_of(topic)))
    # The index list: the shortcut, then [1], [0, ...] and [0, ..., ...].
    assert [value[5] for value in values] == [0, 2, 4, 6]
    told = probe("registry", registry.url, values=values)
    assert [t["verdict"] for t in told] == ["ACCEPTED"] * 4, told
    wrong = [value[:-1] for value in values]
    assert verdicts("registry", registry.url, values=wrong) == ["SCHEMA_VALIDATION_ERROR"] * 4


def changed(value: bytes, old: bytes, new: bytes) -> bytes:
    """With another payload behind the same frame."""
    assert old in value[5:]
    return value[:5] + value[5:].replace(old, new)


def json_serializer(client, unique) -> JSONSerializer:
    """Of trips whose driver is another schema."""
    driver = unique("driver")
    draft = "https://json-schema.org/draft/2020-12/schema"
    name = {"$schema": draft, "type": "string", "maxLength": 3}
    client.register_schema(driver, Schema(json.dumps(name), "JSON"))
    schema = {
        "$schema": draft,
        "title": "Trip",
        "type": "object",
        "properties": {"fare": {"maximum": 100}, "driver": {"$ref": "driver.json"}},
    }
    references = [SchemaReference("driver.json", driver, 1)]
    return JSONSerializer(Schema(json.dumps(schema), "JSON", references), client)


def test_json_with_a_reference(registry, client, unique) -> None:
    serialize = json_serializer(client, unique)
    value = serialize({"fare": 5, "driver": "Jör"}, value_of(unique("json")))
    values = [
        value,
        changed(value, b"5", b"500"),
        changed(value, "Jör".encode(), b"Anna"),
        value[:-1],
        changed(value, "Jör".encode(), b"\xff"),
    ]
    good, fare, driver, no_json, no_text = probe("registry", registry.url, values=values)
    assert good["verdict"] == "ACCEPTED", good
    assert fare["verdict"] == driver["verdict"] == "SCHEMA_VALIDATION_ERROR"
    assert "/fare: 500 is greater than the maximum of 100" in fare["message"]
    assert "(driver.json#/maxLength)" in driver["message"]
    assert no_json["verdict"] == "JSON_PARSE_ERROR"
    assert no_text["verdict"] == "ENCODING_ERROR"


def test_protobuf_imports_what_clients_take_for_known(registry, unique) -> None:
    text = """syntax = "proto3";
    import "google/type/money.proto";
    import "google/type/datetime.proto";
    message Fare { google.type.Money price = 1; google.type.DateTime at = 2; }"""
    schema_id = registry.register(unique("fare"), text, "PROTOBUF")
    francs, not_utf8 = b"\0\x0a\x05\x0a\x03CHF", b"\0\x0a\x05\x0a\x03CH\xff"
    values = [frame(schema_id, payload) for payload in (francs, not_utf8)]
    good, bad = probe("registry", registry.url, values=values)
    assert good["verdict"] == "ACCEPTED", good
    assert "/price/currency_code: a string is not valid UTF-8 at byte 12" in bad["message"]


def test_an_unknown_id_is_a_bad_value(registry) -> None:
    (told,) = probe("registry", registry.url, values=[frame(2_000_000_000, b"")])
    assert told["verdict"] == "SCHEMA_VALIDATION_ERROR"
    assert "does not know the schema id 2000000000" in told["message"]


def test_a_value_without_frame_is_a_bad_value(registry) -> None:
    values = [b"", b"\0\0\0", b'{"a": 1}']
    told = probe("registry", registry.url, values=values)
    assert [t["verdict"] for t in told] == ["SCHEMA_VALIDATION_ERROR"] * 3
    assert "0x7b at byte 0" in told[2]["message"]


# --- what stands before a registry ----------------------------------------------------------------


class Gate(ThreadingHTTPServer):
    """Asks for a user and a password, and hands on to a registry."""

    def __init__(self, registry: SchemaRegistry) -> None:
        self.upstream = registry.url
        super().__init__(("127.0.0.1", 0), GateHandler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class GateHandler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        from urllib.error import HTTPError
        from urllib.request import urlopen

        expected = "Basic " + base64.b64encode(b"reader:verysecret").decode()
        if self.headers["Authorization"] != expected:
            self.send_error(401)
            return
        try:
            with urlopen(self.server.upstream + self.path, timeout=20) as answer:
                status, body = answer.status, answer.read()
        except HTTPError as answer:
            status, body = answer.code, answer.read()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def gate(registry: SchemaRegistry) -> Iterator[Gate]:
    server = Gate(registry)
    yield server
    server.shutdown()
    server.server_close()


def test_basic_authentication_and_tls(registry, gate, tmp_path) -> None:
    value = frame(registry.register("numbers", '"int"'), b"\x02")
    url = f"http://127.0.0.1:{gate.server_port}"
    assert verdicts("registry", url, "reader", "verysecret", values=[value]) == ["ACCEPTED"]
    (told,) = probe("registry", url, "reader", "wrong", values=[value])
    assert told["verdict"] == "UNAVAILABLE"
    assert "check SCHEMA_REGISTRY_USERNAME" in told["message"]
    assert "wrong" not in told["message"]

    certificate = Authority(tmp_path / "ca").issue("server", "IP:127.0.0.1")
    gate.socket = certificate.context().wrap_socket(gate.socket, server_side=True)
    words = ("registry", url.replace("http:", "https:"), "reader", "verysecret")
    assert verdicts(*words, str(certificate.authority), values=[value]) == ["ACCEPTED"]
    (told,) = probe(*words, values=[value])
    assert told["verdict"] == "UNAVAILABLE"
    assert "cannot be reached" in told["message"] and "ertificate" in told["message"], told


# --- RAW_VALUE ------------------------------------------------------------------------------------

VALUES = [b"\xff\x00\xfe", b"text", b"", None, bytes(range(256)) * 40]


@pytest.fixture
def topic(new_topic: Callable[..., str]) -> str:
    return new_topic(1)


def send(broker, topic: str, values: list[bytes | None] = VALUES) -> None:
    producer = broker.producer()
    for value in values:
        producer.produce(topic, value, partition=0)
    assert producer.flush(20) == 0


def copy(start, environment: dict[str, str], code: int = 0) -> str:
    instance = start(environment, "run", "--once")
    assert instance.wait_exit(60) == code, instance.tail()
    return instance.log()


def raw_values(table: Table) -> list:
    rows = table.arrow().to_pylist()
    return [row["_raw_value"] for row in sorted(rows, key=lambda row: row["_kafka_offset"])]


def by_duckdb(table: Table) -> list:
    query = "SELECT _raw_value FROM delta_scan('{table}') ORDER BY _kafka_offset"
    return [value for (value,) in table.duckdb(query)]


def type_of_raw_value(table: Table) -> PrimitiveType:
    return table.delta_rs().schema().fields[0].type


def test_binary_values_are_kept_as_they_came(broker, topic, table, environment, start) -> None:
    send(broker, topic)
    log = copy(start, environment(topic, RAW_VALUE="binary"))
    assert type_of_raw_value(table) == PrimitiveType("binary")
    assert raw_values(table) == VALUES
    assert by_duckdb(table) == VALUES
    assert "RAW_VALUE=binary" in log


def test_base64_is_text_for_every_reader(broker, topic, table, environment, start) -> None:
    send(broker, topic)
    copy(start, environment(topic, RAW_VALUE="base64"))
    assert type_of_raw_value(table) == PrimitiveType("string")
    expected = [None if v is None else base64.b64encode(v).decode() for v in VALUES]
    assert raw_values(table) == expected
    assert by_duckdb(table) == expected
    decoded = table.duckdb(
        "SELECT from_base64(_raw_value) FROM delta_scan('{table}') ORDER BY _kafka_offset"
    )
    assert [value for (value,) in decoded] == VALUES


@pytest.mark.parametrize("first", ["string", "binary", "base64"])
def test_a_table_of_another_form_is_not_written(
    first, broker, topic, table, environment, start
) -> None:
    send(broker, topic, [b"text"])
    copy(start, environment(topic, RAW_VALUE=first))
    send(broker, topic, [b"more"])
    for second in {"string", "binary", "base64"} - {first}:
        log = copy(start, environment(topic, RAW_VALUE=second), code=1)
        assert f"_raw_value of the table is {first}" in log
        assert f"RAW_VALUE asks for {second}" in log
        assert f"set RAW_VALUE={first}" in log
        assert len(raw_values(table)) == 1
    copy(start, environment(topic, RAW_VALUE=first))
    assert len(raw_values(table)) == 2


# --- the whole service ----------------------------------------------------------------------------


@pytest.fixture
def dead(bucket, topic) -> Table:
    return Table.of_dead_letters(bucket, topic)


def letters(dead: Table) -> list[dict]:
    return sorted(dead.arrow().to_pylist(), key=lambda row: row["_kafka_offset"])


def bytes_of(found: list[dict]) -> list[bytes]:
    return [letter["_original_bytes"] for letter in found]


def command(name: str, environment: dict[str, str], *arguments: str) -> Finished:
    return run_command(name, *arguments, environment={**KAFKA_TIMING, **environment}, timeout=120)


def replayed(environment: dict[str, str]) -> dict[str, int]:
    """How many letters came to what."""
    done = command("replay", environment, "--json")
    assert done.exit_code == 0, done.text
    counted: dict[str, int] = {}
    for count in json.loads(done.output)["topics"][0]["counts"]:
        counted[count["outcome"]] = counted.get(count["outcome"], 0) + count["letters"]
    return counted


def test_a_new_table_of_another_form_takes_over_from_the_old_one(
    broker, topic, table, dead, group, environment, start
) -> None:
    """As the message about another RAW_VALUE advises."""
    send(broker, topic, [b'{"a": 1}', b"not JSON", b"\xff\x01"])
    copy(start, environment(topic, DLQ_VALIDATE_JSON="true"))
    kinds = {1: "JSON_PARSE_ERROR", 2: "ENCODING_ERROR"}
    assert {letter["_kafka_offset"]: letter["error_type"] for letter in letters(dead)} == kinds
    table.store.filesystem().delete_dir(table.name)
    broker.delete_offsets(group, topic)

    binary = environment(topic, RAW_VALUE="binary")
    log = copy(start, binary)
    assert raw_values(table) == [b'{"a": 1}']
    assert len(letters(dead)) == len(kinds)
    assert "the dead-letter table has decided what lies before offset 3" in log
    verified = command("verify", binary)
    assert verified.exit_code == 0, verified.text
    assert replayed(binary) == {"replayed": 2}
    assert raw_values(table) == [b'{"a": 1}', b"not JSON", b"\xff\x01"]
    verified = command("verify", binary)
    assert verified.exit_code == 0, verified.text


CHECKED = {"RAW_VALUE": "binary", "DLQ_VALIDATE_SCHEMA": "true"}


@pytest.fixture
def validated(environment, registry) -> Callable[..., dict[str, str]]:
    def tell(*topics: str, **variables: str) -> dict[str, str]:
        return environment(*topics, **CHECKED, SCHEMA_REGISTRY_URL=registry.url, **variables)

    return tell


def test_framed_values_land_and_bad_ones_are_dead_letters(
    broker, topic, table, dead, registry, client, unique, rides_pb2, validated, start
) -> None:
    place = unique("place")
    client.register_schema(place, Schema(PLACE, "AVRO"))
    trip = Schema(TRIP, "AVRO", [SchemaReference("bronze.test.Place", place, 1)])
    avro = AvroSerializer(client, trip)({"id": "1", "to": HERE, "via": []}, value_of(unique("a")))
    leg = rides_pb2.Ride.Leg(marks=[1])
    protobuf = ProtobufSerializer(type(leg), client)(leg, value_of(unique("p")))
    text = json_serializer(client, unique)({"fare": 5}, value_of(unique("j")))
    good = [avro, protobuf, text, None]
    bad = {
        avro + b"\0": (
            "SCHEMA_VALIDATION_ERROR",
            f"after its end by the schema at byte {len(avro)}",
        ),
        protobuf[:-1]: ("SCHEMA_VALIDATION_ERROR", "at byte"),
        changed(text, b"5", b"500"): ("SCHEMA_VALIDATION_ERROR", "/fare: 500 is greater"),
        text[:-1]: (
            "JSON_PARSE_ERROR",
            f"cannot be read as JSON at byte {len(text) - 1}: EOF",
        ),
        frame(2_000_000_001, b"\2"): (
            "SCHEMA_VALIDATION_ERROR",
            "does not know the schema id 2000000001",
        ),
        b"{}": ("SCHEMA_VALIDATION_ERROR", "not framed for a schema registry"),
    }
    send(broker, topic, [avro, *bad, protobuf, text, None])
    copy(start, validated(topic))
    assert raw_values(table) == good
    found = letters(dead)
    assert bytes_of(found) == list(bad)
    for letter, (kind, message) in zip(found, bad.values(), strict=True):
        assert letter["error_type"] == kind, letter
        assert message in letter["error_message"], letter
    verified = command("verify", validated(topic), "--json")
    assert verified.exit_code == 0, verified.text


def test_a_registry_that_was_killed_holds_its_topics_up_and_nothing_is_lost(
    broker, topic, table, dead, new_topic, bucket, registry, validated, start, tmp_path
) -> None:
    schema_id = registry.register(topic, '"int"')
    values = [frame(schema_id, b"\2"), frame(schema_id, b"\2\2"), frame(schema_id, b"\4")]
    of_file = new_topic(1)
    (tmp_path / f"{of_file}.avsc").write_text('"int"')
    registry.kill()
    send(broker, topic, values)
    send(broker, of_file, [b"\2"])
    instance = start(validated(topic, of_file, DLQ_SCHEMA_DIR=str(tmp_path)))
    told = f"{topic}: schema {schema_id} cannot be fetched from the registry: the schema registry"
    instance.wait_log(told)
    # The other topic goes on, this one waits.
    instance.wait_written(1)
    time.sleep(3)
    health = instance.wait_answering().body
    assert (health["messages_written"], health["dlq_messages"]) == (1, 0)
    assert not table.arrow().num_rows and not dead.arrow().num_rows
    registry.start()
    instance.wait_written(3, timeout=60)
    instance.stop()
    assert raw_values(table) == [values[0], values[2]]
    assert bytes_of(letters(dead)) == [values[1]]
    assert raw_values(Table(bucket, of_file)) == [b"\2"]


def test_while_a_registry_is_silent_a_restart_loses_nothing(
    broker, topic, table, dead, registry, validated, start
) -> None:
    schema_id = registry.register(topic, '"int"')
    values = [frame(schema_id, b"\2"), frame(schema_id, b"\2\2")]
    registry.freeze()
    send(broker, topic, values)
    first = start(validated(topic))
    first.wait_log("timed out", timeout=30)
    first.stop()
    registry.thaw()
    copy(start, validated(topic))
    assert raw_values(table) == values[:1]
    assert bytes_of(letters(dead)) == values[1:]


def test_a_flood_of_different_unknown_ids_is_judged_in_time_and_in_little_memory(
    broker, topic, table, dead, registry, validated, start
) -> None:
    count = 1_000
    good = frame(registry.register(topic, '"int"'), b"\2")
    unknown = [frame(1_000_000_000 + number, b"\2") for number in range(count)]
    instance = start(validated(topic, MEMORY_LIMIT_MB="64", BATCH_INTERVAL_SECONDS="1"))
    instance.wait_answering()
    begun = time.monotonic()
    send(broker, topic, [good, *unknown, good])
    instance.wait_written(2, timeout=90)
    took = time.monotonic() - begun
    print(f"{count} unknown ids in {took:.1f} s: {count / took:.0f} a second")
    assert took < 60, "a dozen a second would take 80 s"
    peak = max_resident_mb(instance.pid)
    instance.stop()
    assert peak < 120
    assert raw_values(table) == [good, good]
    assert bytes_of(letters(dead)) == unknown


def test_a_schema_file_wins_over_the_registry(
    broker, topic, table, dead, registry, validated, start, tmp_path
) -> None:
    framed = frame(registry.register(topic, '"int"'), b"\2")
    (tmp_path / f"{topic}.avsc").write_text('"int"')
    send(broker, topic, [b"\2", framed])
    copy(start, validated(topic, DLQ_SCHEMA_DIR=str(tmp_path)))
    assert raw_values(table) == [b"\2"]
    assert bytes_of(letters(dead)) == [framed]


def test_binary_values_for_a_column_of_text_are_dead_letters(
    broker, topic, table, dead, environment, start, tmp_path
) -> None:
    (tmp_path / f"{topic}.avsc").write_text('"int"')
    send(broker, topic, [b"\2", b"\xfe\1"])
    variables = {**CHECKED, "RAW_VALUE": "string", "DLQ_SCHEMA_DIR": str(tmp_path)}
    log = copy(start, environment(topic, **variables))
    assert "RAW_VALUE=string takes only UTF-8" in log
    assert raw_values(table) == ["\2"]
    assert [letter["error_type"] for letter in letters(dead)] == ["ENCODING_ERROR"]


def test_avro_values_are_replayed_by_the_schema_that_takes_them(
    broker, topic, table, dead, environment, start, tmp_path
) -> None:
    schema = tmp_path / f"{topic}.avsc"
    schema.write_text('"int"')
    text, not_utf8 = b"\6abc", b"\4\xff\xfe"
    send(broker, topic, [b"\2", text, not_utf8])
    variables = environment(topic, **CHECKED, DLQ_SCHEMA_DIR=str(tmp_path))
    copy(start, variables)
    assert bytes_of(letters(dead)) == [text, not_utf8]
    assert replayed(variables) == {"still_bad": 2}
    schema.write_text('"string"')
    refused = command("replay", {**variables, "RAW_VALUE": "base64"})
    assert refused.exit_code == 1, refused.text
    assert "_raw_value of the table is binary" in refused.text
    assert replayed(variables) == {"replayed": 1, "still_bad": 1}
    schema.write_text('"bytes"')
    assert replayed(variables) == {"replayed": 1, "already_there": 1}
    assert raw_values(table) == [b"\2", text, not_utf8]
    verified = command("verify", variables, "--json")
    assert verified.exit_code == 0, verified.text


def test_replay_needs_the_registry_and_waits_for_it(
    broker, topic, table, dead, registry, validated, start
) -> None:
    send(broker, topic, [frame(registry.register(topic, '"int"'), b"\2\2")])
    copy(start, validated(topic))
    nowhere = {"SCHEMA_REGISTRY_URL": f"http://127.0.0.1:{free_port()}", "WRITE_RETRY_SECONDS": "1"}
    done = command("replay", {**validated(topic), **nowhere})
    assert done.exit_code == 3, done.text
    assert "cannot be reached" in done.text
    assert replayed(validated(topic)) == {"still_bad": 1}


def test_broken_schema_files_are_named_with_their_places(
    topic, new_topic, environment, tmp_path
) -> None:
    other, third = new_topic(1), new_topic(1)
    (tmp_path / f"{topic}.avsc").write_text('{\n"type": }')
    (tmp_path / f"{other}.proto").write_text('syntax = "proto3";\nmessage M { int32 }')
    (tmp_path / f"{third}.proto").write_text('syntax = "proto3"; import "absent.proto";')
    variables = environment(topic, other, third, **CHECKED, DLQ_SCHEMA_DIR=str(tmp_path))
    done = command("run", variables)
    assert done.exit_code == 2, done.text
    assert f"DLQ_SCHEMA_DIR: {topic}.avsc:2:9: not JSON" in done.text
    assert f"DLQ_SCHEMA_DIR: {other}.proto:2:19: expected" in done.text
    assert f"DLQ_SCHEMA_DIR: {third}.proto:1:20: import 'absent.proto' not found" in done.text


def test_what_cannot_be_a_registry_is_named(topic, environment, start, broker, tmp_path) -> None:
    no_ca = tmp_path / "ca.pem"
    no_ca.write_text("none")
    secure = {"SCHEMA_REGISTRY_URL": "https://127.0.0.1:1", "SCHEMA_REGISTRY_CA": str(no_ca)}
    done = command("run", environment(topic, **CHECKED, **secure))
    assert done.exit_code == 2, done.text
    assert f"SCHEMA_REGISTRY_CA: {no_ca}: no certificate in it" in done.text
    unused = environment(topic, SCHEMA_REGISTRY_URL="http://127.0.0.1:1")
    send(broker, topic, [b"any text"])
    assert "SCHEMA_REGISTRY_URL has no effect without" in copy(start, unused)
