"""What crosses between head and servers, whole or refused, and what the head keeps of it."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from backends.cluster.shard_protocol import (
    Hello,
    Message,
    Open,
    Ping,
    ServerAlive,
    ShardAnswer,
    ShardOrder,
    ShardRefused,
    ShardVideo,
    VideoResult,
    WireError,
    WireReader,
    to_frame,
)
from backends.cluster.spool import Spool, check_answer, check_results
from backends.core.events import ServerChip
from backends.core.messages import line
from backends.data.annotation import OPEN_END, Video
from backends.data.data_specs import PreprocessParams

VIDEO = Video("a", "wave", "validation", 1, 40)
RESULTS = (VideoResult(VIDEO, 3, (1, 2, 3)), VideoResult(VIDEO, reason=line("{n} is odd", n=1)))
MESSAGES: list[tuple[Message, bytes]] = [
    (Ping(), b""),
    (Open(), b"model"),
    (ShardOrder(3, (ShardVideo(Path("/videos/wave/a.avi"), VIDEO),)), b""),
    (
        ShardAnswer(3, (VideoResult(VIDEO, 3, (1, 2, 3)), VideoResult(VIDEO, reason=line("{n} is odd", n=1))), 2),
        b"x" * 24,
    ),
    (ShardRefused(4, line("it broke")), b""),
    (ServerAlive((ServerChip("npu:0", "working", 7, 0.5),), 7, 0.5, runtime_version="null 1"), b""),
    (Hello("0.2", problem=line("{a}: {b}", a="x", b=line("inner"))), b""),
]


@given(st.lists(st.sampled_from(MESSAGES)), st.integers(1, 400))
def test_frames_arrive_as_they_were_sent_however_they_are_cut(sent: list[tuple[Message, bytes]], size: int) -> None:
    """Messages, bodies and their order."""
    stream, reader = b"".join(to_frame(*one) for one in sent), WireReader()
    pieces = (stream[start : start + size] for start in range(0, len(stream), size))
    assert sent == [found for piece in pieces for found in reader.feed(piece)]


@pytest.mark.parametrize("place", [0, 5, 13, 17, 30, -1])
def test_a_flipped_bit_is_refused(place: int) -> None:
    """In the fixed part, in the head or in the body: nothing of it is taken, however long is waited for more."""
    frame = bytearray(to_frame(MESSAGES[3][0], MESSAGES[3][1]))
    frame[place] ^= 1
    found: list[tuple[Message, bytes]] = []
    with contextlib.suppress(WireError):
        found += WireReader().feed(bytes(frame))
    assert [] == found


@pytest.mark.parametrize("head", [b"{}", b'{"kind":"os.system"}', b"[1]", b'{"kind":"ShardOrder"}', b"\xff"])
def test_what_is_no_message_is_refused(head: bytes) -> None:
    """A kind that is none, a value of another type: one error, and nothing is run."""
    import struct
    import zlib

    with pytest.raises(WireError):
        list(WireReader().feed(struct.pack("<4sIQI", b"R3DC", len(head), 0, zlib.crc32(head)) + head))


def test_rows_that_do_not_fit_the_results_are_refused() -> None:
    """A server must not shift the scores of one video to another."""
    answer = ShardAnswer(1, (VideoResult(VIDEO, 3, (1, 2, 3)),), 2)
    check_answer(answer, bytes(24))
    with pytest.raises(WireError):
        check_answer(answer, bytes(16))


@pytest.mark.parametrize(
    "result",
    [
        VideoResult(replace(VIDEO, id="b")),
        VideoResult(replace(VIDEO, label="jump")),
        VideoResult(replace(VIDEO, end=50)),
        VideoResult(VIDEO, 20, tuple(range(20))),
    ],
    ids=["id", "label", "segment", "clips"],
)
def test_an_answer_about_something_else_is_refused(result: VideoResult) -> None:
    """Of the videos that were given nothing may change but an open end."""
    check_results(ShardAnswer(1, (VideoResult(VIDEO),), 2), [VIDEO], PreprocessParams())
    check_results(ShardAnswer(1, (VideoResult(VIDEO),), 2), [replace(VIDEO, end=OPEN_END)], PreprocessParams())
    with pytest.raises(WireError):
        check_results(ShardAnswer(1, (result,), 2), [VIDEO], PreprocessParams())


def answer(name: str, clips: int) -> tuple[ShardAnswer, bytes]:
    """Of one video, its scores counted up."""
    video = Video(name, "wave", "validation", 1, 40)
    rows = np.arange(clips * 2, dtype="<f4").reshape(clips, 2)
    return ShardAnswer(1, (VideoResult(video, clips, tuple(range(clips))),), 2), rows.tobytes()


def test_answers_are_found_again_and_a_damaged_one_is_not(tmp_path: Path) -> None:
    """What came back before counts in the next attempt; a torn file does not, and nothing is written over it."""

    def names(spool: Spool) -> list[str]:
        return [name for name in "abc" if name in spool]

    spool = Spool(tmp_path)
    for name, clips in (("a", 3), ("b", 1), ("c", 0)):
        spool.keep(*answer(name, clips))
    assert (["a", "b", "c"], 4) == (names(Spool(tmp_path)), Spool(tmp_path).clips)
    path = tmp_path / "00000001.shard"
    path.write_bytes(path.read_bytes()[:-1])
    again = Spool(tmp_path)
    assert (["a", "c"], None) == (names(again), again.result("b"))
    again.keep(*answer("b", 1))
    assert ["a", "b", "c"] == names(Spool(tmp_path))
    assert {"a": [[0, 1], [2, 3], [4, 5]], "b": [[0, 1]]} == {name: again.scores(name).tolist() for name in "ba"}


def test_a_video_that_was_skipped_for_now_counts_in_its_run_and_is_tried_again_in_the_next(tmp_path: Path) -> None:
    """Its reason may have passed; one that was skipped for good is not computed again."""
    results = tuple(VideoResult(replace(VIDEO, id=name), reason=line("odd"), is_temporary=name == "a") for name in "ab")
    spool = Spool(tmp_path)
    spool.keep(ShardAnswer(0, results, 0), b"")
    assert 2 == len(spool)
    again = Spool(tmp_path)
    assert (False, True) == ("a" in again, "b" in again)
    again.keep(*answer("a", 2))
    assert (2, 2) == (len(Spool(tmp_path)), Spool(tmp_path).clips)
