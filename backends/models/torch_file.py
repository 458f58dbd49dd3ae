"""Opening a file of `torch.save` that a stranger may have written. It refuses to know what a network is.

Nothing in the file is run: `weights_only=True`, with a few harmless types more that training scripts leave in
optimizer and scheduler states. What is not such a file is named by what it is.
"""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

from backends.core.errors import InputError
from backends.core.messages import N_, Line, line, os_reason

_AGAIN = N_("give the .pth file that the training script saved (save_700.pth in the guide)")
_LEGACY = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the number that torch.save wrote first before it wrote zip archives

_KINDS: tuple[tuple[bytes, Line], ...] = (
    (b"version https://git-lfs", line("{path}: a Git LFS pointer, not the checkpoint itself")),
    (b"\x08", line("{path}: this looks like an ONNX model, not a checkpoint")),
    (b"IMOD", line("{path}: an .om model, not a checkpoint")),
    (b"\x1f\x8b", line("{path}: a gzip archive, not a checkpoint")),
    (b"BZh", line("{path}: a bzip2 archive, not a checkpoint")),
    (b"\xfd7zXZ", line("{path}: an xz archive, not a checkpoint")),
    (b"7z\xbc\xaf", line("{path}: a 7z archive, not a checkpoint")),
    (b"Rar!", line("{path}: a rar archive, not a checkpoint")),
    (b"\x89HDF", line("{path}: an HDF5 file, not a checkpoint")),
    (b"\x93NUMPY", line("{path}: a NumPy array, not a checkpoint")),
    (b"<", line("{path}: a web page or XML, not a checkpoint")),
    (b"\x80", line("{path}: a pickle that torch.save did not write")),
)


def load(path: Path) -> tuple[Any, tuple[Line, ...]]:
    """What `torch.save` put into the file, tensors on the CPU and mapped where that is possible; and warnings.

    Raises InputError with one line where the file is missing, something else, cut off, or holds a type that is
    neither a tensor nor plain data.
    """
    try:
        archive = _sniff(path)
    except OSError as error:
        hint = N_("give the checkpoint in r3d.toml ([model] checkpoint) or with --resume_path")
        raise InputError("{path}: {reason}", hint=hint, path=str(path), reason=os_reason(error)) from None
    damage = _damage(path) if archive else None
    try:
        content = _load(path, mapped=archive)
    except pickle.UnpicklingError as error:
        raise _refusal(path, str(error)) from None
    except (RuntimeError, EOFError, OSError, KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
        text = N_("{path}: the file is cut off or damaged: {reason}")
        hint = N_("copy it again and compare its size and checksum with the source")
        raise InputError(text, hint=hint, path=str(path), reason=_short(error)) from None
    return content, (damage,) if damage else ()


def _load(path: Path, *, mapped: bool) -> Any:
    import torch

    with warnings.catch_warnings(), torch.serialization.safe_globals(_harmless()):
        warnings.simplefilter("ignore")  # of pickle protocols and old storage types: no concern of the user
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)


def _harmless() -> list[Any]:
    """Types beyond torch's own list: NumPy scalars (the best loss in a scheduler) and arguments of the script."""
    import argparse
    import collections

    import numpy as np

    scalar: Any = np.float64(0).__reduce__()[0]
    kinds = [type(np.dtype(name)) for name in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?")]
    return [
        (scalar, "numpy.core.multiarray.scalar"),
        (scalar, "numpy._core.multiarray.scalar"),
        np.dtype,
        *kinds,
        argparse.Namespace,
        collections.defaultdict,
    ]


def _sniff(path: Path) -> bool:
    """True where the file is a zip archive of torch.save, False where it is of the older kind; else InputError."""
    size = path.stat().st_size
    if path.is_fifo() or path.is_char_device() or path.is_socket():  # reading one may never end
        raise InputError("{path}: not a file", hint=_AGAIN, path=str(path))
    with open(path, "rb") as file:
        head = file.read(512)
    if not size:
        raise InputError("{path}: the file is empty", hint=_AGAIN, path=str(path))
    if head.startswith(b"PK"):
        _check_archive(path)
        return True
    if head.startswith(b"\x80") and _LEGACY in head[:32]:
        return False
    raise InputError(_kind(head).template, hint=_AGAIN, path=str(path))


def _kind(head: bytes) -> Line:
    for magic, kind in _KINDS:
        if head.startswith(magic):
            return kind
    if head[8:10] == b'{"':
        return line("{path}: a safetensors file, not a checkpoint of torch.save")
    if head[257:262] == b"ustar":
        return line("{path}: a tar archive, not a checkpoint")
    if not any(byte < 9 for byte in head):
        return line("{path}: a text file, not a checkpoint")
    return line("{path}: not a checkpoint of torch.save")


def _check_archive(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        text = N_("{path}: the file is cut off: its zip archive has no end")
        hint = N_("copy it again and compare its size and checksum with the source")
        raise InputError(text, hint=hint, path=str(path)) from None
    if any(name.endswith("/constants.pkl") for name in names):
        hint = N_("give the checkpoint that it was traced from")
        raise InputError("{path}: a TorchScript module, not a checkpoint", hint=hint, path=str(path))
    if not any(name.endswith("/data.pkl") for name in names):
        text = N_("{path}: a zip archive without data.pkl, not a checkpoint of torch.save")
        raise InputError(text, hint=_AGAIN, path=str(path))


def _damage(path: Path) -> Line | None:
    """A warning where a checksum inside the archive does not hold; torch itself does not look."""
    try:
        with zipfile.ZipFile(path) as archive:
            bad = archive.testzip()
    except (zipfile.BadZipFile, OSError, NotImplementedError, EOFError, RuntimeError) as error:
        bad = _short(error)
    if bad is None:
        return None
    return line("{path}: the checksum of {entry} does not hold: the file may be damaged", path=str(path), entry=bad)


def _refusal(path: Path, reason: str) -> InputError:
    found = re.search(r"(?:unsupported|Unsupported global:) GLOBAL (\S+)", reason)
    if found is None:
        text = N_("{path}: the file holds more than tensors and plain data, or is damaged")
        return InputError(text, hint=_AGAIN, path=str(path))
    text = N_("{path}: the file holds {name}, which is neither a tensor nor plain data; nothing of it was run")
    hint = N_("where you trust it, load it in Python and save its state_dict() alone with torch.save")
    return InputError(text, hint=hint, path=str(path), name=found.group(1)[:80])


def _short(error: BaseException) -> str:
    """The first sentence of a library's message, on one line."""
    words = re.sub(r"\s+", " ", str(error)).strip() or type(error).__name__
    return words.split(". ")[0][:160]
