"""A run as data: what each stage is, what it reads, what it depends on."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from backends.core.messages import Line
from backends.core.needs import Need
from backends.core.settings import Settings

PLAN_VERSION = 1


class Reads(Struct, frozen=True):
    """What a stage reads of one that it depends on: nothing else reaches it, and this is in its cache key."""

    outputs: tuple[str, ...] = ()
    """Outputs by name; one that the other stage does not give under these settings may be among them."""
    figures: tuple[str, ...] = ()
    skipped: bool = False
    """The items that it skipped, and why."""
    in_key: bool = True
    """False: what is read decides no outcome of the reader, only how it is reached; its cache key leaves it out."""


class Stage(Struct, frozen=True):
    """One stage of one plan, ready to be run: plain JSON when encoded."""

    name: str
    entry: str
    """`package.module:function`, called with a `Job` in a child process."""
    version: int
    """Raised by hand when the stage's code changes what it makes; part of the fingerprint."""
    after: tuple[str, ...] = ()
    """Stages that must be settled before this one."""
    params: Mapping[str, Any] = field(default_factory=dict)
    """JSON values; part of the fingerprint."""
    tuning: Mapping[str, Any] = field(default_factory=dict)
    """JSON values that change speed, never the outcome (workers, devices): not part of the fingerprint."""
    inputs: Mapping[str, Path] = field(default_factory=dict)
    """Files and folders from outside; their content is part of the fingerprint."""
    needs: tuple[Need, ...] = ()
    skip: Line | None = None
    """Why this stage does not apply; None: it does."""
    fresh: bool = False
    """True: always runs, never taken from the cache (check)."""
    kept: bool = False
    """Its folder stays where it runs every time (compile) or an output of it is damaged: the stage itself checks, by
    checksums, what that still holds."""
    adds: tuple[str, ...] = ()
    """Params that only add outputs: an artifact that differs in these alone is handed to the stage as `Job.like`."""
    grows: Mapping[str, str] = field(default_factory=dict)
    """Outputs that others may read while the stage runs: paths under its folder."""
    follows: tuple[str, ...] = ()
    """Stages of `after` that it may run beside, reading what grows; it is done only after they are."""
    reads: Mapping[str, Reads] = field(default_factory=dict)
    """What it reads of the stages before it; of one that is missing here it reads nothing."""


class StageSpec(Struct, frozen=True):
    """One stage as its package declares it: light, so that a front end lists all without importing any work."""

    name: str
    reads: Mapping[str, Reads]
    """The stages that it depends on, and what it reads of each; `Reads()`: it only comes after that one."""
    make: Callable[[Settings], Stage]

    @property
    def after(self) -> tuple[str, ...]:
        """Names of the stages that it depends on."""
        return tuple(self.reads)

    def plan(self, settings: Settings) -> Stage:
        """The stage of these settings, with its dependencies."""
        return replace(self.make(settings), after=self.after, reads=self.reads)


class Plan(Struct, frozen=True):
    """The stages of a run in an order that respects `after`."""

    workspace: Path
    stages: tuple[Stage, ...]
    targets: tuple[str, ...] = ()
    """Stages to bring up to date, with what they depend on; empty: all."""
    force: tuple[str, ...] = ()
    """Stages to run even where the cache has them."""
    parallel: int = 1
    companion: tuple[str, ...] = ()
    """Module and arguments of a process that samples the devices while the run goes on; a file's path is appended."""
    version: int = PLAN_VERSION

    def stage(self, name: str) -> Stage:
        """The stage of that name; KeyError where the plan has none."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise KeyError(name)

    def dependants(self, names: frozenset[str]) -> frozenset[str]:
        """`names` and every stage that depends on one of them."""
        found = set(names)
        for stage in self.stages:
            if found.intersection(stage.after):
                found.add(stage.name)
        return frozenset(found)
