"""A real browser without a window, driven by the DevTools protocol over two pipes."""

import base64
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Browser:
    """One page of a Chromium that lives as long as the `with` block; errors of its scripts are kept in `errors`."""

    def __init__(self, profile: Path, width: int = 1280, dark: bool = False, same_origin: bool = False) -> None:
        self.profile, self.size, self.dark, self.same_origin = profile, (width, 900), dark, same_origin
        self.errors: list[dict[str, Any]] = []
        self.fetched: list[str] = []
        self.number = 0
        self.session: str | None = None

    def __enter__(self) -> "Browser":
        (commands, to_browser), (from_browser, events) = os.pipe(), os.pipe()
        # The protocol's pipes are the descriptors 3 and 4 of the browser.
        start = 'exec 3<&"$0" 4>&"$1"; shift; exec "$@"'
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--mute-audio"]
        options += ["--allow-file-access-from-files"] if self.same_origin else []
        command = [CHROMIUM or "chromium", *options, f"--user-data-dir={self.profile}", "about:blank"]
        self.process = subprocess.Popen(
            ["bash", "-c", start, str(commands), str(events), *command],
            pass_fds=(commands, events),
            stderr=subprocess.DEVNULL,
        )
        os.close(commands)
        os.close(events)
        self.sent, self.received, self.unread = to_browser, from_browser, b""
        page = next(one for one in self.do("Target.getTargets")["targetInfos"] if one["type"] == "page")
        attached = self.do("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.do(f"{domain}.enable")
        width, height = self.size
        self.do(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if self.dark else "light"}
        self.do("Emulation.setEmulatedMedia", features=[scheme])
        return self

    def __exit__(self, *_: object) -> None:
        self.session = None
        self.do("Browser.close")
        self.process.wait(timeout=20)
        os.close(self.sent)
        os.close(self.received)

    def do(self, method: str, **params: Any) -> dict[str, Any]:
        """Carry out a command and return its result."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        os.write(
            self.sent, json.dumps(message | ({"sessionId": self.session} if self.session else {})).encode() + b"\0"
        )
        while True:
            answer = self._next()
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result

    def _next(self) -> dict[str, Any]:
        """Return the next message of the browser; note errors and what it fetches."""
        while b"\0" not in self.unread:
            more = os.read(self.received, 2**20)
            assert more, "the browser has gone"
            self.unread += more
        text, _, self.unread = self.unread.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        if message.get("method") == "Runtime.exceptionThrown":
            self.errors.append(message["params"]["exceptionDetails"])
        if message.get("method") == "Log.entryAdded" and message["params"]["entry"]["level"] == "error":
            self.errors.append(message["params"]["entry"])
        if message.get("method") == "Network.requestWillBeSent":
            self.fetched.append(message["params"]["request"]["url"])
        return message

    def open(self, url: str) -> None:
        """Go to a page and wait until it has loaded."""
        self.do("Page.navigate", url=url)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def value(self, script: str) -> Any:
        """Return what a script gives, awaited."""
        found = self.do("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def until(self, script: str) -> Any:
        """Wait until a script gives something true; a page that never gets there fails the test."""
        deadline = time.monotonic() + 30
        while not (found := self.value(script)):
            assert time.monotonic() < deadline, f"never came true: {script}"
            time.sleep(0.02)
        return found

    def press(self, key: str) -> None:
        """Press a key as a person does."""
        codes = {"Enter": ("Enter", 13, "\r"), "Escape": ("Escape", 27, ""), "Tab": ("Tab", 9, "")}
        code, number, text = codes.get(key, ("", ord(key[0].upper()), key))
        for kind in ("keyDown", "keyUp"):
            self.do(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=code,
                windowsVirtualKeyCode=number,
                **({"text": text} if text and kind == "keyDown" else {}),
            )

    def type(self, text: str) -> None:
        """Write into what has the focus."""
        self.do("Input.insertText", text=text)

    def picture(self, path: Path) -> None:
        """Write what is on the screen as a PNG."""
        path.write_bytes(base64.b64decode(self.do("Page.captureScreenshot")["data"]))
