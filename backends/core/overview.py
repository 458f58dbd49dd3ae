"""What lies in a workspace before anything ran: counted at a glance, in a process of its own. Front ends show it.

None is what could not be seen at a glance.
"""

from __future__ import annotations

from msgspec import Struct

from backends.core.messages import Line


class Overview(Struct, frozen=True):
    """Data, model and target of one workspace."""

    folders: int | None = None
    """Folders of classes under the videos or frames."""
    items: int | None = None
    """Videos, or folders of frames."""
    classes: int | None = None
    """Labels of the annotation."""
    subset_videos: int | None = None
    """Those of the subset that is evaluated."""
    arch: str = ""
    """Of the checkpoint, such as resnet-50."""
    model_classes: int | None = None
    disk_bytes: int | None = None
    """What a whole run would write."""
    free_bytes: int | None = None
    """Of the workspace's disk."""
    target: tuple[str, ...] = ()
    """What the target has: versions of CANN, tools. Foreign text."""
    contradictions: tuple[Line, ...] = ()
    """What does not fit together, each in a sentence."""
