"""Files that ais_bench reads and writes: inputs under safe names, outputs back to clips. It runs nothing.

    base/               private (0700), in the stage's folder
      model.om          ours, 0640: a link or a copy
      npu3-0001/        one run of the tool on one chip
        in/000000.bin   the clips of one lease, float32 or uint8, zeros behind them, 0640
        out/run/        what the tool wrote (see `ais_bench_install`)

Names are numbers, so that no video's name meets the tool's rules for paths. The newer generations take no links, no
file that others may write, no file of another user.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from backends.ascend.ais_bench_install import RUN, result_name
from backends.core.files import sync_folder, write_all
from backends.core.messages import N_, InputError, StageError, os_reason
from backends.device.protocol import Answer, Order

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Kind = Literal["float32", "uint8"]
"""What the model takes: the guide's normalised floats, or the clips' bytes, which its graph normalises."""
MOST_FILES = 100_000
"""In one input folder: the newest generation takes no more."""
DEEPEST = 28
"""Folders above ours: the newest generation counts 32 in all."""
KEEP_FREE = 256 << 20
"""Bytes that staging leaves free on the disk."""

_CLEAN = re.compile(r"[A-Za-z0-9_\-/.]+")


def prepare(base: Path, model: Path, *, strict: bool) -> Path:
    """Make the private folder with the model in it, nothing else, and give the model's place there.

    InputError where the tool would refuse files in `base` for its path; `strict`: the newer generations.
    """
    path = os.path.realpath(base)
    hint = N_("put the workspace in a folder whose path has only A-Z a-z 0-9 _ - / . , or set infer.runtime to acl")
    if (strict and not _CLEAN.fullmatch(path)) or "," in path:
        raise InputError("{path}: ais_bench does not take such a path", hint=hint, path=path)
    if strict and path.count("/") > DEEPEST:
        raise InputError("{path}: too many folders deep for ais_bench", hint=hint, path=path)
    base.mkdir(mode=0o700, parents=True, exist_ok=True)
    base.chmod(0o700)
    for old in base.iterdir():
        if old.is_dir():
            shutil.rmtree(old, ignore_errors=True)
    target = base / "model.om"
    place(model, target)
    sync_folder(base)
    return target


def place(source: Path, target: Path) -> None:
    """Put a file there under our name and modes: a hard link where the tool takes it, else a copy."""
    target.unlink(missing_ok=True)
    stat = source.lstat()
    ours = stat.st_uid == os.geteuid() and not stat.st_mode & 0o022
    if ours and not source.is_symlink():
        try:
            os.link(source, target)
            return
        except OSError:
            pass  # another file system, or one without links
    shutil.copyfile(source, target)
    target.chmod(0o640)


def affordable(base: Path, file_bytes: int, sharers: int) -> int:
    """How many files one of `sharers` devices may stage now. StageError where the disk takes none."""
    free = max(0, shutil.disk_usage(base).free - KEEP_FREE)
    if free < file_bytes:
        hint = N_("make room there and run the stage again: it computes only what is missing")
        raise StageError("{path}: no room for a file of {bytes} bytes", hint=hint, path=str(base), bytes=file_bytes)
    return max(1, min(MOST_FILES, free // file_bytes // max(1, sharers)))


class ToolRun(Struct, frozen=True):
    folder: Path
    files: Mapping[str, Order]
    """By stem, in the order of the tool."""

    @property
    def inputs(self) -> Path:
        return self.folder / "in"

    @property
    def output(self) -> Path:
        """The folder that the tool is given to write to."""
        return self.folder / "out"

    def make(self) -> None:
        for made in (self.folder, self.inputs, self.output):
            made.mkdir(mode=0o700, parents=True)

    def remove(self) -> None:
        """Remove its files; what they gave must be elsewhere."""
        shutil.rmtree(self.folder, ignore_errors=True)


def write_input(path: Path, rows: NDArray[Any]) -> None:
    """The clips of one lease, little-endian. StageError where the disk refuses."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
    try:
        os.fchmod(descriptor, 0o640)  # whatever the umask
        write_all(descriptor, rows.astype(rows.dtype.newbyteorder("<"), copy=False).data.cast("B"))
    except OSError as error:
        hint = N_("make room there and run the stage again: it computes only what is missing")
        raise StageError("{path}: {reason}", hint=hint, path=str(path), reason=os_reason(error)) from error
    finally:
        os.close(descriptor)


class RunResults:
    """The outputs of one run as they come: each is read once, when it has its whole size."""

    def __init__(self, run: ToolRun, size: int, classes: int | None) -> None:
        self.classes = classes
        """None until the first output says."""
        self.left = dict(run.files)
        """Leases without an answer so far, by stem."""
        self.misfits: list[tuple[int, int]] = []
        """(bytes found, bytes due) of outputs of another size."""
        self._folder = run.output / RUN
        self._size = size

    def new(self, *, ended: bool = False) -> list[tuple[Answer, bytes]]:
        """Scores, or `unusable` where they are no finite numbers, of the outputs that came since the last call.

        While the tool runs, an output counts once another one follows it or its size is the one that is due; `ended`:
        nothing more is written.
        """
        names = {result_name(stem): stem for stem in self.left}
        found: list[tuple[Answer, bytes]] = []
        try:
            sizes = {e.name: e.stat().st_size for e in os.scandir(self._folder) if e.name in names}
        except OSError:
            return found
        if self.classes is None and (ended or len(sizes) > 1):
            self._learn(max(sizes.values(), default=0))
        due = self._size * (self.classes or 0) * 4
        self.misfits = []
        for name in sorted(sizes):
            if sizes[name] == due and due:
                found.extend(self._read(names[name], self._folder / name))
            elif ended:
                self.misfits.append((sizes[name], due))
        return found

    def nameless(self) -> bool:
        """The tool numbered its outputs instead of naming them, as the earliest one did."""
        try:
            return any(re.match(r"input\d+_output_\d+\.", entry.name) for entry in os.scandir(self._folder))
        except OSError:
            return False

    def _learn(self, size: int) -> None:
        if size and size % (4 * self._size) == 0:
            self.classes = size // (4 * self._size)

    def _read(self, stem: str, path: Path) -> Iterator[tuple[Answer, bytes]]:
        import numpy as np

        order = self.left[stem]
        assert self.classes is not None
        try:
            rows: NDArray[np.float32] = np.fromfile(path, "<f4").reshape(self._size, self.classes)
        except (OSError, ValueError):
            return  # it is missing then, and said to be
        del self.left[stem]
        rows = rows[: len(order.clips)]
        if np.isfinite(rows).all():
            yield Answer("scores", order.lease, *rows.shape), rows.tobytes()
        else:
            yield Answer("unusable", order.lease), b""


def usable(path: Path | None, size: int) -> bool:
    """A file of the guide's layout holds just what the tool is to read."""
    try:
        return path is not None and path.stat().st_size == size
    except OSError:
        return False
