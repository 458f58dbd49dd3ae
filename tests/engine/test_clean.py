"""What may go from `.r3d`, what never does, and that nothing outside it is touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backends.core.client import RunRequest
from backends.core.command_reports import CleanupPlan
from backends.core.events import Outcome, RunFinished, RunStarted, StageCached
from backends.core.messages import BusyError, InputError, Line, line
from backends.core.plan import Plan, Stage
from backends.core.run_state import Run, fold
from backends.engine import cleanup, lock
from backends.engine.artifacts import Cache
from backends.engine.folders import Folders
from backends.engine.journal import Journal
from tests.engine.conftest import Bench


class Shelf:
    """A workspace whose runs and artifacts are made without an engine."""

    def __init__(self, workspace: Path) -> None:
        self.folders = Folders(workspace)
        self.cache = Cache(self.folders)
        self.days = 0

    def artifact(self, stage: Stage, whole: bool = True, **upstream: str) -> str:
        """Make a stage's artifact of 8 kB; gives its fingerprint."""
        key, _ = self.cache.key(stage, upstream)
        folder = self.cache.begin(stage.name, key.fingerprint, stale=False)
        (folder / "rows.bin").write_bytes(b"x" * 8192)
        if whole:
            self.cache.finish(key, Outcome({"n": 1}, {"rows": "rows.bin"}), 1.0, Line(""))
        return key.fingerprint

    def run(self, figures: dict[str, float] | None = None, **pointed_at: str) -> str:
        """Make a finished run that took these artifacts; gives its id."""
        self.days += 1
        run_id = f"202601{self.days:02d}-000000-0000"
        events = [RunStarted(run_id, tuple(pointed_at), 1, "host")]
        events += [
            StageCached(stage, Outcome(figures or {}, {"rows": "rows.bin"}), line("up to date"), fp)
            for stage, fp in pointed_at.items()
        ]
        run = Run()
        for event in (*events, RunFinished("done")):
            run = fold(run, event, 1.0)
        folder = self.folders.run(run_id)
        journal = Journal(folder.journal)
        journal.commit([(1.0, event) for event in events], run)
        journal.close(finished=True)
        folder.plan.write_text("{}")
        return run_id

    def look(self, *stages: Stage, keep: int = 1) -> CleanupPlan:
        """What may go under a plan of these stages."""
        return cleanup.look(self.folders, Plan(self.folders.workspace, stages), keep)

    def remove(self, *stages: Stage, keep: int = 1) -> CleanupPlan:
        """Remove all that may go."""
        agreed = frozenset(one.path for one in self.look(*stages, keep=keep).waste)
        return cleanup.remove(self.folders, Plan(self.folders.workspace, stages), keep, agreed)

    def paths(self, found: CleanupPlan) -> set[str]:
        return {str(one.path) for one in found.waste}


def a_stage(size: int = 1, name: str = "a", **more: object) -> Stage:
    return Stage(name, "x:y", 1, params={"size": size}, **more)  # type: ignore[arg-type]


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    (tmp_path / "w").mkdir()
    return Shelf(tmp_path / "w")


def test_earlier_runs_and_what_they_alone_point_at_go(shelf: Shelf) -> None:
    """The latest runs stay with their artifacts; of the others each is named with its size and the reason."""
    old, middle, new = (shelf.artifact(a_stage(size)) for size in (1, 2, 3))
    first, second, third = shelf.run(a=old), shelf.run(a=middle), shelf.run(a=new)
    found = shelf.look(a_stage(3), keep=2)
    assert {f"runs/{first}", f"artifacts/a/{old}"} == shelf.paths(found)
    assert (third, second) == found.kept_runs
    assert {"an earlier run than the latest 2", "no run that stays and no present setting uses it"} == {
        str(one.reason) for one in found.waste
    }
    assert all(one.bytes >= 8192 for one in found.waste)
    assert found == shelf.remove(a_stage(3), keep=2)
    assert [] == list(shelf.look(a_stage(3), keep=2).waste)
    assert {middle, new} == {path.name for path in (shelf.folders.root / "artifacts" / "a").iterdir()}
    assert [third, second] == [folder.id for folder in shelf.folders.all_runs()]


def test_what_the_present_settings_use_stays(shelf: Shelf) -> None:
    """Whole or half done, pointed at by a run or not; a half of other settings goes."""
    shelf.artifact(a_stage(1))
    begun = shelf.artifact(a_stage(1, "b", after=("a",)), whole=False)
    other = shelf.artifact(a_stage(9, "b"), whole=False)
    found = shelf.look(a_stage(1), a_stage(1, "b", after=("a",)))
    assert {f"artifacts/b/{other}"} == shelf.paths(found)
    assert "never finished, and the present settings would not resume it" == str(found.waste[0].reason)
    assert shelf.folders.artifact("b", begun).is_dir()


def test_where_the_settings_say_nothing_a_stages_latest_stays(shelf: Shelf, tmp_path: Path) -> None:
    """Behind a stage that has to run anew, with an input that is gone, or with settings that cannot be read."""
    old = shelf.artifact(a_stage(1, "b", after=("a",)), a="1")
    new = shelf.artifact(a_stage(1, "b", after=("a",)), a="2")
    for stages in (
        (a_stage(7), a_stage(1, "b", after=("a",))),
        (a_stage(1, "b", inputs={"text": tmp_path / "gone"}),),
    ):
        assert {f"artifacts/b/{old}"} == shelf.paths(shelf.look(*stages))
    assert {f"artifacts/b/{old}"} == shelf.paths(cleanup.look(shelf.folders, None, 1))
    assert (shelf.folders.artifact("b", new)).is_dir()


def test_the_latest_accuracy_stays(shelf: Shelf) -> None:
    """The latest run that was evaluated is kept beside the latest runs, with its artifacts."""
    scored = shelf.artifact(a_stage(1))
    best = shelf.run({"top1": 0.5}, a=scored)
    earlier, latest = shelf.run(), shelf.run()
    found = shelf.look(a_stage(2))
    assert {f"runs/{earlier}"} == shelf.paths(found)
    assert (latest, best) == found.kept_runs


def test_what_was_accepted_keeps_what_it_was_made_of(shelf: Shelf) -> None:
    """An artifact that points at another's files needs that one."""
    made = shelf.artifact(a_stage(1))
    changed = a_stage(2)
    assert shelf.cache.accept(changed, shelf.cache.key(changed, {})[0])
    assert set() == shelf.paths(shelf.look(changed))
    assert shelf.folders.artifact("a", made).is_dir()


def test_an_unreadable_journal_keeps_every_artifact(shelf: Shelf) -> None:
    """What a run that stays points at is then not known; it says so."""
    shelf.artifact(a_stage(1))
    run_id = shelf.run()
    shelf.folders.run(run_id).journal.write_bytes(b"no database" * 100)
    found = shelf.look(a_stage(2))
    assert set() == shelf.paths(found)
    assert f"the journal of run {run_id} cannot be read: no artifact is removed" == str(found.notes[0])


def test_what_is_not_ours_stays(shelf: Shelf) -> None:
    """Texts that a person wrote, names of another shape, a run that is about to begin; one that never did goes."""
    root = shelf.folders.root
    shelf.run()
    for name in (
        "texts/log.txt",
        "artifacts/a/mine/x",
        "runs/notes/x",
        "artifacts/README",
        "runs/20260101-000000-0009/x",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("mine")
    (root / "runs" / "20250101-000000-0000").mkdir()
    os.utime(root / "runs" / "20250101-000000-0000", (1, 1))
    found = shelf.remove(a_stage())
    assert {"runs/20250101-000000-0000"} == shelf.paths(found)
    assert "a run that never began" == str(found.waste[0].reason)
    assert (root / "runs/20260101-000000-0009/x").is_file()
    assert (root / "artifacts/a/mine/x").is_file()


def test_no_link_is_followed(shelf: Shelf, tmp_path: Path) -> None:
    """Neither an artifact that is a link, nor a link inside one, nor a stage's or the runs' folder that is one."""
    outside = tmp_path / "outside"
    fingerprints = [f"{n:020x}" for n in range(3)]
    for name in fingerprints:
        (outside / name).mkdir(parents=True)
        (outside / name / "precious").write_text("x")
    old = shelf.artifact(a_stage(1))
    shelf.artifact(a_stage(2))
    folder = shelf.folders.artifact("a", old)
    (folder / "link").symlink_to(outside)
    (folder / "file").symlink_to(outside / fingerprints[0] / "precious")
    (folder.parent / fingerprints[0]).symlink_to(outside / fingerprints[0])
    (folder.parent.parent / "b").symlink_to(outside)
    shelf.folders.runs.symlink_to(outside)
    found = shelf.remove(a_stage(2))
    assert {f"artifacts/a/{old}"} == shelf.paths(found)
    assert not folder.exists()
    assert 2 == sum("is a link: nothing behind it is looked at" in str(note) for note in found.notes)
    assert ["x"] * 3 == [(outside / name / "precious").read_text() for name in fingerprints]
    assert (folder.parent / fingerprints[0]).is_symlink()


@pytest.mark.parametrize("name", ["", "trash"])
def test_a_root_that_is_a_link_is_refused(shelf: Shelf, tmp_path: Path, name: str) -> None:
    """`.r3d` itself, or the place through which things leave: one line, nothing removed."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    if name:
        shelf.artifact(a_stage(1))
    (shelf.folders.root / name if name else shelf.folders.root).symlink_to(outside)
    for act in (shelf.look, shelf.remove):
        with pytest.raises(InputError, match="is a link"):
            act(a_stage(2))
    assert ["precious"] == [path.name for path in outside.iterdir()]


def test_a_workspace_that_is_held_is_refused_by_name(shelf: Shelf) -> None:
    """Looking and removing: the holder's process and run are named, and an engine that begins is refused in turn."""
    shelf.artifact(a_stage(1))
    shelf.artifact(a_stage(2))
    agreed = frozenset(one.path for one in shelf.look(a_stage(2)).waste)
    assert 1 == len(agreed)
    held = lock.WorkspaceLock(shelf.folders, "20260101-000000-0000")
    try:
        with pytest.raises(BusyError, match=rf"process {os.getpid()} on .*, run 20260101-000000-0000"):
            shelf.look(a_stage(2))
        with pytest.raises(BusyError, match="run 20260101-000000-0000"):
            cleanup.remove(shelf.folders, None, 1, agreed)
    finally:
        held.release()
    assert agreed == {one.path for one in shelf.remove(a_stage(2)).waste}
    assert lock.owner(shelf.folders) is None


def test_only_what_was_agreed_to_goes(shelf: Shelf) -> None:
    """What became waste since it was shown stays; what is no longer waste stays too."""
    one, two = shelf.artifact(a_stage(1)), shelf.artifact(a_stage(2))
    agreed = frozenset((Path("artifacts/a") / one, Path("artifacts/a") / two, Path("../outside"), Path("texts")))
    went = cleanup.remove(shelf.folders, Plan(shelf.folders.workspace, (a_stage(2),)), 1, agreed)
    assert {f"artifacts/a/{one}"} == shelf.paths(went)
    three = shelf.artifact(a_stage(3))
    went = cleanup.remove(shelf.folders, Plan(shelf.folders.workspace, (a_stage(2),)), 1, frozenset())
    assert set() == shelf.paths(went)
    assert shelf.folders.artifact("a", three).is_dir()


def test_a_removal_that_was_cut_off_is_finished_by_the_next(shelf: Shelf) -> None:
    """What had left its place but was not taken apart is named and goes; nothing of it was taken for an artifact."""
    left = shelf.folders.root / "trash" / "1-x"
    left.mkdir(parents=True)
    (left / "rows.bin").write_bytes(b"x")
    found = shelf.remove()
    assert {"trash"} == shelf.paths(found)
    assert "left by a removal that was cut off" == str(found.waste[0].reason)
    assert not left.parent.exists()


def test_what_cannot_be_removed_is_told_and_ends_nothing(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other things go."""
    one, two = sorted((shelf.artifact(a_stage(1)), shelf.artifact(a_stage(2))))
    shelf.artifact(a_stage(3))
    rename = Path.rename

    def refuse(path: Path, target: Path) -> Path:
        if path.name == one:
            raise PermissionError(13, "Permission denied", str(path))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse)
    went = shelf.remove(a_stage(3))
    assert {f"artifacts/a/{two}"} == shelf.paths(went)
    assert f"artifacts/a/{one}: Permission denied" == str(went.notes[-1])


def test_where_nothing_ran_nothing_is_made(shelf: Shelf, tmp_path: Path) -> None:
    """A look at a new workspace leaves no `.r3d` behind."""
    (tmp_path / "in.txt").touch()
    assert CleanupPlan() == shelf.look(a_stage(inputs={"text": tmp_path / "in.txt"}))
    assert not shelf.folders.root.exists()


def test_after_it_a_run_finds_all_that_it_needs(bench: Bench) -> None:
    """Real runs under three settings: cleaned down to the latest, a run takes every stage from the cache."""
    for items in (3, 4, 5):
        first = Stage("a", "toys:count", 1, params={"items": items})
        bench.stages = (first, Stage("b", "toys:add", 1, after=("a",)))
        bench.run()
    folders, plan = Folders(bench.workspace), Plan(bench.workspace, bench.stages)
    found = cleanup.look(folders, plan, 1)
    assert ["artifact"] * 4 + ["run"] * 2 == sorted(one.kind for one in found.waste)
    cleanup.remove(folders, plan, 1, frozenset(one.path for one in found.waste))
    assert {"a": "cached", "b": "cached"} == bench.states(bench.run(RunRequest()))
