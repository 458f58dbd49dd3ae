"""Long runs: hundreds of kills, a disk that grows too late, a million events, a hundred thousand videos."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from backends import api
from backends.core.client import RunRequest
from backends.core.events import ItemSetAside, RunStarted, StageNote, StageProgress
from backends.core.messages import line
from backends.core.processes import leftovers
from backends.core.run_state import Run, fold
from backends.data.annotation import Annotation, Video, annotation_json, read_annotation
from backends.data.score_rows_reader import check_rows
from backends.engine import lock
from backends.engine.folders import Folders
from backends.engine.journal import Journal, read_state
from tests.faults.demo_runs import SEED, gone, make_workspace, r3d, scores, start, status

KILLS = 200


def megabytes() -> float:
    """What this process has in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


@pytest.mark.soak
def test_two_hundred_kills_lead_to_the_scores_of_a_clean_run(tmp_path: Path) -> None:
    """kill -9 of engine, workers and faces at random: equal scores, no clip twice, no process left."""
    chance = random.Random(SEED)
    clean, killed = (make_workspace(tmp_path / name, 2) for name in ("clean", "killed"))
    r3d("run", "--headless", cwd=clean)
    kills = {"engine": 0, "worker": 0, "face": 0}
    finished = 0
    while sum(kills.values()) < KILLS:
        over = status(killed)["state"] == "done"
        finished += over
        face = start("run", "--headless", *(["--force"] if over else []), cwd=killed)
        time.sleep(chance.uniform(0.2, 4.0))
        for _ in range(chance.choice((1, 1, 1, 3))):
            kind = chance.choice(sorted(kills))
            holder = lock.owner(Folders(killed))
            engine = [holder.pid] if holder and holder.pid else []
            victims = {"engine": engine, "worker": sorted(leftovers(killed)), "face": [face.pid]}[kind]
            if victims:
                try:
                    os.kill(chance.choice(victims), signal.SIGKILL)
                except ProcessLookupError:
                    continue
                kills[kind] += 1
        face.kill()
        face.communicate()
    client = api.open_client(killed)
    while client.snapshot().alive:
        time.sleep(0.2)
    client.close()
    r3d("run", "--headless", cwd=killed)
    print(f"kills: {kills}, runs that came to their end in between: {finished}")
    assert min(kills.values()) >= KILLS // 10
    assert scores(clean) == scores(killed)
    for path in killed.glob(".r3d/artifacts/infer/*/rows.bin"):
        assert 0 == check_rows(path).duplicates
    assert status(clean)["result"]["clips"] == status(killed)["result"]["clips"]  # type: ignore[index]
    assert gone(killed)


@pytest.mark.soak
def test_a_disk_that_is_full_again_and_again_costs_nothing_but_time(tmp_path: Path) -> None:
    """The whole demo on a disk that grows a little after each failure: each one is a line, the scores are the same."""
    clean = make_workspace(tmp_path / "clean", 2)
    r3d("run", "--headless", cwd=clean)
    tight = make_workspace(tmp_path / "tight", 2)
    place = tight / ".r3d"
    place.mkdir()
    kilobytes = 1400
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "r3d", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a small disk here")
    try:
        failures: list[str] = []
        while len(failures) < 400:
            process = start("run", "--headless", cwd=tight)
            out, err = process.communicate(timeout=600)
            assert b"Traceback" not in out + err, (out, err)
            assert process.returncode in (0, 1), (process.returncode, out, err)
            if process.returncode == 0:
                break
            assert b"the disk is full" in out + err or b"are free" in out + err, (out, err)
            failed = [row.split(b": ")[1].decode() for row in err.splitlines() if row.startswith(b"error: ")]
            failures += failed[:1] or ["start"]
            kilobytes += 3000
            subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", str(place)], check=True)
        print(f"{len(failures)} times full, in {sorted(set(failures))}, at last {kilobytes} kB")
        assert len(failures) > 3
        assert scores(clean) == scores(tight)
        assert gone(tight)
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.soak
def test_a_million_events_keep_memory_flat_and_attaching_quick(tmp_path: Path) -> None:
    """As many events as eight hours give: the folded state stays small, attaching is one read under a second."""
    journal = Journal(tmp_path / "j.db")
    started = RunStarted("r", ("a",), 1)
    run = fold(Run(), started, 0.0)
    journal.commit([(0.0, started)], run)
    before, begun = megabytes(), time.monotonic()
    for batch in range(2_000):
        events: list[tuple[float, StageNote | ItemSetAside]] = []
        for number in range(500):
            event = (
                ItemSetAside("a", f"video {batch} {number}", line("it is broken"))
                if number % 2
                else StageNote("a", line("note {n} of {batch}", n=number, batch=batch))
            )
            run = fold(run, event, float(batch))
            events.append((float(batch), event))
        run = fold(run, StageProgress("a", batch, 2_000), float(batch))
        journal.commit(events, run)
    seconds, grown = time.monotonic() - begun, megabytes() - before
    size = sum(path.stat().st_size for path in tmp_path.iterdir()) / 1e6
    begun = time.monotonic()
    state = read_state(tmp_path / "j.db")
    attach = time.monotonic() - begun
    journal.close(finished=True)
    print(
        f"1,000,000 events in {seconds:.0f} s, {size:.0f} MB; memory grew by {grown:.1f} MB; attached in {attach:.4f} s"
    )
    assert state is not None
    assert 500_000 == state.stage("a").set_aside_count
    assert attach < 1.0
    assert grown < 30


@pytest.mark.soak
def test_a_hundred_thousand_videos_are_read_and_taken_up(tmp_path: Path) -> None:
    """The annotation of 100,000 videos, 2,000 of them broken, is read within seconds and bounded memory."""
    labels = tuple(f"class{n:03d}" for n in range(400))
    videos = tuple(Video(f"video_{n:06d}", labels[n % 400], "validation", 1, 100) for n in range(100_000))
    text = annotation_json(Annotation(labels, videos)).replace(b"[1, 100]", b"[9, 9]", 2000)
    (tmp_path / "a.json").write_bytes(text)
    before, begun = megabytes(), time.monotonic()
    annotation = read_annotation(tmp_path / "a.json")
    seconds, grown = time.monotonic() - begun, megabytes() - before
    print(f"100,000 videos read in {seconds:.2f} s; memory grew by {grown:.0f} MB")
    assert (98_000, 2_000) == (len(annotation.videos), len(annotation.set_aside))
    assert seconds < 10
    assert grown < 400


@pytest.mark.soak
def test_a_hundred_runs_of_one_workspace_stay_quick_to_list(tmp_path: Path) -> None:
    """A workspace that was run a hundred times is attached to and listed in under a second."""
    workspace = make_workspace(tmp_path / "w")
    r3d("run", "--headless", "--to", "frames", cwd=workspace)
    (first,) = (workspace / ".r3d" / "runs").iterdir()
    for number in range(100):
        shutil.copytree(first, first.with_name(f"{first.name[:-4]}{number + 1:04d}"))
    client = api.open_client(workspace)
    begun = time.monotonic()
    assert "done" == client.snapshot().run.state
    attach = time.monotonic() - begun
    begun = time.monotonic()
    assert 101 == len(client.runs())
    listing = time.monotonic() - begun
    print(f"attached in {attach:.3f} s, listed in {listing:.3f} s")
    assert client.preview(RunRequest())
    client.close()
    assert attach < 1.0
    assert listing < 3.0
