"""A result stands for what its key describes, or it is made again: changing inputs, damage, kills, passing reasons."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from backends.core.client import RunRequest
from backends.core.plan import Stage
from backends.engine import artifacts, cleanup
from backends.engine.folders import Folders
from tests.engine.conftest import Bench


def waiting(tmp_path: Path) -> Stage:
    """A stage that has read its input and goes on once `tmp_path / "go"` is there."""
    return Stage("w", "toys:wait", 1, inputs={"text": tmp_path / "text"}, tuning={"until": str(tmp_path / "go")})


def reading(bench: Bench) -> None:
    """Start, and wait until the stage has read its input."""
    bench.client.start(RunRequest())
    bench.wait(lambda _: any(bench.workspace.glob(".r3d/runs/*/attempts/*/reading")))


def why(bench: Bench, stage: str) -> tuple[str, str]:
    """What the next run would do with a stage, and why."""
    return next((one.action, str(one.reason)) for one in bench.client.preview(RunRequest()) if one.stage == stage)


@pytest.fixture
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder beside the workspace, with an input."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / "text").write_text("12345")
    return folder


@pytest.mark.parametrize("change", ["other bytes", "away and back", "away"])
def test_a_result_whose_input_changed_meanwhile_is_not_kept(bench: Bench, outside: Path, change: str) -> None:
    """The run goes on with it and says so in one line; the next one makes it again, and then it is kept."""
    bench.stages = (waiting(outside),)
    reading(bench)
    text = outside / "text"
    if change == "other bytes":
        text.write_text("54321")
    else:
        text.rename(outside / "away")
    if change == "away and back":
        (outside / "away").rename(text)
    (outside / "go").touch()
    snapshot = bench.wait(lambda s: s.run.state == "done" and not s.alive)
    notes = [str(note.text) for note in snapshot.run.notes]
    assert [f"{text} changed while it was read: this result is not kept, and the next run makes it again"] == notes
    if change == "away":
        (outside / "away").rename(text)
    if change != "other bytes":  # of another content the key is another one
        assert ("run", f"its input {text} changed while it was made") == why(bench, "w")
    snapshot = bench.run()
    assert {"w": "done"} == bench.states(snapshot)
    assert "cached" == why(bench, "w")[0]


def test_what_was_skipped_for_a_passing_reason_is_tried_again(bench: Bench, outside: Path) -> None:
    """Each run tries it again until it is there; what depends on it runs once it is."""
    bench.stages = (
        Stage("l", "toys:lack", 1, tuning={"file": str(outside / "late")}),
        Stage("c", "toys:add", 1, ("l",)),
    )
    assert {"l": "done", "c": "done"} == bench.states(bench.run())
    reason = "1 items were skipped for a reason that may have passed: they are tried again"
    assert ("run", reason) == why(bench, "l")
    assert {"l": "done", "c": "cached"} == bench.states(bench.run())
    (outside / "late").touch()
    assert {"l": "done", "c": "done"} == bench.states(bench.run())
    assert {"l": "cached", "c": "cached"} == bench.states(bench.run())


def test_a_damaged_output_is_made_again_with_the_reason(bench: Bench) -> None:
    """One byte of an output differs from what was written: it is not taken, and what depends on it stays."""
    bench.stages = (Stage("a", "toys:count", 1), Stage("c", "toys:add", 1, ("a",)))
    bench.run()
    (path,) = bench.workspace.glob(".r3d/artifacts/a/*/items.txt")
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"1", b"7"))
    assert ("run", "its output items is damaged: it is not what was written") == why(bench, "a")
    assert {"a": "done", "c": "cached"} == bench.states(bench.run())
    assert whole == path.read_bytes()


def test_any_flipped_bit_of_a_manifest_makes_the_stage_again(bench: Bench) -> None:
    """With the reason, in a run that ends well; `clean` reads it too."""
    bench.stages = (Stage("a", "toys:count", 1),)
    bench.run()
    (path,) = bench.workspace.glob(".r3d/artifacts/a/*/manifest.json")
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << (place % 8)
        path.write_bytes(damaged)
        assert ("run", "the record of its earlier result is damaged") == why(bench, "a"), place
        assert cleanup.look(Folders(bench.workspace), None, 1) is not None
    snapshot = bench.run()
    assert {"a": "done"} == bench.states(snapshot)
    assert "the record of its earlier result is damaged" == str(snapshot.run.stage("a").reason)


def test_a_removal_that_is_cut_off_leaves_nothing_that_counts(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """However far it came, the artifact has left its place whole before anything in it went."""
    bench.stages = (Stage("a", "toys:count", 1),)
    bench.run()
    cache = artifacts.Cache(Folders(bench.workspace))
    (folder,) = bench.workspace.glob(".r3d/artifacts/a/*")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            cache.begin("a", folder.name, stale=True)
    assert not folder.exists()
    assert ("run", "not built yet") == why(bench, "a")
    snapshot = bench.run()
    assert {"a": "done"} == bench.states(snapshot), snapshot.run


def test_a_stage_that_is_about_to_run_counts_for_nothing(bench: Bench) -> None:
    """Its manifest is gone before its process starts, whatever kills that."""
    bench.stages = (Stage("a", "toys:count", 1),)
    bench.run()
    (folder,) = bench.workspace.glob(".r3d/artifacts/a/*")
    artifacts.Cache(Folders(bench.workspace)).begin("a", folder.name, stale=False)
    assert (folder / "items.txt").exists()
    assert ("run", "begun before, not finished") == why(bench, "a")


def test_what_no_spec_declares_cannot_be_read(bench: Bench) -> None:
    """A stage that reads a figure which its key does not hold fails, and the log says what."""
    bench.stages = (Stage("a", "toys:count", 1), Stage("p", "toys:pry", 1, ("a",)))
    snapshot = bench.run()
    assert {"a": "done", "p": "failed"} == bench.states(snapshot)
    assert "secret is not among the `reads` of this stage's spec" in str(snapshot.run.stage("p").reason)


def test_force_removes_also_what_a_stage_keeps(bench: Bench) -> None:
    """A stage that runs each time and keeps its folder builds upon it, but not where it is forced."""
    bench.stages = (Stage("a", "toys:count", 1, fresh=True, kept=True),)
    bench.run()
    (path,) = bench.workspace.glob(".r3d/artifacts/a/*/items.txt")
    path.write_text("0\n1\nkept\n")
    bench.run()
    assert "0\n1\nkept\n" == path.read_text()
    bench.run(RunRequest(force=True))
    assert "0\n1\n2\n" == path.read_text()
