"""Kitty's graphics protocol: a picture is sent once under a number, then only placed. Numbers and base64, no more."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable

QUESTION = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"
"""Would you show one pixel? A terminal that knows the protocol answers; it shows and keeps nothing."""
PIECE = 4096
"""Characters of one command, as the protocol has it."""


def upload(number: int, rgb: bytes, width: int, height: int) -> str:
    """Keep a picture under a number; what was there goes, with its places. `rgb`: height x width x 3 bytes."""
    text = base64.standard_b64encode(zlib.compress(rgb)).decode("ascii")
    pieces = [text[place : place + PIECE] for place in range(0, len(text), PIECE)]
    heads = [f"a=t,f=24,o=z,s={width},v={height},i={number},q=2,"] + [""] * (len(pieces) - 1)
    return "".join(
        f"\x1b_G{head}m={int(place < len(pieces) - 1)};{piece}\x1b\\"
        for place, (head, piece) in enumerate(zip(heads, pieces, strict=True))
    )


def place(number: int, columns: int, rows: int) -> str:
    """Show a picture from the cursor on over so many cells; the cursor stays."""
    return f"\x1b_Ga=p,i={number},p=1,c={columns},r={rows},C=1,q=2\x1b\\"


def take_away(number: int) -> str:
    """Show it no longer, but keep it."""
    return f"\x1b_Ga=d,d=i,i={number},q=2\x1b\\"


def drop(numbers: Iterable[int]) -> str:
    """Keep them no longer."""
    return "".join(f"\x1b_Ga=d,d=I,i={number},q=2\x1b\\" for number in numbers)
