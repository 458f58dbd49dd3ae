"""What lies in a workspace at a glance, as the console asks for it."""

from __future__ import annotations

from pathlib import Path

from backends import api
from backends.workspace.settings_file import read_settings


def test_the_glance_counts_data_and_reads_the_model(tmp_path: Path) -> None:
    """Over a real workspace, by the process that the console starts: classes, videos, network, disk."""
    api.build_demo(tmp_path)
    found = api.overview(tmp_path, read_settings(tmp_path))
    assert (10, 100, 10, 80) == (found.folders, found.items, found.classes, found.subset_videos)
    assert ("resnet-10", 10) == (found.arch, found.model_classes)
    assert found.disk_bytes is not None
    assert found.free_bytes is not None
