"""A real browser without a window: Chromium, told what to do over a pipe (Chrome DevTools Protocol)."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from contextlib import contextmanager

EXECUTABLE = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")
OPTIONS = (
    "--headless",
    "--no-sandbox",  # as root in a container there is none
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)


class Tab:
    """One page. ``problems`` collects what the browser complained about: errors of scripts, refusals of the policy."""

    def __init__(self, to, come):
        self._to, self._come = to, come
        self._count, self._session, self.problems, self._loaded = 0, None, [], 0
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def ask(self, method, **params):
        answer = self._answer(method, params)
        assert "error" not in answer, answer
        return answer["result"]

    def _answer(self, method, params):
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        self._to.write(json.dumps(message | ({"sessionId": self._session} if self._session else {})).encode() + b"\0")
        self._to.flush()
        while (answer := self._next()).get("id") != self._count:
            pass
        return answer

    def look(self, width, height=800, *, dark=False):
        """Be a screen of that size."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.ask("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])

    def go(self, address):
        """Load a page, to the end of its loading."""
        self._loading(lambda: self.ask("Page.navigate", url=address))

    def follow(self, script):
        """Run a script that leads to another page, to the end of its loading."""
        self._loading(lambda: self.run(script + "; 0"))

    def _loading(self, begin):
        loaded = self._loaded
        begin()
        while self._loaded == loaded:
            self._next()

    def run(self, script):
        """What a script in the page comes to; a promise is waited for."""
        answer = self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def until(self, condition, seconds=20):
        """Wait until a condition of the page holds, which may be loaded anew in between."""
        deadline = time.monotonic() + seconds
        look = {"expression": condition, "returnByValue": True}
        while not self._answer("Runtime.evaluate", look).get("result", {}).get("result", {}).get("value"):
            assert time.monotonic() < deadline, condition
            time.sleep(0.05)

    def press(self, key, code=0, text=None):
        for kind in ("keyDown", "keyUp"):
            more = {"text": text} if text and kind == "keyDown" else {}
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **more)

    def picture(self, *, whole=True):
        """The page as PNG."""
        clip = {}
        if whole:
            size = self.ask("Page.getLayoutMetrics")["cssContentSize"]
            clip = {"clip": {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}}
        shot = self.ask("Page.captureScreenshot", captureBeyondViewport=whole, **clip)
        return base64.b64decode(shot["data"])

    def _next(self):
        message = self._come()
        match message.get("method"):
            case "Page.loadEventFired":
                self._loaded += 1
            case "Log.entryAdded":
                self.problems.append(message["params"]["entry"]["text"])
            case "Runtime.exceptionThrown":
                self.problems.append(str(message["params"]["exceptionDetails"]))
        return message


@contextmanager
def opened(folder):
    """A tab of a browser that is closed afterwards; it keeps what it has to keep in ``folder``."""
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    command = [EXECUTABLE, *OPTIONS, f"--user-data-dir={folder}", "about:blank"]
    # The ends of the pipes are the file descriptors 3 and 4 by their protocol; plain sh knows no number above 9.
    shell = ["bash", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "bash", *command]
    process = subprocess.Popen(
        shell, pass_fds=(theirs_in, theirs_out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(theirs_in)
    os.close(theirs_out)
    with os.fdopen(ours_out, "wb") as to, os.fdopen(ours_in, "rb") as come:
        left = bytearray()

        def message():
            while b"\0" not in left:
                found = os.read(come.fileno(), 1 << 16)
                assert found, "the browser is gone"
                left.extend(found)
            whole, _, rest = bytes(left).partition(b"\0")
            left[:] = rest
            return json.loads(whole)

        try:
            yield Tab(to, message)
        finally:
            process.terminate()
            process.wait(20)
