"""r3d.toml: read, checked and drafted; every complaint is one line with file, place and mend."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.core.messages import InputError
from backends.core.settings import DatasetSettings, InferSettings, ModelSettings, Settings
from backends.workspace.settings_file import draft, find_workspace, read_settings, refuse_unready, write_settings


def read(tmp_path: Path, text: str) -> Settings:
    (tmp_path / "r3d.toml").write_text(text)
    return read_settings(tmp_path)


def test_what_is_drafted_reads_back_equal(tmp_path: Path) -> None:
    """The commented draft of any settings gives the same settings."""
    settings = Settings(
        dataset=DatasetSettings(videos=tmp_path / 'vid"eos\n', annotation=Path("/far/away/anno.json"), split=2),
        model=ModelSettings(checkpoint=tmp_path / "网络.pth", depth=10, widen=0.125),
        infer=InferSettings(devices=(0, 1), layout="guide"),
    )
    write_settings(tmp_path, settings)
    assert settings == read_settings(tmp_path)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (Settings(infer=InferSettings(devices=(-1,))), r"infer\.devices\[0\]: -1 is not a whole number from 0 to 1023"),
        (Settings(infer=InferSettings(devices=(0, 0))), r"infer\.devices: \[0, 0\] is not a list of different numbers"),
        (Settings(dataset=DatasetSettings(videos=Path("/data/caf\udce9"))), r"caf\\udce9: .*not UTF-8 \(rename"),
    ],
)
def test_what_could_not_be_read_back_is_not_written(tmp_path: Path, settings: Settings, words: str) -> None:
    """Device numbers that cannot be, and a path that TOML cannot hold, are refused before there is a file."""
    with pytest.raises(InputError, match=words):
        write_settings(tmp_path, settings)
    assert [] == list(tmp_path.iterdir())


def test_the_draft_of_the_defaults_is_all_comments(tmp_path: Path) -> None:
    """What a person did not decide stands there as a comment."""
    lines = [text for text in draft(tmp_path, Settings()).splitlines() if text and text[0] not in "#["]
    assert [] == lines
    assert Settings() == read(tmp_path, draft(tmp_path, Settings()))


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    """A relative path is taken from the workspace, not from the current folder."""
    assert tmp_path / "v" == read(tmp_path, '[dataset]\nvideos = "v"\n').dataset.videos
    assert str(tmp_path / "n.txt") == read(tmp_path, '[dataset]\nlabels = "n.txt"\n').dataset.labels
    assert "auto" == read(tmp_path, '[dataset]\nlabels = "auto"\n').dataset.labels


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[dataset\n", r"r3d\.toml: .*line 1"),
        ("[dataste]\n", r"r3d\.toml: \[dataste\] is unknown \(did you mean dataset\?\)"),
        ("[dataset]\nvideo = 'x'\n", r"dataset\.video is unknown \(did you mean videos\?\)"),
        ("[model]\ndepth = 0\n", r"model\.depth: 0 is not a whole number from 1 to 1000"),
        ("[model]\ndepth = '50'\n", r"r3d\.toml: model\.depth: '50' is not a whole number"),
        ("[infer]\ntarget = 'gpu'\n", r"r3d\.toml: infer\.target: 'gpu' is not one of ascend, cpu"),
        ("[infer]\ndevices = [0, '1']\n", r"infer\.devices\[1\]: '1' is not a whole number"),
        ("[dataset]\nvideos = 3\n", r"dataset\.videos: 3 is not a path"),
        ("[model]\nno_max_pool = 1\n", r"model\.no_max_pool: 1 is not true or false"),
        ("[infer]\ndevices = [0, 0]\n", r"infer\.devices: \[0, 0\] is not a list of different numbers"),
        ("[preprocess]\nstd = [0.0, 1.0, 1.0]\n", r"preprocess\.std\[0\]: 0\.0 is not a number above 0"),
        ("dataset = 3\n", r"dataset is not a section"),
        ("[dataset]\nvideos = ''\n", r"videos is not a path"),
        ("[model]\nconv1_t_size = 4\n", r"model\.conv1_t_size: 4 is not an odd number"),
        ("[verify]\nmax_abs = nan\n", r"verify\.max_abs: nan is not a number above 0"),
        ("[infer]\ndeadline_s = inf\n", r"infer\.deadline_s: inf is not a number"),
        pytest.param(f"[infer]\nbatch = {'9' * 5000}\n", "r3d.toml: ", id="digits"),
        pytest.param(f"[infer]\ndevices = {'[' * 20000}\n", "too deeply nested", id="brackets"),
    ],
)
def test_what_is_wrong_is_said_with_place_and_mend(tmp_path: Path, text: str, words: str) -> None:
    """A wrong file is refused in one line."""
    with pytest.raises(InputError, match=words) as caught:
        read(tmp_path, text)
    assert "\n" not in str(caught.value)
    assert caught.value.hint.template


def test_a_file_of_version_0_1_and_of_other_editors_opens(tmp_path: Path) -> None:
    """Settings that are gone are passed over, and so is a byte order mark."""
    text = '\ufeff[dataset]\nname = "hmdb51"\nsplit = 2\n[model]\nopset = 11\n'
    assert Settings(dataset=DatasetSettings(split=2)) == read(tmp_path, text)


def test_a_missing_file_and_foreign_bytes_are_one_line(tmp_path: Path) -> None:
    """No r3d.toml, and one that is not text."""
    with pytest.raises(InputError, match=r"No such file.*r3d-tui init"):
        read_settings(tmp_path)
    (tmp_path / "r3d.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8"):
        read_settings(tmp_path)


@given(st.text(max_size=200))
def test_no_text_crashes_the_reader(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """Any text gives settings or one line without control characters."""
    folder = tmp_path_factory.mktemp("w")
    (folder / "r3d.toml").write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        read_settings(folder)
    except InputError as error:
        assert all(c.isprintable() for c in str(error))


def test_settings_that_name_nothing_or_what_is_gone_are_refused_before_a_run(tmp_path: Path) -> None:
    """No data, no checkpoint, a folder or file that is not there: each one line."""
    checkpoint = tmp_path / "x.pth"
    cases = (
        (Settings(), "no videos and no frames"),
        (Settings(dataset=DatasetSettings(videos=tmp_path)), "no checkpoint"),
        (
            Settings(dataset=DatasetSettings(videos=tmp_path / "no"), model=ModelSettings(checkpoint=checkpoint)),
            "videos: .* is not a folder",
        ),
        (
            Settings(dataset=DatasetSettings(videos=tmp_path), model=ModelSettings(checkpoint=checkpoint)),
            "is not a file",
        ),
    )
    for settings, words in cases:
        with pytest.raises(InputError, match=words):
            refuse_unready(tmp_path, settings)
    checkpoint.touch()
    refuse_unready(tmp_path, cases[3][0])


def test_an_archive_stands_for_a_folder_of_videos(tmp_path: Path) -> None:
    """A .rar, .zip or .tar that is there is taken; a file of another kind is no folder."""
    (tmp_path / "x.pth").touch()
    for name in ("hmdb51_org.part1.rar", "v.zip", "v.tar.gz"):
        (tmp_path / name).touch()
        settings = Settings(DatasetSettings(videos=tmp_path / name), ModelSettings(checkpoint=tmp_path / "x.pth"))
        refuse_unready(tmp_path, settings)
    with pytest.raises(InputError, match=r"videos: .*x\.pth is not a folder"):
        refuse_unready(tmp_path, Settings(DatasetSettings(videos=tmp_path / "x.pth"), settings.model))


def test_a_workspace_is_found_from_below(tmp_path: Path) -> None:
    """The nearest folder upwards with an r3d.toml."""
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert find_workspace(below) is None
    (tmp_path / "r3d.toml").touch()
    assert tmp_path == find_workspace(below)
