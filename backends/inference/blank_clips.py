"""Clips of nothing, for measuring pure inference as the guide does (it feeds zeros): a device process reads them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NAME = "blank"
"""What such a store is called where a folder of clips is asked for; nothing is read from it."""


class BlankClips:
    """A clip store that holds nothing: its clips are what the buffer held."""

    @classmethod
    def open(cls, folder: Path) -> BlankClips:  # noqa: ARG003 - the store's signature
        """The folder is not looked at."""
        return cls()

    def batch(
        self,
        numbers: Sequence[int],
        out: NDArray[np.float32],
        pad_to: int | None = None,  # noqa: ARG002 - the store's signature
    ) -> NDArray[np.float32]:
        """The buffer (clips, channels, frames, height, width), its first value of each clip the clip's number."""
        out[: len(numbers), 0, 0, 0, 0] = numbers
        return out
