"""Which file system holds a path."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.core import files


def table(tmp_path: Path, *rows: str) -> Path:
    """A table of mounts as the kernel writes it."""
    path = tmp_path / "mountinfo"
    path.write_text("1 0 8:1 / / rw - ext4 /dev/sda rw\n" + "".join(f"{row}\n" for row in rows))
    return path


def test_the_longest_mount_counts_and_of_two_the_later(tmp_path: Path) -> None:
    """Blanks in mount points are escaped; rows that are none are passed over; a path may not be there yet."""
    place = tmp_path / "a b"
    place.mkdir()
    point = str(place).replace(" ", "\\040")
    rows = (
        f"2 1 0:9 / {point} rw - tmpfs none rw",
        f"3 1 0:9 / {point} rw shared:1 - nfs4 host:/x rw",
        f"4 1 0:3 / {point}x rw - xfs none rw",
        "broken",
    )
    found = table(tmp_path, *rows)
    assert "nfs4" == files.file_system(place / "not" / "yet", found)
    assert "ext4" == files.file_system(tmp_path, found)
    assert None is files.file_system(tmp_path, tmp_path / "none")


@pytest.mark.parametrize(
    ("kind", "remote"), [("ext4", False), ("nfs4", True), ("fuse.sshfs", True), ("fuseblk", False)]
)
def test_network_file_systems_are_known_by_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, remote: bool
) -> None:
    """FUSE is told by what stands behind it; a system that does not say is taken for local."""
    monkeypatch.setattr(files, "TABLE", table(tmp_path, f"2 1 0:9 / {tmp_path} rw - {kind} host:/x rw"))
    assert remote == files.over_network(tmp_path)
    monkeypatch.setattr(files, "TABLE", tmp_path / "none")
    assert not files.over_network(tmp_path)
