"""Archives that real tools packed, as HMDB51's are: `rars/` was written by RAR 7.01, the rest is packed here.

`hmdb51_org.rar` holds a `.rar` a class; `test_train_splits.rar` (solid) split files in a folder; `vol.part*.rar` two
classes over two volumes; `links.rar` a link; `locked.rar` videos behind a password. The videos are words, not films.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from backends.core.messages import InputError, NeedError
from backends.data.annotate import run as annotate
from backends.data.archives import Unpacking
from backends.data.datasets import read_lists
from backends.data.frames import run as frames
from tests.data.conftest import FilmMaker, JobMaker

RARS = Path(__file__).parent / "rars"
TOOLS = {"bsdtar": ("bsdtar",), "unrar": ("unrar",), "7z": ("7z",), "unar": ("unar",)}
PARTED = ("unrar", "7z", "unar")
"""Those that read split archives."""
VIDEOS = [f"{label}/a_{label}_f_nm_np1_fr_med_{n}.avi" for label in ("brush_hair", "wave") for n in (1, 2)]

Only = Callable[[str], None]


@pytest.fixture
def only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Only:
    """A function that leaves one unpacker on PATH; the test is skipped where that is not here or reads no rar."""

    def leave(tool: str) -> None:
        places = [shutil.which(name) for name in TOOLS[tool]]
        if None in places or not _reads_rar(tool):
            pytest.skip(f"{tool} is not here, or reads no rar")
        (tmp_path / "bin").mkdir()
        for place in places:
            (tmp_path / "bin" / Path(str(place)).name).symlink_to(str(place))
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    return leave


def _reads_rar(tool: str) -> bool:
    """7-Zip reads rar with a codec that Debian packs apart; Debian's other `unrar` has another command line."""
    asked = {"7z": (["7z", "l", str(RARS / "links.rar")], "wave"), "unrar": (["unrar"], "Alexander Roshal")}.get(tool)
    return asked is None or asked[1] in subprocess.run(asked[0], capture_output=True, text=True, check=False).stdout


@pytest.fixture
def unpacking(tmp_path: Path) -> Unpacking:
    """Unpacks beside the test; nothing may be set aside."""

    def refuse(item: str, why: object) -> None:
        raise AssertionError((item, str(why)))

    return Unpacking(tmp_path / "u", lambda: None, refuse)


def _videos(roots: list[Path]) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for root in roots for path in root.rglob("*.avi"))


@pytest.mark.parametrize("tool", TOOLS)
def test_a_rar_of_class_rars_comes_out_whatever_the_tool(only: Only, unpacking: Unpacking, tool: str) -> None:
    """HMDB51's own nesting: every class, every video, every byte."""
    only(tool)
    roots = unpacking.roots(RARS / "hmdb51_org.rar", lambda *_: None)
    assert VIDEOS == _videos(roots)
    texts = [next(root / name for root in roots if (root / name).exists()).read_text() for name in VIDEOS]
    assert ["brush_hair 1", "brush_hair 2", "wave 1", "wave 2"] == [" ".join(text.split()[:2]) for text in texts]
    assert [2248, 2236, 2239, 2225] == [len(text) for text in texts]


@pytest.mark.parametrize("tool", TOOLS)
def test_the_archive_of_list_files_is_read_whatever_the_tool(only: Only, unpacking: Unpacking, tool: str) -> None:
    """`test_train_splits.rar`: the files lie in a folder of it; nothing else of it comes out."""
    only(tool)
    splits = read_lists(unpacking.splits(RARS / "test_train_splits.rar"), 1)[1]
    assert ("brush_hair", "wave") == splits.labels
    assert ["training", "validation"] * 2 == [video.subset for video in splits.videos]


@pytest.mark.parametrize("tool", PARTED)
def test_volumes_are_one_archive_whatever_the_tool(only: Only, unpacking: Unpacking, tool: str) -> None:
    """Given by the first; an entry goes on in the second."""
    only(tool)
    assert VIDEOS == _videos(unpacking.roots(RARS / "vol.part01.rar", lambda *_: None))


def test_bsdtar_alone_cannot_join_volumes(only: Only, unpacking: Unpacking) -> None:
    """It is not asked, and what would do is named."""
    only("bsdtar")
    with pytest.raises(
        NeedError, match=r"vol\.part01\.rar: no tool on PATH .*\(install one \(apt install unar or unrar"
    ):
        unpacking.roots(RARS / "vol.part01.rar", lambda *_: None)


@pytest.mark.parametrize("tool", TOOLS)
def test_links_and_passwords_are_one_line_whatever_the_tool(
    tmp_path: Path, only: Only, unpacking: Unpacking, tool: str
) -> None:
    """A link refuses the archive; what is locked is skipped by name, and no tool waits for a password."""
    only(tool)
    with pytest.raises(InputError, match=r"its entry wave/l\.avi is a link"):
        unpacking.roots(RARS / "links.rar", lambda *_: None)
    skipped: dict[str, str] = {}
    locked = Unpacking(tmp_path / "locked", lambda: None, lambda item, why: skipped.__setitem__(item, str(why)))
    assert [] == _videos(locked.roots(RARS / "locked.rar", lambda *_: None))
    assert {"it is encrypted"} == set(skipped.values())


@pytest.mark.parametrize(
    "command",
    [
        *(["tar", f"--format={form}", "-cf", "x.tar"] for form in ("gnu", "oldgnu", "pax", "ustar", "v7")),
        *(["tar", f"-c{way[0]}f", f"x.tar.{way[1:]}"] for way in ("zgz", "jbz2", "Jxz")),
        ["bsdtar", "--format=zip", "-cf", "x.zip"],
        ["7zz", "a", "-tzip", "-mx=9", "x.zip"],
        ["zip", "-q", "-r", "x.zip"],
    ],
    ids=" ".join,
)
def test_what_the_usual_tools_pack_is_read(tmp_path: Path, unpacking: Unpacking, command: list[str]) -> None:
    """GNU tar in its formats, bsdtar, 7-Zip, Info-ZIP: names that are long and not ASCII, bytes as they were."""
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not here")
    name = "v" * (80 if "v7" in command[1] or "ustar" in command[1] else 180) + " é.avi"
    (tmp_path / "all" / "wave").mkdir(parents=True)
    (tmp_path / "all" / "wave" / name).write_bytes(bytes(range(256)) * 40)
    done = subprocess.run([*command, "all"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr
    roots = unpacking.roots(next(tmp_path.glob("x.*")), lambda *_: None)
    assert [f"wave/{name}"] == _videos(roots)
    assert bytes(range(256)) * 40 == (roots[0] / "wave" / name).read_bytes()


@pytest.mark.parametrize(("told", "expected"), [(None, "wave/v ├⌐.avi"), (0, "wave/浪.avi"), (1, "wave/v ├⌐.avi")])
def test_a_zip_may_tell_a_name_in_an_extra_field(
    tmp_path: Path, unpacking: Unpacking, told: int | None, expected: str
) -> None:
    """As Info-ZIP does where the locale is not UTF-8; a field that belongs to another name is passed over."""
    name = "wave/v \xe9.avi".encode()
    info = zipfile.ZipInfo("wave/v ++.avi")  # as long
    if told is not None:
        field = b"\1" + struct.pack("<I", zlib.crc32(name) + told) + "wave/浪.avi".encode()
        info.extra = struct.pack("<HH", 0x7075, len(field)) + field
    info.create_system = 0
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(info, b"film")
    path = tmp_path / "x.zip"
    path.write_bytes(path.read_bytes().replace(b"wave/v ++.avi", name))
    assert [expected] == _videos(unpacking.roots(path, lambda *_: None))


def test_the_first_stages_take_archives_for_videos_and_for_list_files(
    tmp_path: Path, film: FilmMaker, job: JobMaker
) -> None:
    """Videos without class folders get their class from the packed split files, and the annotation is made of both."""
    for name in ("a", "b"):
        film(tmp_path / "clips" / f"{name}.avi", 4)
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits" / "wave_test_split1.txt").write_text("a.avi 1\n")
    (tmp_path / "splits" / "run_test_split1.txt").write_text("b.avi 2\n")
    for name in ("clips", "splits"):
        shutil.make_archive(str(tmp_path / name), "zip", tmp_path, name)
    inputs = {"videos": tmp_path / "clips.zip", "splits": tmp_path / "splits.zip"}
    frames(job(inputs=inputs, params={"split": 1}))
    made = sorted(
        path.relative_to(tmp_path / "out/frames").as_posix() for path in (tmp_path / "out/frames").glob("*/*")
    )
    assert ["run/b", "wave/a"] == made
    inputs = {"splits": tmp_path / "splits.zip", "frames": tmp_path / "out/frames"}
    outcome = annotate(job(inputs=inputs, params={"split": 1, "subset": "validation"}))
    assert (2, 2, 1) == tuple(outcome.figures[name] for name in ("classes", "videos", "subset_videos"))
