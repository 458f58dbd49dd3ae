"""Servers that Ray places and watches. Ray itself runs in a child of the stage, see `ray_driver`."""

import os
import selectors
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from backends.cluster.piped_process import PipedProcess
from backends.cluster.ray_driver import (
    CAME,
    CLOSE,
    FAILED,
    GIVE,
    GONE,
    KILL,
    SERVERS,
    START,
    PacketReader,
    packet,
)
from backends.core.messages import N_, InputError, NeedError, StageError
from backends.core.processes import child_environment
from backends.core.settings import ClusterSettings

DRIVER = "backends.cluster.ray_driver"
CONNECT_S = 60.0
"""On a busy machine Ray takes its time."""
CLOSE_S = 6.0
TOKEN_HINT = N_(
    "RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH must be set here as on the servers; see docs/guide/cluster.md"
)


class RayCarrier:
    """`auto` or `HOST:PORT`."""

    def __init__(self, settings: ClusterSettings, workspace: Path) -> None:
        """NeedError where Ray is not installed, InputError where the cluster may not be joined."""
        if find_spec("ray") is None:
            hint = N_("pip install 'r3d-tui[ray]', on every server")
            raise NeedError("Ray is not here, and cluster.address is {address}", hint=hint, address=settings.address)
        self._address = settings.address
        check_token(os.environ, is_open_allowed=settings.allow_open)
        self._reader = PacketReader()
        self._names: tuple[str, ...] = ()
        self._driver = PipedProcess(DRIVER, settings.address, environment=child_environment(workspace))
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._driver, selectors.EVENT_READ)

    def servers(self) -> tuple[str, ...]:
        until = time.monotonic() + CONNECT_S
        while not self._names:
            if time.monotonic() > until:
                self.close()
                text, hint = N_("no answer from Ray at {address} in {seconds:.0f} s"), N_("see `ray status` there")
                raise StageError(text, hint=hint, address=self._address, seconds=CONNECT_S)
            self.poll(0.2)
        return self._names

    def start(self, server: str) -> None:
        self._driver.send(packet(START, server))

    def give(self, server: str, data: bytes) -> None:
        self._driver.send(packet(GIVE, server, data))

    def kill(self, server: str) -> None:
        self._driver.send(packet(KILL, server))

    def poll(self, seconds: float) -> list[tuple[str, bytes | None]]:
        """StageError where the driver has ended: Ray does that a minute after its control service has gone."""
        found: list[tuple[str, bytes | None]] = []
        until = time.monotonic() + seconds
        while self._driver.send() and time.monotonic() < until and not self._selector.select(0.005):
            pass
        if not self._selector.select(seconds):
            return found
        data = self._driver.read()
        for verb, server, body in self._reader.feed(data):
            if verb == SERVERS:
                self._names = tuple(body.decode().splitlines())
            elif verb == CAME:
                found.append((server, body))
            elif verb == GONE:
                found.append((server, None))
            elif verb == FAILED:
                self._failed(server, body.decode())
        if not data:
            hint = N_("start Ray's head again (`ray start --head`), then run again: what came back is kept")
            raise StageError("Ray at {address} has ended", hint=hint, address=self._address)
        return found

    def close(self) -> None:
        self._driver.send(packet(CLOSE))
        self._driver.end(CLOSE_S)

    def _failed(self, kind: str, text: str) -> None:
        if kind == "AuthenticationError":
            raise InputError("Ray at {address} does not take our token", hint=TOKEN_HINT, address=self._address)
        hint = N_("see the stage's log; `ray status` there says whether Ray runs")
        raise StageError("Ray at {address}: {reason}", hint=hint, address=self._address, reason=text or kind)


def check_token(environment: Mapping[str, str], *, is_open_allowed: bool) -> None:
    """InputError where a cluster would be joined without a token, or the token's file cannot be read."""
    if environment.get("RAY_AUTH_MODE") != "token":
        if is_open_allowed:
            return
        text = N_("no Ray cluster is joined without a token: who reaches its port runs code as you")
        raise InputError(text, hint=TOKEN_HINT)
    given = environment.get("RAY_AUTH_TOKEN_PATH")
    path = Path(given) if given else Path.home() / ".ray" / "auth_token"
    if not environment.get("RAY_AUTH_TOKEN") and not os.access(path, os.R_OK):
        raise InputError("{path}: no token for Ray", hint=TOKEN_HINT, path=str(path))
