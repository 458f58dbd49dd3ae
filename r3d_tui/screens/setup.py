"""The form that makes a workspace: what was found is filled in, and what the fields name is looked at in threads."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.screen import Screen
from textual.suggester import Suggester
from textual.widgets import Input

from backends import api
from backends.core.client import Candidates
from backends.core.command_reports import Overview
from backends.core.messages import Line, R3dError
from backends.core.values import DeviceSample
from r3d_tui.lang.words import Words
from r3d_tui.state.feed import ask
from r3d_tui.text.rows import Span, cells, cut, fit, row, safe, shorten
from r3d_tui.views.chips import number_of
from r3d_tui.views.look import paragraph
from r3d_tui.views.ready import network, sources, wanted_labels
from r3d_tui.widgets.check_boxes import CheckBoxes
from r3d_tui.widgets.sheet import Sheet

FOUND_AS = {
    "videos": "videos",
    "frames": "frames",
    "annotation": "annotations",
    "splits": "splits",
    "checkpoint": "checkpoints",
}
"""Path fields, and what `Candidates` calls them."""
FIELDS = (*FOUND_AS, "target", "devices")
FILES = ("annotation", "checkpoint")
PACKED = ("videos", "splits")
"""Folders that may be given as an archive of what they hold."""
PAUSE_S = 0.25
"""Fields are looked at once nobody has typed for so long."""


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


def fault(field: str, text: str, folder: Path) -> str:
    """The key in `setup` of what is wrong with a field by itself; "": nothing. Touches the disk: use a thread."""
    if field == "target":
        return "" if text in ("cpu", "ascend") else "target_wrong"
    if field == "devices":
        return "" if all(part.strip().isdecimal() for part in text.split(",")) else "devices_wrong"
    try:
        path = folder / Path(text).expanduser()
        if not path.exists():
            return "missing"
        if field in FILES:
            return "" if path.is_file() else "not_file"
        return "" if path.is_dir() or (field in PACKED and api.is_archive(path)) else "not_folder"
    except (OSError, RuntimeError, ValueError):  # not readable, nobody's home, a NUL in it
        return "unreadable"


def lacking(texts: Mapping[str, str]) -> str:
    """The field that must still be given; "" where all are."""
    if not (texts["videos"] or texts["frames"]):
        return "videos"
    return "" if texts["checkpoint"] else "checkpoint"


def answers(texts: Mapping[str, str], folder: Path) -> dict[str, Any]:
    """The arguments of `api.new_settings`, of fields that are sound."""
    found: dict[str, Any] = {field: folder / Path(texts[field]).expanduser() for field in FOUND_AS if texts[field]}
    devices = texts["devices"]
    return {**found, "target": texts["target"], "devices": tuple(map(int, devices.split(","))) if devices else None}


class Setup(Screen[Path | None]):
    """Seven fields, a line about each, and one key that writes r3d.toml. Gives its path, or None."""

    DEFAULT_CSS = """
    Setup { background: $background; }
    Setup #title { height: 3; padding: 0 1; }
    Setup #keys { height: 1; padding: 0 1; background: $surface; dock: bottom; }
    Setup #problem { height: auto; max-height: 6; padding: 0 1; }
    Setup VerticalScroll { scrollbar-size: 0 0; }
    Setup .field { height: 1; }
    Setup .label { width: 14; height: 1; padding: 0 1; }
    Setup .about { height: 1; padding: 0 1 0 15; }
    Setup Input, Setup CheckBoxes { border: none; height: 1; padding: 0 1; background: $panel; width: 1fr;
        max-width: 100; }
    Setup Input:focus, Setup CheckBoxes:focus { border: none; background: $r3d-chip; }
    Setup Input:ansi, Setup CheckBoxes:ansi { background: ansi_default; text-style: underline; }
    Setup Input:ansi:focus { text-style: reverse; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,ctrl+g", "leave", show=False),
        Binding("enter,ctrl+s", "write", show=False, priority=True),
        Binding("ctrl+o", "demo", show=False, priority=True),
        Binding("down", "candidate(1)", show=False, priority=True),
        Binding("up", "candidate(-1)", show=False, priority=True),
    ]

    def __init__(self, folder: Path, words: Words, demo: Callable[[], object]) -> None:
        super().__init__()
        self._folder, self._words, self._demo = folder, words, demo
        self._candidates: dict[str, tuple[str, ...]] = {"target": ("cpu", "ascend")}
        self._inputs = {
            field: Input(id=f"in-{field}", suggester=PathSuggester(folder) if field in FOUND_AS else None)
            for field in FIELDS
        }
        self._boxes = CheckBoxes(id="boxes")
        self._boxes.display = False
        self._free: set[int] = set()
        """Chips that a run takes unnamed."""
        self._machine = ""
        """What it has, for the field of the target."""
        self._about = {field: Sheet(focusable=False, classes="about") for field in FIELDS}
        self._labels = {field: Sheet(focusable=False, classes="label") for field in FIELDS}
        self._head = Sheet(id="title", focusable=False)
        self._problem = Sheet(id="problem", focusable=False)
        self._foot = Sheet(id="keys", focusable=False)
        self._looked: dict[str, str] = {}
        """The fields as they were when they were last looked at."""
        self._faults: dict[str, str] = {}
        self._overview: Overview | None = None

    def compose(self) -> ComposeResult:
        yield self._head
        with VerticalScroll(can_focus=False):
            for field in FIELDS:
                with Horizontal(classes="field"):
                    yield self._labels[field]
                    yield self._inputs[field]
                    if field == "devices":
                        yield self._boxes
                yield self._about[field]
        yield self._problem
        yield self._foot

    def on_mount(self) -> None:
        self._inputs["videos"].focus()
        self.call_after_refresh(self._draw)
        ask(self, self._look_around, lambda found: self._propose(*found), self._say_error)

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    def _look_around(self) -> tuple[Candidates, str, tuple[DeviceSample, ...]]:
        found, target = api.find_candidates(self._folder), api.likely_target()
        chips: tuple[DeviceSample, ...] = ()
        if target == "ascend":
            with api.sample_devices(target) as readings:
                chips = next(readings, ())
        return found, target, chips

    def _propose(self, found: Candidates, target: str, chips: tuple[DeviceSample, ...]) -> None:
        """What lies about in the folder, and what the machine has."""
        self._inputs["target"].value = target
        numbers = {number: chip for chip in chips if (number := number_of(chip.device)) >= 0}
        self._free = {number for number, chip in numbers.items() if not chip.not_taken.template}
        self._boxes.offer(sorted(numbers), sorted(self._free))
        name = safe(chips[0].name) if chips else ""
        self._machine = self._words("setup.chips", n=len(chips), name=name) if chips else self._words("setup.cpu")
        for field, name in FOUND_AS.items():
            self._candidates[field] = tuple(self._short(path) for path in getattr(found, name))
        for field, instead in {"videos": "", "frames": "videos", "annotation": "", "splits": "annotation"}.items():
            self._fill(field, instead)
        self._fill("checkpoint")
        self._look()

    def _fill(self, field: str, instead: str = "") -> None:
        """Put the first that was found into a field, unless one that stands for it holds something."""
        taken = self._inputs[field].value or (instead and self._inputs[instead].value)
        if self._candidates[field] and not taken:
            self._inputs[field].value = self._candidates[field][0]

    def _short(self, path: Path) -> str:
        return str(path.relative_to(self._folder) if path.is_relative_to(self._folder) else path)

    @on(Input.Changed)
    def look_soon(self) -> None:
        boxed = self._inputs["target"].value.strip() == "ascend" and bool(self._boxes.keys)
        self._boxes.display, self._inputs["devices"].display = boxed, not boxed
        self.set_timer(PAUSE_S, self._look)

    def _look(self) -> None:
        texts = self._texts()
        if texts == self._looked or "videos" not in self._candidates:  # nothing new, or not looked around yet
            return
        self._looked = texts
        ask(self, lambda: self._judged(texts), lambda found: self._take(texts, *found), self._say_error)

    def _judged(self, texts: dict[str, str]) -> tuple[dict[str, str], Overview]:
        """What is wrong with each field, and what those that are sound name."""
        faults = {field: key for field, text in texts.items() if text and (key := fault(field, text, self._folder))}
        sound = {field: "" if field in faults else text for field, text in texts.items()}
        sound["target"] = sound["target"] or "cpu"
        return faults, api.overview(self._folder, api.new_settings(**answers(sound, self._folder)))

    def _take(self, texts: dict[str, str], faults: dict[str, str], overview: Overview) -> None:
        if texts == self._looked:
            self._faults, self._overview = faults, overview
            self._say(*overview.contradictions)

    def _texts(self) -> dict[str, str]:
        """What the fields hold; of the boxes a choice that is not what a run would take anyway."""
        texts = {field: entry.value.strip() for field, entry in self._inputs.items()}
        if self._boxes.display:
            chosen = self._boxes.chosen
            texts["devices"] = "" if chosen == self._free else ",".join(map(str, sorted(chosen)))
        return texts

    def action_candidate(self, step: int) -> None:
        field = (self.focused.id or "").removeprefix("in-") if self.focused is not None else ""
        if found := self._candidates.get(field, ()):
            entry = self._inputs[field]
            place = found.index(entry.value) + step if entry.value in found else 0
            entry.value = found[place % len(found)]
            entry.cursor_position = len(entry.value)

    def action_write(self) -> None:
        """Write r3d.toml, or go to the field that keeps it from being written."""
        texts = self._texts()
        if missing := lacking(texts):
            self._inputs[missing].focus()
            self._faults[missing] = f"need_{missing}"
            self._draw()
            return

        def work() -> Path | None:
            if any(text and fault(field, text, self._folder) for field, text in texts.items()):
                return None
            return api.init_workspace(self._folder, api.new_settings(**answers(texts, self._folder)))

        ask(self, work, self._written, self._say_error)

    def _written(self, place: Path | None) -> None:
        if place is not None:
            self.dismiss(place)
        elif wrong := next((field for field in FIELDS if field in self._faults), ""):
            self._inputs[wrong].focus()

    def action_leave(self) -> None:
        self.dismiss(None)

    def action_demo(self) -> None:
        self._demo()

    def _say_error(self, error: R3dError | Line) -> None:
        if isinstance(error, R3dError):
            self._say(error.line, *((error.hint,) if error.hint.template else ()))
        else:
            self._say(error)

    def _say(self, *texts: Line) -> None:
        width = max(20, self.app.size.width - 2)
        lines = [self._words.line(text) for text in texts]
        found = [paragraph(f"✗ {text}", width, "bad") for text in lines]
        self._problem.show([line for rows in found for line in rows])
        self._problem.styles.height = sum(map(len, found))
        self._draw()

    def _draw(self) -> None:
        words, width = self._words, max(20, self.app.size.width - 4)
        title = words("setup.title")
        place = shorten(safe(str(self._folder)), max(8, width - cells(title) - 2), keep_end=True)
        head = row(Span(title, "focus"), "  ", Span(place, "strong"))
        intro = "setup.intro" if any(map(self._candidates.get, FOUND_AS)) else "setup.nothing"
        self._head.show([cut(head, width), cut(row(words(intro)), width), ()])
        hints = [hint.partition(" ") for hint in words("setup.keys").split("  ")]
        spans = [span for key, _, text in hints[1:] for span in (Span(key, "key"), Span(f" {text}  "))]
        self._foot.show([cut(row(Span(f" {hints[0][0]} {hints[0][2].upper()} ", "chip"), "  ", *spans), width)])
        for field in FIELDS:
            self._labels[field].show([row(Span(fit(words(f"setup.{field}"), 12), "strong"))])
            self._about[field].show([cut(row(*self._about_field(field)), max(10, self.app.size.width - 17))])

    def _about_field(self, field: str) -> list[Span]:
        """How many were found, and what the field names, what is wrong with it, or what it is for."""
        words, spans, value = self._words, [], self._inputs[field].value
        found = self._candidates.get(field, ())
        if field != "target" and (len(found) > 1 or (found and value not in found)):
            place = f"{found.index(value) + 1}/" if value in found else ""
            spans.append(Span(words("setup.found", n=f"{place}{len(found)}") + "  ", "accent"))
        if field in self._faults:
            return [*spans, Span(f"✗ {words(f'setup.{self._faults[field]}')}", "bad")]
        if said := self._seen(field):
            return [*spans, Span("✓ ", "good"), Span(said)]
        key = "boxes_help" if field == "devices" and self._boxes.display else f"{field}_help"
        return [*spans, Span(words(f"setup.{key}"), "dim")]

    def _seen(self, field: str) -> str:
        """What the look at the fields found in this one; "": nothing that can be named."""
        overview, words = self._overview, self._words
        if overview is None or not self._looked.get(field):
            return ""
        if field in PACKED and Path(self._looked[field]).suffix:
            return words("setup.archive")
        if field in ("videos", "frames"):
            return sources(overview, words, videos=field == "videos")
        if field in ("annotation", "splits"):
            return wanted_labels(overview, words)
        return {"checkpoint": network(overview, words), "target": self._machine}.get(field, "")
