"""The page at /: what it shows is what /status says, in every state, and it can be read and used.

The first part has a server of its own behind the page, with made-up documents; the second the
service. With PAGE_IMAGES=docs/images the pictures of the documentation are made anew.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import os
import re
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.browser import DESKTOP, PAGE, PHONE, Browser, PageServer
from harness.payloads import INVALID_UTF8, Stream, json_values
from harness.processes import wait_until
from harness.service import Bronze
from harness.status import (
    NAMES,
    TYPES,
    complete,
    differences,
    history,
    leaves,
    partition,
    status,
    time_text,
    topic,
    verdict,
)
from selenium.webdriver.common.keys import Keys

pytestmark = pytest.mark.xdist_group("page")

PAGE_BYTES_MAX = 48 * 1024
MUTATIONS = """
window.mutations = [];
new MutationObserver((seen) => window.mutations.push(...seen.map((m) => m.type)))
    .observe(document.documentElement,
        {subtree: true, childList: true, characterData: true, attributes: true});
"""


@pytest.fixture(scope="module")
def one_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(tmp_path_factory.mktemp("browser"))
    try:
        yield browser
    finally:
        browser.quit()


@pytest.fixture
def browser(one_browser: Browser) -> Iterator[Browser]:
    """Nothing of the script may fail or be forbidden, whatever the test is about."""
    one_browser.look(DESKTOP)
    yield one_browser
    problems = one_browser.problems()
    one_browser.driver.get("about:blank")
    assert not problems


@pytest.fixture
def server() -> Iterator[PageServer]:
    server = PageServer(status())
    yield server
    server.stop()


# --- documents ----------------------------------------------------------------------------------


def busy() -> dict:
    topics = [
        topic(name, lag=310 + 17 * n, lag_seconds=2.4 + n / 3, rows=3_000_000 + n * 777_123)
        for n, name in enumerate(NAMES)
    ]
    topics[3]["dead_letters"] = dict(zip(TYPES, (4, 1_207, 31), strict=True))
    topics[5]["last_error"] = error(400, "could not write the log entry: HTTP 503 Slow Down")
    return status(
        topics,
        errors=[logged("payments", topics[5]["last_error"], 3)],
    )


def idle() -> dict:
    calm = "Everything is in the tables, and nothing new arrives."
    return status(
        [topic(name, state="waiting", oldest_unwritten_seconds=0) for name in NAMES[:3]],
        verdict=verdict("well", "All is well", calm, "Nothing to do."),
        rates={"over_seconds": 60, "rows_per_second": 0.0, "bytes_per_second": 0.0},
        history=history(level=0),
    )


def just_started() -> dict:
    """Nothing is known of anything yet."""
    unknown = dict.fromkeys(("position", "committed", "end", "lag"))
    waiting = [{**partition(n), **unknown, "state": "starting"} for n in range(2)]
    first = topic(
        "trips",
        state="starting",
        rows=0,
        lag=None,
        lag_seconds=None,
        last_commit=None,
        reason="no broker has answered yet",
    )
    document = status(
        [{**first, "partitions": waiting}],
        ready=False,
        reasons=["the tables are not open yet"],
        verdict=verdict("busy", "Starting", "Kafka has not answered yet.", "Wait."),
        rates=None,
        history=history(steps=0),
    )
    document["kafka"].update(reachable=False, last_answer_seconds=None)
    document["store"].update(reachable=False, last_answer_seconds=None)
    document["totals"]["lag"] = None
    return document


def stopped() -> dict:
    document = busy()
    reason = "the value is not valid UTF-8 at byte 7, and dead letters are off"
    trips = document["topics"][1]
    trips.update(state="stopped", reason="1 of 3 partitions is stopped")
    trips["partitions"][2].update(state="stopped", reason=f"offset 1259040: {reason}", lag=327)
    document["partitions"]["stopped"] = 1
    document["healthy"] = False
    document["verdict"] = verdict(
        "bad",
        "1 partition is stopped",
        "23 others go on.",
        "Read the reason, remove the cause before Kafka deletes the records, then restart the "
        "service.",
    )
    document["reasons"] = [f"partition 2 of topic trips is stopped: offset 1259040: {reason}"]
    document["errors"] = [
        logged("trips", error(12, f"partition 2 is stopped: {reason}"), 1_204),
        *(logged("payments", error(400 + n, f"HTTP 503, request {n}")) for n in range(11)),
    ]
    return document


def at_risk() -> dict:
    document = behind(grows=True)
    document["topics"][1]["retention_risk_seconds"] = 754.5
    document["topics"][1]["partitions"][0]["retention_risk_seconds"] = 754.5
    document["topics"][2]["retention_risk_seconds"] = 90_000.25
    document["topics"][7]["retention_risk_seconds"] = 0.0
    document["verdict"] = verdict(
        "bad",
        "Records have been lost",
        "Kafka deletes records of rider_profiles before they are copied.",
        "Raise the retention of the topic now, then remove what holds it up, or start another "
        "instance.",
    )
    return document


def behind(grows: bool) -> dict:
    steps = range(360)
    lag = [100_000 + 5_000 * (n if grows else 400 - n) for n in steps]
    topics = [topic(name, lag=lag[-1] // 8, lag_seconds=540.75) for name in NAMES]
    grown = verdict(
        "warn",
        "Behind, and falling further behind",
        "1,895,000 records to go, up to 9 min old, at 5,107 rows a second.",
        "Give it more CPU, or start another instance of the group.",
    )
    fallen = verdict(
        "busy",
        "Catching up",
        "About 7 min left: 305,000 records to go, up to 9 min old, at 5,107 rows a second.",
        "Nothing to do but wait.",
    )
    return status(topics, verdict=grown if grows else fallen, history=history(lag=lag))


def refused() -> dict:
    reason = "it would share the table bronze_a_b with the topic a-b"
    return status(
        healthy=False,
        verdict=verdict("bad", "2 topics are not copied", "8 topics go on.", "Read the reason."),
        reasons=[f"topic a_b is not copied: {reason}"] * 7,
        refused=[{"topic": "a_b", "reason": reason}, {"topic": "a.b", "reason": reason}],
    )


def failing_store() -> dict:
    document = busy()
    for one in document["topics"]:
        one.update(state="failing", reason="a write did not succeed", oldest_unwritten_seconds=48.5)
    document["store"].update(reachable=False, last_answer_seconds=48.25)
    document["ready"] = False
    document["verdict"] = verdict(
        "bad",
        "The store does not answer",
        "The store has not answered for 48 s. Records wait in Kafka, none is lost.",
        "Check the store of s3a://rideshare-bronze, the network and the keys. Writing goes on by "
        "itself.",
    )
    document["reasons"] = [
        "the store at s3a://rideshare-bronze has not answered a request for 48 s",
        *(f"topic {one['topic']}: the last 9 tries to write failed" for one in document["topics"]),
    ]
    document["errors"] = [
        logged(name, error(1 + n, "a write did not succeed and is tried again: HTTP 503"), 9)
        for n, name in enumerate(NAMES)
    ]
    return document


def many(count: int = 200, partitions: int = 10) -> dict:
    topics = [
        topic(f"region-{n:03}.events", partitions=partitions, lag=n % 7, rows=10_000 + n)
        for n in range(count)
    ]
    if count > 150:
        topics[150]["state"] = "failing"
    return status(topics)


def many_and_one_fails() -> dict:
    document = many()
    one = document["topics"][150]
    one["reason"] = "the last 3 tries to write failed"
    document["ready"] = False
    document["reasons"] = [f"topic {one['topic']}: {one['reason']}"]
    document["verdict"] = verdict(
        "warn",
        "Writes of 1 topic fail and are tried again",
        f"{one['topic']}: {one['reason']}.",
        "If it lasts, check the store.",
    )
    return document


HOSTILE = (
    "<img src=x onerror=window.pwned=1>",
    "<script>window.pwned=1</script>",
    "__proto__",
    "constructor",
    "with.dots.and-dashes_",
    "\"'><svg onload=window.pwned=1>",
    "\u202ereversed",
    "x" * 249,
)


def hostile() -> dict:
    topics = [
        topic(name, state="failing", reason=f"{name} & <b>bold</b>", last_error=error(5, name))
        for name in HOSTILE
    ]
    for one in topics:
        one["partitions"][0]["reason"] = HOSTILE[0]
    return status(
        topics,
        consumer_group=HOSTILE[1],
        verdict=verdict("bad", HOSTILE[0], HOSTILE[1], HOSTILE[5]),
        reasons=[HOSTILE[0], "line\nbreak\ttab"],
        refused=[{"topic": name, "reason": name} for name in HOSTILE],
        errors=[logged(name, error(9, f"{name} {'long ' * 400}")) for name in HOSTILE],
    )


def error(ago_s: float, message: str) -> dict:
    return {"at": time_text(ago_s), "message": message}


def logged(topic_name: str, trouble: dict, times: int = 1) -> dict:
    return {"topic": topic_name, **trouble, "times": times}


DOCUMENTS = {
    make.__name__: make
    for make in (busy, idle, just_started, stopped, at_risk, refused, failing_store, hostile)
}


# --- what it shows ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DOCUMENTS)
def test_everything_in_status_is_on_the_page_and_as_status_says(browser, server, name):
    server.document = DOCUMENTS[name]()
    browser.open(server.url)
    browser.open_all_topics()
    assert differences(server.document, browser.values()) == []


def test_the_comparison_notices_a_wrong_number_and_a_missing_one(browser, server):
    browser.open(server.url)
    browser.open_all_topics()
    lag = "[data-path='topics.trips.lag']"
    browser.run(f"document.querySelector(\"{lag}\").textContent = '1'")
    browser.run("document.querySelector(\"[data-path='totals.commits']\").remove()")
    found = differences(server.document, browser.values())
    assert len(found) == 2, found
    other = status([topic(name, lag=5) for name in NAMES])
    assert any("topics.ratings.lag" in line for line in differences(other, browser.values()))


def test_what_is_computed_is_computed_right(browser, server):
    server.document = document = busy()
    browser.open(server.url)
    sums = browser.run("""return [...document.querySelectorAll('#table tbody')].map((t) =>
        [t.querySelector('bdi').textContent, t.querySelector('[data-sum]').textContent])""")
    for name, shown in sums:
        letters = next(t["dead_letters"] for t in document["topics"] if t["topic"] == name)
        assert shown == f"{sum(letters.values()):,}"
    widths = browser.run("""const meter = document.getElementById('meter');
        return [...meter.children].map((i) => i.getBoundingClientRect().width
            / meter.getBoundingClientRect().width)""")
    memory = document["memory"]
    for width, kind in zip(widths, ("resident_bytes", "buffered_bytes"), strict=True):
        assert width == pytest.approx(memory[kind] / memory["budget_bytes"], abs=0.005)


def points(browser: Browser, series: str) -> list[list[tuple[float, float]]]:
    """The line of a chart: what is drawn without a gap."""
    drawn = browser.run(
        "return document.querySelector(arguments[0]).getAttribute('d')",
        f"[data-path='history.{series}']",
    )
    pieces = [piece for piece in (drawn or "").split("M") if piece]
    return [[tuple(map(float, p.split(" "))) for p in piece.split("L")] for piece in pieces]


def test_charts_draw_the_history_and_leave_gaps_where_nothing_is_known(browser, server):
    lag = [1_000, 2_000, None, None, 4_000, 3_000, 0]
    server.document = status(history=history(steps=7, lag=lag))
    browser.open(server.url)
    first, second = points(browser, "lag")
    assert [len(first), len(second)] == [2, 3]
    ground = second[-1][1]
    heights = [ground - y for _, y in (*first, *second)]
    for height, value in zip(heights, [n for n in lag if n is not None], strict=True):
        assert height / heights[0] == pytest.approx(value / 1_000, abs=0.02)
    (rows,) = points(browser, "rows")
    assert len(rows) == 7
    steps = [b[0] - a[0] for a, b in itertools.pairwise(rows)]
    assert max(steps) - min(steps) < 0.3

    for whole in (history(), history(level=0), history(steps=0), history(steps=1)):
        browser.freeze({**status(history=whole), "now": time_text(len(whole["rows"]) + 1)})
        drawn = points(browser, "rows")
        assert sum(map(len, drawn)) == len(whole["rows"])


def test_the_banner_says_what_the_service_says_of_itself(browser, server):
    browser.open(server.url)
    for number, make in enumerate((*DOCUMENTS.values(), behind_and_growing)):
        document = {**make(), "now": time_text(number + 1)}
        browser.freeze(document)
        told = document["verdict"]
        shown = [browser.text(f"#{part}") for part in ("headline", "doing", "advice")]
        assert shown == [told["headline"], told["doing"], told["advice"]]
        assert browser.tone() == told["tone"]
        assert browser.run("return document.title") == f"{told['headline']} – bronze"


def test_the_time_that_rates_are_over_is_said(browser, server):
    browser.open(server.url)
    note = "[data-series=rows] small"
    assert browser.text(note) == "mean of the last minute"
    longer = status(batch_interval_seconds=600.0, now=time_text(1))
    longer["rates"]["over_seconds"] = 1200
    browser.freeze(longer)
    assert browser.text(note) == "mean of the last 20 min 0 s"


def test_long_lists_are_cut_and_can_be_opened(browser, server):
    server.document = {**refused(), "errors": stopped()["errors"]}
    browser.open(server.url)
    assert browser.count("#reasons li") == 4
    assert browser.text("#more-reasons") == "Show 3 more"
    browser.click("#more-reasons")
    assert browser.count("#reasons li") == 7
    assert browser.count("#errors li") == 3
    browser.click("#more-errors")
    assert browser.count("#errors li") == 12
    assert browser.text("#more-errors") == "Show fewer"


# --- what others could put into it ----------------------------------------------------------------


def test_names_and_messages_of_others_stay_text(browser, server):
    server.document = hostile()
    browser.open(server.url)
    browser.open_all_topics()
    assert browser.run("return window.pwned") is None
    assert browser.run("return document.querySelectorAll('img, script, main b').length") == 1
    names = browser.run("return [...document.querySelectorAll('.open')].map((b) => b.textContent)")
    assert sorted(names) == sorted(HOSTILE)
    for size in (DESKTOP, PHONE):
        browser.look(size)
        assert_no_sideways_scrolling(browser)


def test_nothing_but_the_page_itself_is_loaded(browser, server):
    browser.open(server.url)
    wait_until(lambda: server.asked.count("/status/topics") > 1, 10, "the page asks again")
    assert set(server.asked) == {"/", "/status/topics"}
    browser.click(".open")
    wait_until(lambda: "/status" in server.asked, 10, "the page asks for partitions")
    browser.click(".open")
    asked = len(server.asked)
    wait_until(lambda: len(server.asked) > asked + 1, 10, "the page asks again")
    assert server.asked[-1] == "/status/topics"
    source = PAGE.read_text()
    addresses = re.findall(r"\w+://[^\s'\"<]+", source)
    assert set(addresses) == {"http://www.w3.org/2000/svg"}
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function"
    assert not re.findall(forbidden, source)
    assert not re.findall(r"<[^>]+\s(?:style|on\w+)=", source.split("<script>")[0])
    assert len(source.encode()) <= PAGE_BYTES_MAX


def policy_hash(source: str, tag: str) -> str:
    (text,) = re.findall(f"<{tag}>(.*?)</{tag}>", source, re.DOTALL)
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_the_policy_of_the_page_allows_its_own_script_and_style_only():
    source = PAGE.read_text()
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', source)
    assert policy == (
        f"default-src 'none'; script-src {policy_hash(source, 'script')}; "
        f"style-src {policy_hash(source, 'style')}; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


# --- how it changes -------------------------------------------------------------------------------


def test_nothing_moves_when_nothing_has_changed(browser, server):
    server.document = stopped()
    browser.open(server.url)
    browser.open_all_topics()
    browser.run(MUTATIONS)
    asked = len(server.asked)
    wait_until(lambda: len(server.asked) > asked + 2, 10, "two more answers")
    assert browser.run("return window.mutations") == []


def test_scroll_focus_and_open_topics_stay_when_topics_move(browser, server):
    server.document = many(60)
    browser.open(server.url)
    browser.run("""
        const row = [...document.querySelectorAll('#table > tbody')][30];
        row.mine = 1;
        const button = row.querySelector('.open');
        button.click();
        button.scrollIntoView({block: 'center'});
        button.focus();""")
    name = browser.run("return document.activeElement.textContent")
    top = browser.run("return document.activeElement.getBoundingClientRect().top")
    number = int(name[7:10])

    changed = many(61)
    changed["topics"][number].update(lag=4_711, rows_committed=99)
    changed["topics"][number]["partitions"][9].update(lag=17)
    changed["now"] = time_text(-5)
    server.document = changed
    browser.wait_for(lambda: browser.value("now") == changed["now"], "the next document")

    assert browser.run("return document.activeElement.textContent") == name
    assert browser.run("return document.activeElement.closest('tbody').mine") == 1
    moved = browser.run("return document.activeElement.getBoundingClientRect().top") - top
    assert abs(moved) < 2
    assert browser.value(f"topics.{name}.lag") == 4_711
    assert browser.value(f"topics.{name}.partitions.9.lag") == 17

    # The topic itself goes to the top, since it is in trouble now.
    worse = json.loads(json.dumps(changed))
    worse["topics"][number].update(state="stopped")
    worse["topics"] = [worse["topics"][-1], *worse["topics"][:-1]]
    worse["now"] = time_text(-6)
    server.document = worse
    browser.wait_for(lambda: browser.value("now") == worse["now"], "the next document")
    assert browser.text("#table > tbody .open") == name
    assert browser.run("return document.activeElement.textContent") == name
    assert browser.run("return document.activeElement.closest('tbody').mine") == 1
    assert browser.count("#table .detail") == 1

    gone = status([t for t in worse["topics"] if t["topic"] != name], now=time_text(-7))
    server.document = gone
    browser.wait_for(lambda: browser.value("now") == gone["now"], "the next document")
    assert browser.count("#table > tbody") == 60
    assert browser.count("#table .detail") == 0


# For the patience of the page.
FOUR_TIMES_AS_FAST = """
const real = performance.now.bind(performance), begun = real();
performance.now = () => begun + 4 * (real() - begun);
"""


def silent_for(browser) -> int:
    """Seconds, as the banner has it."""
    told = re.search(r"No answer for (\d+) s", browser.banner())
    return int(told[1]) if told else 0


def test_a_service_that_does_not_answer_is_said_so_with_the_time(browser, server):
    browser.open(server.url)
    assert browser.headline() == "All is well"
    server.stop()
    browser.wait_for(lambda: silent_for(browser) >= 4, "the silence is counted")
    counted = silent_for(browser)
    browser.wait_for(lambda: silent_for(browser) > counted, "it goes on")
    assert browser.tone() == "bad"
    assert "from 05:40:00 UTC" in browser.banner()
    assert browser.run("return document.body.className") == "gone"
    assert browser.count("#table > tbody") == len(NAMES)

    server.start()
    browser.wait_for(lambda: browser.headline() == "All is well", "the page is well again")
    assert browser.run("return document.body.className") == ""

    browser.run(FOUR_TIMES_AS_FAST)
    server.code = 500
    browser.wait_for(lambda: "HTTP 500" in browser.banner(), "the code of the answer")
    server.code = 200
    browser.wait_for(lambda: browser.headline() == "All is well", "the page is well again")

    server.hang()
    browser.wait_for(lambda: "does not answer" in browser.headline(), "a hanging service")


def test_an_answer_that_cannot_be_shown_is_not_taken_for_silence(browser, server):
    browser.open(server.url)
    server.document = {"version": "9", "now": time_text(1)}
    browser.wait_for(lambda: "cannot show" in browser.headline(), "it is said")
    server.document = status()
    browser.wait_for(lambda: browser.headline() == "All is well", "the page is well again")


def test_a_hidden_tab_asks_rarely_and_at_once_when_it_is_seen_again(browser, server):
    browser.open(server.url)
    hide = """Object.defineProperty(document, 'hidden', {configurable: true, get: () => %s});
        document.dispatchEvent(new Event('visibilitychange'))"""
    browser.run(hide % "true")
    time.sleep(1.5)
    asked = len(server.asked)
    time.sleep(3)
    assert len(server.asked) <= asked + 1
    assert browser.headline() == "All is well"
    asked = len(server.asked)
    browser.run(hide % "false")
    wait_until(lambda: len(server.asked) > asked, 4, "a question before its turn")


def test_two_hundred_topics_stay_smooth(browser, server):
    server.document = document = many()
    browser.open(server.url)
    assert browser.count("#table > tbody") == 200
    assert browser.run("return document.querySelectorAll('.detail').length") == 0
    assert browser.text("#table > tbody .open") == "region-150.events"
    spent = browser.run(
        """const document_ = JSON.parse(arguments[0]), spent = [];
        for (let turn = 0; turn < 7; turn += 1) {
          for (const t of document_.topics) { t.lag += 1; t.rows_committed += 10; }
          const begun = performance.now();
          render(document_);
          document.body.offsetHeight;
          spent.push(performance.now() - begun);
        }
        return spent.sort((a, b) => a - b)[3]""",
        json.dumps(document),
    )
    # The bound is for a loaded machine.
    assert spent < 500, f"{spent:.0f} ms for each document"

    browser.run("document.getElementById('filter').focus()")
    browser.press("19")
    assert browser.text("#matches") == "12 of 200"
    assert browser.count("#table > tbody") == 12
    browser.press(Keys.BACKSPACE * 2 + "failing")
    assert browser.count("#table > tbody") == 1
    browser.press("x")
    assert browser.count("#table > tbody") == 0
    assert browser.count("#no-topic") == 1
    browser.press(Keys.BACKSPACE * 8)
    assert browser.count("#table > tbody") == 200


def test_topics_come_in_the_order_that_is_asked_for(browser, server):
    server.document = document = at_risk()
    document["topics"][4].update(state="paused", lag=1)
    document["topics"][5].update(state="stopped", lag=2)
    document["topics"][6].update(rows_committed=9_000_000, lag=None)
    browser.open(server.url)
    names = "return [...document.querySelectorAll('.open')].map((b) => b.textContent)"
    order = """const order = document.getElementById('order');
        order.value = arguments[0];
        order.dispatchEvent(new Event('change'))"""
    risk_first = ["rider_profiles", "trips", "driver_status", "payments", "ratings"]
    assert browser.run(names)[:5] == risk_first
    browser.run(order, "name")
    assert browser.run(names) == sorted(NAMES)
    browser.run(order, "rows_committed")
    assert browser.run(names)[0] == "driver_profiles"
    browser.run(order, "lag")
    assert browser.run(names)[-3:] == ["payments", "ratings", "driver_profiles"]


# --- for everybody --------------------------------------------------------------------------------


def test_it_can_be_used_by_keyboard(browser, server):
    server.document = stopped()
    browser.open(server.url)
    reached = []
    for _ in range(60):
        browser.press(Keys.TAB)
        reached.append(
            browser.run("""const e = document.activeElement, style = getComputedStyle(e);
                return [e.textContent || e.ariaLabel || e.id, style.outlineStyle]""")
        )
        if reached[-1][0] == "surge_updates":
            break
    order = [name for name, _ in reached]
    assert order[:3] == ["Errors", "Numbers", "Topics"]
    assert "Show 9 more" in order and "filter" in order and "trips" in order
    assert all(outline == "solid" for _, outline in reached), reached

    browser.run("document.activeElement.blur()")
    browser.press("/")
    assert browser.run("return document.activeElement.id") == "filter"
    browser.press("trips" + Keys.TAB + Keys.TAB)
    assert browser.run("return document.activeElement.textContent") == "trips"
    browser.press(Keys.ENTER)
    opened = "return document.activeElement.ariaExpanded"
    assert browser.run(opened) == "true"
    browser.wait_for_partitions()
    controls = "return document.activeElement.getAttribute('aria-controls')"
    assert browser.count(f"#{browser.run(controls)} tbody tr") == 3
    browser.press(Keys.SPACE)
    assert browser.run(opened) == "false"
    assert browser.count("#table .detail") == 0


def test_a_chart_is_read_with_the_arrow_keys(browser, server):
    document = server.document
    browser.open(server.url)
    browser.run("document.querySelector('[data-series=rows] svg').focus()")
    said = "return document.activeElement.getAttribute('aria-valuetext')"
    rows = document["history"]["rows"]
    browser.press(Keys.ARROW_LEFT)
    browser.press(Keys.ARROW_LEFT)
    browser.press(Keys.ARROW_LEFT)
    assert browser.run(said) == f"05:39:40: {rows[-3] / 10:,.0f} rows/s"
    assert browser.text("[data-series=rows] small") == browser.run(said)
    assert browser.text("[data-series=lag] small").startswith("05:39:40: ")
    browser.press(Keys.HOME)
    assert browser.run(said) == f"04:40:10: {rows[0] / 10:,.0f} rows/s"
    browser.press(Keys.END)
    assert browser.run(said).startswith("05:40:00: ")
    browser.press(Keys.ESCAPE)
    assert browser.text("[data-series=rows] small") == "mean of the last minute"


CONTRASTS = """
const parse = (c) => c.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const ground = (e) => {
  for (; e; e = e.parentElement) {
    const colour = parse(getComputedStyle(e).backgroundColor);
    if (colour.length < 4 || colour[3] === 1) return colour;
  }
  return [255, 255, 255];
};
const poor = [];
for (const e of document.querySelectorAll('body *')) {
  const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
  if (!own || !e.checkVisibility() || e.closest('script, template, option')) continue;
  const style = getComputedStyle(e);
  const colour = parse(e.namespaceURI.includes('svg') ? style.fill : style.color);
  const [a, b] = [light(colour), light(ground(e))].sort((x, y) => y - x);
  const ratio = (a + 0.05) / (b + 0.05);
  if (ratio < 4.5) poor.push(`${e.tagName} ${e.className} ${e.textContent.slice(0, 30)} ${ratio}`);
}
return poor;
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_contrast(browser, server, scheme):
    browser.look(DESKTOP, scheme)
    browser.open(server.url)
    ground = browser.run("return getComputedStyle(document.body).backgroundColor")
    assert (min(map(int, re.findall(r"\d+", ground))) > 128) == (scheme == "light")
    for number, make in enumerate((stopped, behind_and_growing, idle, at_risk, refused)):
        browser.freeze({**make(), "now": time_text(number + 1)})
        browser.open_all_topics()
        assert browser.run(CONTRASTS) == [], make.__name__


def behind_and_growing() -> dict:
    return behind(grows=True)


def test_assistive_technology_is_told_what_is_what(browser, server):
    server.document = stopped()
    for size in (DESKTOP, PHONE):
        browser.look(size)
        browser.open(server.url)
        browser.open_all_topics()
        tree = browser.run("""return [...document.querySelectorAll(
            'button, input, select, a, [role=slider], section, nav, table')]
            .filter((e) => e.checkVisibility()).filter((e) => !(
              e.textContent.trim() || e.ariaLabel || e.getAttribute('aria-labelledby')))
            .map((e) => e.outerHTML)""")
        assert tree == ['<input id="filter"'] or all('id="filter"' in e for e in tree), tree
        assert browser.run("return document.getElementById('filter').labels.length") == 1
        assert browser.run("return document.getElementById('order').labels.length") == 1
        cells = browser.run("""return [...document.querySelectorAll('table *')]
            .filter((e) => ['TH', 'TD', 'TR', 'TBODY', 'THEAD'].includes(e.tagName))
            .filter((e) => !e.role).length""")
        assert cells == 0
    assert browser.run("return document.documentElement.lang") == "en"
    assert browser.run("return document.querySelectorAll('h1').length") == 1
    assert "1 partition is stopped" in browser.text("[role=status]")
    assert browser.run("return document.querySelectorAll('[tabindex]:not([tabindex=\"0\"])"
                       ":not([tabindex=\"-1\"])').length") == 0  # fmt: skip


def test_the_banner_is_read_out_again_only_when_its_state_changes(browser, server):
    """Numbers that tick are outside of what is announced."""
    browser.open(server.url)
    aloud = """return [...document.querySelectorAll('[role=status] *')]
        .filter((e) => !e.closest('[aria-live=off]') && !e.children.length)
        .map((e) => e.textContent)"""
    first = browser.run(aloud)
    next_ = busy()
    next_["history"]["rows"][-1] += 100_000
    browser.freeze({**next_, "now": time_text(1)})
    assert browser.run(aloud) == first


def test_it_moves_nothing_for_those_who_want_no_motion(browser, server):
    browser.open(server.url)
    browser.emulate({"prefers-reduced-motion": "reduce"})
    moving = """return [...document.querySelectorAll('*')].filter((e) =>
        ['', '::before'].some((p) => {
          const style = getComputedStyle(e, p || null);
          return style.transitionDuration !== '0s' || style.animationName !== 'none';
        })).length"""
    assert browser.run(moving) == 0


def assert_no_sideways_scrolling(browser: Browser) -> None:
    script = "return [document.documentElement.scrollWidth, innerWidth]"
    width, room = browser.run(script)
    assert width <= room


@pytest.mark.parametrize("size", [PHONE, (320, 640), (800, 600), DESKTOP])
def test_it_fits_the_screen(browser, server, size):
    server.document = stopped()
    browser.look(size)
    browser.open(server.url)
    browser.open_all_topics()
    assert_no_sideways_scrolling(browser)
    for number, make in enumerate((refused, at_risk)):
        browser.freeze({**make(), "now": time_text(number + 1)})
        assert_no_sideways_scrolling(browser)


def as_it_is(_browser: Browser) -> None:
    pass


def first_topic_opened(browser: Browser) -> None:
    browser.click(".open")
    browser.wait_for_partitions()
    time.sleep(0.3)


def at_the_topics(browser: Browser) -> None:
    browser.run("location.hash = 'topics'")


PICTURES = [
    ("idle-dark", idle, (1000, 700), "dark", as_it_is),
    ("busy-light", busy, DESKTOP, "light", as_it_is),
    ("failing-store-light", failing_store, (1000, 700), "light", as_it_is),
    ("stopped-dark", stopped, (1280, 1500), "dark", first_topic_opened),
    ("200-topics-light", many_and_one_fails, (1000, 700), "light", at_the_topics),
    ("phone-behind-light", lambda: behind(grows=True), PHONE, "light", as_it_is),
    ("phone-stopped-dark", stopped, PHONE, "dark", as_it_is),
]


@pytest.mark.parametrize(("name", "make", "size", "scheme", "look"), PICTURES)
def test_pictures(browser, server, tmp_path, name, make, size, scheme, look):
    server.document = make()
    browser.look(size, scheme)
    browser.open(server.url)
    look(browser)
    path = Path(os.environ.get("PAGE_IMAGES", tmp_path)).absolute() / f"page-{name}.png"
    browser.screenshot(path)
    assert path.read_bytes().startswith(b"\x89PNG")


# --- the service ----------------------------------------------------------------------------------


def url_of(instance: Bronze) -> str:
    return f"http://127.0.0.1:{instance.http_port}/"


def status_of(instance: Bronze) -> dict:
    with urllib.request.urlopen(f"{url_of(instance)}status", timeout=5) as answer:
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["Cache-Control"] == "no-store"
        return complete(json.load(answer))


def kinds(document: dict) -> set[str]:
    """The paths of a document; names and numbers are left out, so are parts that may be absent."""
    optional = r"\b(last_commit|last_error|rates)(\..*)?$"
    paths = (re.sub(optional, r"\1", path) for path, _ in leaves(document))
    return {re.sub(r"^topics\.[^.]+|(?<=\.)\d+(?=\.|$)", "*", path) for path in paths}


def assert_shown(browser: Browser, instance: Bronze) -> dict:
    """Every number on the page is that of one answer of the service."""
    document = status_of(instance)
    browser.freeze(document)
    browser.open_all_topics()
    assert differences(document, browser.values()) == []
    return document


@pytest.fixture
def watched(browser, start, environment):
    """watched(topic, ..., NAME=value) starts an instance and opens its page."""

    def watch(*topics: str, **variables: str) -> Bronze:
        instance = start(environment(*topics, **variables))
        instance.wait_answering()
        browser.open(url_of(instance))
        return instance

    return watch


def test_the_service_serves_the_page_and_a_status_of_that_shape(browser, topic, broker, watched):
    broker.produce(topic, json_values(30))
    instance = watched(topic)
    instance.wait_written(30)
    with urllib.request.urlopen(url_of(instance), timeout=5) as answer:
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert answer.read() == PAGE.read_bytes()
    made_up = status([topic_like()])
    assert kinds(status_of(instance)) == kinds(made_up)

    with urllib.request.urlopen(f"{url_of(instance)}status/topics", timeout=5) as answer:
        without_partitions = json.load(answer)
    assert all("partitions" not in one for one in without_partitions["topics"])
    assert without_partitions.keys() == made_up.keys()


def topic_like() -> dict:
    return topic("one", partitions=3)


def test_idle(browser, topic, broker, group, watched):
    broker.produce(topic, json_values(100))
    instance = watched(topic)
    broker.wait_caught_up(group, topic)
    browser.wait_for(lambda: browser.value("totals.lag") == 0, "the lag is gone", 30)
    browser.wait_for(lambda: browser.tone() == "well", "the page says that all is well", 30)
    assert browser.value("totals.rows_committed") == 100
    document = assert_shown(browser, instance)
    assert sum(p["committed"] for p in document["topics"][0]["partitions"]) == 100


def test_busy(browser, new_topic, broker, group, watched):
    topics = [new_topic() for _ in range(2)]
    instance = watched(*topics, BATCH_INTERVAL_SECONDS="0.5")
    with Stream(broker, topics[0], 500) as one, Stream(broker, topics[1], 200) as other:
        for least in (100, 1_000):
            browser.wait_for(
                lambda least=least: browser.value("totals.rows_committed") >= least,
                f"{least} rows are committed",
                40,
            )
        assert_shown(browser, instance)
        assert browser.headline() == "All is well"
    browser.open(url_of(instance))
    browser.wait_for(
        lambda: browser.value("totals.rows_committed") == one.sent + other.sent,
        "all that was sent is counted",
        40,
    )
    browser.wait_for(lambda: browser.value("totals.lag") == 0, "the lag is gone", 30)
    for name, stream in zip(topics, (one, other), strict=True):
        assert browser.value(f"topics.{name}.rows_committed") == stream.sent


def test_failing_store(browser, topic, broker, minio, watched):
    broker.produce(topic, json_values(50))
    instance = watched(topic, HEALTH_MAX_WRITE_AGE_SECONDS="3")
    instance.wait_written(50)
    minio.kill()
    try:
        broker.produce(topic, json_values(50))
        browser.wait_for(lambda: browser.tone() == "bad", "the page says that it is not well", 40)
        browser.wait_for(lambda: browser.value("store.reachable") is False, "the store is away", 40)
        browser.wait_for(lambda: browser.count("#errors li") > 0, "an error is listed", 20)
        instance.wait_unhealthy()
        assert "store" in browser.headline()
        document = assert_shown(browser, instance)
        assert document["topics"][0]["state"] == "failing"
        assert not document["healthy"]
    finally:
        minio.ensure_running()
    browser.open(url_of(instance))
    browser.wait_for(
        lambda: browser.value("totals.rows_committed") == 100 and browser.tone() == "well",
        "all is written and well again",
        60,
    )


def test_stopped_partition(browser, topic, broker, watched):
    broker.produce(topic, json_values(20), partition=0)
    broker.produce(topic, [INVALID_UTF8], partition=1)
    instance = watched(topic, DLQ_ENABLED="false")
    instance.wait_unhealthy()
    browser.wait_for(lambda: browser.headline() == "1 partition is stopped", "it is said", 30)
    broker.produce(topic, json_values(20), partition=2)
    browser.wait_for(lambda: browser.value("totals.rows_committed") == 40, "the others go on", 30)
    document = assert_shown(browser, instance)
    (one,) = [p for p in document["topics"][0]["partitions"] if p["state"] == "stopped"]
    assert one["partition"] == 1
    assert "UTF-8" in one["reason"]
    assert browser.text("#table .open") == topic
    assert browser.count(".state[data-tone=bad]") >= 2
