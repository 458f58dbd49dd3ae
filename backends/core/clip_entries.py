"""What a face shows of the data set: its videos, and one clip as the model sees it. Plain bytes, no arrays."""

from __future__ import annotations

from msgspec import Struct

from backends.core.messages import Line


class VideoEntry(Struct, frozen=True):
    """One video of the subset. Foreign text: make it safe before showing it."""

    video: str
    label: str
    """Empty where only its name is known."""
    frames: int | None = None
    """Frames of its segment."""
    clips: int = 0
    """Clips in the store."""
    clips_before_cut: int | None = None
    segment: tuple[int, int] = (0, 0)
    """Frames [first, end)."""
    reason: Line = Line("")
    """Why it was set aside; empty where it was not."""
    stage: str = ""
    """The stage that set it aside."""


class AsideEntry(Struct, frozen=True):
    """One item that a stage set aside. Foreign text: make it safe before showing it."""

    stage: str
    item: str
    reason: Line = Line("")


class ClipFrames(Struct, frozen=True):
    """The frames of one clip after resize and crop, scaled down to what a terminal can show."""

    video: str
    clip: int
    """From 0, among the video's clips."""
    frames: int
    height: int
    width: int
    data: bytes
    """uint8 RGB, (frames, height, width, 3) in C order."""

    def frame(self, number: int) -> bytes:
        """One frame: height x width x 3 bytes."""
        size = self.height * self.width * 3
        return self.data[number * size : (number + 1) * size]
