"""The pickle of a file of `torch.save`, read without torch: plain records for tensors, and where storages begin.

Of its pickle only a few names are known, all of which make plain records here, and no value is made. `torch_outline`
calls it in a process with limits of memory and time, for a pickle may take without end.
"""

from __future__ import annotations

import contextlib
import math
import pickle
import re
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from msgspec import Struct

from backends.core.messages import N_, InputError, Line, line

AGAIN = N_("give the .pth file that the training script saved (save_700.pth in the guide)")
COPY = N_("copy it again and compare its size and checksum with the source")
LEGACY = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the number that torch.save wrote first before it wrote zip archives
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


def read_zipped(path: Path, file: IO[bytes], size: int) -> tuple[Any, Places, bool]:
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


def _within(places: Places, storages: Mapping[str, _Storage], size: int) -> Places:
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


def read_legacy(path: Path, file: IO[bytes], size: int) -> tuple[Any, Places, bool]:
    """As `read_zipped`; the storages follow the pickle in the order of a list of their keys, each behind its length."""
    with _damaged(path):
        for _ in range(2):  # the number, the protocol
            _Unpickler(file, path, lambda _: 0).load()
        machine = _Unpickler(file, path, lambda _: 0).load()
        reader = _Unpickler(file, path, lambda _: size - file.tell())
        content, places = reader.load(), Places()
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


Places = dict[str, int]
"""Byte of the file at which a storage begins, by its key."""


class _Storage(Struct, frozen=True):
    key: str
    kind: str
    item: int
    """Bytes of a value."""
    values: int


class PickledTensor(Struct, frozen=True):
    shape: tuple[int, ...]
    problem: Line | None = None
    storage: _Storage | None = None
    offset: int = 0
    """In values, as the strides are."""
    strides: tuple[int, ...] = ()


class _Record:
    """Stands for plain data beside the weights; takes whatever a pickle does to it and keeps nothing."""

    def __call__(self, *_: object) -> _Record:
        return self

    def _ignored(self, *_: object) -> None:
        pass

    __init__ = __setstate__ = __setitem__ = append = extend = add = _ignored


class _Ordered(dict[Any, Any]):
    """An OrderedDict: its items without its attributes, of which a network's own `state_dict()` has `_metadata`."""

    def __setstate__(self, _: object) -> None:
        pass


class _Unpickler(pickle.Unpickler):
    """Knows the names of `torch.save` and of plain data; every other one is refused by name."""

    def __init__(self, file: IO[bytes], path: Path, held: Any) -> None:
        super().__init__(file, encoding="utf-8", errors="replace")
        self._path, self._held = path, held
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if full == "collections.OrderedDict":
            return _Ordered
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


def _tensor(
    storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object
) -> PickledTensor:
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    is_within = min((offset, *shape, *strides)) >= 0 and max(math.prod(shape), last + 1) <= storage.values
    if not is_within and 0 not in shape:
        return PickledTensor(tuple(shape), line("{path}: {name} claims more values than the file holds"))
    return PickledTensor(tuple(shape), None, storage, offset, tuple(strides))


def _valueless(*_: object) -> PickledTensor:
    return PickledTensor(
        (), line("{path}: {name} has no values of its own in the file (a meta, sparse or quantized tensor)")
    )


_REBUILDS: dict[str, Any] = {
    "_rebuild_tensor": _tensor,
    "_rebuild_tensor_v2": _tensor,
    "_rebuild_parameter": lambda tensor, *_: tensor,
    "_rebuild_meta_tensor_no_storage": _valueless,
    "_rebuild_sparse_tensor": _valueless,
    "_rebuild_qtensor": _valueless,
}


def short(error: BaseException) -> str:
    """The first sentence of a library's message, on one line."""
    words = re.sub(r"\s+", " ", str(error)).strip() or type(error).__name__
    return ascii(words.split(". ")[0][:160])[1:-1]
