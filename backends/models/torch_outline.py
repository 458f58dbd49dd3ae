"""What lies where in a file of `torch.save`: names, shapes, places of values, `arch`. Read in a process with limits.

`check` and `init` say by `outline` which network a file holds; `tensor_values` maps what it found, without torch.
Nothing in the file is run: of its pickle only a few names are known, all of which make plain records here, and the
values stay in the file. A tensor that reaches beyond its storage, or a storage beyond the file, is refused.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import stat
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from backends.core.codec import DecodeError, dumps, loads
from backends.core.messages import N_, InputError, Line, line, os_reason
from backends.core.processes import our_environment, python_command
from backends.models.network import ReadLimits
from backends.models.torch_pickle import (
    AGAIN,
    BFLOAT16,
    LEGACY,
    PickledTensor,
    Places,
    read_legacy,
    read_zipped,
    short,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

KEYS = ("state_dict", "model_state_dict", "model", "net")
"""Where training scripts put the weights; a file may also be the weights alone."""
MOST_TENSORS = 20_000
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


class TensorOutline(Struct, frozen=True):
    name: str
    shape: tuple[int, ...]
    problem: Line | None = None
    """Why it has no plain values; None: it has."""
    kind: str = ""
    """Its element type, as NumPy names it."""
    place: int = 0
    """Byte of the file at which its first value stands."""
    strides: tuple[int, ...] = ()
    """Bytes from one value to the next of each dimension."""


class Outline(Struct, frozen=True):
    """What a file of `torch.save` says of itself."""

    key: str | None
    """Where the weights are; None: the file is the weights alone."""
    tensors: tuple[TensorOutline, ...]
    arch: str = ""
    epoch: int | None = None
    is_big_endian: bool = False
    version: tuple[int, int, int] | None = None
    """Of the file that was looked into, as `_version`."""


class _Answer(Struct, frozen=True):
    """What the process says: an outline, or why there is none."""

    found: Outline | None = None
    error: Line | None = None
    hint: Line = Line("")


def outline(path: Path, limits: ReadLimits | None = None) -> Outline:
    """Look into a checkpoint. InputError with one line where it cannot be one, or takes more than the limits."""
    limits = limits or ReadLimits()
    command = python_command(__name__, str(path), str(limits.memory_mb))
    try:
        done = subprocess.run(
            command,
            env=our_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=limits.seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        text = N_("{path}: reading its contents takes more than {seconds:g} s, as in no file that torch.save wrote")
        hint = N_("where you trust it, raise read_seconds under [model] in r3d.toml")
        raise InputError(text, hint=hint, path=str(path), seconds=limits.seconds) from None
    try:
        answer = loads(_Answer, done.stdout.decode("ascii"))
    except (DecodeError, ValueError):
        answer = _Answer()
    if answer.found is not None:
        return answer.found
    if answer.error is not None:
        raise InputError(answer.error.template, hint=answer.hint, **answer.error.facts)
    text = N_("{path}: reading its contents takes more than {memory} MB, as in no file that torch.save wrote")
    hint = N_("where you trust it, raise read_memory_mb under [model] in r3d.toml")
    raise InputError(text, hint=hint, path=str(path), memory=limits.memory_mb)


def main() -> None:
    """The process: path and megabytes in, one JSON line out; no answer where memory ran out."""
    path, memory = Path(sys.argv[1]), int(sys.argv[2]) * 2**20
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    try:
        answer = _Answer(_read(path))
    except InputError as error:
        answer = _Answer(error=error.line, hint=error.hint)
    except MemoryError:
        sys.exit(1)
    sys.stdout.write(dumps(answer))
    sys.stdout.flush()
    os._exit(0)  # a pickle may have nested more than taking it apart can stand


def _read(path: Path) -> Outline:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            raise InputError("{path}: not a file", hint=AGAIN, path=str(path))  # reading a pipe may never end
        with open(path, "rb") as file:
            found = os.fstat(file.fileno())
            head = file.read(512)
            file.seek(0)
            if not found.st_size:
                raise InputError("{path}: the file is empty", hint=AGAIN, path=str(path))
            if head.startswith(b"PK"):
                return replace(_pick(path, *read_zipped(path, file, found.st_size)), version=_version(found))
            if head.startswith(b"\x80") and LEGACY in head[:32]:
                return replace(_pick(path, *read_legacy(path, file, found.st_size)), version=_version(found))
    except OSError as error:
        hint = N_("give the checkpoint in r3d.toml ([model] checkpoint) or with --resume_path")
        raise InputError("{path}: {reason}", hint=hint, path=str(path), reason=os_reason(error)) from None
    raise InputError(_kind(head).template, hint=AGAIN, path=str(path))


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


def _pick(path: Path, content: Any, places: Places, is_big_endian: bool) -> Outline:
    """Where the weights are in what the file holds."""
    if not isinstance(content, dict):
        text = N_("{path}: holds a {kind}, not a state_dict")
        kind = "tensor" if isinstance(content, PickledTensor) else type(content).__name__.strip("_").lower()
        raise InputError(text, hint=AGAIN, path=str(path), kind=kind)
    for key in (*KEYS, None):
        weights = content if key is None else content.get(key)
        tensors = _named(weights, places) if isinstance(weights, dict) else ()
        if tensors:
            arch, epoch = content.get("arch"), content.get("epoch")
            shown = arch[:80] if isinstance(arch, str) else ""
            number = epoch if type(epoch) is int and abs(epoch) < 2**53 else None
            return Outline(key, tensors, shown, number, is_big_endian)
    text = N_("{path}: holds no state_dict of named tensors")
    raise InputError(text, hint=AGAIN, path=str(path))


def _named(weights: dict[Any, Any], places: Places) -> tuple[TensorOutline, ...]:
    found = [(name, one) for name, one in weights.items() if isinstance(one, PickledTensor)]
    if len(found) > MOST_TENSORS or not all(isinstance(name, str) for name, _ in found):
        return ()
    return tuple(_placed(name, one, places) for name, one in found)


def _placed(name: str, tensor: PickledTensor, places: Places) -> TensorOutline:
    storage = tensor.storage
    if storage is None or tensor.problem is not None:
        return TensorOutline(name, tensor.shape, tensor.problem)
    place = places[storage.key] + tensor.offset * storage.item
    strides = tuple(stride * storage.item for stride in tensor.strides)
    return TensorOutline(name, tensor.shape, None, storage.kind, place, strides)


def _version(found: os.stat_result) -> tuple[int, int, int]:
    """Inode, bytes and time of change in ns: what another content under the same name does not have."""
    return found.st_ino, found.st_size, found.st_mtime_ns


def tensor_values(path: Path, found: Outline) -> Iterator[NDArray[Any]]:
    """The values of each tensor, as they lie in the file, which is mapped; bfloat16 as float32.

    InputError where the file is not the one that was looked into any more. OSError as of open.
    """
    import numpy as np

    with open(path, "rb") as file:
        if _version(os.fstat(file.fileno())) != found.version:
            text, hint = N_("{path}: the checkpoint changed while it was read"), N_("run again when it is whole")
            raise InputError(text, hint=hint, path=str(path))
        data = np.memmap(file, np.uint8, mode="c")  # a copy where somebody writes: torch wants writable arrays
    for one in found.tensors:
        kind = np.dtype("uint16" if one.kind == BFLOAT16 else one.kind)
        order: Literal["<", ">"] = ">" if found.is_big_endian else "<"
        values: NDArray[Any] = np.ndarray(one.shape, kind.newbyteorder(order), data, one.place, one.strides)
        if one.kind == BFLOAT16:  # the upper half of a float32
            values = (values.astype(np.uint32) << 16).view(np.float32)
        yield values


def damaged_entry(path: Path) -> Line | None:
    """A warning where a checksum inside the archive does not hold."""
    if not zipfile.is_zipfile(path):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            bad = archive.testzip()
    except Exception as error:  # noqa: BLE001 - whatever zipfile raises on a damaged header
        bad = short(error)
    if bad is None:
        return None
    return line("{path}: the checksum of {entry} does not hold: the file may be damaged", path=str(path), entry=bad)


if __name__ == "__main__":
    main()
