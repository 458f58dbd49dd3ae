"""A headless Chromium driven over its own protocol (CDP), as little of it as the tests need. It knows no page."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

PROGRAMS = ("chromium", "chromium-headless-shell", "google-chrome", "chromium-browser")
ALONE = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-dev-shm-usage",
    "--mute-audio",
    "--remote-debugging-port=0",
)
"""No window, no sandbox (tests may run as root), and nothing of its own over the network."""


def program() -> str | None:
    """The path of a Chromium, None where there is none."""
    return next((path for name in PROGRAMS if (path := shutil.which(name))), None)


class Page:
    """One tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self.asked: list[str] = []
        """The address of every request that the page has made."""

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command, and what it gives."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        while True:
            message = await self._socket.receive_json(timeout=30)
            if message.get("method") in ("Network.requestWillBeSent", "Network.webSocketCreated"):
                told = message["params"]
                self.asked.append(told["url"] if "url" in told else told["request"]["url"])
            if message.get("id") == number:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result

    async def open(self, url: str, before: str = "", size: tuple[int, int] = (960, 600)) -> None:
        """Go to an address; the script `before` runs ahead of the page's own."""
        await self.call("Network.enable")
        await self.call("Page.enable")
        await self.call("Page.addScriptToEvaluateOnNewDocument", source=before)
        width, height = size
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        await self.call("Emulation.setDeviceMetricsOverride", **metrics)
        await self.call("Page.navigate", url=url)

    async def value(self, expression: str) -> Any:
        """What a JavaScript expression is."""
        result = (await self.call("Runtime.evaluate", expression=expression, returnByValue=True))["result"]
        return result.get("value")

    async def until(self, expression: str, fits: Any, seconds: float = 30) -> Any:
        """The first value of the expression for which `fits` is true; fails the test where none is in time."""
        end = time.monotonic() + seconds
        while True:
            value = await self.value(expression)
            if fits(value):
                return value
            assert time.monotonic() < end, value
            await asyncio.sleep(0.05)

    async def key(self, text: str) -> None:
        """Press a key that writes one character."""
        await self.call("Input.dispatchKeyEvent", type="keyDown", text=text, key=text)
        await self.call("Input.dispatchKeyEvent", type="keyUp", key=text)

    async def picture(self) -> bytes:
        """The page as PNG."""
        return base64.b64decode((await self.call("Page.captureScreenshot", format="png"))["data"])


@contextlib.asynccontextmanager
async def browse(folder: Path) -> AsyncIterator[Page]:
    """A Chromium with a profile of its own in `folder`; nothing of it is left behind."""
    process = _launched(folder)
    try:
        port = await _port(folder, process)
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                tabs = [tab for tab in await answer.json() if tab["type"] == "page"]
            async with session.ws_connect(tabs[0]["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                page = Page(socket)
                yield page
                with contextlib.suppress(AssertionError, TypeError, ConnectionError):
                    await page.call("Browser.close")
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def _launched(folder: Path) -> subprocess.Popen[bytes]:
    found = program()
    assert found is not None
    command = [found, *ALONE, f"--user-data-dir={folder}", "about:blank"]
    environment = {**os.environ, "HOME": str(folder)}
    nothing = subprocess.DEVNULL
    return subprocess.Popen(
        command, env=environment, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True
    )


async def _port(folder: Path, process: subprocess.Popen[bytes]) -> int:
    end = time.monotonic() + 30
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError, IndexError, ValueError):
            return _written(folder)
        await asyncio.sleep(0.05)
    raise AssertionError(f"chromium did not start: {process.poll()}")


def _written(folder: Path) -> int:
    return int((folder / "DevToolsActivePort").read_text(encoding="ascii").splitlines()[0])
