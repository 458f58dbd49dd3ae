"""Files that ais_bench reads and writes: inputs under safe names, outputs back to clips. It refuses to run anything.

    base/               private (0700), in the stage's folder
      model.om          ours, 0640: a link or a copy
      0001/             one run: a manifest of which file holds which clips,
        in/000000.bin   one batch of ten clips, float32, zeros behind them, 0640
        out/run/        what the tool wrote (see `ais_tool`)

Names are numbers, so that no video's name meets the tool's rules for paths. The newer generations take no links, no
file that others may write, no file of another user.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct, field

from backends.ascend.ais_bench_command import RUN, result_name
from backends.core.errors import InputError, R3dError, StageError
from backends.core.files import sync_folder, write_whole
from backends.core.messages import N_, Line, line, os_reason
from backends.inference.batch_layout import Batch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from backends.data.clip_store import ClipStore

Kind = Literal["float32", "uint8"]
"""What the model takes: the guide's normalised floats, or the clips' bytes, which its graph normalises."""
CLIP_BYTES: Mapping[Kind, int] = {"float32": 3 * 16 * 112 * 112 * 4, "uint8": 3 * 16 * 112 * 112}
MOST_FILES = 100_000
"""In one input folder: the newest generation takes no more."""
DEEPEST = 28
"""Folders above ours: the newest generation counts 32 in all."""
KEEP_FREE = 256 << 20
"""Bytes that staging leaves free on the disk."""

_CLEAN = re.compile(r"[A-Za-z0-9_\-/.]+")


def check_place(base: Path, *, strict: bool) -> None:
    """Raise InputError where the tool would refuse files in `base` for its path; `strict`: the newer generations."""
    path = os.path.realpath(base)
    hint = N_("put the workspace in a folder whose path has only A-Z a-z 0-9 _ - / . , or set infer.runtime to acl")
    if (strict and not _CLEAN.fullmatch(path)) or "," in path:
        raise InputError("{path}: ais_bench does not take such a path", hint=hint, path=path)
    if strict and path.count("/") > DEEPEST:
        raise InputError("{path}: too many folders deep for ais_bench", hint=hint, path=path)


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


class Run(Struct):
    """One run of the tool on one device, staged."""

    folder: Path
    files: dict[str, Batch]
    """By stem, in the order of the tool."""
    dropped: dict[int, Line] = field(default_factory=dict)
    """Clips that could not be read, and why."""

    @property
    def inputs(self) -> Path:
        """The folder that the tool reads."""
        return self.folder / "in"

    @property
    def output(self) -> Path:
        """The folder that the tool is given to write to."""
        return self.folder / "out"


def portion(wanted: int, base: Path, batch: int, kind: Kind, sharers: int) -> int:
    """How many files of `wanted` one of `sharers` devices may stage now. StageError where there is room for none."""
    free = shutil.disk_usage(base).free - KEEP_FREE
    room = max(0, free) // (batch * CLIP_BYTES[kind]) // max(1, sharers)
    if wanted and not room:
        text = N_("{path}: no room for a file of {batch} clips")
        hint = N_("make room there and run the stage again: it computes only what is missing")
        raise StageError(text, hint=hint, path=str(base), batch=batch)
    return min(wanted, room, MOST_FILES)


def stage(
    folder: Path,
    batches: Sequence[Batch],
    store: ClipStore,
    size: int,
    kind: Kind,
    bins: Mapping[tuple[int, ...], Path],
    stop: Callable[[], bool],
) -> Run:
    """Write the inputs of `batches`, `size` clips each. `bins` are files of the guide's layout that hold some already.

    What cannot be read is left out and told; the clips beside it are staged. Ends early on `stop()`.
    """
    import numpy as np

    run = Run(folder, {})
    for made in (folder, run.inputs, run.output):
        made.mkdir(mode=0o700, parents=True)
    rows = np.empty((size, *store.header.shape), kind)
    for batch in batches:
        if stop():
            break
        name = f"{batch.id:06d}"
        target = run.inputs / f"{name}.bin"
        there = bins.get(batch.clips)
        if there is not None and kind == "float32" and _usable(there, size):
            place(there, target)
        else:
            batch = _filled(run, store, batch, rows)  # noqa: PLW2901 - what of it can be read
            if not batch.clips:
                continue
            _write(target, rows)
        run.files[name] = batch
    body = {"boot": boot(), "size": size, "files": {name: batch.clips for name, batch in run.files.items()}}
    write_whole(folder / "manifest.json", json.dumps(body).encode("ascii"))
    return run


def boot() -> str:
    """Which start of the machine this is: files that nobody synced are whole only within one."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def leftovers(base: Path, size: int) -> Iterator[Run]:
    """Runs of an earlier attempt whose outputs may be taken up: of this start of the machine and this batch size."""
    for folder in sorted(base.iterdir()) if base.is_dir() else ():
        try:
            body = json.loads((folder / "manifest.json").read_bytes())
            files = {str(name): Batch(int(name), tuple(map(int, clips))) for name, clips in body["files"].items()}
            if body["boot"] and (body["boot"], body["size"]) == (boot(), size):
                yield Run(folder, files)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue  # cut off before it was whole: nothing was run there


class Results:
    """The outputs of one run as they come: each is read once, when it has its whole size."""

    def __init__(self, run: Run, size: int, classes: int | None) -> None:
        self.classes = classes
        """None until the first output tells."""
        self.left = dict(run.files)
        """Files without a usable output so far."""
        self.wrong: dict[str, Line] = {}
        """Outputs that cannot be used, and why."""
        self._folder = run.output / RUN
        self._size = size

    def new(self, *, ended: bool = False) -> list[tuple[Batch, NDArray[np.float32]]]:
        """Batches whose logits (clips, classes) have come since the last call; `ended`: nothing more is written.

        While the tool runs, an output counts once another one follows it or its size is the one that is due.
        """
        names = {result_name(stem): stem for stem in self.left if stem not in self.wrong}
        found: list[tuple[Batch, NDArray[np.float32]]] = []
        try:
            sizes = {e.name: e.stat().st_size for e in os.scandir(self._folder) if e.name in names}
        except OSError:
            return found
        if self.classes is None and (ended or len(sizes) > 1):
            self._learn(max(sizes.values(), default=0))
        due = self._size * (self.classes or 0) * 4
        for name in sorted(sizes):
            if sizes[name] == due and due:
                found.extend(self._read(names[name], self._folder / name))
            elif ended:
                text = N_("its output has {found} bytes, not {due}")
                self.wrong[names[name]] = line(text, found=sizes[name], due=due)
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

    def _read(self, stem: str, path: Path) -> Iterator[tuple[Batch, NDArray[np.float32]]]:
        import numpy as np

        batch = self.left[stem]
        assert self.classes is not None
        try:
            rows = np.fromfile(path, "<f4").reshape(self._size, self.classes)[: len(batch.clips)]
        except (OSError, ValueError) as error:
            self.wrong[stem] = line("its output cannot be read: {reason}", reason=str(error)[:200])
            return
        if not np.isfinite(rows).all():
            self.wrong[stem] = line("its scores are not finite numbers")
            return
        del self.left[stem]
        yield batch, rows.astype(np.float32)


def drop(run: Run) -> None:
    """Remove a run's files; call it once what they gave is durable."""
    shutil.rmtree(run.folder, ignore_errors=True)


def _usable(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size * CLIP_BYTES["float32"]
    except OSError:
        return False


def _filled(run: Run, store: ClipStore, batch: Batch, rows: NDArray[Any]) -> Batch:
    """Fill all of `rows` with the batch's clips, zeros behind them; gives what of the batch can be read."""
    try:
        store.batch(batch.clips, rows, pad_to=len(rows))
        return batch
    except R3dError:
        pass
    good = []
    for clip in batch.clips:
        try:
            store.batch((clip,), rows[:1])
            good.append(clip)
        except R3dError as error:
            run.dropped[clip] = error.line
    store.batch(good, rows, pad_to=len(rows))
    return Batch(batch.id, tuple(good))


def _write(path: Path, rows: Any) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
    try:
        os.fchmod(descriptor, 0o640)  # whatever the umask
        view = memoryview(rows.astype(rows.dtype.newbyteorder("<"), copy=False)).cast("B")
        while view:
            view = view[os.write(descriptor, view) :]
    except OSError as error:
        hint = N_("make room there and run the stage again: it computes only what is missing")
        reason = os_reason(error)
        raise StageError("{path}: {reason}", hint=hint, path=str(path), reason=reason) from error
    finally:
        os.close(descriptor)


def prepare(base: Path, model: Path, *, strict: bool) -> Path:
    """Make the private folder with the model in it, nothing else, and give the model's place there."""
    check_place(base, strict=strict)
    base.mkdir(mode=0o700, parents=True, exist_ok=True)
    base.chmod(0o700)
    for old in base.iterdir():
        if old.is_dir():
            shutil.rmtree(old, ignore_errors=True)
    target = base / "model.om"
    place(model, target)
    sync_folder(base)
    return target
