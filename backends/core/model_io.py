"""What a model takes: the shape of its clips, and how their bytes become floats."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from backends.device.clip_format import KINETICS_MEAN, KINETICS_STD


class ClipShape(Struct, frozen=True):
    """What the model is made for: clips of `frames` x `size` x `size`, `batch` at a time."""

    batch: int = 10
    frames: int = 16
    size: int = 112

    @property
    def clip(self) -> Clip:
        """(channels, frames, height, width) of one clip."""
        return (CHANNELS, self.frames, self.size, self.size)


Clip = tuple[int, int, int, int]
"""Channels, frames, height, width."""
CHANNELS = 3
"""Of a clip: red, green, blue."""


Channels = tuple[float, float, float]
"""A number for each of red, green and blue."""


class Normalization(Struct, frozen=True):
    """What a model's input is made of: ((byte / 255) - mean) / std for each channel."""

    mean: Channels
    std: Channels


NORMALIZATIONS: Mapping[str, Normalization] = {
    "kinetics": Normalization(KINETICS_MEAN, KINETICS_STD),
    "activitynet": Normalization((0.4477, 0.4209, 0.3906), (0.2767, 0.2695, 0.2714)),
    "0.5": Normalization((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}
"""The reference's presets (`mean.py`), by the name that its option `--mean_dataset` takes."""
KINETICS = NORMALIZATIONS["kinetics"]
"""The reference's default, which the guide uses."""
