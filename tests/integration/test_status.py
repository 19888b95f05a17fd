"""bronze status: what it shows is what /status says, once, over and over, and on a terminal.

What is about numbers and odd answers has a server of its own behind it; the rest the service.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from harness.browser import PageServer
from harness.payloads import INVALID_UTF8, json_values
from harness.processes import free_port, wait_until
from harness.service import BINARY, Bronze, Finished, plain_environment, run_command
from harness.status import BYTES, SECONDS, amount, complete, near, parse_time, status
from test_observability import ask
from test_page import DOCUMENTS, many

TOPIC_COLUMNS = {
    "topic": "topic",
    "state": "state",
    "lag": "lag",
    "behind by": "lag_seconds",
    "unwritten": "oldest_unwritten_seconds",
    "last commit": "last_commit",
    "dead letters": "dead_letters",
    "rows": "rows_committed",
    "bytes": "bytes_committed",
}
PARTITION_COLUMNS = {
    "partition": "partition",
    "state": "state",
    "lag": "lag",
    "written up to": "committed",
    "read up to": "position",
    "end in Kafka": "end",
}


def show(url: str, *arguments: str) -> Finished:
    return run_command("status", "--url", url, *arguments)


def facts_of(text: str) -> dict[str, list[str]]:
    """The items of each line that begins with a label; of labels that come twice, the last."""
    lines = re.findall(r"^(\S.{12} ) *(\S.*)$", text, re.MULTILINE)
    return {label.strip(): re.split(r" {3,}", items) for label, items in lines}


def rows_of(text: str, heads: list[str]) -> list[dict[str, str]]:
    """The rows of the table with these heads, by head; what is told below a row is indented."""
    head = re.search(r" +".join(map(re.escape, heads)) + r".*$", text, re.MULTILINE)
    assert head, text
    shown = re.split(r" {2,}", head[0])
    rows = []
    for line in text[head.end() + 1 :].splitlines():
        if not line:
            break
        if not line.startswith(" "):
            rows.append(dict(zip(shown, re.split(r" {2,}", line), strict=True)))
    return rows


def count(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def is_size(text: str, value: int) -> bool:
    number, unit = text.split(" ")
    return near(float(number), value / 1024 ** BYTES[unit], 0, 0.051)


def is_time(text: str, value: float | None, least: float = 0.0006) -> bool:
    return text == "-" if value is None else near(amount(text, SECONDS), value, 0.06, least)


def is_rate(text: str, value: float) -> bool:
    return near(float(text.replace(",", "")), value, 0, 0.051 if value < 9.95 else 0.501)


def age(document: dict, at: str | None) -> float | None:
    return None if at is None else parse_time(document["now"]) - parse_time(at)


def letters(by_type: dict[str, int]) -> list[str]:
    return [f"{n:,} {kind}" for kind, n in sorted(by_type.items()) if n]


def assert_totals_shown(text: str, document: dict) -> None:
    shown = facts_of(text)
    totals, memory = document["totals"], document["memory"]
    assert shown["rows"][0] == count(totals["rows_committed"])
    assert is_size(shown["bytes"][0], totals["bytes_committed"])
    assert shown["consumed"] == [count(totals["messages_consumed"])]
    assert shown["lag"] == [count(totals["lag"])]
    kinds = {"commits": "commits", "retries": "retries"}
    kinds |= {"files": "files_written", "checkpoints": "checkpoints"}
    assert shown["writes"] == [f"{word} {totals[key]:,}" for word, key in kinds.items()]
    assert shown["dead letters"] == [
        count(totals["dead_letters"]),
        *letters(document["dead_letters"]),
    ]
    if document["rates"]:
        for row, unit in (("rows", is_rate), ("bytes", is_size)):
            said = re.fullmatch(r"(.*) a second in the last (.*)", shown[row][1])
            assert unit(said[1], document["rates"][f"{row}_per_second"])
            assert is_time(said[2], document["rates"]["over_seconds"])
    else:
        assert len(shown["rows"]) == len(shown["bytes"]) == 1
    resident, batches, limit, intake = shown["memory"]
    assert is_size(resident.removesuffix(" resident"), memory["resident_bytes"])
    assert is_size(batches.removesuffix(" in batches"), memory["buffered_bytes"])
    assert is_size(limit.removesuffix(" limit"), memory["budget_bytes"])
    assert intake == f"intake {memory['intake']}"


def assert_parts_shown(text: str, document: dict) -> None:
    shown = facts_of(text)
    for label, part in (("Kafka", document["kafka"]), ("store", document["store"])):
        items = shown[label]
        assert items.pop(0) == ("answers" if part["reachable"] else "does not answer")
        if part["last_answer_seconds"] is not None:
            assert is_time(
                re.fullmatch("last (.*) ago", items.pop(0))[1], part["last_answer_seconds"]
            )
        assert " ".join(items.pop(0).split()) == " ".join(
            part.get("base", part.get("bootstrap")).split()
        )
        assert items == ([f"rebalances {part['rebalances']:,}"] if label == "Kafka" else [])
    places = document["partitions"]
    *numbers, interval = shown["partitions"]
    assert numbers == [f"{places[kind]:,} {kind}" for kind in ("assigned", "paused", "stopped")]
    assert is_time(interval.removeprefix("batches every "), document["batch_interval_seconds"])
    words = ("healthy", "ready", "live")
    held = [document[word] for word in words]
    said = ["alive" if word == "live" else word for word in words]
    assert shown["state"] == [w if h else f"not {w}" for w, h in zip(said, held, strict=True)]
    head = text.splitlines()[0]
    assert head.startswith(f"bronze {document['version']}   group ")
    assert is_time(re.search("started (.*) ago", head)[1], age(document, document["started_at"]), 1)
    assert head.endswith(f"{document['now'][11:19]} UTC")


def assert_topics_shown(text: str, document: dict) -> None:
    topics = {topic["topic"]: topic for topic in document["topics"]}
    rows = rows_of(text, ["topic", "state"])
    assert sorted(row["topic"] for row in rows) == sorted(topics)
    for row in rows:
        topic = topics[row["topic"]]
        commit = topic["last_commit"]
        assert row.keys() == TOPIC_COLUMNS.keys()
        assert row["state"] == topic["state"]
        assert row["lag"] == count(topic["lag"])
        assert is_time(row["behind by"], topic["lag_seconds"])
        assert is_time(row["unwritten"], topic["oldest_unwritten_seconds"])
        assert is_time(
            row["last commit"].removesuffix(" ago"), age(document, commit and commit["at"]), 0.51
        )
        assert row["dead letters"] == count(sum(topic["dead_letters"].values()))
        assert row["rows"] == count(topic["rows_committed"])
        assert is_size(row["bytes"], topic["bytes_committed"])
        if topic["retention_risk_seconds"]:
            risk = re.search(rf"^{row['topic']} .*\n    loses records in about (.*) at", text, re.M)
            assert near(amount(risk[1], SECONDS), topic["retention_risk_seconds"], 0.35)
        assert f"    {topic['reason']}\n" in text or not topic["reason"]
        for place in topic["partitions"]:
            if place["state"] == "stopped":
                said = f"    partition {place['partition']} is stopped: {place['reason']}\n"
                assert said in text


def assert_topic_opened(text: str, document: dict, topic: dict) -> None:
    begin = text.index(f"\n\n{topic['topic']}\n") + 2
    opened = text[begin:].split("\n\n")[0] + "\n"
    shown = facts_of(opened)
    assert shown["table"] == [topic["table"]]
    assert shown["consumed"] == [count(topic["messages_consumed"])]
    of_it = topic["dead_letters"]
    assert shown["dead letters"] == [count(sum(of_it.values())), *letters(of_it)]
    commit = topic["last_commit"]
    if commit:
        at, version, rows, size, took, token = shown["last commit"]
        assert is_time(at.removesuffix(" ago"), age(document, commit["at"]), 0.51)
        assert (version, rows) == (f"version {commit['version']:,}", f"rows {commit['rows']:,}")
        assert is_size(size, commit["bytes"])
        assert is_time(took.removeprefix("took "), commit["seconds"])
        assert token == f"token {commit['token']}"
    rows = rows_of(opened, ["partition", "state"])
    assert len(rows) == len(topic["partitions"])
    for row, place in zip(rows, topic["partitions"], strict=True):
        for head, key in PARTITION_COLUMNS.items():
            value = place[key]
            assert row[head] == (value.replace("_", " ") if key == "state" else count(value))
        if place["retention_risk_seconds"]:
            assert "    loses records in about " in opened
        assert f"    {place['reason']}\n" in opened or not place["reason"]


def assert_shown(text: str, document: dict) -> None:
    """Every number in the text is that of the document."""
    told = document["verdict"]
    sentences = [told["headline"], told["doing"], told["advice"]]
    sentences += [f"- {reason}" for reason in document["reasons"]]
    assert "\n".join(sentence for sentence in sentences if sentence) in text
    assert_parts_shown(text, document)
    assert_totals_shown(text, document)
    assert_topics_shown(text, document)
    for error in document["errors"]:
        times = f" ({error['times']:,} times)" if error["times"] > 1 else ""
        assert f"{error['message']}{times}\n" in text
    for refused in document["refused"]:
        assert f"  {refused['topic']}: {refused['reason']}\n" in text


@pytest.fixture
def server() -> Iterator[PageServer]:
    server = PageServer(status())
    yield server
    server.stop()


# --- what it shows ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if name != "hostile"])
def test_every_number_is_that_of_status(server, name):
    document = server.document = DOCUMENTS[name]()
    done = show(server.url)
    assert done.exit_code == (0 if document["healthy"] else 1), done.text
    assert done.errors == ""
    assert_shown(done.output, document)
    names = [topic["topic"] for topic in document["topics"]]
    opened = show(server.url, *(part for one in names for part in ("--topic", one))).output
    for topic in document["topics"]:
        assert_topic_opened(opened, document, topic)


def test_the_comparison_notices_a_wrong_number(server):
    document = server.document = DOCUMENTS["busy"]()
    output = show(server.url).output
    for wrong in ("75,027", "3,777,123", "108.0", "1,242"):
        assert wrong in output
        with pytest.raises(AssertionError):
            assert_shown(output.replace(wrong, "7"), document)


def test_two_hundred_topics(server):
    server.document = document = many()
    output = show(server.url).output
    assert_shown(output, document)
    assert rows_of(output, ["topic", "state"])[0]["topic"] == "region-150.events"


def test_what_others_wrote_stays_text(server):
    server.document = document = DOCUMENTS["hostile"]()
    server.document["topics"][0]["reason"] = "\x1b[2J\x07\u009b31m\u202e"
    output = show(server.url).output
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", output)
    assert "    [2J  31m" in output
    named = show(server.url, "--topic", document["topics"][6]["topic"]).output
    assert "no such topic" not in named
    assert " reversed" in named


def test_json_is_the_document_as_it_is(server):
    for make in DOCUMENTS.values():
        server.document = make()
        done = show(server.url, "--json")
        assert done.output.encode() == server._answer("/status")[2] + b"\n"


# --- the service --------------------------------------------------------------------------------


def place_of(instance: Bronze) -> dict[str, str]:
    return {"HTTP_PORT": str(instance.http_port), "HTTP_HOST": "127.0.0.1"}


def test_a_service_that_is_well(broker, new_topic, environment, start, server):
    topics = [new_topic() for _ in range(2)]
    broker.produce(topics[0], [*json_values(40), INVALID_UTF8, INVALID_UTF8], partition=1)
    instance = start(environment(*topics, DLQ_VALIDATE_JSON="true"))
    instance.wait_written(40)
    wait_until(lambda: json.loads(ask(instance, "/status")[1])["totals"]["lag"] == 0, 30, "no lag")

    done = run_command("status", environment=place_of(instance))
    assert (done.exit_code, done.errors) == (0, "")
    told = complete(json.loads(ask(instance, "/status")[1]))
    # Ages and memory change meanwhile; what was counted does not.
    shown = facts_of(done.output)
    assert shown["rows"][0] == "40"
    assert shown["consumed"][0] == "42"
    assert shown["dead letters"] == ["2", "2 ENCODING_ERROR"]
    rows = {row["topic"]: row for row in rows_of(done.output, ["topic", "state"])}
    for topic in told["topics"]:
        assert rows[topic["topic"]]["rows"] == count(topic["rows_committed"])
        assert rows[topic["topic"]]["lag"] == count(topic["lag"])

    # The same answer for both: every number.
    server.document = told
    assert_shown(show(server.url).output, told)
    output = show(server.url, "--topic", topics[0]).output
    assert_topic_opened(output, told, next(t for t in told["topics"] if t["topic"] == topics[0]))

    by_json = run_command("status", "--json", environment=place_of(instance))
    assert by_json.exit_code == 0
    assert complete(json.loads(by_json.output)).keys() == told.keys()
    assert json.loads(by_json.output)["totals"] == told["totals"]
    # No other variable is looked at.
    by_url = run_command(
        "status",
        *("--url", f"http://127.0.0.1:{instance.http_port}/"),
        environment={"HTTP_PORT": "nonsense"},
    )
    assert by_url.exit_code == 0


def test_a_service_that_is_not_well_gives_1(broker, topic, environment, start):
    broker.produce(topic, [INVALID_UTF8], partition=2)
    instance = start(environment(topic, DLQ_ENABLED="false"))
    instance.wait_unhealthy()
    for arguments in ((), ("--json",)):
        assert run_command("status", *arguments, environment=place_of(instance)).exit_code == 1
    output = run_command("status", environment=place_of(instance)).output
    assert "\n1 partition is stopped\n2 others go on.\nRead the reason" in output
    assert re.search(r"^    partition 2 is stopped: .*UTF-8", output, re.MULTILINE)
    assert facts_of(output)["partitions"][2] == "1 stopped"


def test_a_service_that_is_gone_gives_3():
    place = {"HTTP_PORT": str(free_port())}
    for arguments in ((), ("--json",)):
        done = run_command("status", *arguments, environment=place)
        assert (done.exit_code, done.output) == (3, "")
        assert f"no answer from http://127.0.0.1:{place['HTTP_PORT']}/status: nothing listens" in (
            done.errors
        )
    assert show("http://no-such-host.invalid").exit_code == 3


# --- odd answers and usage ------------------------------------------------------------------------


class Answering:
    """A server that says any bytes to whoever asks."""

    def __init__(self, answer: bytes | Callable[[BaseHTTPRequestHandler], None]) -> None:
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(f"{self.path} {self.headers['Host']}")
                if callable(answer):
                    answer(self)
                else:
                    self.wfile.write(answer)

            def log_message(self, *_arguments: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def __enter__(self) -> Answering:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


OK = b"HTTP/1.1 200 OK\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "not HTTP"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n{}", "HTTP 404"),
        (OK, "not the status of a bronze"),
        (OK + b"<html></html>", "not the status of a bronze"),
        (OK + b'{"status": "healthy"}', "not the status of a bronze"),
        (OK + json.dumps(status()).encode()[:-1], "not the status of a bronze"),
        (OK + b"[" * 1_000_000, "not the status of a bronze"),
    ],
)
def test_an_answer_that_is_none_of_bronze_gives_3(answer, said):
    with Answering(answer) as other:
        for arguments in ((), ("--json",)):
            done = show(other.url, *arguments)
            assert (done.exit_code, done.output) == (3, "")
            assert said in done.errors


def endless(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(OK)
    try:
        while True:
            request.wfile.write(b"[" * 65_536)
    except OSError:
        pass


def silent(_request: BaseHTTPRequestHandler) -> None:
    time.sleep(12)


@pytest.mark.parametrize(
    ("answer", "said"), [(endless, "has no end"), (silent, "it takes too long")]
)
def test_an_answer_without_end_or_beginning_is_given_up(answer, said):
    with Answering(answer) as other:
        done = show(other.url)
        assert done.exit_code == 3
        assert said in done.errors


def test_a_service_behind_a_prefix():
    body = OK + json.dumps(status()).encode()
    with Answering(body) as other:
        assert show(f"{other.url}/deep/bronze/").exit_code == 0
        assert other.asked == [f"/deep/bronze/status {other.url.removeprefix('http://')}"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--url", "https://127.0.0.1:1"], "--url: https is not spoken here"),
        (["--url", "127.0.0.1:1"], "--url: expected http://host[:port][/prefix]"),
        (["--url", "http://user:pass@host"], "--url: expected"),
        (["--url", "http://host:0"], "--url: expected"),
        (["--url", "http://a\r\nb"], "--url: expected"),
        (["--watch", "0"], "--watch"),
        (["--watch", "soon"], "--watch"),
        (["--watch", "nan"], "--watch: nan is not in the range 0.1 to 3600"),
        (["--watch", "inf"], "--watch"),
        (["--json", "--topic", "a"], "--json"),
        (["more"], "more"),
    ],
)
def test_wrong_usage_ends_with_2(arguments, said):
    done = run_command("status", *arguments)
    assert (done.exit_code, done.output) == (2, "")
    assert said in done.errors


def test_wrong_configuration_ends_with_2():
    done = run_command("status", environment={"HTTP_PORT": "none"})
    assert done.exit_code == 2
    assert "HTTP_PORT" in done.errors


# --- over and over --------------------------------------------------------------------------------


@pytest.fixture
def watch(server: PageServer) -> Iterator[Callable[..., subprocess.Popen]]:
    """watch(argument, ...) starts it with pipes."""
    started: list[subprocess.Popen] = []

    def run(*arguments: str) -> subprocess.Popen:
        command = [BINARY, "status", "--url", server.url, *arguments]
        started.append(
            subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=plain_environment()
            )
        )
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_without_a_terminal_it_writes_block_after_block(server, watch, number):
    process = watch("--watch", "0.1")
    wait_until(lambda: server.asked.count("/status") > 3, 20, "it looks again")
    process.send_signal(number)
    output, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (0, b"")
    assert b"\x1b" not in output
    blocks = output.decode().split("\n\nbronze 0.1.0 ")
    assert len(blocks) >= 3
    assert all(block.endswith("MiB") for block in blocks[:-1])


def test_two_seconds_lie_between_two_looks_if_nothing_is_said(server, watch):
    watch("--watch")
    wait_until(lambda: server.asked.count("/status") >= 1, 20, "it looks")
    begun = time.monotonic()
    wait_until(lambda: server.asked.count("/status") >= 3, 20, "it looks again")
    assert time.monotonic() - begun > 3


def test_json_is_written_line_by_line(server, watch):
    process = watch("--json", "--watch", "0.1")
    lines = [json.loads(process.stdout.readline()) for _ in range(3)]
    assert [line["version"] for line in lines] == ["0.1.0"] * 3
    server.stop()
    assert b"no answer from" in process.stderr.readline()


def test_rates_are_those_between_two_looks(server, watch):
    first = status(now="2026-11-29T05:40:00.000Z")
    server.document = first
    process = watch("--watch", "0.1")
    wait_until(lambda: server.asked.count("/status") > 1, 20, "it looks again")
    later = json.loads(json.dumps(first))
    later["now"] = "2026-11-29T05:40:04.000Z"
    later["totals"]["messages_consumed"] += 1_236
    later["topics"][1]["messages_consumed"] += 34
    server.document = later
    asked = server.asked.count("/status")
    wait_until(lambda: server.asked.count("/status") > asked + 2, 20, "it looks again")
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=10)[0].decode()
    (between,) = [b for b in output.split("\n\nbronze ") if "a second since" in b]
    assert facts_of(between)["consumed"][1] == "309 a second since the last look"
    rates = {row["topic"]: row["read/s"] for row in rows_of(between, ["topic", "state"])}
    assert rates == {topic["topic"]: "0" for topic in first["topics"]} | {"trips": "8.5"}


def test_it_goes_on_when_the_service_does_not_answer_for_a_while(server, watch):
    process = watch("--watch", "0.1")
    wait_until(lambda: server.asked.count("/status") > 1, 20, "it looks")
    server.stop()
    time.sleep(0.5)
    server.start()
    asked = server.asked.count("/status")
    wait_until(lambda: server.asked.count("/status") > asked + 1, 20, "it looks again")
    process.send_signal(signal.SIGTERM)
    output = process.communicate(timeout=10)[0].decode()
    gone = output.index(f"\n\nno answer from {server.url}status: nothing listens")
    assert "asking again every 100 ms" in output[gone:]
    assert "\n\nbronze 0.1.0 " in output[gone:]


# --- on a terminal --------------------------------------------------------------------------------

TAKE = "\x1b[?1049h\x1b[?25l"
GIVE_BACK = "\x1b[?25h\x1b[?1049l"
NO_ANSWER_YET = "\x1b[1;31mno answer from"


class TerminalRun:
    """It runs on a pseudo-terminal of its own, as in a window of this size."""

    def __init__(
        self, *arguments: str, columns: int = 120, rows: int = 60, **variables: str
    ) -> None:
        self.columns, self.rows = columns, rows
        self.output = ""
        environment = {**plain_environment(), "TERM": "xterm-256color", **variables}
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            self._set_size(0)
            os.execve(BINARY, [str(BINARY), "status", *arguments], environment)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._exit_code: int | None = None

    def _set_size(self, terminal: int) -> None:
        size = struct.pack("HHHH", self.rows, self.columns, 0, 0)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, size)

    def _read(self) -> None:
        held = b""
        try:
            while chunk := os.read(self.terminal, 65_536):
                held += chunk
                self.output = held.decode(errors="ignore")
        except OSError:
            pass  # the other end is closed

    def resize(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self._set_size(self.terminal)

    def press(self, key: bytes) -> None:
        os.write(self.terminal, key)

    def frames(self) -> list[str]:
        """What was drawn, without colours; the last one may not be whole yet."""
        drawn = self.output.split("\x1b[H")[1:]
        return [re.sub(r"\x1b\[[0-9;]*[mKJ]", "", frame).replace("\r", "") for frame in drawn]

    def wait_for(self, seen: Callable[[], object], what: str) -> None:
        try:
            wait_until(seen, 30, what)
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.output[-3000:]!r}") from None

    def wait_exit(self) -> int:
        def ended() -> bool:
            pid, state = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._exit_code = os.waitstatus_to_exitcode(state)
            return pid != 0

        wait_until(ended, 15, "it ends")
        self._reader.join(5)
        return self._exit_code

    def end(self) -> None:
        if self._exit_code is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.terminal)


@pytest.fixture
def on_terminal(server: PageServer) -> Iterator[Callable[..., TerminalRun]]:
    started: list[TerminalRun] = []

    def run(*arguments: str, url: str = server.url, **more: object) -> TerminalRun:
        started.append(TerminalRun("--url", url, *arguments, **more))
        return started[-1]

    yield run
    for one in started:
        one.end()


def assert_fits(frame: str, run: TerminalRun) -> None:
    lines = frame.split("\n")
    assert len(lines) <= run.rows
    assert max(map(len, lines)) <= run.columns


@pytest.mark.parametrize("end", [b"\x03", signal.SIGTERM, signal.SIGINT])
def test_a_terminal_is_drawn_over_and_given_back(server, on_terminal, end):
    run = on_terminal("--watch", "0.1")
    before = termios.tcgetattr(run.terminal)
    run.wait_for(lambda: len(run.frames()) > 3, "it is drawn again")
    assert run.output.startswith(f"{TAKE}\x1b[H")
    assert run.output.count(TAKE) == 1
    if isinstance(end, bytes):
        run.press(end)
    else:
        os.kill(run.pid, end)
    assert run.wait_exit() == 0
    assert run.output.endswith(GIVE_BACK)
    assert run.output.count(GIVE_BACK) == 1
    assert termios.tcgetattr(run.terminal) == before
    frames = run.frames()[:-1]
    for frame in frames:
        assert_fits(frame, run)
        assert frame.startswith("bronze 0.1.0 ")
    # Nothing is cleared that is drawn again: no flicker.
    assert "\x1b[2J" not in run.output
    assert_parts_shown(frames[0], server.document)
    assert_totals_shown(frames[0], server.document)
    assert_topics_shown(frames[0], server.document)


def test_what_does_not_fit_is_left_out_and_a_new_size_is_taken_at_once(server, on_terminal):
    server.document = many()
    run = on_terminal("--watch", "3600", columns=80, rows=30)
    run.wait_for(lambda: "more lines" in run.output, "a frame")
    (frame,) = run.frames()
    assert_fits(frame, run)
    assert len(frame.split("\n")) == 30
    shown = len(re.findall(r"^region-", frame, re.MULTILINE))
    left = int(re.search(r"… (\d+) more lines", frame)[1])
    # One line is about what is too narrow.
    assert shown + left == 200 + 1
    assert "\nregion-150.events" in frame

    for columns, rows in ((200, 40), (20, 5), (1, 1)):
        seen = len(run.frames())
        run.resize(columns, rows)
        run.wait_for(lambda seen=seen: len(run.frames()) > seen, "the next frame")
        run.wait_for(lambda: "…" in run.frames()[-1], "all of it")
        assert_fits(run.frames()[-1], run)
    assert server.asked.count("/status") == 1


def test_a_terminal_is_given_back_while_it_is_stopped(on_terminal):
    run = on_terminal("--watch", "3600")
    run.wait_for(lambda: run.frames(), "a frame")
    run.press(b"\x1a")
    pid, state = os.waitpid(run.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(state)
    run.wait_for(lambda: run.output.endswith(GIVE_BACK), "the terminal is given back")
    os.kill(pid, signal.SIGCONT)
    run.wait_for(lambda: run.output.count(TAKE) == 2, "it goes on")
    run.press(b"\x03")
    assert run.wait_exit() == 0
    assert run.output.endswith(GIVE_BACK)


def test_a_service_is_watched_at_work_and_when_it_is_gone(
    broker, topic, environment, start, on_terminal
):
    instance = start(environment(topic))
    instance.wait_answering()
    run = on_terminal("--watch", "0.2", url=f"http://127.0.0.1:{instance.http_port}")
    run.wait_for(lambda: run.frames(), "a frame")
    broker.produce(topic, json_values(30))
    run.wait_for(
        lambda: any(facts_of(frame).get("rows", [""])[0] == "30" for frame in run.frames()),
        "the rows are shown",
    )
    assert len({facts_of(frame).get("consumed", [""])[0] for frame in run.frames()}) > 1
    instance.kill()
    run.wait_for(lambda: "nothing listens there" in run.output, "the service is gone")
    run.press(b"\x03")
    assert run.wait_exit() == 0
    assert run.output.endswith(GIVE_BACK)


def test_a_silent_service_is_told_above_the_last_answer(server, on_terminal):
    run = on_terminal("--watch", "0.1")
    run.wait_for(lambda: run.frames(), "a frame")
    server.stop()
    silence = f"no answer from {server.url}status: nothing listens there"
    # A question that the server had begun to take when it stopped broke off.
    run.wait_for(lambda: run.frames()[-1].startswith(silence), "the silence is told")
    assert "What follows is the last answer." in run.output
    frame = run.frames()[-1]
    assert "\nbronze 0.1.0 " in frame or not frame.endswith("\n")
    server.start()
    run.wait_for(lambda: run.frames()[-1].startswith("bronze 0.1.0 "), "it is well again")


def test_a_service_that_never_answered_is_waited_for(server, on_terminal):
    server.stop()
    run = on_terminal("--watch", "0.1")
    run.wait_for(lambda: len(run.frames()) > 2, "it says so again and again")
    assert NO_ANSWER_YET in run.output
    run.press(b"\x03")
    assert run.wait_exit() == 0


def test_a_signal_ends_it_at_once_while_it_waits_for_an_answer(server, on_terminal):
    run = on_terminal("--watch", "0.1")
    run.wait_for(lambda: run.frames(), "a frame")
    server.hang()
    asked = len(server.asked)
    run.wait_for(lambda: len(server.asked) > asked, "it waits")
    begun = time.monotonic()
    run.press(b"\x03")
    assert run.wait_exit() == 0
    assert time.monotonic() - begun < 4
    assert run.output.endswith(GIVE_BACK)


COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def test_colours_are_for_terminals_that_want_them(on_terminal):
    for variables, coloured in (
        ({}, True),
        ({"NO_COLOR": ""}, True),
        ({"NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
    ):
        run = on_terminal(**variables)
        assert run.wait_exit() == 0
        assert bool(COLOUR.search(run.output)) == coloured, variables
        assert TAKE not in run.output
    run = on_terminal("--watch", "0.1", NO_COLOR="1")
    run.wait_for(lambda: len(run.frames()) > 1, "frames")
    assert not COLOUR.search(run.output)


def test_a_dumb_terminal_gets_blocks(on_terminal):
    run = on_terminal("--watch", "0.1", TERM="dumb")
    run.wait_for(lambda: run.output.count("bronze 0.1.0 ") > 2, "blocks")
    assert "\x1b" not in run.output


def test_what_others_wrote_never_steers_the_terminal(server, on_terminal):
    steering = "\x1b[2J\x07\x7f\u009b31m\u009dtitle"
    document = DOCUMENTS["hostile"]()
    document["reasons"] = [steering]
    document["topics"][1].update(topic=steering, reason=steering)
    server.document = document
    for arguments in ((), ("--topic", steering), ("--json",)):
        run = on_terminal(*arguments, NO_COLOR="1")
        assert run.wait_exit() == (1 if not document["healthy"] else 0)
        assert not re.search("[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f]", run.output), arguments
    told = json.loads(run.output)
    assert told["reasons"] == [steering]
