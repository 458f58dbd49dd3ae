"""The engine's command socket: a line of JSON in, a line of JSON out, for the user who runs it and nobody else.

Commands go this way and never through the database: two writers would meet SQLite's WAL-reset fault.
The path is bound through the folder's descriptor, because a socket's path may have 108 bytes and a workspace's more.
"""

import asyncio
import contextlib
import json
import os
import socket
import struct
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from backends.core.codec import unseal
from backends.core.files import file_system, over_network
from backends.core.messages import N_, InputError
from backends.core.plan import Plan
from backends.engine.folders import Folders

if TYPE_CHECKING:
    from backends.engine.supervisor import Supervisor

LONGEST = 1 << 22
"""Bytes of a command: a plan is the largest."""


@contextlib.asynccontextmanager
async def serve(folders: Folders, engine: "Supervisor") -> AsyncIterator[None]:
    """Take commands for as long as the block lasts."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.TimeoutError, ValueError):
            if _same_user(writer):
                text = await asyncio.wait_for(reader.readline(), 10)
                writer.write(json.dumps(await _obey(engine, text)).encode() + b"\n")
                await asyncio.wait_for(writer.drain(), 10)
        writer.close()

    folders.socket.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with _short_path(folders) as path:
        try:
            listener.bind(path)
        except OSError:
            listener.close()
            if not over_network(folders.root):
                raise
            text, hint = (
                N_("{path}: {kind} takes no sockets, by which the engine is stopped"),
                N_("put the workspace on a local disk"),
            )
            raise InputError(text, hint=hint, path=str(folders.workspace), kind=file_system(folders.root)) from None
    folders.socket.chmod(0o600)
    server = await asyncio.start_unix_server(answer, sock=listener, limit=LONGEST)
    try:
        yield
    finally:
        server.close()
        folders.socket.unlink(missing_ok=True)


def ask(folders: Folders, command: Mapping[str, Any], timeout: float = 5.0) -> dict[str, Any]:
    """Send one command to the living engine and give its answer. Raises InputError where none answers."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(timeout)
        try:
            with _short_path(folders) as path:
                client.connect(path)
            client.sendall(json.dumps(command).encode("ascii") + b"\n")
            reply = client.makefile("rb").readline()
            answer = json.loads(reply)
        except (OSError, ValueError):
            text, hint = N_("{path}: no engine answers"), N_("nothing may be running: r3d-tui status")
            raise InputError(text, hint=hint, path=str(folders.workspace)) from None
        return answer if isinstance(answer, dict) else {}


async def _obey(engine: "Supervisor", text: bytes) -> dict[str, Any]:
    command = json.loads(text)
    if not isinstance(command, dict):
        return {"error": "not a command"}
    if command.get("command") == "stop":
        engine.stop()
        return {"ok": True}
    if command.get("command") == "amend":
        try:
            engine.amend(unseal(Plan, str(command["plan"]).encode("ascii")))
        except InputError as error:
            return {"error": str(error)}
        return {"ok": True}
    if isinstance(command.get("stage"), str) and isinstance(command.get("to_stage"), dict):
        return {"ok": await engine.command(command["stage"], command["to_stage"])}
    return {"error": "not a command"}


def _same_user(writer: asyncio.StreamWriter) -> bool:
    peer: socket.socket = writer.get_extra_info("socket")
    size = struct.calcsize("3i")
    _, uid, _ = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return uid in (os.getuid(), 0)


@contextlib.contextmanager
def _short_path(folders: Folders) -> Iterator[str]:
    """A path of the socket that is short whatever the workspace's: through a descriptor of its folder."""
    descriptor = os.open(folders.root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{folders.socket.name}"
    finally:
        os.close(descriptor)
