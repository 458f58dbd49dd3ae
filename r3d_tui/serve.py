"""The console in a browser, through textual-serve: who may ask, the page they get, and how all of it ends.

It draws nothing: each page that is opened has a console of its own, a process (`served`) that textual-serve starts and
speaks to. That takes a shell string, so everything in it is quoted. The page is ours: theirs loads a font from the net.
"""

import asyncio
import contextlib
import html
import ipaddress
import logging
import os
import shlex
import signal
import socket
import string
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web
from msgspec import Struct
from textual_serve.server import Server

from backends.core.messages import N_, InputError, os_reason
from backends.core.processes import our_environment, python_command
from r3d_tui.lang.words import Words
from r3d_tui.text.rows import safe

PAGE = Path(__file__).with_name("browser.html")
FONT_SIZES = range(6, 73)
FONT_SIZE = 14
"""Pixels, where `?fontsize=` does not say."""
FOCUS = "addEventListener('load', () => document.querySelector('.xterm-helper-textarea')?.focus());"
"""Keys reach the terminal without a click; textual.js leaves that to the person."""
END_S = 3.0
"""How long consoles may take to leave when the server is told to end."""

ESTABLISHED = "01"
"""The state of an open connection in /proc/net/tcp."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Address(Struct, frozen=True):
    host: str
    port: int
    """0: one that is free."""
    public_url: str = ""
    """How browsers reach it where that is another address, as behind a proxy."""
    consoles: int = 8
    """Consoles that may be open at once; each is a process of some 60 MB."""

    @property
    def loopback(self) -> bool:
        """Whether this machine alone can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"

    @property
    def own_account(self) -> bool:
        """Whether callers are told apart by account: on loopback, unless a proxy calls in the name of others."""
        return self.loopback and not self.public_url

    @property
    def url(self) -> str:
        name = socket.gethostname() if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104 - asked for
        host = f"[{name}]" if ":" in name else name
        return self.public_url or f"http://{host}:{self.port}/"


def console_command(workspace: Path, options: Sequence[str]) -> str:
    """The shell line of one console: `exec`, so that no shell stays between, and words quoted as data."""
    words = python_command("r3d_tui.served", "--parent", str(os.getpid()), *options, "--", str(workspace))
    return f"exec {shlex.join(words)}"


def listen(place: Address) -> socket.socket:
    """A listening socket. InputError where the address is not one of this machine, or the port is taken."""
    try:
        family, _, _, _, address = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=16)
    except (OSError, UnicodeError) as error:  # UnicodeError: no name can be that
        text, hint = N_("{host} port {port}: {reason}"), N_("choose another: --host, --port")
        raise InputError(text, hint=hint, host=place.host, port=place.port, reason=os_reason(error)) from None


def serve(listening: socket.socket, place: Address, command: str, title: str, words: Words) -> None:
    """Serve until SIGINT or SIGTERM; every console that is open leaves then, and what runs goes on."""
    os.environ.update(our_environment())
    _log_in_lines()
    asyncio.run(ConsoleServer(place, command, title, words).until_told(listening))


class ConsoleServer(Server):
    """textual-serve's server with our page, behind a look at who asks.

    Any page of the web may point a browser at a port of this machine. So the name it asks for must be one of ours
    (else a foreign name was bound to our address), and a console opens for our own page only. Any account of this
    machine reaches its loopback, and the console acts as whoever started it: so only that account and root are heard.
    """

    def __init__(self, place: Address, command: str, title: str, words: Words) -> None:
        super().__init__(command, host=place.host, port=place.port, title=title, public_url=place.public_url)
        self._place = place
        self._words = words
        self._public = urlsplit(place.public_url)
        self._names = {"localhost", place.host.lower(), socket.gethostname().lower(), self._public.hostname}
        self._page = string.Template(PAGE.read_text(encoding="utf-8"))
        self._consoles: set[asyncio.Task[object]] = set()

    async def until_told(self, listening: socket.socket) -> None:
        loop, told = asyncio.get_running_loop(), asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, told.set)
        runner = web.AppRunner(await self._make_app(), access_log=None, shutdown_timeout=END_S)
        await runner.setup()
        try:
            await web.SockSite(runner, listening).start()
            await told.wait()
        finally:
            await runner.cleanup()

    async def _make_app(self) -> web.Application:
        app = web.Application(middlewares=[self._guard])
        app.router.add_get("/", self.handle_index)
        app.router.add_get("/focus.js", self._focus)
        app.router.add_get("/ws", self._console)
        app.router.add_static("/static", self.statics_path)
        app.on_shutdown.append(self.on_shutdown)
        return app

    async def on_shutdown(self, app: web.Application) -> None:  # noqa: ARG002 - the base class's signature
        for task in self._consoles:
            task.cancel()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        asked = request.headers.get("Host", "")
        if not self._is_ours(asked):
            raise web.HTTPForbidden(text=self._words("serve.foreign_name", name=asked) + "\n")
        if self._place.own_account and _caller(request.transport) not in (0, os.getuid()):  # unknown: refused too
            raise web.HTTPForbidden(text=self._words("serve.foreign_user") + "\n")
        response = await handler(request)
        if not response.prepared:
            response.headers.update(self._headers(request))
        return response

    def _is_ours(self, asked: str) -> bool:
        """A name of this machine or an address: whoever lures a browser here has a name of his own."""
        name = _host(f"//{asked}") if "@" not in asked else ""
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self._names
        return True

    def _headers(self, request: web.Request) -> dict[str, str]:
        sources = f"'self' {self._base(request)} {self._websocket(request)}"
        policy = f"default-src {sources}; style-src {sources} 'unsafe-inline'; img-src {sources} data:"
        return {
            "Content-Security-Policy": f"{policy}; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }

    def _base(self, request: web.Request) -> str:
        """Where the browser finds us, without a slash at the end."""
        return self._place.public_url.rstrip("/") or f"http://{request.host}"

    def _websocket(self, request: web.Request) -> str:
        return "ws" + self._base(request).removeprefix("http")

    async def handle_index(self, request: web.Request) -> web.StreamResponse:
        self._refuse_full()
        base, asked = self._base(request), request.query.get("fontsize", "")
        size = int(asked) if asked.isdecimal() and asked.isascii() and int(asked[:4]) in FONT_SIZES else FONT_SIZE
        facts = {
            "language": self._words.language,
            "title": self.title,
            "base": base,
            "static": f"{base}/static",
            "websocket": f"{self._websocket(request)}/ws",
            "font_size": str(size),
            "waiting": self._words("serve.waiting"),
            "ended": self._words("serve.ended"),
            "again": self._words("serve.again"),
        }
        text = self._page.substitute({name: html.escape(safe(value)) for name, value in facts.items()})
        return web.Response(text=text, content_type="text/html", headers={"Cache-Control": "no-store"})

    async def _focus(self, _: web.Request) -> web.StreamResponse:
        return web.Response(text=FOCUS, content_type="text/javascript")

    async def _console(self, request: web.Request) -> web.StreamResponse:
        origin = request.headers.get("Origin")  # what is no browser sends none
        if origin is not None and origin.partition("//")[2] not in (request.host, self._public.netloc or request.host):
            raise web.HTTPForbidden(text=self._words("serve.foreign_page", page=origin) + "\n")
        self._refuse_full()
        task = asyncio.current_task()
        assert task is not None
        self._consoles.add(task)
        try:
            return await self.handle_websocket(request)
        finally:
            self._consoles.discard(task)

    def _refuse_full(self) -> None:
        if len(self._consoles) >= self._place.consoles:
            raise web.HTTPServiceUnavailable(text=self._words("serve.full", n=self._place.consoles) + "\n")


def _host(url: str) -> str:
    """The name of the machine in an address, empty where there is none or the address is malformed."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _caller(transport: asyncio.BaseTransport | None) -> int | None:
    """The account (uid) at the other end of a connection within this machine; None where the system does not say.

    The row of their end is looked for. It may be of the other family: a socket of IPv6 that is connected to
    ::ffff:127.0.0.1 is in tcp6, and we see 127.0.0.1. Once its owner has closed it, it belongs to nobody: the kernel
    then writes 0 for the account, which is not root, and 0 for the inode.
    """
    if transport is None:
        return None
    theirs, ours = (transport.get_extra_info(name) for name in ("peername", "sockname"))
    with contextlib.suppress(OSError, ValueError, IndexError):
        for table, mapped in (("/proc/net/tcp", False), ("/proc/net/tcp6", True)):
            ends = [_in_table(theirs, mapped=mapped), _in_table(ours, mapped=mapped)]
            for row in Path(table).read_text(encoding="ascii").splitlines()[1:] if all(ends) else ():
                cells = row.split()
                if cells[1:3] == ends:
                    return int(cells[7]) if cells[3] == ESTABLISHED and cells[9] != "0" else None
    return None


def _in_table(address: tuple[str, int], *, mapped: bool) -> str:
    """An address as /proc/net/tcp writes it: words of the machine's byte order, then the port.

    `mapped`: as tcp6 has it; otherwise as tcp has it, empty for an address that cannot be there.
    """
    ip = ipaddress.ip_address(address[0])
    if mapped and ip.version == 4:
        ip = ipaddress.ip_address(f"::ffff:{ip}")
    elif not mapped and isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is None:
            return ""
        ip = ip.ipv4_mapped
    packed = ip.packed
    words = (int.from_bytes(packed[at : at + 4], sys.byteorder) for at in range(0, len(packed), 4))
    return f"{''.join(f'{word:08X}' for word in words)}:{address[1]:04X}"


def _log_in_lines() -> None:
    """What textual-serve and aiohttp have to say, as one harmless line each."""

    class OneLine(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            return safe(f"{record.levelname.lower()}: {record.getMessage()}")

    handler = logging.StreamHandler()
    handler.setFormatter(OneLine())
    for name in ("textual-serve", "aiohttp"):
        log = logging.getLogger(name)
        log.handlers, log.propagate = [handler], False
        log.setLevel(logging.WARNING)
