"""What a glance at data and model found, for the form of a new workspace and the pane before a run."""

from __future__ import annotations

from backends.core.command_reports import Overview
from r3d_tui.lang.words import Words
from r3d_tui.text import figures
from r3d_tui.text.safe import safe
from r3d_tui.views.look import dotted


def sources(found: Overview, words: Words, *, videos: bool) -> str:
    """Class folders and videos; "" where they could not be counted."""
    if found.items is None:
        return ""
    key = "ready.videos" if videos else "ready.frames"
    return words(key, classes=figures.count(found.folders), n=figures.count(found.items))


def wanted_labels(found: Overview, words: Words, subset: str = "validation") -> str:
    """Classes of the annotation, and its videos that are evaluated."""
    if found.classes is None or found.subset_videos is None:
        return ""
    listed = words("ready.listed", n=figures.count(found.subset_videos), subset=words.get(f"subset.{subset}", subset))
    return dotted([words("ready.classes", n=figures.count(found.classes)), listed])


def network(found: Overview, words: Words) -> str:
    """The network of the checkpoint, and whether it has the annotation's classes."""
    if not found.arch:
        return ""
    same = found.classes is not None and found.model_classes == found.classes
    note = f" {words('ready.as_annotation')}" if same else ""
    return dotted([safe(found.arch), words("ready.classes", n=figures.count(found.model_classes)) + note])
