"""Driving a headless Chromium over its DevTools pipe: no port, no driver, no library."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import itertools
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

WIDTH, HEIGHT = 1280, 800
_END = b"\0"
_PATIENCE_MILLISECONDS = 30_000


class FailedError(Exception):
    """Raised when the page does not do what was asked."""


class Browser:
    """A browser that runs; messages go over two pipes, each ended by a zero byte."""

    def __init__(self, to: int, back: int) -> None:
        self._to = to
        self._back = back
        self._rest = b""
        self._numbers = itertools.count(1)
        self.events: list[dict[str, Any]] = []
        """What the pages told by themselves, oldest first."""

    def send(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Give a command and return its result."""
        number = next(self._numbers)
        told = {"id": number, "method": method, "params": parameters, **({"sessionId": session} if session else {})}
        os.write(self._to, json.dumps(told).encode() + _END)
        while True:
            message = self._receive()
            if message.get("id") == number:
                if "error" in message:
                    raise FailedError(f"{method}: {message['error']['message']}")
                result: dict[str, Any] = message["result"]
                return result
            self.events.append(message)

    def _receive(self) -> dict[str, Any]:
        while _END not in self._rest:
            part = os.read(self._back, 1 << 20)
            if not part:
                raise FailedError("the browser ended")
            self._rest += part
        told, _, self._rest = self._rest.partition(_END)
        message: dict[str, Any] = json.loads(told)
        return message


class Tab:
    """One page in a browser."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        target = browser.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = browser.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log", "Accessibility"):
            self.send(f"{domain}.enable")
        self.size(WIDTH, HEIGHT)

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Give a command to this page."""
        return self._browser.send(method, self._session, **parameters)

    def size(self, width: int, height: int) -> None:
        """Give the page this many CSS pixels."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def prefer(self, scheme: str) -> None:
        """Let the page see that its reader prefers ``light`` or ``dark``."""
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def open(self, url: str) -> None:
        """Load a page and wait until it says that it is there."""
        self._browser.events.clear()
        self.send("Page.navigate", url="about:blank")
        self.send("Page.navigate", url=url)
        self.wait("document.documentElement?.dataset.ready !== undefined")

    def run(self, script: str) -> Any:
        """Return what a JavaScript expression gives; of a promise, what comes of it."""
        done = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in done:
            raise FailedError(f"{script}: {done['exceptionDetails'].get('exception', {}).get('description')}")
        return done["result"].get("value")

    def wait(self, condition: str) -> None:
        """Wait until an expression holds; the page itself looks, whenever it has time."""
        looking = (
            f"new Promise((done, failed) => {{ const until = Date.now() + {_PATIENCE_MILLISECONDS};"
            f"const look = () => {{ let held = false; try {{ held = {condition}; }} catch {{}}"
            "if (held) done(true); else if (Date.now() > until) failed(new Error('waited in vain'));"
            "else setTimeout(look, 10); }; look(); })"
        )
        while True:
            try:
                self.run(looking)
                return
            except FailedError as error:
                if "navigated" not in str(error) and "context" not in str(error):
                    raise

    def press(self, key: str) -> None:
        """Press a key and let it go."""
        text = {"text": key} if len(key) == 1 else {}
        code = {"ArrowDown": 40, "ArrowUp": 38, "End": 35, "Home": 36, "Enter": 13, "Escape": 27, "Tab": 9}.get(key, 0)
        self.send("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, windowsVirtualKeyCode=code, **text)
        self.send("Input.dispatchKeyEvent", type="keyUp", key=key, code=key, windowsVirtualKeyCode=code)

    def type(self, field: str, text: str) -> None:
        """Put a text into a field, as if it was typed over what stood there."""
        self.run(f"$('{field}').focus(), $('{field}').value = ''")
        self.send("Input.insertText", text=text)
        if not text:
            self.run(f"$('{field}').dispatchEvent(new Event('input'))")

    def text(self, selector: str) -> str:
        """Return the text of the first element that a selector means."""
        return str(self.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def picture(self, path: Path) -> None:
        """Make a screenshot."""
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"]))

    def complaints(self) -> list[str]:
        """Return what went wrong in the page: exceptions, errors in its console, and what its policy stopped."""
        self.run("1")
        found = [
            event
            for event in self._browser.events
            if event.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded")
        ]
        return [
            json.dumps(event["params"])[:400]
            for event in found
            if event["params"].get("entry", {}).get("level") != "info"
        ]

    def asked(self) -> list[str]:
        """Return the addresses that the page asked for."""
        sent = [event["params"] for event in self._browser.events if event.get("method") == "Network.requestWillBeSent"]
        return [told["request"]["url"] for told in sent]

    def roles(self) -> list[Mapping[str, Any]]:
        """Return what a screen reader is told: role and name of each part."""
        nodes = self.send("Accessibility.getFullAXTree")["nodes"]
        return [
            {"role": node.get("role", {}).get("value"), "name": node.get("name", {}).get("value", "")}
            for node in nodes
            if not node.get("ignored")
        ]


@contextlib.contextmanager
def running(program: str) -> Iterator[Browser]:
    """Run a browser with a profile of its own for a ``with`` block."""
    commands, to = os.pipe()
    back, answers = os.pipe()
    ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 20) for end in (commands, answers)]  # beyond the two they become

    def connect() -> None:
        for number, end in zip((3, 4), ends, strict=True):
            os.dup2(end, number)

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        words = [program, "--headless", "--remote-debugging-pipe", f"--user-data-dir={profile}", "--no-first-run"]
        quiet = ["--disable-gpu", "--disable-extensions", "--disable-background-networking", "--disable-dev-shm-usage"]
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        with subprocess.Popen(
            [*words, *quiet, *sandbox],
            preexec_fn=connect,  # noqa: PLW1509 -- nothing here runs in threads
            close_fds=False,
            stderr=subprocess.DEVNULL,
        ) as process:
            for end in (commands, answers, *ends):
                os.close(end)
            try:
                yield Browser(to, back)
            finally:
                process.terminate()
                os.close(to)
                os.close(back)
