"""Fingerprints, and the reasons when something is stale."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from backends.core.codec import seal
from backends.core.events import Outcome
from backends.core.messages import InputError, Line
from backends.core.plan import Stage
from backends.engine.artifacts import Cache, CacheKey
from backends.engine.digests import Digests
from backends.engine.folders import Folders


def a_stage(**changes: object) -> Stage:
    values: dict[str, object] = {"name": "a", "entry": "x:y", "version": 1, "params": {"size": 112}}
    return Stage(**{**values, **changes})  # type: ignore[arg-type]


class Shelf:
    """A cache in which `make` finishes a stage as the supervisor would."""

    def __init__(self, workspace: Path) -> None:
        self.folders = Folders(workspace)
        self.cache = Cache(self.folders)

    def make(self, stage: Stage, outputs: dict[str, str] | None = None, **upstream: str) -> None:
        key = self.key(stage, **upstream)
        folder = self.cache.begin(stage.name, key.fingerprint, stale=False)
        for path in (outputs or {}).values():
            (folder / path).write_text("made")
        self.cache.finish(key, Outcome({"n": 1}, outputs or {}), 1.0, Line(""))

    def key(self, stage: Stage, **upstream: str) -> CacheKey:
        return self.cache.key(stage, upstream)[0]

    def why(self, stage: Stage, **upstream: str) -> str:
        verdict = self.cache.judge(stage, self.key(stage, **upstream))
        return f"{'cached' if verdict.outcome else 'run'}: {verdict.reason}"


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def test_what_was_made_with_the_same_ingredients_is_taken(shelf: Shelf) -> None:
    """An artifact with the same fingerprint counts, whatever the tuning is."""
    shelf.make(a_stage(tuning={"workers": 2}), up="d")
    assert "cached: up to date" == shelf.why(a_stage(tuning={"workers": 9}), up="d")


def test_each_kind_of_change_is_named(shelf: Shelf, tmp_path: Path) -> None:
    """The reason names the parameter, the file, the stage or the version that changed."""
    text = tmp_path / "in.txt"
    text.write_text("one")
    stage = a_stage(inputs={"text": text})
    assert "run: not built yet" == shelf.why(stage, up="d")
    shelf.make(stage, up="d")
    changed = a_stage(inputs={"text": text}, params={"size": 128})
    assert "run: size changed from 112 to 128" == shelf.why(changed, up="d")
    deeper = a_stage(inputs={"text": text}, params={"size": 112, "net": {"widen": 0.5}})
    assert "run: net.widen changed from nothing to 0.5" == shelf.why(deeper, up="d")
    assert "run: what up gives changed" == shelf.why(stage, up="e")
    newer = a_stage(inputs={"text": text}, version=2)
    assert "run: r3d-tui makes it in a new way (version 1, now 2)" == shelf.why(newer, up="d")
    text.write_text("two!")
    assert f"run: the input {text} changed" == shelf.why(stage, up="d")


def test_a_file_with_another_time_but_the_same_bytes_is_the_same(shelf: Shelf, tmp_path: Path) -> None:
    """Files count by content: a touched checkpoint does not run the model again."""
    text = tmp_path / "in.txt"
    text.write_text("one")
    shelf.make(a_stage(inputs={"text": text}))
    os.utime(text, ns=(1, 1))
    assert shelf.why(a_stage(inputs={"text": text})).startswith("cached")


def test_a_folder_counts_by_names_sizes_and_times(shelf: Shelf, tmp_path: Path) -> None:
    """A video added, removed or rewritten in a folder makes what reads it stale."""
    folder = tmp_path / "videos" / "wave"
    folder.mkdir(parents=True)
    (folder / "one.avi").write_text("1")
    stage = a_stage(inputs={"videos": tmp_path / "videos"})
    shelf.make(stage)
    assert shelf.why(stage).startswith("cached")
    (folder / "two.avi").write_text("2")
    assert "changed" in shelf.why(stage)
    (folder / "two.avi").unlink()
    assert shelf.why(stage).startswith("cached")
    os.utime(folder / "one.avi", ns=(1, 1))
    assert "changed" in shelf.why(stage)


def test_what_is_no_longer_given_is_named(shelf: Shelf, tmp_path: Path) -> None:
    """An input that the settings no longer name, and a stage on which it no longer hangs, are the reason."""
    text = tmp_path / "in.txt"
    text.write_text("one")
    shelf.make(a_stage(inputs={"text": text}), up="d")
    assert "run: the input text is no longer given" == shelf.why(a_stage(), up="d")
    assert "run: what up gives changed" == shelf.why(a_stage(inputs={"text": text}))


def test_links_count_as_what_they_lead_to(shelf: Shelf, tmp_path: Path) -> None:
    """A changed file or folder behind a link is noticed; a link that leads nowhere or back up ends the walk."""
    elsewhere, folder = tmp_path / "elsewhere", tmp_path / "data"
    (elsewhere / "deep").mkdir(parents=True)
    folder.mkdir()
    (elsewhere / "file").write_text("1")
    (folder / "link").symlink_to(elsewhere / "file")
    (folder / "more").symlink_to(elsewhere / "deep")
    (folder / "nowhere").symlink_to(tmp_path / "missing")
    (folder / "up").symlink_to(folder)
    stage = a_stage(inputs={"data": folder})
    shelf.make(stage)
    assert "cached: up to date" == shelf.why(stage)
    (elsewhere / "file").write_text("22")
    assert f"run: the input {folder} changed" == shelf.why(stage)
    shelf.make(stage)
    (elsewhere / "deep" / "new").write_text("3")
    assert f"run: the input {folder} changed" == shelf.why(stage)


def test_a_lost_output_is_made_again(shelf: Shelf) -> None:
    """An artifact whose output was deleted does not count."""
    shelf.make(a_stage(), {"rows": "rows.bin"})
    assert shelf.why(a_stage()).startswith("cached")
    fingerprint = shelf.key(a_stage()).fingerprint
    (shelf.folders.artifact("a", fingerprint) / "rows.bin").unlink()
    assert "run: its output rows is gone" == shelf.why(a_stage())


def test_a_missing_input_is_one_line(shelf: Shelf, tmp_path: Path) -> None:
    """An input that is not there is refused with its path and the mend."""
    with pytest.raises(InputError, match=r"nowhere: No such file.*r3d\.toml"):
        shelf.why(a_stage(inputs={"text": tmp_path / "nowhere"}))


def test_damaged_records_are_no_records(shelf: Shelf) -> None:
    """A torn manifest or digest file is as good as none."""
    shelf.make(a_stage())
    fingerprint = shelf.key(a_stage()).fingerprint
    (shelf.folders.artifact("a", fingerprint) / "manifest.json").write_text("{")
    shelf.folders.digests.write_text("[1, 2")
    assert "run: the record of its earlier result is damaged" == Shelf(shelf.folders.workspace).why(a_stage())


def test_what_differs_in_parameters_alone_may_be_accepted(shelf: Shelf) -> None:
    """The old artifact counts for the new parameters, says so each time, and keeps its digest for what hangs on it."""
    old = a_stage()
    shelf.make(old, {"text": "out.txt"}, up="d")
    made = shelf.key(old, up="d").fingerprint
    new = a_stage(params={"size": 128}, version=2)
    key = shelf.key(new, up="d")
    assert shelf.cache.accept(new, key)
    verdict = shelf.cache.judge(new, key)
    assert "accepted as it is, although size changed from 112 to 128" == str(verdict.reason)
    assert verdict.outcome is not None
    origin = shelf.cache.manifest("a", made)
    assert origin is not None
    assert origin.outcome.digest == verdict.outcome.digest
    place = shelf.folders.artifact("a", key.fingerprint) / verdict.outcome.outputs["text"]
    assert "made" == place.read_text()
    assert "cached: up to date" == shelf.why(old, up="d")


def test_an_artifact_with_other_additions_is_alike(shelf: Shelf) -> None:
    """Only where everything but the stage's additions is equal, and it is whole; fingerprints stay different."""
    plain = a_stage(params={"size": 112, "more": False}, adds=("more",))
    full = a_stage(params={"size": 112, "more": True}, adds=("more",))
    assert shelf.cache.like(full, shelf.key(full)) is None
    shelf.make(plain, {"text": "out.txt"})
    made = shelf.key(plain)
    folder = shelf.folders.artifact("a", made.fingerprint)
    assert folder == shelf.cache.like(full, shelf.key(full))
    assert "run: more changed from false to true" == shelf.why(full)
    assert shelf.cache.like(plain, made) is None
    other = a_stage(params={"size": 113, "more": True}, adds=("more",))
    assert shelf.cache.like(other, shelf.key(other)) is None
    assert shelf.cache.like(full, shelf.key(full, up="d")) is None
    nothing = a_stage(params={"size": 112, "more": True})
    assert shelf.cache.like(nothing, shelf.key(nothing)) is None
    (folder / "out.txt").unlink()
    assert shelf.cache.like(full, shelf.key(full)) is None


def test_what_was_accepted_may_be_accepted_again(shelf: Shelf) -> None:
    """A second acceptance points at the artifact that was really made."""
    shelf.make(a_stage(), {"text": "out.txt"})
    for size in (128, 160):
        stage = a_stage(params={"size": size})
        assert shelf.cache.accept(stage, shelf.key(stage))
    verdict = shelf.cache.judge(stage, shelf.key(stage))
    assert verdict.outcome is not None
    made = shelf.key(a_stage()).fingerprint
    assert f"../{made}/out.txt" == verdict.outcome.outputs["text"]


def test_other_data_is_never_accepted(shelf: Shelf, tmp_path: Path) -> None:
    """Where an input or what it hangs on changed, or where nothing was made, there is nothing to accept."""
    text = tmp_path / "in.txt"
    text.write_text("one")
    stage = a_stage(inputs={"text": text})
    assert not shelf.cache.accept(stage, shelf.key(stage, up="d"))
    shelf.make(stage, up="d")
    changed = a_stage(inputs={"text": text}, params={"size": 128})
    assert not shelf.cache.accept(changed, shelf.key(changed, up="e"))
    text.write_text("two!")
    assert not shelf.cache.accept(changed, shelf.key(changed, up="d"))
    fresh = a_stage(params={"size": 128}, fresh=True)
    assert not shelf.cache.accept(fresh, shelf.key(fresh, up="d"))


def test_an_acceptance_ends_with_the_artifact(shelf: Shelf) -> None:
    """Where the accepted artifact was made anew with another content, or is gone, the stage runs."""
    old, new = a_stage(), a_stage(params={"size": 128})
    shelf.make(old, {"text": "out.txt"})
    first = shelf.key(old)
    assert shelf.cache.accept(new, shelf.key(new))
    shelf.cache.finish(first, Outcome({}, {"text": "out.txt"}, digest="other"), 1.0, Line(""))
    assert "run: what was accepted in its place is there no longer" == shelf.why(new)
    (shelf.folders.artifact("a", first.fingerprint) / "out.txt").unlink()
    assert "run: its output text is gone" == shelf.why(new)


@pytest.mark.parametrize("known", ["[]", "3", '{"PATH": 3}', '{"PATH": STATE}'])
def test_remembered_digests_that_are_damaged_are_read_again(tmp_path: Path, known: str) -> None:
    """Whatever stands in the file, a digest is that of the content."""
    path = tmp_path / "a"
    path.write_text("a")
    stat = path.stat()
    state = [stat.st_size, stat.st_mtime_ns, stat.st_ino]  # of this very file, and no digest behind it
    files = json.loads(known.replace('"PATH"', json.dumps(str(path))).replace("STATE", str(state)))
    (tmp_path / "digests.json").write_bytes(seal({"files": files}))
    digest, _ = Digests(tmp_path / "digests.json").of(path)
    assert "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb" == digest
