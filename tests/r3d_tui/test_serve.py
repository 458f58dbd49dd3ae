"""The console in a browser: what reaches the shell, who is let in, and a real page in a real Chromium."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiohttp import ClientSession, WSServerHandshakeError, web
from aiohttp.test_utils import TestClient, TestServer
from PIL import Image

from backends.core.messages import InputError, NeedError
from backends.core.plan import Stage
from r3d_tui import serve
from r3d_tui.commands import serving as command
from r3d_tui.commands.options import Given
from r3d_tui.lang.words import Words
from tests.engine.conftest import Bench
from tests.r3d_tui import chromium

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = """we ird; touch gone; $(touch gone) `touch gone` 'q" & | > gone \\ 视频"""
TERMINAL = """Object.defineProperty(Object.prototype, "_core", {configurable: true, set(core) {
  Object.defineProperty(this, "_core", {value: core, writable: true, configurable: true});
  if (typeof this.loadAddon === "function") window.terminal = this; }});"""
"""Keeps the page's xterm.js, which it holds in a closure, where the test can read its buffer."""
NEEDS_IPV6 = pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="needs IPv6")
ASK = """
import encodings.idna, os, socket, sys
os.setuid(int(sys.argv[1]))
family = socket.AF_INET6 if ":" in sys.argv[2] else socket.AF_INET
with socket.socket(family) as connection:
    connection.connect((sys.argv[2], int(sys.argv[3])))
    connection.sendall(b"GET / HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n")
    print(connection.recv(12).decode())
"""
"""Ask for the page as another account."""
TEXT = """window.terminal ? Array.from({length: terminal.rows},
  (_, i) => terminal.buffer.active.getLine(i).translateToString(true)).join("\\n") : "" """


@pytest.mark.parametrize("name", [HOSTILE, "-rf", "--help", "a\nb", "$HOME", "~", "\udcff", "*"])
def test_a_workspace_of_any_name_is_one_argument(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The shell that textual-serve starts hands the path on as it is, and obeys nothing in it."""
    echo = tmp_path / "an echo"
    echo.write_text("#!/bin/sh\nprintf '%s\\0' \"$@\"\n")
    echo.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(echo))
    line = serve.console_command(Path(name), ["--read-only"])
    said = subprocess.run(line, shell=True, cwd=tmp_path, capture_output=True, check=True).stdout
    expected = ["r3d_tui.served", "--parent", str(os.getpid()), "--read-only", "--", name]
    assert expected == [os.fsdecode(word) for word in said.split(b"\0")[1:-1]]
    assert [echo] == list(tmp_path.iterdir())


class Server(serve.ConsoleServer):
    """One whose consoles are no processes."""

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        answer = web.WebSocketResponse()
        await answer.prepare(request)
        async for _ in answer:
            pass
        return answer


async def _client(place: serve.Address = serve.Address("127.0.0.1", 0), title: str = "x") -> TestClient:  # noqa: B008
    server = Server(place, "exec false", title, Words("en"))
    return TestClient(TestServer(await server._make_app()))


async def test_the_page_is_ours_and_asks_nobody_else() -> None:
    """One page, no address of another machine in it, and a policy that would refuse any; the title is no markup."""
    async with await _client(title="<script>x</script>\x1b") as client:
        answer = await client.get("/?fontsize=<b>")
        page, here = await answer.text(), f"http://127.0.0.1:{client.port}"
        assert 200 == answer.status
        assert "&lt;script&gt;x&lt;/script&gt;</title>" in page
        assert f'data-session-websocket-url="ws://127.0.0.1:{client.port}/ws"' in page
        assert "http" not in page.replace(here, "")
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith(f"default-src 'self' {here} ws://127.0.0.1:{client.port};")
        for path in ("/static/js/textual.js", "/static/css/xterm.css", "/focus.js"):
            assert 200 == (await client.get(path)).status
        assert 403 == (await client.get("/static/")).status
        assert 404 == (await client.get("/static/../server.py")).status


async def test_a_foreign_name_and_a_foreign_page_are_refused() -> None:
    """A page of the web can neither bind its name to our port nor open a console from where it is."""
    async with await _client() as client:
        for name in ("evil.example", "127.0.0.1.evil.example", "a@127.0.0.1", "[", "[::1", ""):
            assert 403 == (await client.get("/", headers={"Host": name})).status, name
        for name in ("localhost:8000", "127.0.0.1", "[::1]:8000", "10.0.0.7:8000"):
            assert 200 == (await client.get("/", headers={"Host": name})).status, name
        for origin in ("http://evil.example", "null", "http://[", f"http://127.0.0.1:{client.port + 1}"):
            with pytest.raises(WSServerHandshakeError, match="403"):
                await client.ws_connect("/ws", headers={"Origin": origin})
        own = await client.ws_connect("/ws", headers={"Origin": f"http://127.0.0.1:{client.port}"})
        await own.close()


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to call as another account")
@pytest.mark.parametrize("host", ["127.0.0.1", pytest.param("::1", marks=NEEDS_IPV6)])
async def test_another_account_of_the_machine_is_refused(host: str) -> None:
    """Loopback is everybody's; the console is not. Behind a proxy, which calls for others, the proxy decides."""
    for public, expected in (("", b"HTTP/1.0 403"), ("http://localhost/", b"HTTP/1.0 200")):
        server = Server(serve.Address(host, 0, public), "exec false", "x", Words("en"))
        async with TestServer(await server._make_app(), host=host) as running:
            for user, answer in ((65534, expected), (0, b"HTTP/1.0 200")):
                line = [sys.executable, "-c", ASK, str(user), host, str(running.port)]
                process = await asyncio.create_subprocess_exec(*line, stdout=asyncio.subprocess.PIPE)
                said, _ = await asyncio.wait_for(process.communicate(), 20)
                assert answer == said.strip()


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to call as another account")
@NEEDS_IPV6
async def test_an_address_of_the_other_family_hides_nobody() -> None:
    """A caller through ::ffff:127.0.0.1 stands in the kernel's other table: another account is refused there too."""
    server = Server(serve.Address("127.0.0.1", 0), "exec false", "x", Words("en"))
    async with TestServer(await server._make_app(), host="127.0.0.1") as running:
        for user, answer in ((65534, b"HTTP/1.0 403"), (0, b"HTTP/1.0 200")):
            line = [sys.executable, "-c", ASK, str(user), "::ffff:127.0.0.1", str(running.port)]
            process = await asyncio.create_subprocess_exec(*line, stdout=asyncio.subprocess.PIPE)
            said, _ = await asyncio.wait_for(process.communicate(), 20)
            assert answer == said.strip()


def test_a_connection_that_its_owner_closed_is_nobodys() -> None:
    """The kernel gives 0 for the account of what was closed, which is not root: whoever sends and closes is refused."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname())
        ours, theirs = listening.accept()
        with ours:
            ends = {"peername": theirs, "sockname": ours.getsockname()}
            transport = SimpleNamespace(get_extra_info=ends.__getitem__)
            assert os.getuid() == serve._caller(transport)  # type: ignore[arg-type]
            client.close()
            assert serve._caller(transport) is None  # type: ignore[arg-type]
    assert serve._caller(None) is None


async def test_so_many_consoles_and_no_more() -> None:
    """The next page is refused with a sentence, and let in once one has closed."""
    async with await _client(serve.Address("127.0.0.1", 0, consoles=2)) as client:
        opened = [await client.ws_connect("/ws") for _ in range(2)]
        with pytest.raises(WSServerHandshakeError, match="503"):
            await client.ws_connect("/ws")
        answer = await client.get("/")
        assert 503 == answer.status
        assert "2 consoles are open already" in await answer.text()
        for one in opened:
            await one.close()


async def test_behind_a_proxy_the_public_address_counts() -> None:
    """The page points to it, and a console opens for pages of it."""
    place = serve.Address("127.0.0.1", 0, "https://server.example/r3d/")
    async with await _client(place) as client:
        page = await (await client.get("/", headers={"Host": "server.example"})).text()
        assert 'data-session-websocket-url="wss://server.example/r3d/ws"' in page
        assert 'src="https://server.example/r3d/static/js/textual.js"' in page
        await (await client.ws_connect("/ws", headers={"Origin": "https://server.example"})).close()


def test_who_can_reach_it_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Loopback has one line; any other address a warning with the way out; a bad address is refused."""
    monkeypatch.setattr(serve, "serve", lambda *_: None)
    command.serve("127.0.0.1", 0, "")
    assert "your account on this machine alone" in (said := capsys.readouterr().err)
    assert "warning" not in said
    for host, url in (("0.0.0.0", ""), ("127.0.0.1", "https://server.example/")):
        command.serve(host, 0, url)
        assert f"warning: on {host} port " in (said := capsys.readouterr().err)
        assert "whoever reaches it drives the console; --read-only" in said
    command.serve("0.0.0.0", 0, "", read_only=True)
    assert "sees the console" in capsys.readouterr().err
    assert [True, True, True, False, False] == [
        serve.Address(host, 1).loopback for host in ("127.0.0.9", "::1", "localhost", "0.0.0.0", "server.example")
    ]
    for url in ("server.example", "javascript:alert(1)", "http://", "http://a/?b", "http://[", "http://a:x/"):
        with pytest.raises(InputError, match="no address"):
            command.serve("127.0.0.1", 0, url)
    with pytest.raises(InputError, match=r"port 0: .*choose another"):
        command.serve("x" * 70, 0, "")


def test_a_console_gets_the_options_that_the_server_got(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Workspace, language, ASCII, mouse and read-only, the last one before the command or behind it."""
    served: list[str] = []
    monkeypatch.setattr(serve, "serve", lambda _socket, _place, line, *_: served.append(line))
    given = Given(workspace=tmp_path, language="zh", ascii_only=True, mouse=False, read_only=True)
    monkeypatch.setattr(command, "given", given)
    monkeypatch.setattr("r3d_tui.commands.options.given", given)
    command.serve("127.0.0.1", 0, "")
    assert served[0].endswith(f" --language zh --read-only --ascii --no-mouse -- {tmp_path}")
    given.read_only, given.ascii_only, given.mouse = False, False, True
    command.serve("127.0.0.1", 0, "", read_only=True)
    command.serve("127.0.0.1", 0, "")
    assert [f"--language zh --read-only -- {tmp_path}", f"--language zh -- {tmp_path}"] == [
        line.partition(f"--parent {os.getpid()} ")[2] for line in served[1:]
    ]


def test_a_taken_port_and_a_missing_package_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 2 and 3, with the mend."""
    with serve.listen(serve.Address("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"127.0.0.1 port {port}: .*--port"):
            command.serve("127.0.0.1", port, "")
    monkeypatch.setattr(command, "missing", lambda needs: needs)
    with pytest.raises(NeedError, match="pip install textual-serve") as raised:
        command.serve()
    assert 3 == raised.value.exit_code


def _finished(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests" / "engine"))
    bench = Bench(workspace)
    bench.stages = (Stage("frames", "toys:count", 1, params={"items": 3}),)
    assert "done" == bench.run().run.state
    bench.client.close()


def _consoles(server: int) -> list[int]:
    """The processes that a server has started for pages."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"r3d_tui.served" in words and str(server).encode() in words:
            found.append(int(entry.parent.name))
    return found


def _soon_none(server: int) -> list[int]:
    until = time.monotonic() + 10
    while (found := _consoles(server)) and time.monotonic() < until:
        time.sleep(0.05)
    return found


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def _start(workspace: Path) -> tuple[subprocess.Popen[bytes], str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C", "TERM": "dumb"}
    line = [sys.executable, "-m", "r3d_tui.cli", "-w", str(workspace), "--language", "en", "serve", "--port", "0"]
    process = subprocess.Popen(line, env=environment, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    assert process.stderr is not None
    said = process.stderr.readline().decode()
    assert b"your account" in process.stderr.readline()
    return process, next(word for word in said.split() if word.startswith("http://"))


async def test_the_console_is_in_a_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A finished run is drawn in Chromium, a key opens the help, q leaves, and at the end no process is left."""
    if chromium.program() is None:
        pytest.skip("needs Chromium (apt-get install chromium)")
    workspace = tmp_path / HOSTILE.replace("/", "")
    workspace.mkdir()
    (workspace / "r3d.toml").touch()
    _finished(workspace, monkeypatch)
    server, url = _start(workspace)
    try:
        async with chromium.browse(tmp_path / "profile") as page:
            await page.open(url, TERMINAL)
            text = await page.until(TEXT, lambda text: "✓ done" in text)
            assert "frames" in text
            assert "we ird; touch gone; $(touch gone)" in text
            assert "120x31" == await page.value("terminal.cols + 'x' + terminal.rows")
            await page.key("?")
            await page.until(TEXT, lambda text: "run what failed" in text.lower() or "Help" in text)
            drawn = Image.open(io.BytesIO(await page.picture())).convert("RGB")
            assert (960, 600) == drawn.size
            assert len(drawn.getcolors(1 << 24) or ()) > 50
            assert {url.rstrip("/").partition("://")[2]} == {shown.split("/")[2] for shown in page.asked}
            await page.key("q")
            await page.key("e")
            await page.until(TEXT, lambda text: "A browser has no terminal to leave to" in text)
            await page.key("q")
            await page.until("document.body.className", lambda names: "-closed" in names)
    finally:
        server.send_signal(signal.SIGINT)
        _, said = server.communicate(timeout=20)
    assert (0, b"") == (server.returncode, said)
    assert [] == _consoles(server.pid)
    assert {"profile", workspace.name} == _names(tmp_path)
    assert {".r3d", "r3d.toml"} == _names(workspace)


async def test_a_page_or_a_server_that_ends_takes_its_consoles_along(tmp_path: Path) -> None:
    """A closed page, SIGTERM with a page open, and a kill: soon no console is left."""
    (tmp_path / "r3d.toml").touch()
    for number, code in ((signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)):
        server, url = _start(tmp_path)
        async with ClientSession() as session, session.ws_connect(f"{url}ws?width=80&height=24") as socket:
            assert b"\x1b[?1049h" in (await socket.receive_bytes(timeout=20))
            assert 1 == len(_consoles(server.pid))
            if number == signal.SIGKILL:
                await socket.close()
                assert [] == await asyncio.to_thread(_soon_none, server.pid)
                again = await session.ws_connect(f"{url}ws?width=80&height=24")
                await again.receive_bytes(timeout=20)
            server.send_signal(number)
            assert code == server.wait(20)
        assert [] == _soon_none(server.pid)
        assert server.stderr is not None
        server.stderr.close()
