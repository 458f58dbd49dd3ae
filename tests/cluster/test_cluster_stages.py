"""Servers give what one machine gives, whoever is killed when; nothing of theirs is left behind."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from backends.cluster import cluster_stages
from backends.cluster.cluster_check import ask_servers, server_findings
from backends.cluster.cluster_run import bound
from backends.core.codec import encode
from backends.core.events import DeviceChanged, Event, ItemSetAside
from backends.core.messages import InputError, NeedError, R3dError, StageError, Stopped
from backends.core.settings import ClusterSettings, DatasetSettings, InferSettings, Settings
from backends.data import preprocess
from backends.inference import infer
from tests.cluster.conftest import Cluster


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


@pytest.mark.parametrize(
    ("what", "needle"),
    [
        (signal.SIGKILL, b"server_process"),
        (signal.SIGSTOP, b"server_process"),
        (signal.SIGKILL, b"device/__main__"),
        (signal.SIGKILL, b"multiprocessing.spawn"),
    ],
    ids=["server killed", "server stopped", "device killed", "decoder killed"],
)
def test_a_fault_costs_time_and_nothing_else(
    cluster: Cluster, alone: tuple[str, str], what: int, needle: bytes
) -> None:
    """A server, its device or its decoder is killed, or stopped for good: equal digests."""
    name, said = f"fault-{what}-{needle[:6].decode()}", list[Event]()
    tuning = cluster.tuning(silent_s=10.0, shard_videos=1)
    thread = when_working(cluster, said, lambda: send(cluster, what, needle))
    try:
        first = cluster_stages.preprocess(cluster.job("preprocess", name, tuning, said))
    finally:
        thread.join()
    assert alone == (first.digest, cluster_stages.infer(cluster.job("infer", name, tuning)).digest)
    assert [] == ours(cluster)
    if (what, needle) == (signal.SIGKILL, b"server_process"):  # a stopped one may not be missed before the end
        assert "retired" in [event.state for event in said if isinstance(event, DeviceChanged)]


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
    """Exit code 3."""
    pytest.importorskip("numpy")
    try:
        import ray  # noqa: F401
    except ImportError:
        with pytest.raises(NeedError, match="Ray is not here"):
            cluster_stages.preprocess(cluster.job("preprocess", "ray", cluster.tuning("auto")))
    else:
        pytest.skip("ray is installed here")


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
    said, tuning = list[Event](), cluster.tuning("local:1", shard_videos=2)

    def pause() -> None:
        send(cluster, signal.SIGSTOP, b"server_process")
        time.sleep(7)
        send(cluster, signal.SIGCONT, b"server_process")

    thread = when_working(cluster, said, pause)
    cluster_stages.preprocess(cluster.job("preprocess", "paused", tuning, said))
    thread.join()
    states = [event.state for event in said if isinstance(event, DeviceChanged)]
    assert ["loading", "working", "stalled", "working", "done"] == states
