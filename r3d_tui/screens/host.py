"""What the screens may ask of the application that shows them; `r3d_tui.app.ConsoleApp` is one."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from textual.app import App
from textual.color import Color

from backends.core.client import Client
from r3d_tui.lang.words import Words
from r3d_tui.state.feed import Feed
from r3d_tui.views.matrix import Heat


class Host(Protocol):
    """The application, apart from what Textual gives every screen."""

    client: Client
    words: Words
    feed: Feed
    clock: Callable[[], float]
    """Wall time."""
    read_only: bool
    ascii_only: bool
    live: bool
    """Devices of this machine are looked at while no run does."""

    @property
    def behind(self) -> bool:
        """The terminal has not shown yet what was sent."""

    def when_answered(self, then: Callable[[], None]) -> None:
        """Call `then` once no answer of the terminal is out."""

    def turn_language(self) -> None: ...

    def turn_theme(self) -> None: ...

    def action_redraw(self) -> None: ...

    def leave(self, code: int = 0) -> None:
        """End the console; the run goes on."""


DEMO = 100
"""The code of a console that is left for the demo's."""


def has_colours(app: App[object]) -> bool:
    """Whether pictures may be drawn in colours of their own; sixteen, or none, are the terminal's."""
    return not (app.native_ansi_color or app.no_color or getattr(app, "ascii_only", False))


def heat_of(app: App[object]) -> Heat | None:
    """The theme's colours for a matrix; None where the terminal has only its own sixteen, or none."""
    if not has_colours(app):
        return None
    names = ("surface", "primary", "error", "foreground")
    ground, right, wrong, ink = (Color.parse(app.theme_variables[name]).rgb for name in names)
    return Heat(ground, right, wrong, ink)


def write_text(folder: Path, name: str, text: str, now: float) -> Path:
    """A text to a file in a workspace, where a clipboard does not work; gives its path. `now` is wall time."""
    place = folder / ".r3d" / "texts" / f"{name}-{int(now)}.txt"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text, encoding="utf-8")
    return place
