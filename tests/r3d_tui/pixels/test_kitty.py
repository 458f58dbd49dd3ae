"""Commands of kitty's protocol, read back."""

from __future__ import annotations

import base64
import random
import re
import zlib

from textual.geometry import Region

from backends.core.clip_entries import ClipFrames
from r3d_tui.pixels.kitty import upload
from r3d_tui.pixels.painters import Kitty


def test_a_large_picture_is_sent_in_pieces() -> None:
    """Of 4096 characters at most, all but the last announced; together they are the pixels."""
    pixels = random.Random(1).randbytes(60 * 50 * 3)
    commands = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", upload(77, pixels, 60, 50))
    assert "a=t,f=24,o=z,s=60,v=50,i=77,q=2,m=1" == commands[0][0]
    assert ["m=1"] * (len(commands) - 2) + ["m=0"] == [keys for keys, _ in commands[1:]]
    assert {4096} == {len(text) for _, text in commands[:-1]}
    assert pixels == zlib.decompress(base64.b64decode("".join(text for _, text in commands)))


def test_the_next_frame_is_there_before_the_last_one_goes() -> None:
    """A frame that was sent is only placed, and the one before is taken away behind it."""
    painter = Kitty()
    frames = painter.prepared(ClipFrames("v", 0, 2, 2, 2, bytes(24)), 2, 1)
    area = Region(3, 4, 2, 1)
    first, second, again = (re.findall("a=[a-z]+", painter.paint(frames, number, area)) for number in (0, 1, 0))
    assert (["a=t", "a=p"], ["a=t", "a=p", "a=d"], ["a=p", "a=d"]) == (first, second, again)
    assert painter.paint(frames, 0, area).startswith("\x1b[5;4H\x1b_Ga=p,")
    assert 1 == painter.take_away().count("a=d,d=i")
    assert "" == painter.take_away()
    assert 2 == painter.forget().count("a=d,d=I")
    assert "" == painter.forget()
