"""The benchmark compares equal work: everything in it gives the same clips. Its figures are not asserted."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.core.messages import InputError
from bench import guide_way as guide
from bench.preprocess import bench_preprocess, make_frames
from tests.data import reference
from tests.data.conftest import Bench


def test_the_guides_way_gives_the_references_bytes(tmp_path: Path) -> None:
    """What our speed is measured against makes the same `.bin` as plain Pillow and NumPy do."""
    pytest.importorskip("torch")
    (video,) = make_frames(tmp_path / "frames", 1)
    folder = tmp_path / "frames" / video.label / video.id
    assert 1 == guide.reference_run([guide.Frames("short", folder, 1, 8)], tmp_path, 0)
    assert reference.bin_bytes(reference.clips(folder, 1, 8)) == (tmp_path / "short.bin").read_bytes()


def test_every_contender_is_measured_in_every_round(tmp_path: Path) -> None:
    """One small run gives a rate for each, ratios between them, and leaves nothing behind."""
    pytest.importorskip("torch")
    found = bench_preprocess(tmp_path, rounds=1, workers=1, most_clips=5)
    names = ["reference", "ours", "fallback", "decode", "store_read", "store_checked", "batches"]
    assert names == [rate.name for rate in found.rates]
    assert all(len(rate.runs) == 1 and rate.runs[0] > 0 for rate in found.rates)
    assert found.over_reference == found.rate("ours") / found.rate("reference")
    assert (1, 5, "320x240, made here") == (found.videos, found.clips, found.frames)
    assert [] == list(tmp_path.iterdir())


def test_real_frames_are_used_where_given(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's frames take the place of made ones, again where they are few; without torch no reference is run."""
    monkeypatch.setattr("bench.preprocess.find_spec", lambda name: None)
    bench.add("a", 17, size=(90, 70))
    bench.annotate("absent", 17)
    found = bench_preprocess(
        bench.folder,
        frames=bench.frames,
        annotation=bench.folder / "annotation.json",
        rounds=1,
        workers=1,
        most_clips=5,
    )
    assert (3, 6, "90x70, real") == (found.videos, found.clips, found.frames)
    assert found.rate("reference") is None
    assert found.over_reference is None
    with pytest.raises(InputError, match="need their annotation"):
        bench_preprocess(bench.folder, frames=bench.frames)
