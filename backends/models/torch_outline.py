"""What lies in a file of `torch.save`, without loading it: names, shapes, `arch`. Read in a process with limits.

`checkpoint` calls `outline` before torch sees the file; `check` and `init` say by it which network a file holds.
Nothing in the file is run: of its pickle only a few names are known, all of which make plain records here, and the
values stay in the file. Whatever torch would make room for is held against the file's own size first, so that a small
file cannot ask for much memory.
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
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import IO, Any

from msgspec import Struct

from backends.core.codec import DecodeError, dumps, loads
from backends.core.errors import InputError
from backends.core.messages import N_, Line, line, os_reason
from backends.core.processes import our_environment, python_command
from backends.models.architecture import ReadLimits

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
_ITEM_BYTES = {
    "DoubleStorage": 8,
    "FloatStorage": 4,
    "HalfStorage": 2,
    "BFloat16Storage": 2,
    "LongStorage": 8,
    "IntStorage": 4,
    "ShortStorage": 2,
    "CharStorage": 1,
    "ByteStorage": 1,
    "BoolStorage": 1,
    "UntypedStorage": 1,
    "ComplexFloatStorage": 8,
    "ComplexDoubleStorage": 16,
}
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


class Outline(Struct, frozen=True):
    """What a file of `torch.save` says of itself."""

    key: str | None
    """Where the weights are; None: the file is the weights alone."""
    tensors: tuple[TensorOutline, ...]
    arch: str = ""
    epoch: int | None = None


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
                return _pick(path, _zipped(path, file, found.st_size))
            if head.startswith(b"\x80") and _LEGACY in head[:32]:
                return _pick(path, _legacy(path, file, found.st_size))
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


def _zipped(path: Path, file: IO[bytes], size: int) -> Any:
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
        return _Unpickler(stream, path, held).load()


def _legacy(path: Path, file: IO[bytes], size: int) -> Any:
    with _damaged(path):
        for _ in range(3):  # the number, the protocol, the machine
            _Unpickler(file, path, lambda _: 0).load()
        return _Unpickler(file, path, lambda _: size - file.tell()).load()


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


class _Storage(Struct, frozen=True):
    values: int


class _Tensor(Struct, frozen=True):
    shape: tuple[int, ...]
    problem: Line | None = None


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

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if full == "collections.OrderedDict":
            return dict
        if module in ("torch", "torch.storage") and name in _ITEM_BYTES:
            return name
        if module == "torch._utils" and name in _REBUILDS:
            return _REBUILDS[name]
        if full in PLAIN or _DTYPES.fullmatch(full):
            return _Record
        text = N_("{path}: the file holds {name}, which is neither a tensor nor plain data; nothing of it was run")
        hint = N_("where you trust it, load it in Python and save its state_dict() alone with torch.save")
        raise InputError(text, hint=hint, path=str(self._path), name=ascii(full[:80])[1:-1])

    def persistent_load(self, pid: Any) -> _Storage:
        _, kind, key, _, values, *_ = pid
        if not isinstance(values, int) or values * _ITEM_BYTES[kind] > self._held(key):
            text = N_("{path}: the file is cut off or damaged: {reason}")
            raise InputError(text, hint=COPY, path=str(self._path), reason=f"storage {str(key)[:20]!a} is not whole")
        return _Storage(values)


def _tensor(storage: _Storage, _offset: int, shape: tuple[int, ...], *_: object) -> _Tensor:
    if math.prod(shape) > storage.values:
        return _Tensor(tuple(shape), line("{path}: {name} claims more values than the file holds"))
    return _Tensor(tuple(shape))


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


def _pick(path: Path, content: Any) -> Outline:
    """Where the weights are in what the file holds."""
    if not isinstance(content, dict):
        text = N_("{path}: holds a {kind}, not a state_dict")
        kind = "tensor" if isinstance(content, _Tensor) else type(content).__name__.strip("_").lower()
        raise InputError(text, hint=AGAIN, path=str(path), kind=kind)
    for key in (*KEYS, None):
        weights = content if key is None else content.get(key)
        tensors = _named(weights) if isinstance(weights, dict) else ()
        if tensors:
            arch, epoch = content.get("arch"), content.get("epoch")
            shown = arch[:80] if isinstance(arch, str) else ""
            return Outline(key, tensors, shown, epoch if type(epoch) is int and abs(epoch) < 2**53 else None)
    text = N_("{path}: holds no state_dict of named tensors")
    raise InputError(text, hint=AGAIN, path=str(path))


def _named(weights: dict[Any, Any]) -> tuple[TensorOutline, ...]:
    found = [(name, one) for name, one in weights.items() if isinstance(one, _Tensor)]
    if len(found) > MOST_TENSORS or not all(isinstance(name, str) for name, _ in found):
        return ()
    return tuple(TensorOutline(name, one.shape, one.problem) for name, one in found)


def short(error: BaseException) -> str:
    """The first sentence of a library's message, on one line."""
    words = re.sub(r"\s+", " ", str(error)).strip() or type(error).__name__
    return ascii(words.split(". ")[0][:160])[1:-1]


if __name__ == "__main__":
    main()
