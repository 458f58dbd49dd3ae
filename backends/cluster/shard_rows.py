"""The scores of the shards that a server has in work, until they are whole; `server_process` sends them to the head."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from backends.cluster.shard_decoder import DecodedShard
from backends.cluster.shard_protocol import VideoResult
from backends.core.messages import Line, Scalar
from backends.device.shard_clips import STORE_BITS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class ShardRows:
    """The scores of the shards in work, in memory: what counts is durable on the head. The pool's `RowSink`."""

    behind = False

    def __init__(self) -> None:
        self.durable: Counter[str] = Counter()
        self.classes = 0
        self._shards: dict[int, DecodedShard] = {}
        self._scores: dict[int, NDArray[np.float32]] = {}
        self._missing: dict[int, set[int]] = {}

    @property
    def clips(self) -> int:
        return sum(self.durable.values())

    def begin(self, shard: DecodedShard) -> None:
        """Its clips are to come."""
        self._shards[shard.lease] = shard
        self._missing[shard.lease] = set(range(shard.clips))

    def has(self, number: int) -> bool:  # noqa: ARG002 - no batch is repeated here
        return False

    def open(self, classes: int) -> None:
        self.classes = classes

    def keep(self, device: str, clips: tuple[int, ...], logits: NDArray[np.float32]) -> None:
        import numpy as np

        lease, mask = clips[0] >> STORE_BITS, (1 << STORE_BITS) - 1
        if lease not in self._shards:
            return  # refused meanwhile
        if lease not in self._scores:
            self._scores[lease] = np.full((self._shards[lease].clips, self.classes), np.nan, "<f4")
        numbers = [clip & mask for clip in clips]
        self._scores[lease][numbers] = logits
        self._missing[lease].difference_update(numbers)
        self.durable[device] += len(clips)

    def whole(self, dropped: Mapping[int, Line]) -> list[int]:
        """The shards of which every clip has its scores or was dropped, where the number of classes is known."""
        if not self.classes:
            return []
        return [
            lease
            for lease, missing in self._missing.items()
            if all(lease << STORE_BITS | number in dropped for number in missing)
        ]

    def take(self, lease: int, dropped: Mapping[int, Line]) -> tuple[DecodedShard, bytes]:
        """The shard with its scores, in order. A video of which a clip was dropped has its reason and no scores."""
        import numpy as np

        shard, missing = self._shards[lease], self._missing[lease]
        scores = self._scores.get(lease, np.empty((0, self.classes), "<f4"))
        results: list[VideoResult] = []
        parts: list[Any] = []
        first = 0
        for result in shard.results:
            numbers = range(first, first + len(result.crc))
            first += len(result.crc)
            lost = next((number for number in numbers if number in missing), None)
            if lost is not None:
                reason = dropped[lease << STORE_BITS | lost]
                results.append(VideoResult(result.video, result.clips_before_cut, (), reason, is_temporary=True))
            else:
                results.append(result)
                parts.append(scores[numbers.start : numbers.stop])
        self.forget(lease)
        rows = np.concatenate(parts) if parts else scores[:0]
        return DecodedShard(lease, shard.store, tuple(results)), rows.tobytes()

    def forget(self, lease: int) -> DecodedShard | None:
        self._missing.pop(lease, None)
        self._scores.pop(lease, None)
        return self._shards.pop(lease, None)

    def catch_up(self, seconds: float) -> None:
        """Nothing waits for a disk here."""

    def turn(self, now: float) -> None:
        """Nothing is due."""

    def flush(self) -> None:
        """Nothing is held back."""

    def so_far(self) -> dict[str, Scalar]:
        return {}
