"""Any name and any bytes: what comes out of archives and split files stays inside and has a usable name."""

from __future__ import annotations

import contextlib
import io
import tarfile
import tempfile
import zipfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from backends.core.messages import InputError
from backends.data.annotation import name_problem
from backends.data.archive_entries import leads_out, list_file, target
from backends.data.archives import Unpacking
from backends.data.datasets import read_lists

PARTS = st.sampled_from(
    ["..", ".", "", "/", "\\", "C:", "wave", "a.avi", "\x1b]52;c;x\x07.avi", "\u202e.avi", "n" * 300 + ".avi", ".a.avi"]
)
NAMES = st.one_of(
    st.text(max_size=30),
    st.lists(PARTS, min_size=1, max_size=5).map("/".join),
    st.builds("{}.avi".format, st.text(max_size=20)),
)
BYTES = st.binary(max_size=400)


@given(NAMES)
def test_where_an_entry_goes_is_always_inside(name: str) -> None:
    """Refused, passed over, or one folder and one file of it: never more, never upwards."""
    if leads_out(name) is not None:
        return
    for place in (target(name, None), target(name, "wave"), list_file(name)):
        assert place is None or (len(place.parts) <= 2 and not place.is_absolute() and ".." not in place.parts)


@settings(max_examples=40)
@given(st.lists(st.tuples(NAMES, st.binary(max_size=20)), min_size=1, max_size=5), st.booleans())
@example([("\0", b"x")], True)
def test_archives_of_any_names_leave_nothing_outside(entries: list[tuple[str, bytes]], packed: bool) -> None:
    """Taken or refused in one line; every file that was written lies where it may and is called what it may be."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        path = root / ("x.zip" if packed else "x.tar")
        with contextlib.suppress(UnicodeEncodeError, ValueError):  # a name that the format itself cannot hold
            _pack(path, entries)
        if not path.exists():
            return
        unpacking = Unpacking(root / "u" / "u", lambda: None, lambda item, why: None)
        try:
            unpacking.roots(path, lambda *_: None)
        except InputError as error:
            assert "\n" not in str(error)
        inside = root / "u" / "u" / path.name
        for file in (found for found in root.rglob("*") if found.is_file() and found != path):
            assert file.is_relative_to(inside) or file.name == f"{path.name}.json"
            assert all(name_problem(part) is None for part in file.relative_to(root).parts)


def _pack(path: Path, entries: list[tuple[str, bytes]]) -> None:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in {name: data for name, data in entries if name}.items():
                info = zipfile.ZipInfo("x")
                info.filename = name  # as it is: ZipInfo itself would tidy it
                archive.writestr(info, data)
        return
    with tarfile.open(path, "w", errors="surrogateescape") as archive:
        for name, data in entries:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


@settings(max_examples=100)
@given(
    st.lists(
        st.one_of(
            BYTES,
            st.builds("{}.avi {}".format, st.text(max_size=20), st.integers(-1, 4)).map(
                lambda t: t.encode("utf-8", "replace")
            ),
        ),
        max_size=6,
    )
)
def test_any_list_file_gives_usable_ids(rows: list[bytes]) -> None:
    """Lines that are none are set aside by name; what is left can be a path and be shown."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "wave_test_split1.txt").write_bytes(b"\n".join(rows))
        splits = read_lists(Path(folder), 1)[1]
    assert ("wave",) == splits.labels
    assert [] == [video.id for video in splits.videos if name_problem(video.id) is not None]
    assert len({video.id for video in splits.videos}) == len(splits.videos)
