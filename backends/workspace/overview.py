"""`python -m backends.workspace.overview FOLDER`: data and model of the settings on standard input, as JSON on standard
output. The console and the form of a new workspace ask for it. A process of its own: a disk may be slow.
"""

import contextlib
import os
import shutil
import sys
from pathlib import Path

from backends.checks.check_disk import estimate
from backends.core.codec import dumps, loads
from backends.core.command_reports import Overview
from backends.core.messages import R3dError, line
from backends.core.settings import VIDEO_SUFFIXES, Settings
from backends.data.dataset_checks import dataset_findings, read_labelling
from backends.models.checkpoint import identify
from backends.models.model_checks import model_findings
from backends.models.model_specs import read_limits

MOST = 1_000_000
"""Entries that are counted at most."""


def overview(workspace: Path, settings: Settings) -> Overview:
    """All that a glance tells; what fails stays None."""
    folders, items = _count(settings)
    classes = listed = model_classes = None
    arch = ""
    with contextlib.suppress(R3dError, OSError):
        if (labelling := read_labelling(settings.dataset)) is not None:
            classes, listed = len(labelling.labels), labelling.folders.total()
    model = settings.model.checkpoint
    with contextlib.suppress(R3dError):
        found = identify(model, limits=read_limits(settings)).architecture if model else None
        arch, model_classes = (found.name, found.classes) if found else ("", None)
    free = None
    with contextlib.suppress(OSError):
        free = shutil.disk_usage(workspace).free
    rows = (*dataset_findings(settings), *model_findings(settings))
    wrong = (line("{found} ({hint})", found=one.found, hint=one.hint) for one in rows if one.state == "missing")
    return Overview(
        folders,
        items,
        classes,
        subset_videos=listed,
        arch=arch,
        model_classes=model_classes,
        disk_bytes=estimate(settings),
        free_bytes=free,
        contradictions=tuple(wrong),
    )


def _count(settings: Settings) -> tuple[int | None, int | None]:
    """Class folders, and videos or folders of frames in them; None where there is no such folder, or an archive."""
    root = settings.dataset.videos or settings.dataset.frames
    if root is None or not root.is_dir():
        return None, None
    suffixes = tuple(VIDEO_SUFFIXES) if settings.dataset.videos is not None else ()
    folders = items = 0
    with contextlib.suppress(OSError), os.scandir(root) as classes:
        for folder in (entry for entry in classes if entry.is_dir()):
            with os.scandir(folder.path) as entries:
                found = sum(entry.name.lower().endswith(suffixes) if suffixes else entry.is_dir() for entry in entries)
            folders, items = folders + bool(found), items + found
            if items > MOST:
                return None, None
    return (folders, items) if items else (None, None)


if __name__ == "__main__":
    sys.stdout.write(dumps(overview(Path(sys.argv[1]), loads(Settings, sys.stdin.buffer.read()))) + "\n")
