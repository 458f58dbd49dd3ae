"""Nothing calls out: every stage, the console and serve, with each connection and each write of each process seen.

strace sees what native libraries do, which no hook in Python does. Only connections within this machine and writes into
the workspace are allowed.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from aiohttp import ClientSession

from tests.faults.demo_runs import ROOT, make_workspace

CALLS = (
    "connect,sendto,sendmsg,sendmmsg,openat,open,creat,mkdir,mkdirat,"
    "rename,renameat,renameat2,link,linkat,symlink,symlinkat"
)
ADDRESS = re.compile(r'sin6?_port=htons\((\d+)\).*?(?:inet_addr\(|inet_pton\(AF_INET6, )"([^"]+)"')
WRITES = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|^(?:creat|mkdir|rename|link|symlink)")
PATHS = re.compile(r'(?:AT_FDCWD<([^>]*)>, )?"((?:[^"\\]|\\.)*)"')
HERE = ("127.", "::1", "::ffff:127.", "0.0.0.0", "::")


class Watched:
    """Commands under strace, with a home and a folder for temporary files of their own."""

    def __init__(self, folder: Path) -> None:
        self.home, self.temporary, self.trace = folder / "home", folder / "tmp", folder / "trace"
        self.workspace = make_workspace(folder / "workspace")
        for path in (self.home, self.temporary):
            path.mkdir()

    def start(
        self, *arguments: str, program: tuple[str, ...] = ("-m", "r3d_tui"), **streams: int
    ) -> subprocess.Popen[bytes]:
        """Start `r3d-tui ARGUMENTS` in the workspace."""
        known = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "ORT_"))}
        known |= {"HOME": str(self.home), "TMPDIR": str(self.temporary), "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}
        known |= {"PYTHONDONTWRITEBYTECODE": "1", "TERM": "xterm-256color"}
        strace = ["strace", "-f", "-qq", "-y", "-s", "400", "-e", "signal=none", "-e", f"trace={CALLS}"]
        command = [*strace, "-o", str(self.trace), sys.executable, *program, *arguments]
        return subprocess.Popen(command, cwd=self.workspace, env=known, **streams)  # type: ignore[call-overload, no-any-return]

    def interrupt(self, process: subprocess.Popen[bytes]) -> None:
        """End what strace runs, as Ctrl+C does."""
        for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            os.kill(int(child), signal.SIGINT)
        process.wait(30)

    def abroad(self) -> set[str]:
        """Every connection off this machine and every write outside the workspace, as strace has it."""
        found = set()
        for line in self.trace.read_text(encoding="utf-8", errors="replace").splitlines():
            call = line.partition(" ")[2].strip()
            if (address := ADDRESS.search(call)) and not address[2].startswith(HERE):
                found.add(call)
            elif WRITES.search(call) and not re.search(r"= -1 E|^connect|^send", call):
                found.update(filter(self._is_outside, (str(Path(*pair)) for pair in PATHS.findall(call))))
        return found

    def _is_outside(self, path: str) -> bool:
        return not path.startswith((f"{self.workspace}", "/dev/", "/proc/"))


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    """Skips where strace is missing or may not trace."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    if subprocess.run(["strace", "-f", "-qq", "-o", os.devnull, "true"], capture_output=True, check=False).returncode:
        pytest.skip("strace may not trace processes here")
    return Watched(tmp_path)


def test_a_call_and_a_write_are_seen(watched: Watched) -> None:
    """The watch itself: a connection to another machine and a file in the home are found."""
    code = "import socket; from pathlib import Path; Path.home().joinpath('id').touch()\n"
    code += "with socket.socket() as s: s.setblocking(False); s.connect_ex(('203.0.113.1', 9))"
    watched.start(code, program=("-c",)).wait(60)
    found = watched.abroad()
    assert str(watched.home / "id") in found
    assert any("203.0.113.1" in one for one in found)


@pytest.mark.slow
def test_every_stage_stays_on_this_machine_and_in_the_workspace(watched: Watched) -> None:
    """A whole run with ONNX Runtime, and OpenVINO in verify: no connection, no write elsewhere, nothing in the home."""
    settings = watched.workspace / "r3d.toml"
    text = settings.read_text()
    settings.write_text(text.replace('# runtime = "auto"', 'runtime = "onnxruntime"', 1))
    assert text != settings.read_text()
    process = watched.start("run", "--headless", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = process.communicate(timeout=300)
    assert 0 == process.returncode, (out, err)
    assert set() == watched.abroad()
    assert [] == [*watched.home.iterdir(), *watched.temporary.iterdir()]


@pytest.mark.slow
def test_the_console_stays_on_this_machine_and_in_the_workspace(watched: Watched) -> None:
    """Opened in a terminal, a key or two, and left."""
    ours, theirs = os.openpty()
    process = watched.start(stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    until = time.monotonic() + 60
    seen = b""
    while process.poll() is None and time.monotonic() < until:
        with contextlib.suppress(OSError):
            seen += os.read(ours, 65536)
        if b"check" in seen:
            os.write(ours, b"q")
    os.close(ours)
    assert process.poll() is not None
    assert b"check" in seen
    assert set() == watched.abroad()
    assert [] == [*watched.home.iterdir(), *watched.temporary.iterdir()]


@pytest.mark.slow
async def test_serve_stays_on_this_machine_and_in_the_workspace(watched: Watched) -> None:
    """A page and a console in it, on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = watched.start("serve", "--port", str(port), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        async with ClientSession() as session:
            until, page = time.monotonic() + 60, ""
            while not page and time.monotonic() < until:
                with contextlib.suppress(OSError):
                    async with session.get(f"http://127.0.0.1:{port}/") as answer:
                        page = await answer.text()
            assert "session-websocket-url" in page
            async with session.ws_connect(f"http://127.0.0.1:{port}/ws?width=80&height=24") as console:
                seen = b""
                while b"check" not in seen and time.monotonic() < until:
                    seen += (await console.receive(timeout=60)).data or b""
                assert b"check" in seen
    finally:
        watched.interrupt(process)
    assert set() == watched.abroad()
    assert [] == [*watched.home.iterdir(), *watched.temporary.iterdir()]
