"""A headless Chromium, and a small server that stands in for the service behind the page."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.remote_connection import ChromeRemoteConnection

from .processes import ENDS_WITH_PARENT, ROOT, Process, free_port, wait_until
from .status import Value, sparse

PAGE = ROOT / "src" / "observe" / "page" / "index.html"
CHROMIUM = "/usr/bin/chromium"
DRIVER = "/usr/bin/chromedriver"

DESKTOP = (1280, 900)
PHONE = (390, 844)

# Runs before the page's own script: what the page may not do is remembered.
WATCH = """
window.violations = [];
document.addEventListener('securitypolicyviolation', (e) => {
  window.violations.push(`${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}:${e.lineNumber}`);
});
window.failures = [];
window.addEventListener('error', (e) => window.failures.push(e.message));
window.addEventListener('unhandledrejection', (e) => window.failures.push(String(e.reason)));
"""

# From now on the page gets this one document, whatever it asks.
FREEZE = """
const text = arguments[0];
window.fetch = async () => new Response(text, {headers: {'Content-Type': 'application/json'}});
poll();
"""

VALUES = """
return [...document.querySelectorAll('[data-path]')].map((place) => ({
  path: place.dataset.path, exact: place.dataset.value, kind: place.dataset.as || 'text',
  text: place.textContent, title: place.title || '', hidden: !place.checkVisibility(),
}));
"""


class Browser:
    """One window; it is used for one page after the other."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        wrapper = directory / "chromium"
        wrapper.write_text(f'#!/bin/sh\nexec {" ".join(ENDS_WITH_PARENT)} {CHROMIUM} "$@"\n')
        wrapper.chmod(0o755)
        port = free_port()
        self._process = Process([DRIVER, f"--port={port}"], directory / "chromedriver.log")
        options = Options()
        options.binary_location = str(wrapper)
        for argument in (
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--hide-scrollbars",
            "--no-first-run",
            f"--user-data-dir={directory / 'profile'}",
        ):
            options.add_argument(argument)
        self.driver = wait_until(
            lambda: self._connect(f"http://127.0.0.1:{port}", options), 30, "the browser answers"
        )
        self.driver.set_script_timeout(20)
        self._command("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
        self.look(DESKTOP)

    def _connect(self, url: str, options: Options) -> webdriver.Remote | None:
        assert self._process.running, self._process.tail()
        if "started successfully" not in self._process.log():
            return None
        return webdriver.Remote(command_executor=ChromeRemoteConnection(url), options=options)

    def _command(self, name: str, **parameters: object) -> dict:
        answer = self.driver.execute("executeCdpCommand", {"cmd": name, "params": parameters})
        return answer["value"]

    def quit(self) -> None:
        try:
            self.driver.quit()
        finally:
            self._process.end()

    # --- how it looks at a page ---------------------------------------------------------------

    def look(self, size: tuple[int, int], scheme: str = "light") -> None:
        width, height = size
        self._command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=size == PHONE,
        )
        self.emulate({"prefers-color-scheme": scheme})

    def emulate(self, features: dict[str, str]) -> None:
        named = [{"name": name, "value": value} for name, value in features.items()]
        self._command("Emulation.setEmulatedMedia", features=named)

    def open(self, url: str) -> None:
        """Until the page has shown its first document."""
        self.driver.get(url)
        self.wait_for(lambda: self.value("now"), "the page shows a document")

    def run(self, script: str, *arguments: object) -> object:
        return self.driver.execute_script(script, *arguments)

    def wait_for(self, seen: Callable[[], object], what: str, timeout: float = 15) -> None:
        wait_until(seen, timeout, f"{what}\n{self.problems()}")

    def screenshot(self, path: Path, whole: bool = False) -> None:
        picture = self._command(
            "Page.captureScreenshot", format="png", captureBeyondViewport=whole
        )["data"]
        path.write_bytes(base64.b64decode(picture))

    def press(self, key: str) -> None:
        self.driver.switch_to.active_element.send_keys(key)

    # --- what is on it ------------------------------------------------------------------------

    def text(self, selector: str) -> str:
        return self.run("return document.querySelector(arguments[0]).textContent", selector)

    def click(self, selector: str) -> None:
        self.run("document.querySelector(arguments[0]).click()", selector)

    def count(self, selector: str) -> int:
        """How many of them can be seen."""
        script = """return [...document.querySelectorAll(arguments[0])]
            .filter((element) => element.checkVisibility()).length"""
        return self.run(script, selector)

    def value(self, path: str) -> object:
        """The exact value that is shown at this place; None when there is none."""
        script = """const place = [...document.querySelectorAll('[data-path]')]
            .find((one) => one.dataset.path === arguments[0]);
            return place && place.dataset.value || null"""
        exact = self.run(script, path)
        return None if exact is None else json.loads(exact)

    def values(self) -> list[Value]:
        return [Value(**value) for value in self.run(VALUES)]

    def headline(self) -> str:
        return self.text("#headline")

    def banner(self) -> str:
        return " ".join(self.text(part) for part in ("#headline", "#doing", "#advice"))

    def tone(self) -> str:
        return self.run("return document.getElementById('banner').dataset.tone")

    def problems(self) -> list[str]:
        """Errors of the page's script, and what its own policy forbade."""
        return self.run("return [...(window.failures || []), ...(window.violations || [])]")

    def freeze(self, document: dict) -> None:
        """The page shows this document and goes on showing it."""
        self.run(FREEZE, json.dumps(sparse(document)))
        self.wait_for(lambda: self.value("now") == document["now"], "the frozen document")

    def open_all_topics(self) -> None:
        self.run(
            "for (const b of document.querySelectorAll('.open[aria-expanded=false]')) b.click()"
        )
        self.run(
            "for (const b of document.querySelectorAll('[id^=more-]:not([hidden])')) b.click()"
        )
        self.wait_for_partitions()

    def wait_for_partitions(self) -> None:
        """They are asked for when a topic is opened."""
        self.wait_for(
            lambda: self.run(
                """return !document.querySelector('.detail') ||
                    document.querySelector('.detail tbody tr') !== null"""
            ),
            "the partitions of the opened topics",
        )


class PageServer:
    """Serves the page and what a test says that /status and /status/topics are."""

    def __init__(self, document: dict) -> None:
        self.document = document
        self.code = 200
        self.asked: list[str] = []
        self.hangs = threading.Event()
        self._goes_on = threading.Event()
        self._server: ThreadingHTTPServer | None = None
        self.port = free_port()
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        if self._server:
            self._goes_on.set()
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def hang(self) -> None:
        """From now on no question is answered."""
        self._goes_on.clear()
        self.hangs.set()

    def _answer(self, path: str) -> tuple[int, str, bytes]:
        if path == "/":
            return 200, "text/html; charset=utf-8", PAGE.read_bytes()
        if path == "/status":
            return self.code, "application/json", json.dumps(sparse(self.document)).encode()
        if path == "/status/topics":
            topics = sparse(self.document, partitions=False)
            return self.code, "application/json", json.dumps(topics).encode()
        return 404, "text/plain", b"no such path"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append(self.path)
                if server.hangs.is_set():
                    server._goes_on.wait(60)
                    return
                code, kind, body = server._answer(self.path)
                self.send_response(code)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Cache-Control", "no-store")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: object) -> None:
                return

        return Handler
