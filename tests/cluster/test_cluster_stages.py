"""Servers give what one machine gives, whoever is killed when; nothing of theirs is left behind."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backends.cluster import cluster_stages
from backends.cluster.cluster_check import ask_servers, server_findings
from backends.cluster.cluster_run import bound
from backends.cluster.shard_leases import DEPTH
from backends.cluster.shard_protocol import ShardOrder, WireReader
from backends.core.codec import encode
from backends.core.events import DeviceChanged, Event, ItemSetAside
from backends.core.messages import InputError, NeedError, R3dError, StageError, Stopped
from backends.core.settings import ClusterSettings, DatasetSettings, InferSettings, Settings
from backends.data import preprocess
from backends.inference import infer
from tests.cluster.conftest import Cluster, FramesCluster


@pytest.fixture(scope="module")
def alone(cluster: Cluster) -> tuple[str, str]:
    """Digests of index and rows on one machine."""
    first = preprocess.run(cluster.job("preprocess", "alone", {"workers": 1}))
    second = infer.run(cluster.job("infer", "alone", {"devices": [0]}))
    return first.digest, second.digest


def both(cluster: Cluster, name: str, **settings: object) -> tuple[str, str]:
    """Digests of index and rows over servers."""
    tuning = cluster.tuning(**settings)  # type: ignore[arg-type]
    first = cluster_stages.preprocess(cluster.job("preprocess", name, tuning))
    return first.digest, cluster_stages.infer(cluster.job("infer", name, tuning)).digest


def ours(cluster: Cluster, needle: bytes = b"server_process") -> list[int]:
    """Processes that work for these tests, by a word of their command line."""
    mark = os.fsencode(cluster.folder)
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (
                    needle in (entry / "cmdline").read_bytes()
                    and mark.hex().encode() in (entry / "environ").read_bytes()
                ):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def left(cluster: Cluster) -> list[str]:
    return [path.name for path in cluster.folder.glob("r3d-tui-*")]


def test_two_servers_give_the_digests_of_one_machine(cluster: Cluster, alone: tuple[str, str]) -> None:
    """Index and rows; the clips that verify compares on are there, and no others; no process and no scratch is left."""
    assert alone == both(cluster, "two")
    assert [] == ours(cluster)
    assert [] == left(cluster)
    with pytest.raises(InputError, match="other servers"):
        infer.run(cluster.job("infer", "two", {"devices": [0]}))


def test_folders_of_frames_give_what_they_give_on_one_machine(tmp_path: Path) -> None:
    """Index, rows, the annotation with counted frames, and what was skipped and why."""
    cluster = FramesCluster(tmp_path)
    said: dict[str, list[Event]] = {"one": [], "servers": []}
    one = preprocess.run(cluster.job("preprocess", "one", {"workers": 1}, said["one"]))
    rows = infer.run(cluster.job("infer", "one", {"devices": [0]})).digest
    tuning = cluster.tuning(shard_videos=4)
    made = cluster_stages.preprocess(cluster.job("preprocess", "servers", tuning, said["servers"]))
    assert (one.digest, rows) == (made.digest, cluster_stages.infer(cluster.job("infer", "servers", tuning)).digest)
    counted = [(tmp_path / name / "preprocess" / "annotation.json").read_bytes() for name in said]
    assert counted[0] == counted[1]
    skipped = [sorted(str(event) for event in events if isinstance(event, ItemSetAside)) for events in said.values()]
    assert (2, skipped[0]) == (len(skipped[0]), skipped[1])


def test_another_model_has_a_pass_of_its_own(cluster: Cluster, alone: tuple[str, str]) -> None:
    """The rows that came with the clips are another model's: infer asks the servers again, for equal clips."""
    both(cluster, "other")
    spool = cluster.folder / "other" / "preprocess" / "spool"
    next(spool.iterdir()).rename(spool / "of-another-model")
    tuning = cluster.tuning()
    assert alone[1] == cluster_stages.infer(cluster.job("infer", "other", tuning)).digest


def when_working(cluster: Cluster, said: list[Event], act: Callable[[], None]) -> threading.Thread:
    """Do something once a server computes."""

    def wait() -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if any(isinstance(event, DeviceChanged) and event.state == "working" for event in list(said)):
                time.sleep(0.3)
                act()
                return
            time.sleep(0.02)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def send(cluster: Cluster, what: int, needle: bytes) -> None:
    """A signal to the first process of that kind, once there is one."""
    until = time.monotonic() + 30
    while not (found := ours(cluster, needle)) and time.monotonic() < until:
        time.sleep(0.01)
    os.kill(found[0], what)


@pytest.mark.parametrize("needle", [b"device/__main__", b"multiprocessing.spawn"], ids=["device", "decoder"])
def test_a_killed_process_of_a_server_costs_time_and_nothing_else(
    cluster: Cluster, alone: tuple[str, str], needle: bytes
) -> None:
    """Its device or its decoder: equal digests."""
    name, said = f"fault-{needle[:6].decode()}", list[Event]()
    tuning = cluster.tuning(shard_videos=1)
    thread = when_working(cluster, said, lambda: send(cluster, signal.SIGKILL, needle))
    try:
        first = cluster_stages.preprocess(cluster.job("preprocess", name, tuning, said))
    finally:
        thread.join()
    assert alone == (first.digest, cluster_stages.infer(cluster.job("infer", name, tuning)).digest)
    assert [] == ours(cluster)


SILENT_S = 4.0
HEARTBEATS_S = 2.0


class Losses(list[Event]):
    """Events, and when a server was dropped first."""

    dropped = 0.0

    def append(self, event: Event) -> None:
        if isinstance(event, DeviceChanged) and event.state == "retired":
            self.dropped = self.dropped or time.monotonic()
        super().append(event)


@pytest.mark.parametrize(
    ("what", "within_s"), [(signal.SIGKILL, 1.0), (signal.SIGSTOP, SILENT_S + HEARTBEATS_S)], ids=["killed", "stopped"]
)
def test_a_lost_server_is_noticed_in_time_and_costs_nothing_else(
    cluster: Cluster, alone: tuple[str, str], what: int, within_s: float
) -> None:
    """A killed one within a second, a stopped one two heartbeats after `silent_s`: equal digests."""
    name, said, acted = f"lost-{what}", Losses(), list[float]()
    tuning = cluster.tuning("local:3", silent_s=SILENT_S, shard_videos=1)

    def act() -> None:
        send(cluster, what, b"server_process")
        acted.append(time.monotonic())

    thread = when_working(cluster, said, act)
    try:
        first = cluster_stages.preprocess(cluster.job("preprocess", name, tuning, said))
    finally:
        thread.join()
    assert alone == (first.digest, cluster_stages.infer(cluster.job("infer", name, tuning)).digest)
    assert [] == ours(cluster)
    assert 0.0 < said.dropped - acted[0] < within_s


class Recorded:
    """A carrier that writes down the videos that it hands out, a line each."""

    def __init__(self, carrier: Any, path: Path) -> None:
        self._carrier, self._path = carrier, path

    def __getattr__(self, name: str) -> Any:
        return getattr(self._carrier, name)

    def give(self, server: str, data: bytes) -> None:
        with self._path.open("a") as file:
            for message, _ in WireReader().feed(data):
                if isinstance(message, ShardOrder):
                    file.writelines(f"{one.video.id}\n" for one in message.videos)
        self._carrier.give(server, data)


def recorded_pass(cluster: Cluster, name: str, orders: str) -> str:
    """Stage preprocess over two servers, its orders written down; the digest. A process of its own may be killed."""
    real = cluster_stages.make_carrier
    with pytest.MonkeyPatch.context() as patch:
        path = cluster.folder / orders
        patch.setattr(cluster_stages, "make_carrier", lambda *given: Recorded(real(*given), path))
        job = cluster.job("preprocess", name, cluster.tuning("local:3", shard_videos=1))
        return cluster_stages.preprocess(job).digest


def test_after_a_kill_of_the_head_at_most_two_shards_a_server_are_computed_again(
    cluster: Cluster, alone: tuple[str, str]
) -> None:
    """At half of the run. What was durable is not asked for again, and no server is left."""
    head = multiprocessing.get_context("spawn").Process(target=recorded_pass, args=(cluster, "killed", "first"))
    head.start()
    until = time.monotonic() + 180
    while len(list((cluster.folder / "killed").rglob("*.shard"))) < cluster.count // 2 and time.monotonic() < until:
        time.sleep(0.01)
    head.kill()
    head.join()
    kept = len(list((cluster.folder / "killed").rglob("*.shard")))
    assert cluster.count // 2 <= kept < cluster.count
    assert alone[0] == recorded_pass(cluster, "killed", "second")
    first, second = ((cluster.folder / name).read_text().splitlines() for name in ("first", "second"))
    assert cluster.count - kept == len(second)
    assert len(set(first) & set(second)) <= DEPTH * 3
    assert [] == ours(cluster)


def test_what_came_back_before_a_stop_is_not_computed_again(cluster: Cluster, alone: tuple[str, str]) -> None:
    """The second attempt gives the rest."""
    said, tuning = list[Event](), cluster.tuning(shard_videos=1)
    job = cluster.job("preprocess", "stopped", tuning, said)
    thread = when_working(cluster, said, lambda: job.obey({"command": "stop"}))
    with pytest.raises(Stopped):
        cluster_stages.preprocess(job)
    thread.join()
    kept = {path: path.stat().st_mtime_ns for path in (cluster.folder / "stopped").rglob("*.shard")}
    assert alone == both(cluster, "stopped", shard_videos=1)
    assert kept == {path: path.stat().st_mtime_ns for path in kept}
    assert cluster.count == len(list((cluster.folder / "stopped" / "preprocess").rglob("*.shard")))


def test_a_bad_video_is_skipped_by_name(cluster: Cluster) -> None:
    """Its reason is that of one machine."""
    bad = next((cluster.folder / "videos").rglob("*.avi"))
    whole = bad.read_bytes()
    reasons = []
    try:
        bad.write_bytes(whole[:3000])
        for name, run, tuning in (
            ("bad-alone", preprocess.run, {"workers": 1}),
            ("bad", cluster_stages.preprocess, cluster.tuning()),
        ):
            said: list[Event] = []
            run(cluster.job("preprocess", name, tuning, said))
            reasons.append([(one.item, str(one.reason)) for one in said if isinstance(one, ItemSetAside)])
    finally:
        bad.write_bytes(whole)
    assert reasons[0] == reasons[1]
    assert [bad.stem] == [name for name, _ in reasons[0]]


def test_servers_that_do_not_see_the_videos_are_left_out(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the run says so where none is left."""
    tuning = cluster.tuning()
    real = cluster_stages.find_sources

    def elsewhere(*given: object) -> object:
        return [type(one)(Path("/nowhere") / one.path.name, one.label, one.id) for one in real(*given)]  # type: ignore[arg-type]

    monkeypatch.setattr(cluster_stages, "find_sources", elsewhere)
    with pytest.raises(StageError, match="does not see /nowhere"):
        cluster_stages.preprocess(cluster.job("preprocess", "blind", tuning))


def test_a_server_that_is_not_there_is_named(cluster: Cluster) -> None:
    """With those that are."""
    tuning = cluster.tuning(servers=("local-1", "far"))
    with pytest.raises(R3dError, match="no server far"):
        cluster_stages.preprocess(cluster.job("preprocess", "absent", tuning))


def test_without_ray_one_line_says_what_to_install(cluster: Cluster) -> None:
    """Exit code 3, in a stage and from the command line; also on a machine that has Ray."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "ray", None)
        with pytest.raises(NeedError, match="Ray is not here") as error:
            cluster_stages.preprocess(cluster.job("preprocess", "ray", cluster.tuning("auto")))
    assert 3 == error.value.exit_code
    code = "import sys; sys.modules['ray'] = None; from r3d_tui.cli import main; main()"
    (cluster.folder / "r3d.toml").write_text('[dataset]\nvideos = "videos"\n[cluster]\naddress = "auto"\n')
    command = [sys.executable, "-c", code, "-w", str(cluster.folder), "cluster"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (3, "") == (done.returncode, done.stdout)
    expected = "error: Ray is not here, and cluster.address is auto (pip install 'r3d-tui[ray]', on every server)"
    assert [expected] == done.stderr.splitlines()


def test_tuning_survives_its_way_to_the_child(cluster: Cluster) -> None:
    """It travels as JSON."""
    from backends.core.codec import decode

    tuning = cluster.tuning()
    assert tuning == decode(cluster_stages.ClusterTuning, encode(tuning))


def test_servers_describe_themselves(cluster: Cluster) -> None:
    """As `r3d-tui cluster` shows them."""
    settings = Settings(
        dataset=DatasetSettings(videos=cluster.folder / "videos"),
        infer=InferSettings(runtime="null"),
        cluster=ClusterSettings("local:2", scratch=cluster.folder),
    )
    reports = ask_servers(settings, cluster.folder)
    assert [("local-1", "null", True, ""), ("local-2", "null", True, "")] == [
        (one.name, one.runtime, one.sees_videos, str(one.reason)) for one in reports
    ]
    assert ["met", "met"] == [finding.state for finding in server_findings(reports)]


@pytest.mark.parametrize("words", [(), ("--cluster",)], ids=["plain", "cluster"])
def test_doctor_has_the_servers_that_the_settings_name(cluster: Cluster, words: tuple[str, ...]) -> None:
    """With `--cluster` and without."""
    (cluster.folder / "r3d.toml").write_text(
        f'[dataset]\nvideos = "videos"\n[cluster]\naddress = "local:1"\nscratch = "{cluster.folder}"\n'
    )
    command = [sys.executable, "-m", "r3d_tui.cli", "-w", str(cluster.folder), "doctor", *words, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = {one["name"]: one["state"] for one in json.loads(done.stdout)["findings"]}
    assert "met" == found["local-1"]


@pytest.mark.parametrize(
    ("decoding", "waiting", "computing", "expected"),
    [(1.0, 0.0, 0.3, "decoding"), (1.0, 0.8, 0.3, "storage"), (0.4, 0.0, 0.95, "the chips"), (None, 0.0, 0.5, "")],
)
def test_what_bounds_a_run_is_named(decoding: float | None, waiting: float, computing: float, expected: str) -> None:
    """Chips that are always busy, decoders that compute, or decoders that wait for storage."""
    figures = {"decoding_share": decoding, "waiting_share": waiting, "computing_share": computing}
    found = str(bound(figures))
    assert (f"bound by {expected}" in found) if expected else not found


def test_a_server_is_excluded_and_included_on_request(cluster: Cluster, alone: tuple[str, str]) -> None:
    """It ends at once, and the other one does its shards; equal digests."""
    said, tuning = list[Event](), cluster.tuning(shard_videos=1)
    job = cluster.job("preprocess", "excluded", tuning, said)
    thread = when_working(cluster, said, lambda: job.obey({"command": "device", "id": "local-2", "take": "out"}))
    assert alone[0] == cluster_stages.preprocess(job).digest
    thread.join()
    assert "out" in [event.state for event in said if isinstance(event, DeviceChanged) and event.device == "local-2"]


def test_a_silent_server_is_shown_as_stalled_and_is_at_work_again_after_a_word(cluster: Cluster) -> None:
    """A SIGSTOP of a few seconds ends nothing."""
    said, tuning = list[Event](), cluster.tuning("local:1", silent_s=18.0, shard_videos=2)

    def pause() -> None:
        send(cluster, signal.SIGSTOP, b"server_process")
        time.sleep(5)
        send(cluster, signal.SIGCONT, b"server_process")

    thread = when_working(cluster, said, pause)
    cluster_stages.preprocess(cluster.job("preprocess", "paused", tuning, said))
    thread.join()
    states = [event.state for event in said if isinstance(event, DeviceChanged)]
    assert ["loading", "working", "stalled", "working", "done"] == states
