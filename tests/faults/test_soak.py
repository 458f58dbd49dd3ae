"""Long runs: hundreds of kills, a disk that grows too late, a million events, a hundred thousand videos."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import shutil
import signal
import subprocess
import time
from collections import Counter
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
from backends.engine.run_results import output
from tests.faults.demo_runs import SEED, gone, make_workspace, r3d, scores, start


def megabytes() -> float:
    """What this process has in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


class Soak:
    """Rounds of one workspace: damage, a run of any kind under kills and stops, and a plain one that must be right."""

    def __init__(
        self, folder: Path, last: str, outputs: tuple[str, ...], videos: int = 1, *, keep_frames: bool = False
    ) -> None:
        self.clean = make_workspace(folder / "clean", videos)
        self.tried = make_workspace(folder / "tried", videos, keep_frames=keep_frames)
        self.followers = ("preprocess", "infer") if keep_frames else ("infer",)
        self.last, self.outputs = last, outputs
        self.chance = random.Random(int(os.environ.get("R3D_SOAK_SEED", SEED)))
        self.counts: Counter[str] = Counter()
        self.expected = self._plain(self.clean)

    def _plain(self, workspace: Path) -> dict[str, bytes]:
        r3d("run", "--headless", "--to", self.last, cwd=workspace)
        found = self.results(workspace)
        assert set(self.outputs) == set(found)
        return found

    def results(self, workspace: Path) -> dict[str, bytes]:
        """What the latest run gave: each output's bytes, of a folder those of its files by name."""
        folders = Folders(workspace)
        latest = folders.latest_run()
        run = read_state(latest.journal) if latest else None
        paths = {name: output(folders, run, name) if run else None for name in self.outputs}
        return {name: _bytes(path) for name, path in paths.items() if path is not None and path.exists()}

    def round(self) -> None:
        """One round; fails where anything is wrong without a word."""
        for _ in range(self.chance.choice((0, 0, 1, 2))):
            self._flip()
        stages = [
            "annotate",
            "preprocess",
            *(["preprocess", "export", "infer", "score"] if self.last == "evaluate" else []),
        ]
        stage = self.chance.choice(stages)
        kinds = (["run"], ["run", "--force"], ["run", "--from", stage], ["rerun", stage], ["rerun"])
        kind = self.chance.choice(kinds)
        self.counts[" ".join(kind[:2] if kind[-1].startswith("--") else [*kind[:1], *("STAGE" for _ in kind[1:])])] += 1
        limit = ["--to", self.last] if kind[0] == "run" else []
        front_end = start(*kind, "--headless", *limit, cwd=self.tried)
        for _ in range(self.chance.choice((0, 1, 1, 2, 4))):
            time.sleep(self.chance.uniform(0.0, 2.0))
            self._harm(front_end.pid)
        out, err = self._end(front_end)
        assert b"Traceback" not in out + err, (out, err)
        if front_end.returncode == 0 and kind[0] == "run":
            self.counts["done under fire"] += 1
            assert self.expected == self.results(self.tried)
        self.counts.update(self._followed())
        out, err = r3d("run", "--headless", "--to", self.last, cwd=self.tried)
        assert b"Traceback" not in out + err, (out, err)
        assert self.expected == self.results(self.tried), (kind, out, err)

    def _followed(self) -> list[str]:
        """The stages of the latest run that followed another."""
        latest = Folders(self.tried).latest_run()
        run = read_state(latest.journal) if latest else None
        stages = run.stages if run else ()
        return [f"{stage.name} followed" for stage in stages if stage.reason.template == "follows {stages}"]

    def _end(self, front_end: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
        """Let it end by itself, and its engine too, whoever was killed."""
        until = time.monotonic() + 180
        while (front_end.poll() is None or _engines(self.tried)) and time.monotonic() < until:
            time.sleep(0.05)
        assert not _engines(self.tried)
        try:
            return front_end.communicate(timeout=60)
        finally:
            front_end.kill()

    def _harm(self, front_end: int) -> None:
        """Kill, or stop for a while, the engine, a worker, the front end, or all of them."""
        holder = lock.owner(Folders(self.tried))
        engine = [holder.pid] if holder and holder.pid else []
        victims = {"engine": engine, "worker": sorted(leftovers(self.tried)), "front end": [front_end]}
        victims["all"] = [pid for pids in list(victims.values()) for pid in pids]
        kind, kills = self.chance.choice(sorted(victims)), self.chance.random() < 0.6
        chosen = victims[kind] if kind == "all" else victims[kind] and [self.chance.choice(victims[kind])]
        for pid in chosen:
            self._signal(pid, signal.SIGKILL if kills else signal.SIGSTOP)
        if chosen:
            self.counts[f"{'kill' if kills else 'stop'} {kind}"] += 1
        if not kills:
            time.sleep(self.chance.uniform(0.0, 1.0))
            for pid in chosen:
                self._signal(pid, signal.SIGCONT)

    @staticmethod
    def _signal(pid: int, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    def _flip(self) -> None:
        """One bit of any file that an engine left: outputs, manifests, plans, journals, digests."""
        files = sorted(path for path in (self.tried / ".r3d").rglob("*") if path.is_file() and path.stat().st_size)
        ours = [path for path in files if path.name in ("manifest.json", "plan.json", "journal.db", "digests.json")]
        pool = ours if ours and self.chance.random() < 0.4 else files
        if not pool:
            return
        path = self.chance.choice(pool)
        data = bytearray(path.read_bytes())
        data[self.chance.randrange(len(data))] ^= 1 << self.chance.randrange(8)
        path.write_bytes(data)
        self.counts["flipped"] += 1


def _engines(workspace: Path) -> list[int]:
    """Engines of a workspace, also one that has no lock yet."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if b"backends.engine.daemon" in words and bytes(workspace) in words:
                found.append(int(folder.name))
    return found


def _bytes(path: Path) -> bytes:
    files = [file for file in sorted(path.rglob("*")) if file.is_file()] if path.is_dir() else [path]
    return b"".join(file.relative_to(path.parent).as_posix().encode() + file.read_bytes() for file in files)


@pytest.mark.slow
def test_kills_stops_and_damage_lead_to_the_results_of_a_clean_run(tmp_path: Path) -> None:
    """The quick share: a few rounds as far as the clips, byte for byte the clips of a clean run after each."""
    soak = Soak(tmp_path, "preprocess", ("annotation", "store"))
    until = time.monotonic() + 40
    while time.monotonic() < until:
        soak.round()
    print(dict(soak.counts))
    assert gone(soak.tried)


@pytest.mark.soak
@pytest.mark.parametrize("keep_frames", [False, True])
def test_three_hundred_rounds_lead_to_the_results_of_a_clean_run(tmp_path: Path, *, keep_frames: bool) -> None:
    """Kills, stops and flipped bits, with and without --force, --from and rerun: equal results after each round.

    With frames kept preprocess follows frames, and the results are those of clips made in memory.
    """
    rounds = int(os.environ.get("R3D_SOAK_ROUNDS", "300"))
    soak = Soak(
        tmp_path, "evaluate", ("val", "predictions", "report", "annotation", "store"), 3, keep_frames=keep_frames
    )
    for number in range(rounds):
        soak.round()
        print(f"round {number + 1} of {rounds}: {dict(soak.counts)}", flush=True)
    for manifest in soak.tried.glob(".r3d/artifacts/infer/*/manifest.json"):
        assert 0 == check_rows(manifest.with_name("rows.bin")).duplicates
    assert all(soak.counts[f"{name} followed"] for name in soak.followers)
    assert gone(soak.tried)


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
