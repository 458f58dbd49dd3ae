"""Whole runs on bad input, through the command line: named, counted, set aside; never scored silently, never obeyed."""

from __future__ import annotations

import json
import os
import re
import struct
from pathlib import Path

import pytest

from tests.faults.demo_runs import make_workspace, r3d, scores, status

HOSTILE = {
    "escape": "\x1b]52;c;aGFja2Vk\x07\x1b[2J",
    "c1": "a\x9b31mb\x85",
    "bidi": "\u202egnp.exe",
    "nul": "a\x00b",
    "up": "../../../etc/passwd",
    "absolute": "/etc/passwd",
    "dots": "..",
    "newline": "a\nerror: b",
    "surrogate": "\ud800x",
    "long": "n" * 300,
}
MARKUP = "[@click=app.bell]x[/nope]"
CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xaa-\xae\xa8\xa9]|\xe2\x81[\xa6-\xa9]")
"""Control bytes, C1 in UTF-8, bidirectional overrides: nothing of this may reach a terminal."""


def frames_workspace(tmp_path: Path) -> tuple[Path, Path, dict[str, object]]:
    """A workspace whose frames and annotation lie outside it, made by a first run; and the annotation's JSON."""
    made = make_workspace(tmp_path / "made", keep_frames=True)
    r3d("run", "--headless", "--to", "preprocess", cwd=made)
    (frames,) = made.glob(".r3d/artifacts/frames/*/frames")
    (annotation,) = made.glob(".r3d/artifacts/preprocess/*/annotation.json")
    frames.rename(tmp_path / "frames")
    document = json.loads(annotation.read_text())
    text = (made / "r3d.toml").read_text()
    (tmp_path / "w").mkdir()
    (made / "checkpoint").rename(tmp_path / "w" / "checkpoint")
    text = re.sub(r"(?m)^(videos|splits) = .*$", "", text)
    text = text.replace("[dataset]", '[dataset]\nframes = "../frames"\nannotation = "../a.json"')
    (tmp_path / "w" / "r3d.toml").write_text(text)
    return tmp_path / "w", tmp_path / "frames", document


def images(frames: Path, video: str) -> list[Path]:
    """The frame files of a video."""
    (folder,) = frames.glob(f"*/{video}")
    return sorted(folder.iterdir())


@pytest.mark.slow
def test_bad_images_and_hostile_ids_of_a_whole_run(tmp_path: Path) -> None:
    """Truncated, empty, zeroed, mislabelled, gigantic and missing images, links out of the data set, ids that are
    weapons: named, and not scored; what a link led to is not shown.

    The accuracy says over how many videos it stands; no control byte reaches standard output or standard error.
    """
    workspace, frames, document = frames_workspace(tmp_path)
    database = document["database"]
    assert isinstance(database, dict)
    videos = sorted(database)
    spoil = dict(
        zip(("cut", "empty", "zeroed", "text", "huge", "missing", "pipe", "link", "device"), videos, strict=False)
    )
    whole = images(frames, spoil["cut"])[3]
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    images(frames, spoil["empty"])[0].write_bytes(b"")
    zeroed = images(frames, spoil["zeroed"])[5]
    data = zeroed.read_bytes()
    zeroed.write_bytes(data[: len(data) // 3] + bytes(len(data) // 3) + data[2 * len(data) // 3 :])
    images(frames, spoil["text"])[1].write_bytes(b"GIF89a" + b"x" * 500)
    huge = images(frames, spoil["huge"])[2]
    huge.write_bytes(_with_size(huge.read_bytes(), 60000, 60000))
    images(frames, spoil["missing"])[4].unlink()
    fifo = images(frames, spoil["pipe"])[6]
    fifo.unlink()
    os.mkfifo(fifo)
    for name, target in (("link", "/etc/passwd"), ("device", "/dev/zero")):
        leads_out = images(frames, spoil[name])[0]
        leads_out.unlink()
        leads_out.symlink_to(target)
    entry = database[videos[-1]]
    label = entry["annotations"]["label"]
    for name in HOSTILE.values():
        database[name] = entry
    database[MARKUP] = entry
    (tmp_path / "a.json").write_text(json.dumps(document))
    out, err = r3d("run", "--headless", cwd=workspace)
    result = status(workspace)["result"]
    assert isinstance(result, dict)
    good = set(videos) - set(spoil.values())
    assert good == set(scores(workspace))
    assert len(good) == result["videos"]
    assert result["videos_set_aside"] >= len(spoil)
    assert f"over {len(good)} videos".encode() in out
    told, told_err = r3d("status", cwd=workspace)
    plain, _ = r3d("status", "--json", cwd=workspace)
    for text in (out, err, told, told_err, plain):
        assert [] == CONTROL.findall(text.replace(b"\n", b"").replace(b"\t", b""))
        assert b"root:" not in text
    aside = json.dumps([json.loads(line) for line in r3d("run", "--json", cwd=workspace)[0].splitlines()])
    for name in spoil.values():
        assert name in aside
    assert label
    assert not (tmp_path.parent / "etc").exists()


def _with_size(jpeg: bytes, width: int, height: int) -> bytes:
    """The same JPEG, whose header claims other dimensions."""
    at = max(jpeg.find(marker) for marker in (b"\xff\xc0", b"\xff\xc2"))
    return jpeg[: at + 5] + struct.pack(">HH", height, width) + jpeg[at + 9 :]


@pytest.mark.slow
def test_broken_videos_of_a_whole_run(tmp_path: Path) -> None:
    """Empty, foreign and cut videos, a folder and a pipe called video: set aside by name, the rest is scored."""
    workspace = make_workspace(tmp_path / "w")
    videos = sorted((workspace / "videos").rglob("*.avi")) + sorted((workspace / "videos").rglob("*.mp4"))
    assert len(videos) >= 8
    broken = videos[:5]
    broken[0].write_bytes(b"")
    broken[1].write_bytes(b"RIFF" + b"\0" * 5000)
    broken[2].write_bytes(broken[2].read_bytes()[:700])
    broken[3].unlink()
    broken[3].mkdir()
    broken[4].unlink()
    os.mkfifo(broken[4])
    out, err = r3d("run", "--headless", cwd=workspace)
    kept = {path.stem for path in videos[5:]}
    assert kept == set(scores(workspace))
    result = status(workspace)["result"]
    assert isinstance(result, dict)
    assert len(kept) == result["videos"]
    assert result["videos_set_aside"] >= 4
    assert f"over {len(kept)} videos".encode() in out
    assert [] == CONTROL.findall((out + err).replace(b"\n", b""))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"labels": [], "database": {}}',
        '{"labels": ["\\u001b[31m"], "database": {}}',
        '{"labels": ["a"], "database": {"x": 1}}',
        "[" * 100_000,
        '{"labels": ["a"], "database": {}, "labels": ["b"]}',
        "\ufeff\x00\x1b]0;x\x07",
    ],
)
def test_a_malformed_annotation_is_one_line(tmp_path: Path, text: str) -> None:
    """Found before any work: exit code 2, the file's name, the fix; no control byte and no traceback."""
    (tmp_path / "f" / "wave" / "v").mkdir(parents=True)
    (tmp_path / "x.pth").write_bytes(b"x")
    (tmp_path / "a.json").write_text(text)
    (tmp_path / "r3d.toml").write_text('[dataset]\nframes="f"\nannotation="a.json"\n[model]\ncheckpoint="x.pth"\n')
    out, err = r3d("run", "--headless", "--to", "annotate", cwd=tmp_path, expect=2)
    (line,) = [line for line in err.decode().splitlines() if line.startswith("error: check: ")]
    assert "a.json" in line
    assert [] == CONTROL.findall((out + err).replace(b"\n", b""))
    assert b"Traceback" not in out + err
