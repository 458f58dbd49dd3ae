"""What the screens may ask of the application that shows them; `r3d_tui.app.ConsoleApp` is one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from backends.core.client import Client
from r3d_tui.lang.words import Words
from r3d_tui.state.feed import Feed


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


def write_text(folder: Path, name: str, text: str, now: float) -> Path:
    """A text to a file in a workspace, where a clipboard does not work; gives its path. `now` is wall time."""
    place = folder / ".r3d" / "texts" / f"{name}-{int(now)}.txt"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text, encoding="utf-8")
    return place
