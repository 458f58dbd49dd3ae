"""Decoded frames to the reference's 112x112 pixels: by the C kernel, or by Pillow where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backends.data.jpeg import Decoder, read_jpeg
from backends.data.resample import Geometry, resample
from backends.device.clip_kernels import extension, kernels_wanted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


_resize = extension("backends.data._resize", 1)


def kernel_in_use() -> bool:
    """Whether the C extension does the work here."""
    return _resize is not None and kernels_wanted()


class FrameReader:
    """Reads frame files into clips, one after the other: one reader a thread. `size` is the side of the crop."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._decoder = Decoder()
        self._kernel = kernel_in_use()

    def read(self, path: str, clips: NDArray[np.uint8], clip: int, frame: int) -> None:
        """Put a frame file's pixels at `clips[clip, :, frame]` of uint8 (clips, 3, frames, size, size).

        Raises FrameError where the file cannot be used.
        """
        self.decode(read_jpeg(path), path, clips, clip, frame)

    def decode(self, data: bytes, path: str, clips: NDArray[np.uint8], clip: int, frame: int) -> None:
        """The same of a JPEG file's bytes; the last part of `path` is for words."""
        pixels = self._decoder.decode(data, path)
        height, width, _ = pixels.shape
        plan = resample(width, height, self._size)
        if not self._kernel or plan.rows_first:
            clips[clip, :, frame] = resize_by_pillow(pixels, plan.geometry, self._size).transpose(2, 0, 1)
            return
        square = self._size * self._size
        plane = clips.shape[2] * square
        _resize.resize_crop(
            self._decoder.buffer,
            height,
            width,
            plan.columns.taps,
            plan.columns.starts,
            plan.columns.weights,
            plan.rows.taps,
            plan.rows.starts,
            plan.rows.weights,
            self._size,
            clips,
            clip * 3 * plane + frame * square,
            plane,
        )


def resize_by_pillow(pixels: NDArray[np.uint8], target: Geometry, size: int) -> NDArray[Any]:
    """Resize and crop with Pillow itself: uint8 (height, width, 3) to uint8 (size, size, 3)."""
    import numpy as np
    from PIL import Image

    height, width, _ = pixels.shape
    image = Image.frombuffer("RGB", (width, height), pixels, "raw", "RGB", 0, 1)
    scaled = image.resize((target.scaled_width, target.scaled_height), Image.Resampling.BILINEAR)
    box = (target.left, target.top, target.left + size, target.top + size)
    return np.asarray(scaled.crop(box))
