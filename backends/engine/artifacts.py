"""The artifacts of a workspace: cache keys of stages, what was made under each, and why one has to be made again.

A cache key is a digest of all that a stage reads: its code version, its parameters, the content of its inputs from
outside, and what its spec declares of other stages. A finished artifact keeps its key in a manifest, so that a later
difference can be named, and a stamp of each output, so that damage is seen. The planner and the supervisor call it.
"""

import hashlib
import json
import posixpath
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct, field
from msgspec.structs import replace

from backends.core.codec import DamagedError, UnsealedError, dumps, seal, unseal
from backends.core.events import Outcome
from backends.core.files import sync_folder, write_whole
from backends.core.messages import N_, Line, line
from backends.core.plan import Reads, Stage
from backends.engine import digests
from backends.engine.digests import Digests, Stamp
from backends.engine.folders import Folders

MANIFEST = "manifest.json"


class CacheKey(Struct, frozen=True):
    """What decides a stage's outcome."""

    stage: str
    version: int
    params: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    upstream: Mapping[str, str] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """20 hexadecimal digits of the SHA-256 of all of it."""
        return hashlib.sha256(dumps(self).encode()).hexdigest()[:20]


class Manifest(Struct, frozen=True):
    """What lies beside a finished artifact."""

    key: CacheKey
    outcome: Outcome
    seconds: float
    at: float
    stamps: Mapping[str, Stamp] = field(default_factory=dict)
    """Of each output."""
    doubt: Line = Line("")
    """Why it does not count although it was finished: an input changed meanwhile."""
    accepted_from: str = ""
    """The fingerprint under which it was really made, where a person accepted it for this key."""
    accepted: Line = Line("")
    """What had changed then, in words."""


class Decision(Struct, frozen=True):
    action: Literal["run", "cached", "skip", "unknown"]
    """`unknown`: it depends on one that will run, and runs if that gives something new."""
    reason: Line
    key: CacheKey | None = None
    """None: nobody can know it yet, or an input is missing."""
    outcome: Outcome | None = None
    """The earlier outcome of a cached stage."""
    stale: bool = False
    """With `run`: what its folder holds cannot be built upon and goes first."""
    acceptable: bool = False
    """With `run`: an earlier artifact differs in parameters or version alone, and may be accepted."""
    watched: Mapping[str, str] = field(default_factory=dict)
    """State of each input when it was looked at, for `Cache.changed_input`."""


class Cache:
    def __init__(self, folders: Folders) -> None:
        self._folders = folders
        self._digests = Digests(folders.digests)
        self._lock = threading.Lock()

    def key(self, stage: Stage, upstream: Mapping[str, str]) -> tuple[CacheKey, dict[str, str]]:
        """The stage's key now, and the state of each input for `changed_input`.

        Raises InputError where an input is not there. Thread-safe.
        """
        with self._lock:
            found = {name: self._digests.of(path) for name, path in stage.inputs.items()}
            self._digests.save()
        params = json.loads(dumps(stage.params))
        inputs = {name: digest for name, (digest, _) in found.items()}
        key = CacheKey(stage.name, stage.version, params, inputs, upstream)
        return key, {name: watch for name, (_, watch) in found.items()}

    def judge(self, stage: Stage, key: CacheKey, *, forced: bool = False) -> Decision:
        """Whether `stage` has to run with this key, and the reason in words."""
        if stage.fresh:
            return Decision("run", line("always runs"), stale=forced or not stage.kept)
        if forced:
            return Decision("run", line("requested"), stale=True)
        try:
            manifest = self._read(stage.name, key.fingerprint)
        except DamagedError:
            return Decision("run", line("the record of its earlier result is damaged"), stale=not stage.kept)
        except OSError:
            return Decision("run", self._why_stale(stage, key))
        if manifest.doubt.template:
            return Decision("run", manifest.doubt, stale=True)
        if damage := self._damage(manifest):
            return Decision("run", damage, stale=not stage.kept)
        if manifest.outcome.temporary_count:
            text = N_("{n} items were skipped for a reason that may have passed: they are tried again")
            return Decision("run", line(text, n=manifest.outcome.temporary_count))
        if manifest.accepted_from:
            return self._judge_accepted(stage.name, manifest)
        return Decision("cached", line("up to date"), outcome=manifest.outcome)

    def _judge_accepted(self, stage: str, manifest: Manifest) -> Decision:
        """It counts only as long as the artifact that was accepted is the same one, and it always says what it is."""
        origin = self.manifest(stage, manifest.accepted_from)
        if origin is None or origin.outcome.digest != manifest.outcome.digest:
            return Decision("run", line("what was accepted in its place is there no longer"))
        why = line("accepted as it is, although {why}", why=manifest.accepted)
        return Decision("cached", why, outcome=manifest.outcome)

    def acceptable(self, stage: Stage, new: CacheKey) -> Manifest | None:
        """The latest whole artifact from which `new` differs in code version or parameters alone; None: there is none.

        Where an input or what it reads of other stages changed, nothing can be accepted: the artifact is of other data.
        """
        if stage.fresh:
            return None
        fit = (
            manifest
            for manifest in self._manifests(stage.name)
            if manifest.key.inputs == new.inputs and manifest.key.upstream == new.upstream and manifest.key != new
        )
        return self._latest_intact(fit)

    def like(self, stage: Stage, new: CacheKey) -> Path | None:
        """The folder of the latest whole artifact that differs from `new` in the params of `stage.adds` alone."""

        def bare(one: CacheKey) -> CacheKey:
            return replace(one, params={name: value for name, value in one.params.items() if name not in stage.adds})

        fit = (
            manifest
            for manifest in (self._manifests(stage.name) if stage.adds else ())
            if not manifest.accepted_from and manifest.key != new and bare(manifest.key) == bare(new)
        )
        found = self._latest_intact(fit)
        return None if found is None else self._folders.artifact(stage.name, found.key.fingerprint)

    def may_hold(self, new: CacheKey, unknown: frozenset[str]) -> bool:
        """Whether an earlier artifact differs from `new` at most in what it read of the stages named in `unknown`."""

        def bare(one: CacheKey) -> CacheKey:
            return replace(one, upstream={name: one.upstream[name] for name in one.upstream if name not in unknown})

        return any(bare(manifest.key) == bare(new) for manifest in self._manifests(new.stage))

    def adopt(self, stage: str, made: str, fingerprint: str) -> None:
        """Give what a stage made under a provisional fingerprint its place; nothing where there is none."""
        source, target = self._folders.artifact(stage, made), self._folders.artifact(stage, fingerprint)
        if made == fingerprint or not source.is_dir():
            return
        if target.exists():
            with self._lock:
                remove_folder(self._folders, target)
        source.rename(target)
        sync_folder(target.parent)

    def accept(self, stage: Stage, new: CacheKey) -> bool:
        """Let the acceptable artifact count for `new`; False where there is none.

        Nothing is copied and the old artifact is not touched: a manifest of its own points at it by relative paths, so
        that a later run in the new folder cannot write through them. The digest is the old one, so that what depends on
        the stage stays as it is. The manifest remembers the difference, and every verdict on it names it.
        """
        old = self.acceptable(stage, new)
        if old is None:
            return False
        made = old.key.fingerprint
        outputs = {name: posixpath.normpath(f"../{made}/{path}") for name, path in old.outcome.outputs.items()}
        outcome = replace(old.outcome, outputs=outputs)
        why = why_different(old.key, new, stage.inputs)
        self.keep(
            Manifest(new, outcome, old.seconds, time.time(), old.stamps, Line(""), old.accepted_from or made, why)
        )
        return True

    def _latest_intact(self, manifests: Iterator[Manifest]) -> Manifest | None:
        newest_first = sorted(manifests, key=lambda manifest: manifest.at, reverse=True)
        return next((one for one in newest_first if not one.doubt.template and not self._damage(one)), None)

    def _damage(self, manifest: Manifest) -> Line | None:
        """What is wrong with its outputs."""
        folder = self._folders.artifact(manifest.key.stage, manifest.key.fingerprint)
        for name, path in manifest.outcome.outputs.items():
            if not (folder / path).exists():
                return line("its output {name} is gone", name=name)
            if name not in manifest.stamps or not digests.is_intact(folder / path, manifest.stamps[name]):
                return line("its output {name} is damaged: it is not what was written", name=name)
        return None

    def finish(self, key: CacheKey, outcome: Outcome, seconds: float, doubt: Line) -> Outcome:
        """Make what a stage gave count from here on (with a `doubt`: in this run alone). OSError: an output is missing.

        Gives the outcome with a digest of its outputs where the stage gave none.
        """
        folder = self._folders.artifact(key.stage, key.fingerprint)
        stamps = {name: digests.stamp(folder / path) for name, path in outcome.outputs.items()}
        found = {name: one.content or one.listing for name, one in stamps.items()}
        outcome = replace(outcome, digest=outcome.digest or hashlib.sha256(dumps(found).encode()).hexdigest())
        self.keep(Manifest(key, outcome, seconds, time.time(), stamps, doubt))
        return outcome

    def changed_input(self, stage: Stage, watched: Mapping[str, str]) -> Path | None:
        """Which input is not what it was when the stage began."""
        return next((path for name, path in stage.inputs.items() if digests.changed(path, watched[name])), None)

    def manifest(self, stage: str, fingerprint: str) -> Manifest | None:
        """The manifest of a finished artifact, None where it is not finished or the manifest cannot be read."""
        try:
            return self._read(stage, fingerprint)
        except (OSError, DamagedError):
            return None

    def _read(self, stage: str, fingerprint: str) -> Manifest:
        return unseal(Manifest, (self._folders.artifact(stage, fingerprint) / MANIFEST).read_bytes())

    def keep(self, manifest: Manifest) -> None:
        """Make an artifact count from here on."""
        folder = self._folders.artifact(manifest.key.stage, manifest.key.fingerprint)
        write_whole(folder / MANIFEST, seal(manifest))

    def begin(self, stage: str, fingerprint: str, *, stale: bool) -> Path:
        """The folder for a stage that is about to run. It counts for nothing until `finish`, whatever kills us when.

        What is `stale` in it is gone first; otherwise the stage builds upon what it holds.
        """
        folder = self._folders.artifact(stage, fingerprint)
        if stale and folder.exists():
            try:
                with self._lock:
                    remove_folder(self._folders, folder)
            except OSError:
                if folder.exists():
                    raise
        folder.mkdir(parents=True, exist_ok=True)
        if (manifest := folder / MANIFEST).exists():
            manifest.unlink()
            sync_folder(folder)
        return folder

    def _why_stale(self, stage: Stage, new: CacheKey) -> Line:
        old = self.latest(stage.name)
        if old is not None:
            return why_different(old.key, new, stage.inputs)
        if self._folders.artifact(stage.name, new.fingerprint).is_dir():
            return line("begun before, not finished")
        if any(self._is_older(stage.name, fingerprint) for fingerprint in self._listed(stage.name)):
            return line("an earlier version of r3d-tui made it")
        return line("not built yet")

    def _is_older(self, stage: str, fingerprint: str) -> bool:
        try:
            self._read(stage, fingerprint)
        except UnsealedError:
            return True
        except (OSError, DamagedError):
            pass
        return False

    def latest(self, stage: str) -> Manifest | None:
        """The manifest of the stage's latest artifact, whatever it was made of."""
        return max(self._manifests(stage), key=lambda manifest: manifest.at, default=None)

    def _listed(self, stage: str) -> list[str]:
        try:
            return [path.name for path in (self._folders.root / "artifacts" / stage).iterdir()]
        except OSError:
            return []

    def _manifests(self, stage: str) -> Iterator[Manifest]:
        for fingerprint in self._listed(stage):
            if manifest := self.manifest(stage, fingerprint):
                yield manifest


def remove_folder(folders: Folders, folder: Path) -> None:
    """Remove a folder of `.r3d`: it leaves its place whole, so that no kill leaves half of one there. OSError."""
    folders.trash.mkdir(mode=0o700, exist_ok=True)
    if folder != folders.trash:
        folder.rename(folders.trash / f"{time.time_ns()}-{folder.name}")
        sync_folder(folder.parent)
    shutil.rmtree(folders.trash)  # follows no link inside


def declared(outcome: Outcome, reads: Reads) -> Outcome:
    """Of an outcome what `reads` names."""
    return replace(
        outcome,
        outputs={name: path for name, path in outcome.outputs.items() if name in reads.outputs},
        figures={name: value for name, value in outcome.figures.items() if name in reads.figures},
        set_aside=outcome.set_aside if reads.skipped else (),
    )


def read_digest(reads: Reads, outcome: Outcome, fingerprint: str) -> str:
    """A digest of what a stage reads of another one's outcome; empty where it reads nothing."""
    if not reads.in_key:
        return ""
    parts: dict[str, Any] = {name: outcome.figures.get(name) for name in reads.figures}
    if reads.outputs:
        parts["outputs of"] = outcome.digest or fingerprint
    if reads.skipped:
        parts["skipped items"] = outcome.skipped_digest
    return hashlib.sha256(dumps(parts).encode()).hexdigest()[:32] if parts else ""


def why_different(old: CacheKey, new: CacheKey, paths: Mapping[str, Path]) -> Line:
    """The first difference between two cache keys, in words."""
    for name in [*new.inputs, *sorted(old.inputs.keys() - new.inputs.keys())]:
        if name not in new.inputs:
            return line("the input {name} is no longer given", name=name)
        if old.inputs.get(name) != new.inputs[name]:
            return line("the input {path} changed", path=str(paths.get(name, name)))
    was, now = dict(_leaves(old.params)), dict(_leaves(new.params))
    for name in sorted({*now, *was}):
        before, after = was.get(name), now.get(name)
        if before != after:
            return line(
                "{name} changed from {before} to {after}", name=name, before=_brief(before), after=_brief(after)
            )
    for name in [*new.upstream, *sorted(old.upstream.keys() - new.upstream.keys())]:
        if old.upstream.get(name) != new.upstream.get(name):
            return line("what {stage} gives changed", stage=name)
    if old.version != new.version:
        return line(
            "r3d-tui makes it in a new way (version {before}, now {after})", before=old.version, after=new.version
        )
    return line("what it depends on changed")


def _leaves(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Parameters by dotted names, so that a difference is named where it is."""
    for name, value in params.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _brief(value: object) -> str:
    text = json.dumps(value) if value is not None else "nothing"
    return text if len(text) <= 40 else text[:39] + "…"
