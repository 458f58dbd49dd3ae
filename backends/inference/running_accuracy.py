"""Figures while inference goes on: how many videos were predicted as what they are, and what each device does.

The scores of a video are the mean of its clips' softmax, as the score stage has them; a video counts once all its clips
are there, of this attempt alone. A label's class number is its place in the file of class names, or in the annotation's
labels, which preprocess leaves beside the store. Where neither fits the model there is no figure.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backends.core.messages import InputError, Scalar
from backends.data.class_names import read_class_names
from backends.data.clip_store import VideoClips
from backends.worker.job import Job

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


SHOWN = 12
"""Classes and confusions that are reported while inference goes on."""
MATRIX = 64
"""Classes of which the whole matrix is reported: of more a terminal shows no matrix, and a tick would be long."""


class Tally:
    """Takes in rows of scores in whatever order they come; one thread at a time."""

    def __init__(self, videos: Iterable[VideoClips], names: Path | None = None) -> None:
        """`videos` of the clip store, in any order; `names` as of `read_class_names`."""
        import numpy as np

        order = _class_order(names)
        self._classes, self._order = len(order), order
        self._classes_by_name = {label: rank for rank, label in enumerate(order)}
        self._numbers: dict[str, int] = {}
        self._names: list[str] = []
        self._ranks: list[int] = []
        """Of each label, by its number here, the class; -1: it is none of the model's."""
        self._table = np.empty((3, 0), np.int64)
        """First clip, clips and number of the label of each video, sorted by the first clip."""
        self.extend(videos)
        self._open: dict[int, tuple[NDArray[np.float32], int]] = {}
        """Of videos of which some clips are there, by their first clip: sum of their scores, and how many."""
        self.videos = 0
        """Videos that were judged."""
        self.right = 0
        self._judged: Counter[tuple[int, int]] = Counter()
        """Videos by their label's number here and the class that they were predicted as."""

    def extend(self, videos: Iterable[VideoClips]) -> None:
        """More videos of the store; another thread may be adding rows of those before."""
        import numpy as np

        rows = [(video.first, video.clips, self._number(video.label)) for video in videos]
        table = np.concatenate((self._table, np.array(rows, np.int64).reshape(-1, 3).T), axis=1)
        self._table = table[:, np.argsort(table[0], kind="stable")].copy()

    def _number(self, label: str) -> int:
        if label not in self._numbers:
            self._numbers[label] = len(self._names)
            self._names.append(label)
            self._ranks.append(self._classes_by_name.get(label, -1))
        return self._numbers[label]

    def add(self, numbers: Sequence[int] | NDArray[np.int64], logits: NDArray[np.float32]) -> None:
        """Rows of scores, (len(numbers), classes), of the clips of those numbers."""
        import numpy as np

        if logits.shape[1] != self._classes:
            return
        scores = np.exp(logits - logits.max(axis=1, keepdims=True))
        scores /= scores.sum(axis=1, keepdims=True)
        firsts, clips, labels = self._table
        videos = owners(firsts, np.asarray(numbers, np.int64))
        order = np.argsort(videos, kind="stable")
        found, begins, counts = np.unique(videos[order], return_index=True, return_counts=True)
        sums = np.add.reduceat(scores[order], begins, axis=0)
        for video, score, count in zip(found.tolist(), sums, counts.tolist(), strict=True):
            first = int(firsts[video])
            before = self._open.pop(first, None)
            whole, there = (score, count) if before is None else (before[0] + score, before[1] + count)
            if there < clips[video]:
                self._open[first] = (whole, there)
            else:
                label, best = int(labels[video]), int(whole.argmax())
                self.videos += 1
                self.right += best == self._ranks[label]
                self._judged[label, best] += 1

    def figures(self) -> Mapping[str, Scalar]:
        """Share of the videos so far of which the best label is right, and how many those are."""
        return {"top1_so_far": float(self.right) / self.videos if self.videos else None, "videos_so_far": self.videos}

    def classes(self) -> Mapping[str, Scalar]:
        """Of the lowest classes so far a line each, `label`, right and all videos with tabs between; of the first
        confusions `label`, what it was predicted as, and how many videos. Of at most `MATRIX` classes the matrix: a
        line each, the class, a tab, and `class number:videos` of what its videos were predicted as.
        """
        all_of, right, wrong = Counter[int](), Counter[int](), Counter[tuple[int, int]]()
        for (label, best), count in self._judged.items():
            all_of[label] += count
            if best == self._ranks[label]:
                right[label] += count
            else:
                wrong[label, best] += count
        low = sorted(all_of, key=lambda label: (right[label] / all_of[label], self._names[label]))[:SHOWN]
        lowest = (f"{_plain(self._names[label])}\t{right[label]}\t{all_of[label]}" for label in low)
        confused = (
            f"{_plain(self._names[label])}\t{_plain(self._order[best])}\t{count}"
            for (label, best), count in wrong.most_common(SHOWN)
        )
        found: dict[str, Scalar] = {"lowest_classes": "\n".join(lowest), "confusions": "\n".join(confused)}
        if 0 < self._classes <= MATRIX:
            found["confusion_matrix"] = "\n".join(self._matrix())
        return found

    def _matrix(self) -> Iterator[str]:
        rows: list[list[str]] = [[] for _ in self._order]
        for (label, best), count in self._judged.items():
            if (rank := self._ranks[label]) >= 0:
                rows[rank].append(f"{best}:{count}")
        return (f"{_plain(name)}\t{' '.join(row)}" for name, row in zip(self._order, rows, strict=True))


def _plain(name: str) -> str:
    return " ".join(name.split())


def labels_of(job: Job) -> Path | None:
    """The file of class names that preprocess left; None where it was another program's store, or one of 0.1."""
    upstream = job.upstream.get("preprocess")
    return upstream.path("labels") if upstream and upstream.has("labels") else None


def _class_order(names: Path | None) -> tuple[str, ...]:
    """Nothing where the file cannot be read: the score stage says so, and what inference computes does not need it."""
    if names is None:
        return ()
    try:
        return read_class_names(names)
    except InputError:
        return ()


def owners(firsts: NDArray[np.integer[Any]], numbers: NDArray[np.int64]) -> NDArray[np.intp]:
    """The place of each clip's video; `firsts` are the videos' first clips in ascending order."""
    import numpy as np

    return np.searchsorted(firsts, numbers.astype(firsts.dtype), "right") - 1


RECENT_S = 5.0
"""The window of the live rate; longer where a batch takes longer."""

TOGETHER_S = 0.02
"""Answers so close to each other are kept as one, so that a quick device's take no memory."""


class Meter:
    """Adds up batches of one device, or of all of them. A figure that nobody has measured yet is None."""

    def __init__(self, window: int = 200) -> None:
        self._latencies: deque[float] = deque(maxlen=window)
        self._ordered: list[float] = []
        self._answers: deque[tuple[float, int]] = deque()
        self._begun: float | None = None
        self._opened = float("-inf")
        self.clips = 0
        self.busy_s = 0.0
        self.latency_s: float | None = None
        """Median time in compute of the recent batches."""
        self.p95_s: float | None = None

    def begin(self, at: float) -> bool:
        """Whether this is the device's first batch, which it took at `at`; later calls change nothing."""
        if self._begun is not None:
            return False
        self._begun = at
        self._answers.append((at, 0))
        return True

    def add(self, at: float, clips: int, seconds: float) -> None:
        """A batch of `clips` was answered at `at` after `seconds` in compute."""
        self.begin(at)
        self.clips += clips
        self.busy_s += seconds
        if len(self._latencies) == self._latencies.maxlen:
            del self._ordered[bisect_left(self._ordered, self._latencies[0])]
        self._latencies.append(seconds)
        insort(self._ordered, seconds)
        self.latency_s = self._ordered[len(self._ordered) // 2]
        self.p95_s = self._ordered[min(len(self._ordered) - 1, int(len(self._ordered) * 0.95))]
        if len(self._answers) > 2 and at - self._opened < TOGETHER_S:
            clips += self._answers.pop()[1]
        else:
            self._opened = at
        self._answers.append((at, clips))
        while len(self._answers) > 2 and self._answers[1][0] < at - max(RECENT_S, 4 * self.latency_s):
            self._answers.popleft()

    def rate(self, at: float) -> float | None:
        """Clips a second over the last seconds; falls while nothing comes."""
        if len(self._answers) < 2 or self.latency_s is None:
            return None
        first, last = self._answers[0][0], self._answers[-1][0]
        late = max(0.0, at - last - 2 * max(self.p95_s or 0.0, self.latency_s))
        span = last - first + late
        return sum(clips for _, clips in list(self._answers)[1:]) / span if span > 0 else None

    def mean(self, at: float) -> float | None:
        """Clips a second since the first batch was handed out."""
        if self._begun is None or not self.clips or at <= self._begun:
            return None
        return self.clips / (at - self._begun)

    def utilisation(self, at: float) -> float | None:
        """Share of the time since the first batch that was spent in compute, 0 to 1."""
        if self._begun is None or at <= self._begun:
            return None
        return min(1.0, self.busy_s / (at - self._begun))
