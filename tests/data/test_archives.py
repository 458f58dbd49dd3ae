"""Archives as inputs: what is unpacked where, what is refused by name, how it is taken up again."""

from __future__ import annotations

import io
import os
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from backends.core.events import ItemSetAside
from backends.core.messages import InputError, NeedError, Stopped
from backends.data import archive_entries
from backends.data.archives import Unpacking, archive_kind, archive_stem, is_archive
from backends.data.frames import run
from tests.data.conftest import FilmMaker, JobMaker
from tests.data.rarfiles import rar, split_rar

DATA = b"film" * 500


class Shelf:
    """Unpacks into a folder and remembers what was set aside."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.aside: dict[str, str] = {}

    def unpack(self, given: Path, stop: Callable[[], None] | None = None) -> list[str]:
        self.aside.clear()
        stopping = stop or (lambda: None)
        unpacking = Unpacking(self.folder / "u", stopping, lambda item, why: self.aside.__setitem__(item, str(why)))
        roots = unpacking.roots(given, lambda *_: None)
        return sorted(p.relative_to(root).as_posix() for root in roots for p in root.rglob("*") if p.is_file())


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """A shelf of its own."""
    (tmp_path / "out").mkdir()
    return Shelf(tmp_path / "out")


def zipped(path: Path, entries: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in entries.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return path


def tarred(path: Path, entries: dict[str, bytes], *extra: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:" + (path.suffix[1:] if path.suffix != ".tar" else "")) as archive:
        for name, data in entries.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for info in extra:
            archive.addfile(info)
    return path


@pytest.mark.parametrize("name", ["v.zip", "v.tar", "v.tar.gz", "v.tar.bz2", "v.tar.xz"])
def test_videos_come_out_under_their_folders(tmp_path: Path, shelf: Shelf, name: str) -> None:
    """Only videos, each under the folder that holds it; hidden files, texts and what a Mac adds stay inside."""
    entries = {
        "all/wave/a é.avi": DATA,
        "all/run/b.MP4": DATA,
        "all/readme.txt": b"x",
        "__MACOSX/all/wave/._a.avi": b"x",
        "all/wave/.c.avi": b"x",
    }
    path = zipped(tmp_path / name, entries) if name == "v.zip" else tarred(tmp_path / name, entries)
    assert ["run/b.MP4", "wave/a é.avi"] == shelf.unpack(path)
    assert DATA == (shelf.folder / "u" / name / "wave" / "a é.avi").read_bytes()
    assert {} == shelf.aside


def test_one_rar_a_class_in_a_folder(tmp_path: Path, shelf: Shelf) -> None:
    """HMDB51's archives: a folder in each, or none, in which case the archive's name is the class."""
    folder = tmp_path / "in"
    folder.mkdir()
    rar(folder / "wave.rar", {"wave/": b"", "wave/a é.avi": DATA})
    rar(folder / "run.rar", {"b.avi": DATA})
    assert ["run/b.avi", "wave/a é.avi"] == shelf.unpack(folder)


def test_archives_within_an_archive_are_unpacked_too(tmp_path: Path, shelf: Shelf) -> None:
    """hmdb51_org.rar holds one .rar a class; the class is the inner archive's name where it has no folder."""
    inner = rar(tmp_path / "wave.rar", {"a.avi": DATA}).read_bytes()
    path = rar(tmp_path / "hmdb51_org.rar", {"wave.rar": inner})
    assert ["wave.rar", "wave/a.avi"] == shelf.unpack(path)


def test_a_split_archive_is_one(tmp_path: Path, shelf: Shelf) -> None:
    """Given by its first part, or by its folder; a part that is not there is named."""
    folder = tmp_path / "in"
    folder.mkdir()
    parts = split_rar(folder, "org", "wave/a.avi", DATA, 3)
    assert ["wave/a.avi"] == shelf.unpack(folder)
    assert ["wave/a.avi"] == shelf.unpack(parts[0])
    parts[1].unlink()
    with pytest.raises(InputError, match="its part 2 is not there"):
        shelf.unpack(parts[0])


@pytest.mark.parametrize("tool", ["bsdtar", "unar"])
@pytest.mark.parametrize("name", ["../../x.avi", "/x.avi", "a/../../x.avi", "link"])
def test_a_hostile_rar_is_refused_whatever_the_tool(
    tmp_path: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch, tool: str, name: str
) -> None:
    """Paths that lead out and links: one line, and nothing is written outside."""
    where = shutil.which(tool)
    if where is None:
        pytest.skip(f"{tool} is not here")
    (tmp_path / "bin").mkdir()
    for each in {"bsdtar": ("bsdtar",), "unar": ("unar", "lsar")}[tool]:
        (tmp_path / "bin" / each).symlink_to(str(shutil.which(each)))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    path = rar(tmp_path / "x.rar", {"wave/a.avi": DATA, name: b"/etc/passwd"}, links=("link",))
    before = _tree(tmp_path)
    with pytest.raises(InputError, match=r"leads out|absolute path|is a link") as caught:
        shelf.unpack(path)
    assert "\n" not in str(caught.value)
    assert before == _tree(tmp_path)


def _tree(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if "out" not in path.parts}


@pytest.mark.parametrize("name", ["../x.avi", "/x.avi", "a\\..\\..\\x.avi", "C:\\x.avi", "a/../../../x.avi"])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_names_that_lead_out_refuse_the_archive(tmp_path: Path, shelf: Shelf, kind: str, name: str) -> None:
    """Traversal and absolute paths, also in Windows' spelling: the entry is named, and nothing is left behind."""
    entries = {"wave/a.avi": DATA, name: DATA}
    path = zipped(tmp_path / "x.zip", entries) if kind == "zip" else tarred(tmp_path / "x.tar", entries)
    before = _tree(tmp_path)
    with pytest.raises(InputError, match=r"x\.(zip|tar): its entry .*x\.avi (leads out|has an absolute path)"):
        shelf.unpack(path)
    assert before == _tree(tmp_path)
    assert [] == list((shelf.folder / "u").rglob("*.avi"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_refuse_a_tar(tmp_path: Path, shelf: Shelf, kind: bytes) -> None:
    """A link, even one that points inside, and anything that is neither file nor folder."""
    info = tarfile.TarInfo("wave/l.avi")
    info.type, info.linkname = kind, "a.avi"
    with pytest.raises(InputError, match=r"its entry wave/l\.avi is (a link|neither)"):
        shelf.unpack(tarred(tmp_path / "x.tar", {"wave/a.avi": DATA}, info))


def test_a_link_refuses_a_zip(tmp_path: Path, shelf: Shelf) -> None:
    """A zip's links hide in the mode bits."""
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        info = zipfile.ZipInfo("wave/l.avi")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(InputError, match=r"its entry wave/l\.avi is a link"):
        shelf.unpack(tmp_path / "x.zip")


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz", "x.tar.xz"])
def test_bombs_are_refused_while_small(
    tmp_path: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A few bytes that unpack to very many are refused before they are written, also in entries we would pass over."""
    monkeypatch.setattr(archive_entries, "FREE_OF_RATIO", 1 << 20)
    for entry in ("wave/a.avi", "readme.txt"):
        entries = {entry: bytes(8 << 20)}
        path = zipped(tmp_path / name, entries) if name == "x.zip" else tarred(tmp_path / name, entries)
        with pytest.raises(InputError, match="unpacks to more than 100 times its size"):
            shelf.unpack(path)
    assert not list((shelf.folder / "u").rglob("*.avi"))


def test_too_many_entries_and_too_little_room_are_refused(
    tmp_path: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number of entries is capped, and no archive is begun that the disk cannot hold."""
    path = zipped(tmp_path / "x.zip", {f"wave/{n}.avi": DATA for n in range(5)})
    monkeypatch.setattr(archive_entries, "MOST_ENTRIES", 4)
    with pytest.raises(InputError, match="more than 4 entries"):
        shelf.unpack(path)
    monkeypatch.setattr(archive_entries, "MOST_ENTRIES", 5)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=len(DATA)))
    with pytest.raises(InputError, match=r"more than the 2\.0 kB that are free"):
        shelf.unpack(path)


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz", "x.tar.bz2", "x.tar.xz"])
@pytest.mark.parametrize("keep", [0.3, 0.6, 0.97])
def test_a_cut_archive_is_refused(tmp_path: Path, shelf: Shelf, name: str, keep: float) -> None:
    """A download that broke off is one line; nothing of it is taken for the whole."""
    entries = {f"wave/{n}.avi": os.urandom(3000) for n in range(10)}
    path = zipped(tmp_path / name, entries) if name == "x.zip" else tarred(tmp_path / name, entries)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data.rstrip(b"\0")) * keep)])
    with pytest.raises(InputError, match=r"cut off|damaged|not a complete zip") as caught:
        shelf.unpack(path)
    assert "\n" not in str(caught.value)


def test_a_damaged_entry_of_a_zip_is_set_aside_and_the_rest_is_taken(tmp_path: Path, shelf: Shelf) -> None:
    """A zip's entries stand alone: a wrong checksum costs that video."""
    path = zipped(tmp_path / "x.zip", {"wave/a.avi": b"A" * 99, "wave/b.avi": b"B" * 99}, zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"A" * 99, b"A" * 98 + b"Z"))
    assert ["wave/b.avi"] == shelf.unpack(path)
    assert ["x.zip: wave/a.avi"] == list(shelf.aside)
    assert "damaged in the archive" in shelf.aside["x.zip: wave/a.avi"]


def test_unusable_and_double_names_are_set_aside(tmp_path: Path, shelf: Shelf) -> None:
    """Control characters, names without end, the same name twice: by name, and the others are taken."""
    names = ["wave/a.avi", "wave/\x1b]52;c;AAAA\x07.avi", "wave/" + "n" * 300 + ".avi", "other/wave/a.avi"]
    assert ["wave/a.avi"] == shelf.unpack(tarred(tmp_path / "x.tar", dict.fromkeys(names, DATA)))
    reasons = {
        "the name holds control characters",
        "the name is longer than 200 bytes",
        "it stands twice in the archive",
    }
    assert reasons == set(shelf.aside.values())


def test_endless_headers_and_loops_of_a_tar_end(tmp_path: Path, shelf: Shelf) -> None:
    """A header that claims gigabytes is not read into memory; a negative size does not turn the reader round."""
    long = tarfile.TarInfo("././@LongLink")
    long.type, long.size = tarfile.GNUTYPE_LONGNAME, 1 << 33
    (tmp_path / "x.tar").write_bytes(long.tobuf(tarfile.GNU_FORMAT) + bytes(4096))
    with pytest.raises(InputError, match="one of its headers is 8589934592 bytes long"):
        shelf.unpack(tmp_path / "x.tar")
    back = tarfile.TarInfo("wave/a.avi")
    back.size = -1024
    (tmp_path / "y.tar").write_bytes(back.tobuf(tarfile.GNU_FORMAT) + bytes(4096))
    with pytest.raises(InputError, match=r"unpacks to more|lead back|damaged"):
        shelf.unpack(tmp_path / "y.tar")


def test_of_several_archives_the_bad_one_is_set_aside(tmp_path: Path, shelf: Shelf) -> None:
    """One hostile archive of many is named and costs only its own videos."""
    folder = tmp_path / "in"
    folder.mkdir()
    zipped(folder / "wave.zip", {"a.avi": DATA})
    zipped(folder / "run.zip", {"../b.avi": DATA})
    (folder / "sit.tar").write_bytes(b"no tar at all" * 100)
    (folder / "hug.rar").symlink_to(tmp_path / "nowhere")
    assert ["wave/a.avi"] == shelf.unpack(folder)
    assert {"run.zip", "sit.tar"} == set(shelf.aside)


def test_without_a_tool_the_need_is_one_line(tmp_path: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """No unpacker on PATH: exit code 3, what is missing, and what to install. Stored entries need none."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ["a.avi"] == shelf.unpack(rar(tmp_path / "x.rar", {"a.avi": DATA}))
    packed = Path(__file__).parent / "rars/hmdb51_org.rar"
    with pytest.raises(NeedError, match=r"hmdb51_org\.rar: no tool on PATH unpacks this \.rar archive \(install one"):
        shelf.unpack(packed)


def test_what_is_whole_is_not_unpacked_again(tmp_path: Path, shelf: Shelf) -> None:
    """A later attempt takes up whole archives, redoes cut-off ones and changed ones, and says set-aside items again."""
    folder = tmp_path / "in"
    folder.mkdir()
    zipped(folder / "wave.zip", {"a.avi": DATA, "\x07.avi": DATA})
    zipped(folder / "run.zip", {"b.avi": DATA})
    shelf.unpack(folder)
    wave = shelf.folder / "u/wave.zip/wave/a.avi"
    run_ = shelf.folder / "u/run.zip/run/b.avi"
    first = wave.stat().st_ino
    run_.write_bytes(b"half")
    assert ["run/b.avi", "wave/a.avi"] == shelf.unpack(folder)
    assert (first, DATA) == (wave.stat().st_ino, run_.read_bytes())
    assert 1 == len(shelf.aside)
    zipped(folder / "wave.zip", {"c.avi": DATA})
    assert ["run/b.avi", "wave/c.avi"] == shelf.unpack(folder)


def test_a_stop_ends_the_unpacking(tmp_path: Path, shelf: Shelf) -> None:
    """The user's wish is heard between entries; what was begun is done anew."""

    def stop() -> None:
        raise Stopped

    path = zipped(tmp_path / "x.zip", {"wave/a.avi": DATA})
    with pytest.raises(Stopped):
        shelf.unpack(path, stop)
    assert ["wave/a.avi"] == shelf.unpack(path)


def test_names_tell_what_is_an_archive(tmp_path: Path) -> None:
    """By ending, whatever its case; of a split archive the first part."""
    kinds = {n: archive_kind(n) for n in ("a.RAR", "a.part1.rar", "a.part02.rar", "a.part01.rar", "a.tgz", "a.avi")}
    expected = {"a.RAR": "rar", "a.part1.rar": "rar", "a.part02.rar": None, "a.part01.rar": "rar", "a.tgz": "tar"}
    assert {**expected, "a.avi": None} == kinds
    assert ["wave", "org", "v"] == [archive_stem(n) for n in ("wave.rar", "org.part1.rar", "v.tar.gz")]
    assert not is_archive(tmp_path / "not there.zip")


def test_frames_are_made_of_archived_videos(tmp_path: Path, film: FilmMaker, job: JobMaker) -> None:
    """The stage takes a folder with an archive beside class folders, gives frames, and keeps no unpacked video."""
    root = tmp_path / "videos"
    film(root / "run/b.avi", 3)
    zipped(root / "wave.zip", {"a.avi": film(tmp_path / "a.avi", 4).read_bytes(), "broken.avi": b"x"})
    made = job(inputs={"videos": root})
    outcome = run(made)
    assert (2, 2, 7) == tuple(outcome.figures[name] for name in ("classes", "videos", "frames"))
    assert ["wave/broken"] == [e.item for e in made.said if isinstance(e, ItemSetAside)]  # type: ignore[attr-defined]
    assert ["frames", "frames.json", "made.jsonl"] == sorted(path.name for path in (tmp_path / "out").iterdir())
    again = run(job(inputs={"videos": root}))
    assert outcome.digest == again.digest


def test_the_only_folder_of_an_archive_may_be_no_class(tmp_path: Path, film: FilmMaker, job: JobMaker) -> None:
    """Where the annotation knows other classes, the annotation gives the class."""
    annotation = tmp_path / "a.json"
    annotation.write_text(
        '{"labels": ["wave"], "database": {"a": {"subset": "validation", "annotations": '
        '{"label": "wave", "segment": [1, 5]}}}}'
    )
    path = zipped(tmp_path / "clips.zip", {"clips/a.avi": film(tmp_path / "a.avi", 4).read_bytes()})
    run(job(inputs={"videos": path, "annotation": annotation}))
    assert (tmp_path / "out/frames/wave/a/image_00004.jpg").exists()
