"""`python -m backends.cluster.ray_driver ADDRESS`: the only module that imports ray; a child of the stage.

It is a process of its own because Ray ends the process that is its driver when its control service has gone. It
passes on what `ray_carrier` writes, server by server, and what the servers answer: packets of a verb, a server's name
and bytes.
"""

import contextlib
import os
import queue
import socket
import struct
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any

from backends.cluster.server_relay import ServerRelay
from backends.core.processes import die_with_parent

HEADER = struct.Struct("<BHQ")
SERVERS, START, GIVE, KILL, CLOSE, CAME, GONE, FAILED = range(1, 9)
WAIT_S = 0.5
"""How long a server's relay waits for something to send."""
ASK_S = 3
"""Within which a control service says whether it takes our token, and a raylet's port answers."""
CLOSE_S = 3.0
MOST = 8 << 20
"""Bytes in one call: a model can be larger than the object store of `ray start`."""
NOT_HIDDEN = {"RAY_EXPERIMENTAL_NOSET_ASCEND_RT_VISIBLE_DEVICES": "1"}


def packet(verb: int, server: str = "", data: bytes = b"") -> bytes:
    name = server.encode()
    return HEADER.pack(verb, len(name), len(data)) + name + data


class PacketReader:
    """Cuts a stream into (verb, server, bytes)."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, str, bytes]]:
        self._held += data
        while len(self._held) >= HEADER.size:
            verb, name, size = HEADER.unpack_from(self._held)
            end = HEADER.size + name + size
            if len(self._held) < end:
                return
            start = HEADER.size + name
            found = verb, self._held[HEADER.size : start].decode(), bytes(self._held[start:end])
            del self._held[:end]
            yield found


def main(address: str) -> int:
    """Serve until the stage closes the stream. What fails is one packet with Ray's first line."""
    die_with_parent()
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # Ray prints
    lock = threading.Lock()

    def say(data: bytes) -> None:
        view = memoryview(data)
        with lock:
            while view:
                view = view[out.write(view) :]

    try:
        _Driver(address, say).run(sys.stdin.buffer)
    except Exception as error:  # noqa: BLE001 - the boundary: one line goes up, the rest is in the log
        import traceback

        traceback.print_exc()
        first = next(iter(str(error).strip().splitlines()), "")[:300]
        say(packet(FAILED, type(error).__name__, first.encode("utf-8", "replace")))
        return 1
    return 0


def _check_token(address: str) -> None:
    """Ray's own connect tries a wrong token for half a minute; this says it at once."""
    from ray._private import services
    from ray._raylet import GcsClient

    found = services.canonicalize_bootstrap_address(address)
    if found:
        GcsClient(address=found).internal_kv_keys(b"session_name", b"", timeout=ASK_S)


class _Driver:
    """The relays of the servers, with one call in flight each."""

    def __init__(self, address: str, say: Any) -> None:
        import ray

        _check_token(address)
        ray.init(
            address=address, log_to_driver=False, logging_level="ERROR", configure_logging=False, namespace="r3d-tui"
        )
        self._ray, self._say = ray, say
        self._actors: dict[str, Any] = {}
        self._calls: dict[Any, tuple[str, Any]] = {}
        """By the reference of the answer: server, and the actor that was asked."""
        self._orders: dict[str, bytearray] = {}
        self._nodes = nodes_by_name(ray.nodes())
        say(packet(SERVERS, data="\n".join(self._nodes).encode()))

    def run(self, stream: IO[bytes]) -> None:
        packets: queue.SimpleQueue[tuple[int, str, bytes]] = queue.SimpleQueue()
        threading.Thread(target=_listen, args=(stream, packets), name="stage", daemon=True).start()
        while True:
            with contextlib.suppress(queue.Empty):
                while True:
                    verb, server, data = packets.get(timeout=0 if self._calls else 0.1)
                    if verb == CLOSE:
                        self._close()
                        return
                    self._do(verb, server, data)
            self._take()

    def _do(self, verb: int, server: str, data: bytes) -> None:
        if verb == START:
            self._start(server)
        elif verb == GIVE and server in self._orders:
            self._orders[server] += data
        elif verb == KILL:
            self._forget(server)

    def _start(self, server: str) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        options = {
            "num_cpus": 0,
            "max_restarts": 0,
            "max_task_retries": 0,
            "max_concurrency": 1,
            "runtime_env": {"env_vars": NOT_HIDDEN},
            "scheduling_strategy": NodeAffinitySchedulingStrategy(self._nodes[server], soft=False),
        }
        self._actors[server] = self._ray.remote(ServerRelay).options(**options).remote()
        self._orders[server] = bytearray()
        self._call(server)

    def _call(self, server: str) -> None:
        actor, orders = self._actors[server], bytes(self._orders[server][:MOST])
        del self._orders[server][:MOST]
        self._calls[actor.exchange.remote(orders, WAIT_S)] = server, actor

    def _take(self) -> None:
        """The answers that are there; a server that has orders waits for its answer, at most `WAIT_S`."""
        if not self._calls:
            return
        ready, _ = self._ray.wait(list(self._calls), num_returns=1, timeout=0.05)
        for reference in ready:
            server, actor = self._calls.pop(reference)
            if self._actors.get(server) is not actor:
                continue  # of one that was killed
            try:
                data, ended = self._ray.get(reference)
            except self._ray.exceptions.RayError as error:
                sys.stderr.write(f"{server}: {type(error).__name__}: {str(error)[:500]}\n")
                data, ended = b"", True
            if data:
                self._say(packet(CAME, server, data))
            if ended:
                self._forget(server)
                self._say(packet(GONE, server))
            else:
                self._call(server)

    def _forget(self, server: str) -> None:
        """Killing an actor that is stopped takes Ray up to 15 s: not in this thread."""
        self._orders.pop(server, None)
        if (actor := self._actors.pop(server, None)) is not None:
            threading.Thread(target=self._ray.kill, args=(actor,), daemon=True).start()

    def _close(self) -> None:
        closing = [actor.close.remote(CLOSE_S) for actor in self._actors.values()]
        if closing:
            self._ray.wait(closing, num_returns=len(closing), timeout=CLOSE_S + 1)


def nodes_by_name(listed: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """NodeID by a name for people, of what `ray.nodes()` lists: the host's, with its address where two have one name.

    For seconds a raylet that was killed is listed as alive beside its successor of the same address.
    """
    alive: dict[str, Mapping[str, Any]] = {}
    for node in listed:
        address = node["NodeManagerAddress"]
        if node["Alive"] and (address not in alive or _answers(node)):
            alive[address] = node
    hosts = [node["NodeManagerHostname"] for node in alive.values()]
    found = {}
    for address, node in sorted(alive.items()):
        host = node["NodeManagerHostname"]
        found[host if hosts.count(host) == 1 else f"{host}-{address}"] = node["NodeID"]
    return dict(sorted(found.items()))


def _answers(node: Mapping[str, Any]) -> bool:
    with (
        contextlib.suppress(OSError),
        socket.create_connection((node["NodeManagerAddress"], node["NodeManagerPort"]), ASK_S),
    ):
        return True
    return False


def _listen(stream: IO[bytes], packets: queue.SimpleQueue[tuple[int, str, bytes]]) -> None:
    reader = PacketReader()
    with contextlib.suppress(OSError, ValueError):
        while data := os.read(stream.fileno(), 1 << 20):
            for one in reader.feed(data):
                packets.put(one)
    packets.put((CLOSE, "", b""))


if __name__ == "__main__":
    code = main(sys.argv[1])
    sys.stderr.flush()
    os._exit(code)
