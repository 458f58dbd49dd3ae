"""The plan over servers: the cache keys of one machine, and what cannot be done there is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from backends.core.events import Outcome
from backends.core.messages import InputError
from backends.core.settings import ClusterSettings, DatasetSettings, InferSettings, ModelSettings, Settings
from backends.engine.artifacts import read_digest
from backends.pipeline import whole_plan
from backends.workspace.settings_file import read_settings


def settings(folder: Path, **infer: object) -> Settings:
    """Of a workspace over three servers."""
    return Settings(
        dataset=DatasetSettings(videos=folder, keep_frames=False),
        model=ModelSettings(checkpoint=folder / "a.pth"),
        infer=InferSettings(**infer),  # type: ignore[arg-type]
        cluster=ClusterSettings("local:3"),
    )


def test_params_versions_and_inputs_are_those_of_one_machine(tmp_path: Path) -> None:
    """Where a stage is computed is no part of its key; nor is the model that preprocess reads there."""
    over = settings(tmp_path)
    alone = whole_plan(tmp_path, replace(over, cluster=ClusterSettings()))
    for stage in whole_plan(tmp_path, over).stages:
        one = alone.stage(stage.name)
        if stage.name == "check":
            continue
        assert (one.version, one.params, one.inputs) == (stage.version, stage.params, stage.inputs)
        for name, reads in stage.reads.items():
            outcome = Outcome(digest="d")
            expected = read_digest(one.reads[name], outcome, "f") if name in one.reads else ""
            assert expected == read_digest(reads, outcome, "f")


def test_each_stage_comes_after_what_it_depends_on(tmp_path: Path) -> None:
    """preprocess needs the model there, so it moves behind compile."""
    names: list[str] = []
    for stage in whole_plan(tmp_path, settings(tmp_path)).stages:
        assert set(stage.after) <= set(names)
        names.append(stage.name)
    assert names.index("compile") < names.index("preprocess") < names.index("infer")


def test_frames_are_read_by_the_servers_too(tmp_path: Path) -> None:
    """A folder of them in place of videos; kept frames of videos change no key."""
    over = settings(tmp_path)
    frames = replace(over, dataset=DatasetSettings(frames=tmp_path))
    kept = replace(over, dataset=replace(over.dataset, keep_frames=True))
    for given in (frames, kept):
        alone = whole_plan(tmp_path, replace(given, cluster=ClusterSettings())).stage("preprocess")
        stage = whole_plan(tmp_path, given).stage("preprocess")
        assert (alone.version, alone.params, alone.inputs) == (stage.version, stage.params, stage.inputs)
        assert ((given is frames), str(tmp_path)) == (stage.tuning["is_of_frames"], stage.tuning["root"])


def test_archives_are_refused(tmp_path: Path) -> None:
    """Itself or a folder of them: servers would not see what the head unpacks."""
    archive = tmp_path / "videos.zip"
    archive.touch()
    for given in (archive, tmp_path):
        over = replace(settings(tmp_path), dataset=DatasetSettings(videos=given))
        with pytest.raises(InputError, match="unpack archives there"):
            whole_plan(tmp_path, over)


@pytest.mark.parametrize("infer", [{"layout": "guide"}, {"loops": 3}, {"runtime": "ais_bench", "target": "ascend"}])
def test_what_servers_cannot_do_is_refused(tmp_path: Path, infer: dict[str, object]) -> None:
    """With the setting and what it must be."""
    with pytest.raises(InputError, match=f"infer.{next(iter(infer))}"):
        whole_plan(tmp_path, settings(tmp_path, **infer))


@pytest.mark.parametrize("address", ["ray://head:10001", "local:0", "head", "local"])
def test_an_address_of_another_form_is_refused(tmp_path: Path, address: str) -> None:
    """In one line that says what it may be."""
    (tmp_path / "r3d.toml").write_text(f'[cluster]\naddress = "{address}"\n')
    with pytest.raises(InputError, match="auto, HOST:PORT of a Ray cluster, or local:3"):
        read_settings(tmp_path)
    assert "local:2" == read_settings(tmp_path, cluster="local:2").cluster.address
