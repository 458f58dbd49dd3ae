"""The console as an application: one client, one board, what opens over it. Its end can damage nothing."""

import asyncio
import gc
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.theme import Theme
from textual.widgets import Input

from backends.core.client import Client
from r3d_tui.headless.sentences import logged
from r3d_tui.lang.words import Words, chosen, speakable
from r3d_tui.screens.board import Board
from r3d_tui.screens.commands import COMMANDS
from r3d_tui.screens.questions import Questions
from r3d_tui.state.feed import Feed, Worded
from r3d_tui.terminal import tty
from r3d_tui.terminal.ground import ask_ground
from r3d_tui.terminal.textual_workarounds import ConsoleBase
from r3d_tui.text.rows import safe, shorten

DARK = {
    "r3d-dim": "#84909c",
    "r3d-rule": "#3a444f",
    "r3d-chip": "#264a78",
    "r3d-match": "#5b4a1e",
    "r3d-cursor": "#2b3138",
}
LIGHT = {
    "r3d-dim": "#6a6f76",
    "r3d-rule": "#c4c0b4",
    "r3d-chip": "#c9dcec",
    "r3d-match": "#f3df9c",
    "r3d-cursor": "#e3e7e6",
}
"""Colours that Textual has no name for. All are chosen to stay what they are, greys grey, where a terminal has 256."""
THEMES = (
    Theme(
        "r3d-dark",
        primary="#6aa9d8",
        secondary="#8fb8a8",
        accent="#d9b36c",
        foreground="#cfd6dd",
        background="#12161b",
        surface="#1c2025",
        panel="#252b31",
        success="#7fb98a",
        warning="#d9a85c",
        error="#e06b69",
        dark=True,
        variables=DARK,
    ),
    Theme(
        "r3d-light",
        primary="#1f5f99",
        secondary="#356b5a",
        accent="#8a5a00",
        foreground="#20262c",
        background="#fbfaf7",
        surface="#f0efec",
        panel="#e3e2dd",
        success="#256d2a",
        warning="#8a5a00",
        error="#b02a20",
        dark=False,
        variables=LIGHT,
    ),
)
TURN = ("r3d-dark", "r3d-light", "ansi-dark", "ansi-light")


class ConsoleApp(ConsoleBase):
    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = None
    TITLE = "r3d-tui"
    CSS = "Toast:ansi { background: ansi_default; }"
    """The terminal's own foreground on Textual's black made a light terminal's notices black on black."""
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+l", "redraw", show=False)]

    def __init__(
        self,
        client: Client,
        *,
        words: Words,
        read_only: bool = False,
        ascii_only: bool = False,
        clock: Callable[[], float] = time.time,
        theme: str = "",
        live: bool = False,
    ) -> None:
        """`live`: devices and data of this machine are looked at before a run; a recorded run has its own."""
        super().__init__()
        self.client = client
        self.words = words
        self.read_only = read_only
        self.ascii_only = ascii_only
        self.live = live
        self.clock = clock
        self.animation_level = "none"
        self.questions = Questions(live=live)
        self.board = Board(COMMANDS, self.questions.changed)
        self.feed = Feed(client, self.board.post_message, self._log_words())
        for mine in THEMES:
            self.register_theme(mine)
        self.theme = theme or _first_theme()
        self.without_colours()

    def get_default_screen(self) -> Board:
        return self.board

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Our own names, for themes that do not have them."""
        return DARK

    def on_mount(self) -> None:
        self.app_suspend_signal.subscribe(self, lambda _: self.forget_screen())
        self.running_loop = asyncio.get_running_loop()
        self.feed.start()

    def on_unmount(self) -> None:
        self.feed.end()
        self.questions.end()

    def caught_up(self) -> None:
        """Draw what was left out."""
        self.board.catch_up()

    def on_key(self, event: events.Key) -> None:
        """A key that no widget handled: typed before the screen's input had the focus, it goes into that input."""
        entry = getattr(self.screen, "entry", None)
        if isinstance(entry, Input) and event.is_printable and event.character:
            entry.insert_text_at_cursor(event.character)

    def on_resize(self) -> None:
        """The terminal may have moved what it showed, or it was left and entered again."""
        self.forget_screen()

    def action_redraw(self) -> None:
        """Draw everything, for somebody else may have written to the terminal."""
        self.forget_screen()
        self.refresh()
        self.screen.refresh()

    def turn_language(self) -> None:
        self.words = Words(self.words.other)
        self.feed.word_log(self._log_words())

    def _log_words(self) -> Worded | None:
        """The log is English as it stands."""
        return None if self.words.language == "en" else partial(logged, self.words)

    def turn_theme(self) -> None:
        place = TURN.index(self.theme) if self.theme in TURN else -1
        self.theme = TURN[(place + 1) % len(TURN)]

    def leave(self, code: int = 0) -> None:
        self.when_answered(lambda: self.exit(code))

    def leave_from_signal(self, code: int) -> None:
        """The same from a signal handler, which may have interrupted the event loop anywhere."""
        if self.running_loop is not None:
            self.running_loop.call_soon_threadsafe(self.leave, code)

    async def action_quit(self) -> None:
        self.leave()

    def action_help_quit(self) -> None:
        self.board.say("say.ctrl_c")

    def farewell(self) -> str:
        """What is said after the console closed: whether something goes on."""
        snapshot = self.board.state.snapshot
        if snapshot is None or snapshot.run.state != "running" or not snapshot.alive:
            return ""
        run = snapshot.run
        host = shorten(safe(run.host), 40)
        return tty.drawn(self.words("farewell", run=safe(run.id), pid=run.pid or 0, host=host))


def _first_theme(*, is_light: bool | None = None) -> str:
    """By the terminal's ground and colours; None: it did not say what its ground is."""
    light = tty.light_by_environment() if is_light is None else is_light
    if "NO_COLOR" in os.environ or tty.few_colours():
        return "ansi-light" if light else "ansi-dark"
    return "r3d-light" if light else "r3d-dark"


def run_console(
    client: Client,
    *,
    mouse: bool = True,
    ascii_only: bool = False,
    read_only: bool = False,
    language: str | None = None,
) -> int:
    """Show the console until it is left; gives the exit code. A terminal that cannot draw it gets one line and 2."""
    encoding = tty.locale_encoding()
    if not tty.is_utf8(encoding) and encoding != "ascii":
        tty.write_in(sys.__stderr__, encoding)  # what Textual draws on
        tty.write_in(sys.stdout, encoding)
    ascii_only = ascii_only or not tty.is_utf8(encoding)
    tty.set_charset(ascii_only=ascii_only, encoding=None if tty.is_utf8(encoding) else encoding)
    words = Words(speakable(chosen(language), encoding))
    if (reason := tty.unusable()) is not None:
        sys.stderr.write(f"{words.line(reason)}: {words('farewell_plain')}\n")
        return 2
    tty.give_size()
    ground = ask_ground()
    theme = _first_theme(is_light=ground.is_light)
    app = ConsoleApp(client, words=words, read_only=read_only, ascii_only=ascii_only, theme=theme, live=True)
    if ground.is_due:
        app.ignore_keys_before_answer()
    gc.disable()  # start-up makes much and drops nothing; the board turns it on again with the first snapshot
    with tty.leaving_clean(app.leave_from_signal):
        code = app.run(mouse=mouse)
    client.close()
    if app.fault is not None:
        raise app.fault
    if text := app.farewell():
        sys.stdout.write(text + "\n")
    return code or 0
