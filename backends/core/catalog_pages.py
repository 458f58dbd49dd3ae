"""What the console's lists ask of a run's catalog: entries, queries, pages. `backends.data.catalog` answers them.

Entries hold foreign text: make it safe before showing it.
"""

from typing import Literal

from msgspec import Struct

from backends.core.messages import Line


class VideoEntry(Struct, frozen=True, gc=False):
    video: str
    label: str
    """Empty where only its name is known."""
    frames: int | None = None
    """Frames of its segment."""
    clips: int = 0
    """Clips in the store."""
    clips_before_cut: int | None = None
    first: int = 0
    end: int = 0
    """Frames [first, end)."""
    predicted: str | None = None
    """The best label; None where the video has no result."""
    score: float | None = None
    stage: str = ""
    """The first stage that skipped it; empty where none did."""
    reason: Line = Line("")
    """Why it was skipped, or has no result."""

    @property
    def is_right(self) -> bool | None:
        """Whether the best label is the video's; None where there is no result."""
        return None if self.predicted is None else self.predicted == self.label


class ClassEntry(Struct, frozen=True):
    label: str
    videos: int
    frames: int | None = None
    clips: int = 0
    skipped: int = 0
    judged: int = 0
    """Videos with a result."""
    right: int = 0

    @property
    def accuracy(self) -> float | None:
        """Of the videos with a result."""
        return self.right / self.judged if self.judged else None


class Change(Struct, frozen=True):
    """One video whose best label differs between two runs. None: the run has no result for it."""

    video: str
    label: str
    before: str | None
    after: str | None
    kind: Literal["broken", "fixed", "lost", "gained", "other"]


class Query(Struct, frozen=True):
    """Which entries, in which order."""

    table: Literal["classes", "videos", "skipped", "changes"]
    text: str = ""
    """Words that an entry holds, all of them; capitals count only in a text that has some."""
    order: str = ""
    """A column, see `backends.data.catalog`; empty: as they came. Entries without a value come last."""
    is_descending: bool = False
    label: str | None = None
    """Of `videos`, those of one class."""
    predicted: str | None = None
    """Of `videos`, those whose best label it is."""
    is_wrong: bool = False
    """Of `videos`, those with another best label than their own."""


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
