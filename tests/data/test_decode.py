"""Videos to JPEG frames: beside the files that ffmpeg wrote, and with broken videos."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from backends.data import decode
from backends.data.decode import UnreadableVideoError, jpegs
from tests.data.conftest import FilmMaker

CLIPS = {
    "wave/RATRACE_wave_f_nm_np1_fr_goo_37": ("RATRACE_wave_f_nm_np1_fr_goo_37.avi", 72),
    "wave/SchoolRulesHowTheyHelpUs_wave_f_nm_np1_ba_med_0": (
        "SchoolRulesHowTheyHelpUs_wave_f_nm_np1_ba_med_0.avi",
        74,
    ),
    "wave/TrumanShow_wave_f_nm_np1_fr_med_26": ("TrumanShow_wave_f_nm_np1_fr_med_26.avi", 48),
    "cartwheel/Turnk_r_Pippi_Michel_cartwheel_f_cm_np2_le_med_6": (
        "hmdb51_Turnk_r_Pippi_Michel_cartwheel_f_cm_np2_le_med_6.avi",
        83,
    ),
}


def _pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


@pytest.mark.parametrize("clip", CLIPS)
def test_real_clips_give_the_pixels_that_ffmpeg_wrote(shared: Path, clip: str) -> None:
    """Each frame of each real HMDB51 clip has exactly the pixels of the file that ffmpeg wrote for it."""
    name, count = CLIPS[clip]
    expected = sorted((shared / "data/golden/frames" / clip).iterdir())
    made = [jpeg.data for jpeg in jpegs(shared / "data/hmdb51_clips" / name)]
    assert count == len(made) == len(expected)
    differing = [file.name for file, data in zip(expected, made, strict=True)
                 if not np.array_equal(_pixels(file.read_bytes()), _pixels(data))]  # fmt: skip
    assert [] == differing


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [(320, 240, (320, 240)), (64, 48, (320, 240)), (560, 320, (420, 240)), (176, 240, (240, 327)), (48, 48, (240, 240)),
     (62, 110, (240, 426))],
)  # fmt: skip
def test_the_shorter_side_is_240(
    tmp_path: Path, film: FilmMaker, width: int, height: int, expected: tuple[int, int]
) -> None:
    """Wide, narrow and square videos are scaled so that the shorter side has 240 pixels, as `scale=-1:240` rounds."""
    made = list(jpegs(film(tmp_path / "v.mkv", 2, width, height)))
    assert [expected] * 2 == [(jpeg.width, jpeg.height) for jpeg in made]
    assert expected == Image.open(io.BytesIO(made[0].data)).size


@pytest.mark.parametrize(
    ("codec", "pixels"), [("mjpeg", "yuvj420p"), ("ffv1", "yuv444p"), ("ffv1", "bgr0"), ("ffv1", "gray"),
                          ("ffv1", "yuv420p10le")]
)  # fmt: skip
def test_other_pixel_formats_keep_their_colours(tmp_path: Path, film: FilmMaker, codec: str, pixels: str) -> None:
    """Full range, RGB, grey and 10-bit videos keep the background's grey within a few levels."""
    made = list(jpegs(film(tmp_path / "v.mkv", 2, 320, 240, codec=codec, pixels=pixels)))
    assert 2 == len(made)
    assert abs(_pixels(made[0].data)[200, 300].astype(int) - 60).max() <= 3


@pytest.mark.parametrize("suffix", ["avi", "mp4", "mkv", "mov", "mpg"])
def test_each_container_gives_one_file_a_frame(tmp_path: Path, film: FilmMaker, suffix: str) -> None:
    """The containers that are promised give all their frames."""
    codec = "mpeg1video" if suffix == "mpg" else "mpeg4"
    assert 7 == len(list(jpegs(film(tmp_path / f"v.{suffix}", 7, codec=codec))))


def test_skipped_frames_are_repeated(tmp_path: Path, film: FilmMaker) -> None:
    """A video that skips frames 5 to 7 gives as many files as it has places."""
    path = film(tmp_path / "v.mp4", [0, 1, 2, 3, 4, 8, 9, 10, 11])
    made = [jpeg.data for jpeg in jpegs(path)]
    assert 12 == len(made)
    assert np.abs(_pixels(made[4]).astype(int) - _pixels(made[6])).max() < 40


def _bytes_to(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    "data", [b"", b"no video at all", b"\0" * 5000, b"RIFF\xff\xff\xff\xffAVI LIST", b"\x1a\x45\xdf\xa3\x00\x00"]
)
def test_what_is_no_video_is_refused(tmp_path: Path, data: bytes) -> None:
    """Empty, foreign and cut headers end in a reason."""
    with pytest.raises(UnreadableVideoError, match=r"decoded|no video|no frames"):
        list(jpegs(_bytes_to(tmp_path / "v.avi", data)))


@pytest.mark.parametrize(
    "text",
    ["#EXTM3U\n#EXTINF:1,\n{film}\n#EXT-X-ENDLIST\n", "ffconcat version 1.0\nfile {film}\n"],
)
def test_a_playlist_opens_nothing(tmp_path: Path, film: FilmMaker, text: str) -> None:
    """A playlist under a video's name does not make us read the files that it names."""
    target = film(tmp_path / "other.mp4")
    with pytest.raises(UnreadableVideoError, match="cannot be decoded"):
        list(jpegs(_bytes_to(tmp_path / "v.avi", text.format(film=target).encode())))


@pytest.mark.parametrize("share", [0.3, 0.6, 0.85])
def test_a_real_clip_that_breaks_off_is_refused(shared: Path, tmp_path: Path, share: float) -> None:
    """A clip of which the end is missing is set aside as a whole: its frames would not be the video's."""
    data = (shared / "data/hmdb51_clips/TrumanShow_wave_f_nm_np1_fr_med_26.avi").read_bytes()
    with pytest.raises(UnreadableVideoError):
        list(jpegs(_bytes_to(tmp_path / "v.avi", data[: int(len(data) * share)])))


def test_large_frames_are_refused_before_they_are_decoded(
    tmp_path: Path, film: FilmMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frame of more pixels than the limit is not decoded."""
    monkeypatch.setattr(decode, "LARGEST", 64 * 48 - 1)
    with pytest.raises(UnreadableVideoError, match="64x48 are too large"):
        list(jpegs(film(tmp_path / "v.avi")))


def test_a_ribbon_is_refused(tmp_path: Path, film: FilmMaker) -> None:
    """A shape whose longer side no JPEG could hold after scaling is refused."""
    with pytest.raises(UnreadableVideoError, match="too long"):
        list(jpegs(film(tmp_path / "v.mkv", 1, 1440, 16)))


def test_a_jump_in_time_is_refused(tmp_path: Path, film: FilmMaker) -> None:
    """Broken timestamps do not fill the disk with repeats of one frame."""
    with pytest.raises(UnreadableVideoError, match="jump"):
        list(jpegs(film(tmp_path / "v.mkv", [0, 1, 2, 90_000], codec="mjpeg", pixels="yuvj420p")))


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_videos_give_frames_or_a_reason(tmp_path: Path, film: FilmMaker, data: st.DataObject) -> None:
    """Bytes changed anywhere give frames or a reason, never another error."""
    path = tmp_path / "v.avi"
    good = tmp_path / "good.avi"
    if not good.exists():
        film(good)
    broken = bytearray(good.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(broken) - 1), min_size=1, max_size=20)):
        broken[place] = data.draw(st.integers(0, 255))
    path.write_bytes(broken)
    with suppress(UnreadableVideoError):
        assert list(jpegs(path))


@pytest.mark.parametrize("limit", [1, 40, 72, 100])
def test_the_first_frames_have_the_bytes_of_all(shared: Path, limit: int) -> None:
    """Frames beyond a limit are counted and not encoded; those before it are the same files."""
    path = shared / "data/hmdb51_clips/RATRACE_wave_f_nm_np1_fr_goo_37.avi"
    every, some = list(jpegs(path)), list(jpegs(path, limit=limit))
    assert len(every) == len(some) == 72
    assert every[:limit] == some[:limit]
    assert {None} >= set(some[limit:])
