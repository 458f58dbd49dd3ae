"""A Ray cluster of three nodes gives what one machine gives, whoever is killed.

Skipped without Ray, root or the tools that make namespaces.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backends import api
from backends.cluster.ray_carrier import check_token
from backends.cluster.ray_driver import CAME, GONE, PacketReader, nodes_by_name, packet
from backends.core.messages import InputError
from tests.cluster.ray_nodes import LIMIT_S, RAYLET, Nodes, needs


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    if reason := needs():
        pytest.skip(reason)
    made = Nodes(tmp_path_factory.mktemp("ray"))
    try:
        made.begin()
        yield made
    finally:
        made.end()


@pytest.fixture(scope="module")
def demo(nodes: Nodes) -> Path:
    api.build_demo(nodes.folder / "demo")
    return nodes.folder / "demo"


def r3d(demo: Path, *words: str) -> tuple[str, ...]:
    return ("-m", "r3d_tui", "-w", str(demo), *words)


def states(output: str) -> dict[str, str]:
    """The end of each stage in the lines of a headless run."""
    return {line.split()[0]: " ".join(line.split()[1:]) for line in output.splitlines() if line[:1].isalpha()}


@pytest.mark.slow
def test_three_nodes_give_what_one_machine_gives(nodes: Nodes, demo: Path) -> None:
    """With a raylet killed on the way; the run without servers afterwards is up to date throughout."""
    with nodes.spawn(1, r3d(demo, "run", "--headless", "--cluster", nodes.address)) as process:
        until = time.monotonic() + 60
        while not nodes.named(3, b"server_process") and time.monotonic() < until:
            time.sleep(0.05)
        for pid in nodes.named(3, RAYLET):
            os.kill(pid, signal.SIGKILL)
        out, _ = process.communicate(timeout=LIMIT_S)
    assert 0 == process.returncode, out
    assert "top-1 0.9625" in out
    alone = subprocess.run(
        (sys.executable, *r3d(demo, "run", "--headless")), capture_output=True, check=True, text=True
    )
    found = states(alone.stdout)
    assert all(found[stage].startswith("up to date") for stage in ("preprocess", "infer", "score", "evaluate")), found
    assert [] == [pid for node in (1, 2) for pid in nodes.named(node, b"server_process")]


@pytest.mark.slow
def test_the_servers_are_listed_by_their_host_names(nodes: Nodes, demo: Path) -> None:
    """The dead node is not among them."""
    done = nodes.run(1, r3d(demo, "cluster", "--json", "--cluster", nodes.address))
    start = done.stdout.index("{")
    servers = json.JSONDecoder().raw_decode(done.stdout[start:])[0]["servers"]
    assert {"server-1", "server-2"} <= {server["name"] for server in servers}
    assert all(server["sees_videos"] for server in servers if server["reason"] is None)


@pytest.mark.slow
def test_a_wrong_token_is_reported_in_seconds(nodes: Nodes, demo: Path, tmp_path: Path) -> None:
    """Not after Ray's own half minute."""
    wrong = tmp_path / "token"
    wrong.touch(0o600)
    wrong.write_text("0" * 64)
    begun = time.monotonic()
    done = nodes.run(1, r3d(demo, "cluster", "--cluster", nodes.address), RAY_AUTH_TOKEN_PATH=str(wrong))
    assert (2, True) == (done.returncode, "does not take our token" in done.stdout)
    assert time.monotonic() - begun < 15


def test_no_cluster_is_joined_without_a_token(tmp_path: Path) -> None:
    """Unless the settings allow an open one; a token that cannot be read is named."""
    with pytest.raises(InputError, match="without a token"):
        check_token({}, is_open_allowed=False)
    check_token({}, is_open_allowed=True)
    token = tmp_path / "token"
    environment = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
    with pytest.raises(InputError, match="no token"):
        check_token(environment, is_open_allowed=True)
    token.touch()
    check_token(environment, is_open_allowed=False)


def test_packets_arrive_however_they_are_cut() -> None:
    """Between the stage and Ray's driver."""
    sent = [(CAME, "server-1", b"\0" * 70), (GONE, "服务器", b"")]
    stream, reader = b"".join(packet(*one) for one in sent), PacketReader()
    assert sent == [found for at in range(len(stream)) for found in reader.feed(stream[at : at + 1])]


@pytest.mark.parametrize("order", [1, -1], ids=["dead-first", "dead-last"])
def test_of_a_killed_node_and_its_successor_the_one_that_answers_is_taken(order: int) -> None:
    """Ray lists both as alive for a while; a host's name stays as it is, two hosts of one name have their address."""
    with socket.create_server(("127.0.0.1", 0)) as live, socket.create_server(("127.0.0.1", 0)) as dead:
        ports = {"live": live.getsockname()[1], "dead": dead.getsockname()[1]}
        dead.close()
        listed = [
            {"NodeID": name, "Alive": True, "NodeManagerHostname": "host-1", "NodeManagerAddress": "127.0.0.1",
             "NodeManagerPort": ports[name]}
            for name in ("dead", "live")[::order]
        ]  # fmt: skip
        assert {"host-1": "live"} == nodes_by_name(listed)
        other = {**listed[0], "NodeManagerAddress": "127.0.0.2", "NodeID": "other"}
        assert {"host-1-127.0.0.1": "live", "host-1-127.0.0.2": "other"} == nodes_by_name([other, *listed])
        assert {} == nodes_by_name([{**other, "Alive": False}])
