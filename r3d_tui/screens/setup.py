"""The form that makes a workspace: candidates found in the folder, each field checked as one types, in threads."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from msgspec import Struct
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.screen import Screen
from textual.suggester import Suggester
from textual.widgets import Input

from backends.core.errors import R3dError
from backends.core.values import DeviceSample
from r3d_tui.lang.words import Words
from r3d_tui.text.rows import Row, Span, cells, cut, fit, row, shorten
from r3d_tui.text.safe import safe
from r3d_tui.widgets.check_boxes import CheckBoxes
from r3d_tui.widgets.sheet import Sheet

FIELDS = ("videos", "frames", "annotation", "splits", "checkpoint", "target", "devices")
FOLDERS = ("videos", "frames", "splits")
PACKED = ("videos", "splits")
"""Folders that may be given as an archive of what they hold."""
FOUND_AS = {
    "videos": "videos",
    "frames": "frames",
    "annotation": "annotations",
    "splits": "splits",
    "checkpoint": "checkpoints",
}
"""Path fields, and what `api.find_candidates` calls them."""


NEEDED = {"need_data": "videos", "need_labels": "annotation", "need_checkpoint": "checkpoint"}
"""What is lacking, and the field that is for it."""


class PathSuggester(Suggester):
    """Completes a path by what lies there: the first name that begins as what was typed."""

    def __init__(self, folder: Path) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._folder = folder

    async def get_suggestion(self, value: str) -> str | None:
        """The whole path, shown behind the cursor; the right arrow takes it."""
        return await asyncio.to_thread(self._complete, value)

    def _complete(self, value: str) -> str | None:
        head, slash, begun = value.rpartition("/")
        try:
            names = [path.name for path in (self._folder / Path(f"{head}{slash}").expanduser()).iterdir()]
        except (OSError, RuntimeError, ValueError):
            return None
        name = next((name for name in sorted(names) if begun and name.startswith(begun) and name != begun), None)
        return None if name is None else f"{head}{slash}{name}"


class Verdict(Struct, frozen=True):
    """What is to be said of a field: a key of `setup`, and whether it stands in the way."""

    key: str
    role: str
    blocks: bool


def judge(field: str, text: str, folder: Path) -> Verdict:
    """Look at one field. Touches the disk: call it from a thread."""
    text = text.strip()
    if field == "target":
        return Verdict("ok", "good", False) if text in ("cpu", "ascend") else Verdict("target_wrong", "bad", True)
    if not text:
        return Verdict("empty", "dim", False)
    if field == "devices":
        fits = all(part.strip().isdecimal() for part in text.split(","))
        return Verdict("ok", "good", False) if fits else Verdict("devices_wrong", "bad", True)
    try:
        return _judge_path(field, folder / Path(text).expanduser())
    except (OSError, RuntimeError, ValueError):  # not readable, nobody's home, a NUL in it
        return Verdict("unreadable", "bad", True)


def _judge_path(field: str, path: Path) -> Verdict:
    if not path.exists():
        return Verdict("missing", "bad", True)
    if field in PACKED and path.is_file() and _is_archive(path):
        return Verdict("archive", "good", False)
    if field in FOLDERS and not path.is_dir():
        return Verdict("not_folder", "bad", True)
    if field not in FOLDERS and not path.is_file():
        return Verdict("not_file", "bad", True)
    doubt = _doubt(field, path)
    return Verdict(doubt, "warn", False) if doubt else Verdict("ok", "good", False)


def _doubt(field: str, path: Path) -> str:
    """What looks wrong at a glance, by names and first bytes; it does not stand in the way."""
    if field in FOLDERS:
        with os.scandir(path) as entries:
            return "" if any(entries) else "bare"
    with path.open("rb") as file:
        head = file.read(4096)
    if field == "annotation":
        return "" if b'"labels"' in head else "no_labels"
    return "" if head[:2] in (b"PK", b"\x80\x02") else "no_checkpoint"


def _is_archive(path: Path) -> bool:
    from backends import api

    return api.is_archive(path)


def lacks(texts: dict[str, str]) -> str | None:
    """The key of what must still be given; None where all is."""
    if not (texts["videos"].strip() or texts["frames"].strip()):
        return "need_data"
    if not (texts["annotation"].strip() or texts["splits"].strip()):
        return "need_labels"
    return None if texts["checkpoint"].strip() else "need_checkpoint"


def answers(texts: dict[str, str], folder: Path) -> dict[str, Any]:
    """The arguments of `api.init_workspace`."""
    found: dict[str, Any] = {}
    for field in FOUND_AS:
        text = texts[field].strip()
        found[field] = folder / Path(text).expanduser() if text else None
    devices = texts["devices"].strip()
    found["target"] = texts["target"].strip()
    found["devices"] = tuple(int(part) for part in devices.split(",")) if devices else None
    return found


class Setup(Screen[Path | None]):
    """Seven fields, a line about each, and one key that writes r3d.toml. Gives its path, or None."""

    DEFAULT_CSS = """
    Setup { background: $background; }
    Setup #title { height: 3; padding: 0 1; }
    Setup #keys { height: 1; padding: 0 1; background: $surface; dock: bottom; }
    Setup #trouble { height: 2; padding: 0 1; }
    Setup VerticalScroll { scrollbar-size: 0 0; }
    Setup .field { height: 1; }
    Setup .label { width: 14; height: 1; padding: 0 1; }
    Setup .about { height: 1; padding: 0 1 0 15; }
    Setup Input, Setup CheckBoxes { border: none; height: 1; padding: 0 1; background: $panel; width: 1fr; }
    Setup Input:focus, Setup CheckBoxes:focus { border: none; background: $r3d-chip; }
    Setup Input:ansi, Setup CheckBoxes:ansi { background: ansi_default; text-style: underline; }
    Setup Input:ansi:focus { text-style: reverse; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,ctrl+g", "leave", show=False),
        Binding("ctrl+s,ctrl+w", "write", show=False, priority=True),
        Binding("down", "candidate(1)", show=False, priority=True),
        Binding("up", "candidate(-1)", show=False, priority=True),
        Binding("enter", "go_on", show=False, priority=True),
    ]

    def __init__(self, folder: Path, words: Words) -> None:
        super().__init__()
        self._folder, self._words = folder, words
        self._candidates: dict[str, tuple[str, ...]] = dict.fromkeys(FIELDS, ())
        self._candidates["target"] = ("cpu", "ascend")
        self._inputs = {
            field: Input(
                value="cpu" if field == "target" else "",
                id=f"in-{field}",
                suggester=PathSuggester(folder) if field in FOUND_AS else None,
            )
            for field in FIELDS
        }
        self._boxes = CheckBoxes(id="boxes")
        self._boxes.display = False
        self._free: set[int] = set()
        """Chips that a run takes unnamed."""
        self._about = {field: Sheet(focusable=False) for field in FIELDS}
        self._labels = {field: Sheet(focusable=False) for field in FIELDS}
        self._head = Sheet(id="title", focusable=False)
        self._trouble = Sheet(id="trouble", focusable=False)
        self._foot = Sheet(id="keys", focusable=False)
        self._verdicts: dict[str, Verdict] = {}

    def compose(self) -> ComposeResult:
        yield self._head
        with VerticalScroll(can_focus=False):
            for field in FIELDS:
                self._labels[field].add_class("label")
                self._about[field].add_class("about")
                with Horizontal(classes="field"):
                    yield self._labels[field]
                    yield self._inputs[field]
                    if field == "devices":
                        yield self._boxes
                yield self._about[field]
        yield self._trouble
        yield self._foot

    def on_mount(self) -> None:
        self._inputs["videos"].focus()
        self.call_after_refresh(self._draw)
        self._in_thread(self._look_around)

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    def _look_around(self) -> Callable[[], None]:
        from backends import api

        found, target = api.find_candidates(self._folder), api.likely_target()
        chips: tuple[DeviceSample, ...] = ()
        if target == "ascend":
            with api.sample_devices(target) as readings:
                chips = next(readings, ())
        return lambda: self._take_candidates(found, target, chips)

    def _take_candidates(self, found: Any, target: str, chips: tuple[DeviceSample, ...]) -> None:
        """What lies about in the folder, and what the machine has: both are proposed."""
        self._inputs["target"].value = target
        numbers = {int(chip.device.rpartition(":")[2]): chip for chip in chips if chip.device[-1:].isdigit()}
        self._free = {number for number, chip in numbers.items() if not chip.not_taken.template}
        self._boxes.offer(sorted(numbers), sorted(self._free))
        self._show_boxes()
        for field, name in FOUND_AS.items():
            paths: tuple[Path, ...] = getattr(found, name, ())
            self._candidates[field] = tuple(self._short(path) for path in paths)
        self._prefill("videos")
        self._prefill("frames", unless="videos")
        self._prefill("annotation")
        self._prefill("splits", unless="annotation")
        self._prefill("checkpoint")
        self._draw()

    def _prefill(self, field: str, unless: str = "") -> None:
        if unless and self._inputs[unless].value:
            return
        if self._candidates[field] and not self._inputs[field].value:
            self._inputs[field].value = self._candidates[field][0]

    def _short(self, path: Path) -> str:
        try:
            return str(path.relative_to(self._folder))
        except ValueError:
            return str(path)

    def _in_thread(self, work: Callable[[], Callable[[], None]]) -> None:
        def run() -> None:
            try:
                then = work()
            except (R3dError, OSError, ValueError) as error:
                trouble = error
                self.call_later(self._take, lambda: self._say_trouble(trouble))
            else:
                self.call_later(self._take, then)

        threading.Thread(target=run, name="setup", daemon=True).start()

    def _take(self, then: Callable[[], None]) -> None:
        """A thread is done; the form may be gone."""
        if self.is_attached:
            then()

    @on(Input.Changed)
    def look_at(self, event: Input.Changed) -> None:
        """Judge a field while one types; an answer to an older text is dropped."""
        field = (event.input.id or "in-").removeprefix("in-")
        text = event.value
        self._show_boxes()

        def work() -> Callable[[], None]:
            verdict = judge(field, text, self._folder)
            return lambda: self._take_verdict(field, text, verdict)

        self._in_thread(work)

    def _take_verdict(self, field: str, text: str, verdict: Verdict) -> None:
        if self._inputs[field].value == text:
            self._verdicts[field] = verdict
            self._draw()

    def _show_boxes(self) -> None:
        """Chips are check boxes; groups of cores are numbers to type."""
        boxed = self._inputs["target"].value.strip() == "ascend" and bool(self._boxes.keys)
        self._boxes.display, self._inputs["devices"].display = boxed, not boxed

    def _texts(self) -> dict[str, str]:
        """What the fields say; of the boxes a choice that is not what a run would take anyway."""
        texts = {field: entry.value for field, entry in self._inputs.items()}
        if self._boxes.display and self._boxes.chosen == self._free:
            texts["devices"] = ""
        elif self._boxes.display:
            texts["devices"] = ",".join(map(str, sorted(self._boxes.chosen)))
        return texts

    def action_go_on(self) -> None:
        """Enter: write where nothing is lacking, else go to what is."""
        lacking = lacks(self._texts())
        if lacking is None:
            self.action_write()
            return
        self._inputs[NEEDED[lacking]].focus()
        self._verdicts[NEEDED[lacking]] = Verdict(lacking, "bad", False)
        self._draw()

    def action_candidate(self, step: int) -> None:
        field = (self.focused.id or "").removeprefix("in-") if self.focused is not None else ""
        found = self._candidates.get(field, ())
        if found:
            entry = self._inputs[field]
            place = found.index(entry.value) + step if entry.value in found else 0
            entry.value = found[place % len(found)]
            entry.cursor_position = len(entry.value)

    def action_write(self) -> None:
        """Write r3d.toml, or say what is lacking."""
        texts = self._texts()
        blocked = [field for field in FIELDS if field in self._verdicts and self._verdicts[field].blocks]
        if blocked:
            self._inputs[blocked[0]].focus()
            return
        if (key := lacks(texts)) is not None:
            self._say(self._words(f"setup.{key}"), "bad")
            self.action_go_on()
            return

        def work() -> Callable[[], None]:
            from backends import api

            written = api.init_workspace(self._folder, **answers(texts, self._folder))
            return lambda: self._done(written)

        self._in_thread(work)

    def _done(self, written: Path) -> None:
        self.dismiss(written)

    def action_leave(self) -> None:
        self.dismiss(None)

    def _say_trouble(self, error: Exception) -> None:
        if isinstance(error, R3dError):
            hint = self._words.line(error.hint) if error.hint.template else ""
            self._say(self._words.line(error.line), "bad", hint)
        else:
            self._say(safe(str(error)), "bad")

    def _say(self, text: str, role: str, hint: str = "") -> None:
        self._trouble.show([row(Span(text, role)), row(hint)])

    def _draw(self) -> None:
        words, width = self._words, max(20, self.app.size.width - 4)
        title = words("setup.title")
        place = shorten(safe(str(self._folder)), max(8, width - cells(title) - 2), keep_end=True)
        head = row(Span(title, "focus"), "  ", Span(place, "strong"))
        self._head.show([cut(head, width), cut(row(words("setup.intro")), width), ()])
        self._foot.show([cut(row(words("setup.keys")), width)])
        for field in FIELDS:
            self._labels[field].show([row(Span(fit(words(f"setup.{field}"), 12), "strong"))])
            self._about[field].show([self._about_row(field)])

    def _about_row(self, field: str) -> Row:
        words, verdict = self._words, self._verdicts.get(field)
        spans = []
        if field == "devices" and self._boxes.display:
            return cut(row(Span(words("setup.boxes_help"), "dim")), max(10, self.app.size.width - 17))
        if verdict is not None and verdict.key != "empty":
            sign = {"good": "✓", "warn": "!"}.get(verdict.role, "✗")
            spans.append(Span(f"{sign} {words(f'setup.{verdict.key}')}  ", verdict.role))
        spans.append(Span(words(f"setup.{field}_help"), "dim"))
        found, value = self._candidates[field], self._inputs[field].value
        if field != "target" and (len(found) > 1 or (found and value not in found)):
            place = f"{found.index(value) + 1}/" if value in found else ""
            spans.insert(0, Span(words("setup.found", n=f"{place}{len(found)}") + "  ", "accent"))
        return cut(tuple(spans), max(10, self.app.size.width - 17))
