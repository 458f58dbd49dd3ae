"""Loading the weights of a file of `torch.save` whose outline was read before. Nothing in the file is run.

`weights_only=True`, with a few harmless types more that training scripts leave beside the weights.
"""

from __future__ import annotations

import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

from backends.core.errors import InputError
from backends.core.messages import N_, Line, line
from backends.models.torch_outline import AGAIN, COPY, short


def load(path: Path) -> tuple[Any, tuple[Line, ...]]:
    """What `torch.save` put into the file, tensors on the CPU and mapped where that is possible; and warnings.

    Raises InputError with one line where the file cannot be loaded.
    """
    zipped = zipfile.is_zipfile(path)
    damage = _damage(path) if zipped else None
    try:
        content = _load(path, mapped=zipped)
    except pickle.UnpicklingError:
        text = N_("{path}: the file holds more than tensors and plain data, or is damaged")
        raise InputError(text, hint=AGAIN, path=str(path)) from None
    except Exception as error:  # noqa: BLE001 - whatever torch raises on a stranger's bytes
        text = N_("{path}: the file is cut off or damaged: {reason}")
        raise InputError(text, hint=COPY, path=str(path), reason=short(error)) from None
    return content, (damage,) if damage else ()


def _load(path: Path, *, mapped: bool) -> Any:
    import torch

    with warnings.catch_warnings(), torch.serialization.safe_globals(_harmless()):
        warnings.simplefilter("ignore")  # of pickle protocols and old storage types: no concern of the user
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)


def _harmless() -> list[Any]:
    """Types beyond torch's own list: NumPy scalars (the best loss in a scheduler), paths, arguments of the script."""
    import argparse
    import collections
    import pathlib

    import numpy as np

    scalar: Any = np.float64(0).__reduce__()[0]
    kinds = [type(np.dtype(name)) for name in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?")]
    paths = [
        (pathlib.PureWindowsPath if kind == "Windows" else pathlib.PurePosixPath, f"pathlib{module}.{kind}Path")
        for module in ("", "._local")
        for kind in ("Posix", "PurePosix", "Windows")
    ]
    return [
        (scalar, "numpy.core.multiarray.scalar"),
        (scalar, "numpy._core.multiarray.scalar"),
        np.dtype,
        *kinds,
        *paths,
        argparse.Namespace,
        collections.defaultdict,
    ]


def _damage(path: Path) -> Line | None:
    """A warning where a checksum inside the archive does not hold; torch itself does not look."""
    try:
        with zipfile.ZipFile(path) as archive:
            bad = archive.testzip()
    except Exception as error:  # noqa: BLE001 - whatever zipfile raises on a damaged header
        bad = short(error)
    if bad is None:
        return None
    return line("{path}: the checksum of {entry} does not hold: the file may be damaged", path=str(path), entry=bad)
