"""What the screens may ask of the application that shows them; `r3d_tui.app.ConsoleApp` is one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Protocol, TypeVar

from textual.message_pump import MessagePump

from backends.core.client import Client
from backends.core.errors import InputError, R3dError
from backends.core.messages import Line, line
from r3d_tui.lang.words import Words
from r3d_tui.state.feed import Feed

T = TypeVar("T")


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


def write_text(folder: Path, name: str, text: str, now: float) -> Path:
    """A text to a file in a workspace, where a clipboard does not work; gives its path. `now` is wall time."""
    place = folder / ".r3d" / "texts" / f"{name}-{int(now)}.txt"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text, encoding="utf-8")
    return place


def ask(
    screen: MessagePump, work: Callable[[], T], then: Callable[[T], None], failed: Callable[[R3dError | Line], None]
) -> None:
    """Do `work` in a thread, then `then` or `failed` in the event loop, unless the screen was left meanwhile.

    `failed` gets an error of the outside world, or, where `work` has a fault of ours, a line that names it.
    """

    def run() -> None:
        try:
            found = work()
        except (R3dError, OSError) as error:
            screen.call_later(failed, error if isinstance(error, R3dError) else InputError("{error}", error=str(error)))
        except Exception as error:  # noqa: BLE001 - shown as a sentence; the console goes on
            text = str(error)[:300]
            screen.call_later(failed, line("{error}: {text}", error=type(error).__name__, text=text))
        else:
            screen.call_later(then, found)

    Thread(target=run, name="ask", daemon=True).start()
