"""The board: the one screen on which a workspace is set up, run and watched. It draws its state, and takes messages.

What keys do stands in `r3d_tui.screens.commands`, a function each; the application hands that table in.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from backends.core.messages import Line, R3dError
from r3d_tui.lang.words import Words
from r3d_tui.panels.catalogue import VIEWS, chip_lines
from r3d_tui.panels.log_panel import LogPanel
from r3d_tui.panels.panel import Panel, Scene, ShownClip
from r3d_tui.screens.dialog import Dialog
from r3d_tui.screens.host import Host, heat_of
from r3d_tui.state.board_state import STATUS_S, BoardState, Status
from r3d_tui.state.feed import DevicesRead, FeedBroke, LogCame, SnapshotCame, ask
from r3d_tui.terminal.textual_workarounds import HeldScreen
from r3d_tui.text.rows import Row, Span, cut, row, safe
from r3d_tui.views import dialogs, frame
from r3d_tui.views.actions import ACTIONS
from r3d_tui.views.frame import strip
from r3d_tui.views.layout import PANELS, BoardLayout, Box, Wishes, plan
from r3d_tui.views.look import Look, stage_of
from r3d_tui.views.result import classes_counted
from r3d_tui.widgets.sheet import Sheet
from r3d_tui.widgets.tiles import Tiles

if TYPE_CHECKING:
    from r3d_tui.screens.clip_player import ClipPlayer

T = TypeVar("T")
Command = Callable[["Board"], object]
FIRST_S = 0.4
"""So long the first snapshot is waited for before a picture without it is drawn."""
REST_S = 0.1
"""Panels that the first picture does not show come so long after it."""
SOON_S = 0.2
"""Until it is asked again whether the terminal has caught up."""
TICK_S = 1.0
"""Clocks on the screen go by the second, and only while something runs."""
LATE_S = 1.25
"""Snapshots that come by themselves bring the time along; after so long without one the clocks go by themselves."""


def bindings() -> list[BindingType]:
    """Every key once; of two actions that share one the first decides what it does now."""
    keys = {key: action.name for action in reversed(ACTIONS) for key in action.keys}
    found: list[BindingType] = [Binding(key, f"do({name!r})", show=False) for key, name in keys.items()]
    return [*found, *(Binding(str(n), f"panel({name!r})", show=False) for n, name in enumerate(PANELS, 1))]


class Board(HeldScreen):
    """Header, strip of stages, panels, status line, keys."""

    DEFAULT_CSS = """
    Board { background: $background; }
    Board #header, Board #footer { background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = bindings()

    def __init__(self, commands: Mapping[str, Command], changed: Callable[[Board], None]) -> None:
        """`changed` is called after each snapshot: it asks for what the state lacks."""
        super().__init__()
        self.state = BoardState()
        self._commands, self._changed = commands, changed
        self.log_panel = LogPanel()
        self.panels: dict[str, Panel] = {view.name: Panel(view) for view in VIEWS}
        self.panels["log"] = self.log_panel
        self._frames = {name: Sheet(id=name, focusable=False) for name in FRAMES}
        self._tiles = Tiles(place=self._place)
        self._rest: tuple[Sheet, ...] = ()
        self._plan = BoardLayout("small", {})
        self._drawn = self._came = 0.0
        self._stale = self._asking = self._drawing = False
        self._player: ClipPlayer | None = None
        self._played = ""
        """The run whose clips `_player` plays."""

    @property
    def host(self) -> Host:
        return cast(Host, self.app)

    @property
    def words(self) -> Words:
        return self.host.words

    @property
    def now(self) -> float:
        return self.host.clock()

    def compose(self) -> ComposeResult:
        """What the first picture shows; the rest comes behind it."""
        self._plan = self._planned()
        sheets = (*self._frames.values(), *self.panels.values())
        first = {*self._plan.boxes}
        if self._plan.mode == "boxed":  # whether a run is on is not known yet: then it has more boxes
            first |= plan(*self.app.size, Wishes("running")).boxes.keys()
        self._rest = tuple(sheet for sheet in sheets if sheet.id not in first)
        self._tiles = Tiles(*(sheet for sheet in sheets if sheet.id in first), place=self._place)
        yield self._tiles

    def on_mount(self) -> None:
        """Clocks begin to go; without a snapshot in time begin all the same: the disk may be slow."""
        self.set_timer(TICK_S, self.tick)
        self.set_timer(FIRST_S, self._begin)

    def _begin(self) -> None:
        if not self.begun:
            self.begun = True
            self.refresh()
            self.draw()
            self.set_timer(REST_S, self._mount_rest)

    def _mount_rest(self) -> None:
        rest, self._rest = self._rest, ()
        self._tiles.mount_all(rest)

    def on_resize(self, event: events.Resize) -> None:
        del event
        self.draw_soon()

    @on(SnapshotCame)
    def take(self, message: SnapshotCame) -> None:
        if not gc.isenabled():
            gc.freeze()
            gc.enable()
        self._came = time.monotonic()
        self.state.take(message.snapshot, self.now)
        if self.begun:
            self.draw_news()
        self._begin()
        self._changed(self)

    @on(DevicesRead)
    def take_devices(self, message: DevicesRead) -> None:
        self.state.take_polled(message.samples)
        self.draw_news()

    @on(LogCame)
    def take_log(self, message: LogCame) -> None:
        if message.piece.stage == self.state.selected:
            self.state.book.take(message.piece)
            self.draw_news("log" if self.state.running else "")  # a failure's card shows the log's end too

    @on(FeedBroke)
    def take_broken(self, message: FeedBroke) -> None:
        self.state.broken = self.words.line(message.text)
        self._begin()
        self.draw_news()

    def ask(self, work: Callable[[], T], then: Callable[[T], None], failed: Callable[[], None] | None = None) -> None:
        """Do `work` in a thread and `then` in the event loop. An error is shown; where there is `failed`, it is called
        for what the outside world may do (a slow disk, a missing file), and a fault of ours is shown all the same.
        """

        def wrong(error: R3dError | Line) -> None:
            if failed is None or isinstance(error, Line):
                self.show_error(error)
            else:
                failed()

        ask(self, work, then, wrong)

    def say(self, key: str, **facts: str | int) -> None:
        """A notice in the status line, for some seconds."""
        self.tell(self.words(key, **facts))

    def tell(self, text: str, role: str = "accent") -> None:
        """The same in words that are there already; over a dialog in its last line."""
        if isinstance(self.app.screen, Dialog):
            self.app.screen.say(text)
            return
        self.state.status = Status(text, role, time.monotonic() + STATUS_S)
        self.draw()
        self.set_timer(STATUS_S + 0.05, self.draw)

    def show_error(self, error: R3dError | Line) -> None:
        """An error and its fix, until it is closed."""
        title = self.words("dialog.error")
        self.app.push_screen(
            Dialog(title, lambda look: dialogs.error_rows(error, look), self.words, width=76, bad=True)
        )

    def draw_soon(self) -> None:
        """Draw once all have their sizes."""
        if not self._drawing:
            self._drawing = True
            self.call_after_refresh(self._draw_asked)

    def _draw_asked(self) -> None:
        self._drawing = False
        self.draw()

    def draw_news(self, panel: str = "") -> None:
        """Draw what came by itself, once the terminal has shown what came before: pictures are left out, not queued.

        `panel`: the only one that shows it; without it all are drawn.
        """
        self._stale = self.host.behind
        if not self._stale:
            self._draw_panel(panel) if panel else self.draw()
        elif not self._asking:
            self._asking = True
            self.set_timer(SOON_S, self._look_again)

    def _look_again(self) -> None:
        self._asking = False
        self.catch_up()

    def catch_up(self) -> None:
        if self._stale:
            self.draw_news()

    def tick(self) -> None:
        """Let clocks go on while no snapshot brings the time."""
        now = time.monotonic()
        wait = max(self._came + LATE_S, self._drawn + TICK_S) - now
        if wait <= 0:
            wait = TICK_S
            if self._stale or self.state.running:
                self.draw_news()
        self.set_timer(wait, self.tick)

    def draw(self) -> None:
        """Draw everything that is on the screen; only cells that changed are sent."""
        if not (self.is_mounted and self.begun):
            return
        self._drawn = time.monotonic()
        placed, before = self._planned(), self._plan
        self._plan = placed
        if placed.boxes != before.boxes:
            self._tiles.place_again()
            self.draw_soon()
        self._draw_frame()
        scene = self.scene()
        if scene is None:
            return
        self._watch_log()
        self._play_clip()
        for name in placed.boxes:
            if name in self.panels:
                self.panels[name].draw(scene)
        for screen in self.app.screen_stack:
            if isinstance(screen, Dialog):
                screen.draw()

    def _draw_panel(self, name: str) -> None:
        scene = self.scene()
        if self.is_mounted and self.begun and scene is not None and name in self._plan.boxes and name in self.panels:
            self.panels[name].draw(scene)

    def _draw_frame(self) -> None:
        state, look = self.state, Look(self.words, *self.app.size, self.now, self.state.selected)
        read_only = self.host.read_only
        if self._plan.mode == "small":
            self._frames["small"].show(frame.too_small(look))
            return
        seen, chips = state.overview, bool(state.devices)
        header = frame.header(
            state.snapshot, look, read_only=read_only, broken=state.broken, took=state.took, overview=seen
        )
        panel = state.current
        keys = frame.footer(state.snapshot, look, read_only=read_only, panel=panel, chips=chips, overview=seen)
        lines = {"header": header, "strip": strip(state.snapshot, look), "status": self._status(look), "footer": keys}
        for name, text in lines.items():
            self._frames[name].show([text])

    def _status(self, look: Look) -> Row:
        status = self.state.status
        if status.until < time.monotonic():
            return ()
        return cut(row(Span(f" {safe(status.text)}", status.role)), look.width)

    def scene(self) -> Scene | None:
        state = self.state
        if state.snapshot is None:
            return None
        return Scene(
            state,
            state.snapshot,
            self.words,
            self.now,
            state.selected,
            state.devices,
            state.listed(self.words),
            boxed=self._plan.mode == "boxed",
            read_only=self.host.read_only,
            clip=self._shown_clip(),
            heat=heat_of(self.app),
        )

    def _shown_clip(self) -> ShownClip | None:
        video, player = self.state.misclassified, self._player
        if video is None or "clip" not in self._plan.boxes:
            return None
        return ShownClip(video, player.picture, player.wrong) if player is not None else ShownClip(video)

    def _play_clip(self) -> None:
        """The clip of the misclassified video that is chosen, where it has a place."""
        video, snapshot, box = self.state.misclassified, self.state.snapshot, self._plan.boxes.get("clip")
        if video is None or snapshot is None or box is None:
            return
        from r3d_tui.screens.clip_player import run_player  # what browses runs is not needed at the start

        if self._player is None or self._played != snapshot.run.id:
            self._played = snapshot.run.id
            self._player = run_player(self, self._played, lambda: self._draw_panel("clip"))
        self._player.show(video.video, 0, box.width - 4, box.height - 5)

    @property
    def is_playing(self) -> bool:
        """A clip; False once it rests."""
        return self._player is not None and self._player.playing

    def _planned(self) -> BoardLayout:
        width, height = self.app.size
        state, scene = self.state, self.scene()
        wishes = Wishes(state.phase, state.current, zoomed=state.zoomed)
        if scene is not None:
            inner = width - 4 if width >= 120 and height >= 40 else width
            look = Look(self.words, inner, height, self.now, state.selected)
            chips = chip_lines(scene, look) if state.devices or state.unread.template or self.host.live else 0
            has_clip = state.misclassified is not None
            main, counted = len(self.panels["main"].rows(scene, look)), classes_counted(scene.snapshot)
            wishes = Wishes(state.phase, state.current, main, chips, state.zoomed, counted, has_clip)
        return plan(width, height, wishes)

    def _place(self, width: int, height: int) -> dict[str, Box]:
        del width, height
        return dict(self._plan.boxes)

    def relayout(self) -> None:
        self._tiles.place_again()
        self.draw()
        self.draw_soon()

    @property
    def boxes(self) -> Mapping[str, Box]:
        return self._plan.boxes

    @property
    def panel_now(self) -> Panel:
        return self.panels[self.state.current]

    @property
    def log_seen(self) -> bool:
        """The log is on the screen, in its panel or on the card of a failure."""
        return "log" in self._plan.boxes or self.state.phase == "failed"

    def _watch_log(self) -> None:
        state = self.state
        stage = state.selected if self.log_seen and state.selected else None
        attempt = stage_of(state.snapshot, stage).attempt if stage and state.snapshot else 0
        self.host.feed.watch(stage, attempt)

    def allowed(self) -> bool:
        """False, with a notice, where the console only watches."""
        if self.host.read_only:
            self.say("say.read_only")
        return not self.host.read_only

    def do(self, name: str) -> Any:
        return self._commands[name](self)

    def action_do(self, name: str) -> None:
        self.do(name)

    def action_panel(self, name: str) -> None:
        self.state.current = name
        self.relayout()

    def action_choose(self, name: str) -> None:
        self.state.pinned = name
        self.log_panel.at_end = True
        self.draw()

    def action_pick_device(self, name: str) -> None:
        self.state.device = name
        if self.state.current not in ("main", "chips"):
            self.action_panel("chips")
        self.draw()
        panel = self.panels["chips"]
        place = next((n for n, one in enumerate(self.state.listed(self.words)) if one.id == name), None)
        if place is not None:
            panel.reveal(place + 1)

    def on_key(self, event: events.Key) -> None:
        """Esc forgets filter and search; where there is none it goes back to the main pane."""
        if event.key != "escape":
            return
        event.stop()
        if not self.state.book.pattern and not self.state.arrangement.pattern:
            self.state.current, self.state.zoomed = "main", False
            self.relayout()
        self.do("show_all")

    def show_match(self, number: int | None) -> None:
        self.draw()
        if number is not None:
            self.log_panel.show_line(number)
            self.draw()


FRAMES = ("header", "strip", "status", "footer", "small")
