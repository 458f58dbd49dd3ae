"""Fingerprints of stages, and the reason when one is stale. It knows files and digests, not what stages do with them.

A fingerprint is a digest of a stage's ingredients: its code version, its parameters, the content of its inputs from
outside, and the digests of the outcomes that it hangs on. A finished artifact keeps its ingredients in a manifest, so
that a later difference can be named.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import posixpath
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from stat import S_ISDIR
from typing import Any

from backends.core.codec import DecodeError, dumps, loads
from backends.core.errors import InputError
from backends.core.events import Outcome
from backends.core.files import write_whole
from backends.core.messages import Line, line
from backends.core.plan import Stage
from backends.engine.folders import Folders

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Ingredients:
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


@dataclass(frozen=True, slots=True)
class Manifest:
    """What stands beside a finished artifact."""

    ingredients: Ingredients
    outcome: Outcome
    seconds: float
    at: float
    accepted_from: str = ""
    """The fingerprint under which it was really made, where a person accepted it for these ingredients."""
    accepted: Line = Line("")
    """What had changed then, in words."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a stage has to run, and why."""

    fingerprint: str
    outcome: Outcome | None
    """The earlier outcome where it need not run."""
    reason: Line


class Cache:
    """The artifacts of one workspace."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders
        self._digests = Digests(folders.digests)
        self._lock = threading.Lock()

    def ingredients(self, stage: Stage, upstream: Mapping[str, str]) -> Ingredients:
        """What the stage's outcome would hang on now. Raises InputError where an input is not there. Thread-safe."""
        with self._lock:
            inputs = {name: self._digests.of(path) for name, path in stage.inputs.items()}
            self._digests.save()
        params = json.loads(dumps(stage.params))
        return Ingredients(stage.name, stage.version, params, inputs, upstream)

    def judge(self, stage: Stage, ingredients: Ingredients, *, forced: bool = False) -> Verdict:
        """Whether `stage` has to run with these ingredients, and the reason in words."""
        fingerprint = ingredients.fingerprint
        if stage.fresh:
            return Verdict(fingerprint, None, line("run every time"))
        if forced:
            return Verdict(fingerprint, None, line("asked for"))
        manifest = self.manifest(stage.name, fingerprint)
        if manifest is None:
            return Verdict(fingerprint, None, self._why_stale(stage, ingredients))
        folder = self._folders.artifact(stage.name, fingerprint)
        for name, path in manifest.outcome.outputs.items():
            if not (folder / path).exists():
                return Verdict(fingerprint, None, line("its output {name} is gone", name=name))
        if manifest.accepted_from:
            return self._judge_accepted(stage.name, fingerprint, manifest)
        return Verdict(fingerprint, manifest.outcome, line("nothing changed since it was made"))

    def _judge_accepted(self, stage: str, fingerprint: str, manifest: Manifest) -> Verdict:
        """It counts only as long as the artifact that was accepted is the same one, and it always says what it is."""
        origin = self.manifest(stage, manifest.accepted_from)
        if origin is None or _digest_of(origin) != manifest.outcome.digest:
            return Verdict(fingerprint, None, line("what was accepted in its place is there no longer"))
        why = line("accepted as it is, although {why}", why=str(manifest.accepted))
        return Verdict(fingerprint, manifest.outcome, why)

    def acceptable(self, stage: Stage, new: Ingredients) -> Manifest | None:
        """The latest whole artifact from which `new` differs in code version or parameters alone; None: there is none.

        Where an input or what it hangs on changed, nothing can be accepted: the artifact would speak of other data.
        """
        if stage.fresh:
            return None
        fit = (
            manifest
            for manifest in self._manifests(stage.name)
            if manifest.ingredients.inputs == new.inputs
            and manifest.ingredients.upstream == new.upstream
            and manifest.ingredients != new
            and self._whole(manifest)
        )
        return max(fit, key=lambda manifest: manifest.at, default=None)

    def like(self, stage: Stage, new: Ingredients) -> Path | None:
        """The folder of the latest whole artifact that differs from `new` in the params of `stage.adds` alone."""

        def bare(one: Ingredients) -> Ingredients:
            return replace(one, params={name: value for name, value in one.params.items() if name not in stage.adds})

        fit = (
            manifest
            for manifest in (self._manifests(stage.name) if stage.adds else ())
            if not manifest.accepted_from
            and manifest.ingredients != new
            and bare(manifest.ingredients) == bare(new)
            and self._whole(manifest)
        )
        found = max(fit, key=lambda manifest: manifest.at, default=None)
        return None if found is None else self._folders.artifact(stage.name, found.ingredients.fingerprint)

    def accept(self, stage: Stage, new: Ingredients) -> bool:
        """Let the acceptable artifact count for `new`; False where there is none.

        Nothing is copied and the old artifact is not touched: a manifest of its own points at it by relative paths, so
        that a later run in the new folder cannot write through them. The digest is the old one, so that what hangs on
        the stage stays as it is. The manifest remembers the difference, and every verdict on it names it.
        """
        old = self.acceptable(stage, new)
        if old is None:
            return False
        made = old.ingredients.fingerprint
        outputs = {name: posixpath.normpath(f"../{made}/{path}") for name, path in old.outcome.outputs.items()}
        outcome = replace(old.outcome, outputs=outputs, digest=_digest_of(old))
        why = why_different(old.ingredients, new, stage.inputs)
        self._folders.artifact(stage.name, new.fingerprint).mkdir(parents=True, exist_ok=True)
        self.keep(Manifest(new, outcome, old.seconds, time.time(), old.accepted_from or made, why))
        return True

    def _whole(self, manifest: Manifest) -> bool:
        folder = self._folders.artifact(manifest.ingredients.stage, manifest.ingredients.fingerprint)
        return all((folder / path).exists() for path in manifest.outcome.outputs.values())

    def manifest(self, stage: str, fingerprint: str) -> Manifest | None:
        """The manifest of a finished artifact, None where it is not finished."""
        try:
            return loads(Manifest, (self._folders.artifact(stage, fingerprint) / MANIFEST).read_bytes())
        except (OSError, DecodeError):
            return None

    def keep(self, manifest: Manifest) -> None:
        """Make an artifact count from here on."""
        folder = self._folders.artifact(manifest.ingredients.stage, manifest.ingredients.fingerprint)
        write_whole(folder / MANIFEST, dumps(manifest).encode())

    def _why_stale(self, stage: Stage, new: Ingredients) -> Line:
        old = self.latest(stage.name)
        if old is None:
            begun = self._folders.artifact(stage.name, new.fingerprint)
            return line("begun before, not finished") if begun.is_dir() else line("first time here")
        return why_different(old.ingredients, new, stage.inputs)

    def latest(self, stage: str) -> Manifest | None:
        """The manifest of the stage's latest artifact, whatever it was made of."""
        return max(self._manifests(stage), key=lambda manifest: manifest.at, default=None)

    def _manifests(self, stage: str) -> Iterator[Manifest]:
        try:
            folders = list((self._folders.root / "artifacts" / stage).iterdir())
        except OSError:
            return
        for folder in folders:
            if manifest := self.manifest(stage, folder.name):
                yield manifest


def _digest_of(manifest: Manifest) -> str:
    return manifest.outcome.digest or manifest.ingredients.fingerprint


def why_different(old: Ingredients, new: Ingredients, paths: Mapping[str, Path]) -> Line:
    """The first difference between two sets of ingredients, in words."""
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
    return line("what it hangs on changed")


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


class Digests:
    """Digests of files by content, remembered by size and time, and of folders by names, sizes and times."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, list[Any]] = {}
        self._changed = False
        try:
            known = json.loads(path.read_bytes())
            self._known = known if isinstance(known, dict) else {}
        except (OSError, ValueError):
            pass

    def of(self, path: Path) -> str:
        """A digest of a file's bytes or of a folder's tree. Raises InputError where there is nothing to read."""
        try:
            if path.is_dir():
                return _tree_digest(path)
            return self._file_digest(path)
        except OSError as error:
            text, hint = "{path}: {reason}", "mend the path in r3d.toml"
            raise InputError(text, hint=hint, path=str(path), reason=error.strerror or str(error)) from None

    def save(self) -> None:
        """Remember what was read; where that cannot be written, it is read again."""
        if self._changed:
            with contextlib.suppress(OSError):
                write_whole(self._path, json.dumps(self._known).encode())
            self._changed = False

    def _file_digest(self, path: Path) -> str:
        stat = path.stat()
        key, state = str(path), [stat.st_size, stat.st_mtime_ns, stat.st_ino]
        known = self._known.get(key)
        if isinstance(known, list) and len(known) == 4 and known[:3] == state:
            return str(known[3])
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
        self._known[key] = [*state, digest.hexdigest()]
        self._changed = True
        return digest.hexdigest()


def _tree_digest(root: Path) -> str:
    """Names, sizes and times of all files under a folder: a second for 140,000 frames, where reading takes minutes.

    Links count as what they lead to; a folder that was seen already (a link to a parent, say) counts by name alone.
    """
    digest = hashlib.sha256()
    pending, seen = [(str(root), "")], {_identity(root.stat())}
    while pending:
        folder, prefix = pending.pop()
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda found: found.name):
                name = f"{prefix}{entry.name}"
                stat = _stat_through(entry)
                if not S_ISDIR(stat.st_mode):
                    said = f"{name}\0{stat.st_size}\0{stat.st_mtime_ns}\n"
                elif _identity(stat) in seen:
                    said = f"{name}\0seen\n"
                else:
                    seen.add(_identity(stat))
                    pending.append((entry.path, name + "/"))
                    continue
                digest.update(said.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _identity(stat: os.stat_result) -> tuple[int, int]:
    return stat.st_dev, stat.st_ino


def _stat_through(entry: os.DirEntry[str]) -> os.stat_result:
    """What a link leads to, or the link itself where it leads nowhere."""
    try:
        return entry.stat()
    except OSError:
        return entry.stat(follow_symlinks=False)
