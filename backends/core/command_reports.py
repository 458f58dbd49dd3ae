"""What the API and a front end hand each other beside a run's snapshots: reports, a setting's change, an overview."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from msgspec import Struct, field

from backends.core.messages import Line, Scalar
from backends.core.model_io import ClipShape


class ServerReport(Struct, frozen=True):
    """One server of a cluster as it describes itself. What it did not say is empty, None where it is a number."""

    name: str
    host: str = ""
    version: str = ""
    """Of r3d-tui."""
    python: str = ""
    runtime: str = ""
    cann: str | None = None
    soc_version: str | None = None
    chips: int | None = None
    """None where its target is the CPU."""
    cores: int | None = None
    free_mb: int | None = None
    """Of `cluster.scratch`."""
    sees_videos: bool = False
    reason: Line = Line("")
    """Why it cannot take part in a run; empty: it can."""


class InferBench(Struct, frozen=True):
    """What `bench infer` is asked for; None is the workspace's, or the default."""

    model: Path | None = None
    store: Path | None = None
    target: Literal["cpu", "ascend"] | None = None
    runtime: str | None = None
    devices: tuple[int, ...] | None = None
    batch: int | None = None
    loop: int = 20
    ais_bench: Path | None = None
    acl_python: Path | None = None
    clip: ClipShape | None = None
    """Of blank clips."""
    is_profiled: bool = False
    """Also the operators that take most time, by CANN's profiler."""


class BenchFigure(Struct, frozen=True):
    """One figure. What nobody measured is None."""

    name: str
    """Stable: scripts look for it."""
    what: Line
    value: float | None
    """The median, where there are `runs`."""
    unit: str = "clips/s"
    runs: tuple[float, ...] = ()
    reference: float | None = None
    """Measured in the same run, or published; `against` says which."""
    against: Line = Line("")
    ratio: float | None = None
    """The value over the reference."""
    wanted: float | None = None
    """The ratio that is asked for at least; None where nothing is."""
    most: float | None = None
    """The value that is asked for at most; None where nothing is."""


class BenchReport(Struct, frozen=True):
    name: str
    machine: Mapping[str, Scalar]
    """`cpu`, `cores`, `memory_mb`, `system`."""
    versions: Mapping[str, str]
    """Of Python and of the packages that did the work."""
    settings: Mapping[str, Scalar] = field(default_factory=dict)
    figures: tuple[BenchFigure, ...] = ()
    notes: tuple[Line, ...] = ()
    """What a reader must know before believing the figures."""


def beside(
    name: str,
    what: Line,
    value: float | None,
    reference: float | None,
    against: Line,
    *,
    unit: str = "clips/s",
    runs: tuple[float, ...] = (),
    wanted: float | None = None,
) -> BenchFigure:
    """A figure with its reference and the ratio, where both are known."""
    ratio = value / reference if value is not None and reference else None
    return BenchFigure(name, what, value, unit, runs, reference, against, ratio, wanted)


class Garbage(Struct, frozen=True):
    path: Path
    """Relative to `.r3d`."""
    kind: Literal["artifact", "run", "rest"]
    bytes: int
    """What the disk gives back."""
    reason: Line


class CleanupPlan(Struct, frozen=True):
    """All that may go, or what went."""

    waste: tuple[Garbage, ...] = ()
    kept_runs: tuple[str, ...] = ()
    """By id, latest first; what they point at stays."""
    notes: tuple[Line, ...] = ()
    """What was not looked at, or could not be removed, and why."""

    @property
    def bytes(self) -> int:
        """Of all of it."""
        return sum(one.bytes for one in self.waste)


class Bundle(Struct, frozen=True):
    path: Path
    bytes: int
    files: tuple[str, ...]
    """Names inside it, in its order."""
    left_out: tuple[Line, ...] = ()
    """What would have been too large, or could not be read, by name."""


class SettingChange(Struct, frozen=True):
    """One line before and after. "" is a setting that does not stand in the file."""

    setting: str
    line_number: int
    """Counted from 1."""
    before: str
    after: str


def proposed(hint: Line) -> tuple[str, str] | None:
    """The setting and the value, in TOML's form, that a fix asks for: its facts `setting` and `value` say so."""
    setting, value = hint.facts.get("setting"), hint.facts.get("value")
    if setting is not None and value is not None:
        return str(setting), str(value)
    inner = (fact for fact in hint.facts.values() if isinstance(fact, Line))
    return next(filter(None, map(proposed, inner)), None)


class Overview(Struct, frozen=True):
    """Data, model and target of a workspace at a glance. None is what could not be seen at a glance."""

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
