"""Clips of nothing, for measuring pure inference as the guide does; `inference.pure_inference` names it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from backends.device.clip_format import ClipHeader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class BlankClips:
    """A clip store that holds nothing: its clips are what the buffer held."""

    def __init__(self, header: ClipHeader) -> None:
        self.header = header

    @classmethod
    def open(cls, folder: Path) -> BlankClips:
        """No folder is looked at: its name says the shape of a clip, `blank-16x112` (frames, size)."""
        frames, _, size = folder.name.rpartition("-")[2].partition("x")
        return cls(ClipHeader(frames=int(frames), height=int(size), width=int(size)))

    def batch(
        self,
        numbers: Sequence[int],
        out: NDArray[Any],
        pad_to: int | None = None,  # noqa: ARG002 - the store's signature
    ) -> NDArray[Any]:
        """The buffer (clips, channels, frames, height, width), its first value of each clip the clip's number."""
        out[: len(numbers), 0, 0, 0, 0] = numbers
        return out
