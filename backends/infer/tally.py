"""How many videos were taken for what they are, while inference goes on. It refuses to know files and devices.

The scores of a video are the mean of its clips' softmax, as the score stage has them; a video counts once all its clips
are there, of this attempt alone. Which class a label is, is known where the store holds every class of the model:
classes are in the order of their names. Else there is no figure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from backends.contract.lines import Scalar
from backends.stores.clip_index import VideoClips

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Tally:
    """Takes in rows of scores in whatever order they come; one thread at a time."""

    def __init__(self, videos: Sequence[VideoClips]) -> None:
        """`videos` of the clip store, in any order."""
        import numpy as np

        seen: dict[str, int] = {}
        each = (n for v in videos for n in (v.first, v.clips, seen.setdefault(v.label, len(seen))))
        rows = np.fromiter(each, np.int32, 3 * len(videos)).reshape(-1, 3)  # a list of tuples takes 15 MB for 100,000
        if (rows[1:, 0] < rows[:-1, 0]).any():
            rows = rows[np.argsort(rows[:, 0], kind="stable")]
        ranks = {name: place for place, name in enumerate(sorted(seen))}
        self._names = len(seen)
        self._firsts, self._clips = rows[:, 0].copy(), rows[:, 1].copy()
        self._classes = np.array([ranks[name] for name in seen], np.int32)[rows[:, 2]]
        self._open: dict[int, tuple[NDArray[np.float32], int]] = {}
        """Videos of which some clips are there: sum of their scores, and how many."""
        self.videos = 0
        """Videos that were judged."""
        self.right = 0

    def add(self, numbers: Sequence[int], logits: NDArray[np.float32]) -> None:
        """Rows of scores, (len(numbers), classes), of the clips of those numbers."""
        import numpy as np

        if logits.shape[1] != self._names:
            return
        scores = np.exp(logits - logits.max(axis=1, keepdims=True))
        scores /= scores.sum(axis=1, keepdims=True)
        videos = np.searchsorted(self._firsts, np.asarray(numbers), "right") - 1
        order = np.argsort(videos, kind="stable")
        found, begins, counts = np.unique(videos[order], return_index=True, return_counts=True)
        sums = np.add.reduceat(scores[order], begins, axis=0)
        for video, score, count in zip(found.tolist(), sums, counts.tolist(), strict=True):
            before = self._open.pop(video, None)
            whole, there = (score, count) if before is None else (before[0] + score, before[1] + count)
            if there < self._clips[video]:
                self._open[video] = (whole, there)
            else:
                self.videos += 1
                self.right += int(whole.argmax()) == self._classes[video]

    def figures(self) -> Mapping[str, Scalar]:
        """Share of the videos so far of which the best label is right, and how many those are."""
        return {"top1_so_far": float(self.right) / self.videos if self.videos else None, "videos_so_far": self.videos}
