"""From the logits of a video's clips to its best labels, as the guide counts, and the val.json that holds them.

float32 softmax over the classes of each clip, mean over the clips, the k largest. It refuses to know whose rows they
are.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from backends.core.files import sync_folder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Logits = NDArray[np.float32]


def mean_scores(logits: Logits) -> Logits:
    """Mean over the clips of the softmax over the classes: (clips, classes) float32 -> (classes,) float32."""
    import numpy as np

    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    mean: Logits = (shifted / shifted.sum(axis=1, keepdims=True)).mean(axis=0, dtype=np.float32)
    return mean


def top(scores: Logits, names: tuple[str, ...], k: int) -> list[dict[str, str | float]]:
    """The `k` best labels, best first, as val.json lists them; of equal scores the earlier class comes first."""
    import numpy as np

    order = np.argsort(-scores, kind="stable")[:k]
    return [{"label": names[n], "score": float(scores[n])} for n in order]


class ValWriter:
    """Writes `{"results": {video_id: [{"label", "score"}, ...]}}` video by video, whole or not at all.

    The file appears under its name, synced, when the block ends well; `digest` is then the SHA-256 of its bytes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.digest = ""
        self.videos = 0
        self._part = path.with_name(f".{path.name}.{os.getpid()}.part")
        self._hash = hashlib.sha256()

    def __enter__(self) -> ValWriter:  # noqa: PYI034 - Self needs Python 3.11; this class has no heirs
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open(self._part, "wb")
        self._put('{"results": {')
        return self

    def add(self, video: str, results: list[dict[str, str | float]]) -> None:
        """One more video; the caller gives each id once."""
        comma = ", " if self.videos else ""
        self._put(f"{comma}{json.dumps(video)}: {json.dumps(results)}")
        self.videos += 1

    def _put(self, text: str) -> None:
        data = text.encode("ascii")
        self._hash.update(data)
        self._file.write(data)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is not None:
            self._file.close()
            with contextlib.suppress(OSError):
                self._part.unlink()
            return
        self._put("}}")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.replace(self.path)
        sync_folder(self.path.parent)
        self.digest = self._hash.hexdigest()
