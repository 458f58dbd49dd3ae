"""What lies where in a file of `torch.save`: names, shapes, places of values, `arch`. Read in a process with limits.

`check` and `init` say by `outline` which network a file holds; `tensor_values` maps what it found, without torch.
Nothing in the file is run: of its pickle only a few names are known, all of which make plain records here, and the
values stay in the file. A tensor that reaches beyond its storage, or a storage beyond the file, is refused.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import pickle
import re
import resource
import stat
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from msgspec import Struct

from backends.core.codec import DecodeError, dumps, loads
from backends.core.errors import InputError
from backends.core.messages import N_, Line, line, os_reason
from backends.core.processes import our_environment, python_command
from backends.models.network import ReadLimits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

AGAIN = N_("give the .pth file that the training script saved (save_700.pth in the guide)")
COPY = N_("copy it again and compare its size and checksum with the source")
KEYS = ("state_dict", "model_state_dict", "model", "net")
"""Where training scripts put the weights; a file may also be the weights alone."""
MOST_TENSORS = 20_000
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
BFLOAT16 = "bfloat16"
"""The one element type that NumPy does not have."""
_ELEMENTS = {
    "DoubleStorage": ("float64", 8),
    "FloatStorage": ("float32", 4),
    "HalfStorage": ("float16", 2),
    "BFloat16Storage": (BFLOAT16, 2),
    "LongStorage": ("int64", 8),
    "IntStorage": ("int32", 4),
    "ShortStorage": ("int16", 2),
    "CharStorage": ("int8", 1),
    "ByteStorage": ("uint8", 1),
    "BoolStorage": ("bool", 1),
    "UntypedStorage": ("uint8", 1),
    "ComplexFloatStorage": ("complex64", 8),
    "ComplexDoubleStorage": ("complex128", 16),
}
"""Element types of torch's storages, and their bytes."""
PLAIN = frozenset(
    ("argparse.Namespace", "collections.Counter", "collections.defaultdict", "builtins.set", "builtins.frozenset",
     "__builtin__.set", "builtins.list", "builtins.dict", "builtins.int", "builtins.float", "torch.Size",
     "torch.serialization._get_layout", "torch.device", "numpy.dtype", "numpy.core.multiarray.scalar",
     "numpy._core.multiarray.scalar", "torch.bfloat16", "torch.uint8", "torch.bool",
     *(f"pathlib{module}.{kind}Path" for module in ("", "._local") for kind in ("Posix", "PurePosix", "Windows")),
     *(f"torch.{kind}{bits}" for kind in ("float", "int") for bits in (8, 16, 32, 64)))
)  # fmt: skip
"""Names in a pickle that stand for plain data beside the weights; all of them become empty records here."""
_DTYPES = re.compile(r"numpy\.dtypes?(\[\w+\])?|numpy\.dtypes\.\w+DType|_codecs\.encode")


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
        if not stat.S_ISREG((found := path.stat()).st_mode):
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            raise InputError("{path}: not a file", hint=AGAIN, path=str(path))  # reading a pipe may never end
        with open(path, "rb") as file:
            head = file.read(512)
            file.seek(0)
            if not found.st_size:
                raise InputError("{path}: the file is empty", hint=AGAIN, path=str(path))
            if head.startswith(b"PK"):
                return _pick(path, *_zipped(path, file, found.st_size))
            if head.startswith(b"\x80") and _LEGACY in head[:32]:
                return _pick(path, *_legacy(path, file, found.st_size))
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


def _zipped(path: Path, file: IO[bytes], size: int) -> tuple[Any, _Places, bool]:
    """The pickle's content, where each storage begins, and whether its numbers are big-endian."""
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, NotImplementedError):
        text = N_("{path}: the file is cut off: its zip archive has no end")
        raise InputError(text, hint=COPY, path=str(path)) from None
    entries = {info.filename: info for info in archive.infolist()}
    if any(name.endswith("/constants.pkl") for name in entries):
        hint = N_("give the checkpoint that it was traced from")
        raise InputError("{path}: a TorchScript module, not a checkpoint", hint=hint, path=str(path))
    root = next((name.removesuffix("data.pkl") for name in entries if name.endswith("/data.pkl")), None)
    if root is None:
        text = N_("{path}: a zip archive without data.pkl, not a checkpoint of torch.save")
        raise InputError(text, hint=AGAIN, path=str(path))
    packed = next((name for name, info in entries.items() if info.compress_type != zipfile.ZIP_STORED), None)
    if packed is not None or sum(info.file_size for info in entries.values()) > size:
        text = N_("{path}: a zip archive that unpacks to more than itself, as torch.save never writes one")
        raise InputError(text, hint=AGAIN, path=str(path))

    def held(key: str) -> int:
        return entries[f"{root}data/{key}"].file_size if f"{root}data/{key}" in entries else 0

    with _damaged(path), archive.open(f"{root}data.pkl") as stream:
        reader = _Unpickler(stream, path, held)
        content = reader.load()
        order = archive.read(f"{root}byteorder") if f"{root}byteorder" in entries else b"little"
        places = {key: _data_at(file, entries[f"{root}data/{key}"]) for key in reader.storages}
        return content, _within(places, reader.storages, size), order == b"big"


def _within(places: _Places, storages: Mapping[str, _Storage], size: int) -> _Places:
    """The places; EOFError where a storage reaches beyond the file."""
    end = max((places[key] + one.values * one.item for key, one in storages.items()), default=0)
    if end > size:
        raise EOFError(f"{size} bytes, not {end}")
    return places


def _data_at(file: IO[bytes], entry: zipfile.ZipInfo) -> int:
    """Where the bytes of a stored entry begin: behind its own header, whose name and extra field have any length."""
    file.seek(entry.header_offset)
    header = file.read(30)
    if header[:4] != b"PK\x03\x04":
        raise zipfile.BadZipFile("no header of a file where one should be")
    name, extra = struct.unpack("<2H", header[26:30])
    return entry.header_offset + 30 + int(name) + int(extra)


def _legacy(path: Path, file: IO[bytes], size: int) -> tuple[Any, _Places, bool]:
    """As `_zipped`; the storages follow the pickle, in the order of a list of their keys, each behind its length."""
    with _damaged(path):
        for _ in range(2):  # the number, the protocol
            _Unpickler(file, path, lambda _: 0).load()
        machine = _Unpickler(file, path, lambda _: 0).load()
        reader = _Unpickler(file, path, lambda _: size - file.tell())
        content, places = reader.load(), _Places()
        for key in _Unpickler(file, path, lambda _: 0).load():
            storage = reader.storages[key]
            places[key] = file.tell() + 8
            file.seek(places[key] + storage.values * storage.item)
        return content, _within(places, reader.storages, size), machine.get("little_endian") is False


@contextlib.contextmanager
def _damaged(path: Path) -> Any:
    """What the unpickler raises on a damaged file becomes an InputError."""
    try:
        yield
    except (InputError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - a stranger's bytes may raise anything
        text = N_("{path}: the file is cut off or damaged: {reason}")
        raise InputError(text, hint=COPY, path=str(path), reason=short(error)) from None


_Places = dict[str, int]
"""Byte of the file at which a storage begins, by its key."""


class _Storage(Struct, frozen=True):
    key: str
    kind: str
    item: int
    """Bytes of a value."""
    values: int


class _Tensor(Struct, frozen=True):
    shape: tuple[int, ...]
    problem: Line | None = None
    storage: _Storage | None = None
    offset: int = 0
    """In values, as the strides are."""
    strides: tuple[int, ...] = ()


class _Record:
    """Stands for plain data beside the weights; takes whatever a pickle does to it and keeps nothing."""

    def __init__(self, *_: object) -> None:
        pass

    def __call__(self, *_: object) -> _Record:
        return self

    def __setstate__(self, _: object) -> None:
        pass

    def __setitem__(self, *_: object) -> None:
        pass

    def append(self, _: object) -> None:
        """As of a list."""

    def extend(self, _: object) -> None:
        """As of a list."""

    def add(self, _: object) -> None:
        """As of a set."""


class _Unpickler(pickle.Unpickler):
    """Knows the names of `torch.save` and of plain data; every other one is refused by name."""

    def __init__(self, file: IO[bytes], path: Path, held: Any) -> None:
        super().__init__(file, encoding="utf-8", errors="replace")
        self._path, self._held = path, held
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if full == "collections.OrderedDict":
            return dict
        if module in ("torch", "torch.storage") and name in _ELEMENTS:
            return name
        if module == "torch._utils" and name in _REBUILDS:
            return _REBUILDS[name]
        if full in PLAIN or _DTYPES.fullmatch(full):
            return _Record
        text = N_("{path}: the file holds {name}, which is neither a tensor nor plain data; nothing of it was run")
        hint = N_("where you trust it, load it in Python and save its state_dict() alone with torch.save")
        raise InputError(text, hint=hint, path=str(self._path), name=ascii(full[:80])[1:-1])

    def persistent_load(self, pid: Any) -> _Storage:
        _, kind, key, _, values, *view = pid
        element, item = _ELEMENTS[kind]
        if not isinstance(values, int) or not 0 <= values * item <= self._held(key) or any(view):
            text = N_("{path}: the file is cut off or damaged: {reason}")
            raise InputError(text, hint=COPY, path=str(self._path), reason=f"storage {str(key)[:20]!a} is not whole")
        return self.storages.setdefault(str(key), _Storage(str(key), element, item, values))


def _tensor(storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object) -> _Tensor:
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    is_within = min((offset, *shape, *strides)) >= 0 and max(math.prod(shape), last + 1) <= storage.values
    if not is_within and 0 not in shape:
        return _Tensor(tuple(shape), line("{path}: {name} claims more values than the file holds"))
    return _Tensor(tuple(shape), None, storage, offset, tuple(strides))


def _valueless(*_: object) -> _Tensor:
    return _Tensor((), line("{path}: {name} has no values of its own in the file (a meta, sparse or quantized tensor)"))


_REBUILDS: dict[str, Any] = {
    "_rebuild_tensor": _tensor,
    "_rebuild_tensor_v2": _tensor,
    "_rebuild_parameter": lambda tensor, *_: tensor,
    "_rebuild_meta_tensor_no_storage": _valueless,
    "_rebuild_sparse_tensor": _valueless,
    "_rebuild_qtensor": _valueless,
}


def _pick(path: Path, content: Any, places: _Places, is_big_endian: bool) -> Outline:
    """Where the weights are in what the file holds."""
    if not isinstance(content, dict):
        text = N_("{path}: holds a {kind}, not a state_dict")
        kind = "tensor" if isinstance(content, _Tensor) else type(content).__name__.strip("_").lower()
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


def _named(weights: dict[Any, Any], places: _Places) -> tuple[TensorOutline, ...]:
    found = [(name, one) for name, one in weights.items() if isinstance(one, _Tensor)]
    if len(found) > MOST_TENSORS or not all(isinstance(name, str) for name, _ in found):
        return ()
    return tuple(_placed(name, one, places) for name, one in found)


def _placed(name: str, tensor: _Tensor, places: _Places) -> TensorOutline:
    storage = tensor.storage
    if storage is None or tensor.problem is not None:
        return TensorOutline(name, tensor.shape, tensor.problem)
    place = places[storage.key] + tensor.offset * storage.item
    strides = tuple(stride * storage.item for stride in tensor.strides)
    return TensorOutline(name, tensor.shape, None, storage.kind, place, strides)


def tensor_values(path: Path, found: Outline) -> Iterator[NDArray[Any]]:
    """The values of each tensor, as they lie in the file, which is mapped; bfloat16 as float32. OSError as of open."""
    import numpy as np

    data = np.memmap(path, np.uint8, mode="c")  # a copy where somebody writes: torch wants arrays that may be written
    for one in found.tensors:
        kind = np.dtype("uint16" if one.kind == BFLOAT16 else one.kind).newbyteorder(
            ">" if found.is_big_endian else "<"
        )
        values: NDArray[Any] = np.ndarray(one.shape, kind, data, one.place, one.strides)
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


def short(error: BaseException) -> str:
    """The first sentence of a library's message, on one line."""
    words = re.sub(r"\s+", " ", str(error)).strip() or type(error).__name__
    return ascii(words.split(". ")[0][:160])[1:-1]


if __name__ == "__main__":
    main()
