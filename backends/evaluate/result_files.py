"""Result folders of ais_bench, ais_infer and msame, and the guide's hmdb51.info, for `step score`.

A result is one file a video, `<video>_0.bin` or `<video>_output_0.bin` (also .npy and .txt): float32, 10 rows of
scores, whatever the video's number of clips; the rows beyond it are filler. The tools cut names at the first dot.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, field

from backends.core.files import read_file
from backends.core.messages import N_, InputError, Line, line

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LARGEST_INFO = 256 << 20
"""Bytes of hmdb51.info; a line of 650,000 videos has some 30."""
SUFFIXES = (".bin", ".npy", ".txt")
LARGEST = 64 << 20
"""Bytes of a result file that is worth opening; a real one has about two thousand (text: thirty thousand)."""

_ENDING = re.compile(r"^(?P<id>.+?)(?P<output>_output)?_0$", re.DOTALL)
_OTHER = re.compile(r"_[1-9]\d*$")
_DEVICE = re.compile(r"^device\d+(_\d+)?$")
_NAMELESS = re.compile(r"^input\d+_output_\d+$")


class Info(Struct, frozen=True):
    """hmdb51.info: how many clips each video had before the cut, in the file's order."""

    clips: dict[str, int]
    skipped: tuple[tuple[str, Line], ...] = ()


class Results(Struct):
    """The result file of each video of an info file, and the files of none."""

    files: dict[str, Path] = field(default_factory=dict)
    foreign: list[tuple[str, Line]] = field(default_factory=list)
    ignored: int = 0
    """Second copies: the tools' newer versions run every file on every device."""


def read_info(path: Path) -> Info:
    """Read hmdb51.info: a line `<video> <clips>` a video. InputError where it cannot be read or holds no video."""
    data = read_file(path, hint=N_("give --info, the file that the preprocessing wrote"), most=LARGEST_INFO)
    text = data.decode("utf-8", "surrogateescape")
    clips: dict[str, int] = {}
    skipped: dict[str, Line] = {}
    for number, row in enumerate(text.split("\n"), 1):
        name, _, count = row.rstrip("\r").rpartition(" ")
        if not row.strip():
            continue
        if not name or not re.fullmatch(r"[1-9][0-9]{0,8}", count):
            item = name or row.strip()
            skipped[item] = line("{path}, line {n}: not a video and its number of clips", path=str(path), n=number)
        elif clips.get(name, int(count)) != int(count):
            skipped[name] = line("{path}, line {n}: the video stands twice, with other clips", path=str(path), n=number)
        else:
            clips[name] = int(count)
    clips = {name: count for name, count in clips.items() if name not in skipped}
    if not clips and not skipped:
        raise InputError("{path}: no videos", hint="it must hold a line: video, blank, clips", path=str(path))
    return Info(clips, tuple(skipped.items()))


def result_folder(folder: Path) -> Path:
    """The folder that holds the results: `folder`, or the only one inside it that does (the tools add a date).

    Raises InputError where there is none, or several to choose from.
    """
    if not folder.is_dir():
        hint = N_("give the folder that the inference wrote")
        raise InputError("{path}: no such folder", hint=hint, path=str(folder))
    if any(_files(folder)):
        return folder
    inside = [entry for entry in sorted(folder.iterdir()) if entry.is_dir() and any(_files(entry))]
    if len(inside) == 1:
        return inside[0]
    if inside:
        names = ", ".join(entry.name for entry in inside[:4])
        raise InputError("{path}: several result folders: {names}", hint="name one", path=str(folder), names=names)
    hint = N_("give the folder that the inference wrote: <video>_0.bin and so on")
    raise InputError("{path}: no result files", hint=hint, path=str(folder))


def match(folder: Path, videos: dict[str, int]) -> Results:
    """The result file of each video. Files of no video, and second outputs, are listed as foreign."""
    cut: dict[str, list[str]] = {}
    for name in videos:
        cut.setdefault(name.partition(".")[0], []).append(name)
    results = Results()
    nameless = 0
    for path in _files(folder):
        stem = path.name[: -len(path.suffix)]
        nameless += bool(_NAMELESS.match(stem))
        video = _video(stem, videos, cut)
        if video is None:
            other = line("an output other than the first") if _OTHER.search(stem) else line("not a video of the info")
            results.foreign.append((path.name, other))
        elif video in results.files:
            results.ignored += 1
        else:
            results.files[video] = path
    if nameless and not results.files:
        raise InputError(
            "{path}: the result files do not carry the videos' names (input0_output_0.bin and so on)",
            hint="this early ais_infer numbers its inputs: run a later version",
            path=str(folder),
        )
    return results


def _files(folder: Path) -> Iterator[Path]:
    """Result files in name order, those of the tools' folders by device too; summaries are left out."""
    devices = []
    for entry in sorted(folder.iterdir()):
        if _DEVICE.match(entry.name) and entry.is_dir():
            devices.append(entry)
        elif entry.suffix.lower() in SUFFIXES and entry.is_file():
            yield entry
    for device in devices:
        yield from _files(device)


def _video(stem: str, videos: dict[str, int], cut: dict[str, list[str]]) -> str | None:
    ending = _ENDING.match(stem)
    if ending is None:
        return None
    whole = stem[: -len("_0")]  # an id may itself end in _output
    for name in (whole, ending["id"]):
        if name in videos:
            return name
    for name in (whole, ending["id"]):
        if len(cut.get(name, ())) == 1:
            return cut[name][0]
    return None


def read_rows(path: Path, rows: int, classes: int) -> tuple[NDArray[np.float32] | None, Line]:
    """One result file as (rows, classes) float32; or None and why it cannot be used."""
    import numpy as np

    wanted = rows * classes
    try:
        values = _values(path)
    except InputError as error:
        return None, error.line
    except Exception:  # noqa: BLE001 - of a damaged .npy NumPy lets out whatever its parsers raised
        return None, line("{file}: not in the form of its suffix", file=path.name)
    if values is None:
        return None, line("{file}: not a whole number of float32 values", file=path.name)
    if values.size != wanted:
        text = N_("{file}: {found} values where {rows} clips of {classes} classes are due")
        return None, line(text, file=path.name, found=int(values.size), rows=rows, classes=classes)
    table = values.astype(np.float32, copy=False).reshape(rows, classes)
    return table, Line("")


def _values(path: Path) -> NDArray[np.float32] | None:
    import numpy as np

    suffix, data = path.suffix.lower(), read_file(path, hint="", most=LARGEST)
    if suffix == ".bin":
        return None if len(data) % 4 else np.frombuffer(data, dtype="<f4")
    if suffix == ".npy":
        array = np.load(io.BytesIO(data), allow_pickle=False)
        return array.reshape(-1) if isinstance(array, np.ndarray) and array.dtype.kind == "f" else None
    return np.array(data.decode("ascii").split(), dtype=np.float32)
