"""The board: the one screen on which a run is watched. It lays out the panels and moves among them; it starts nothing.

What asks the client (run, stop, preview, logs to a pager) is in `doing`.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterable
from typing import ClassVar

from textual import events, on
from textual.binding import Binding, BindingType

from backends.core.client import Snapshot
from backends.core.run_state import Run
from r3d_tui.panels.all import (
    DatasetPanel,
    DevicesPanel,
    InferPanel,
    ModelPanel,
    RailPanel,
    ResultPanel,
    StagesPanel,
)
from r3d_tui.panels.log import LogPanel
from r3d_tui.panels.panel import Panel, Scene
from r3d_tui.screens.beginning import Beginning
from r3d_tui.screens.dialog import Dialog
from r3d_tui.state.console_messages import Answer, FeedBroke, LogCame, SnapshotCame
from r3d_tui.state.log_buffer import LogBook
from r3d_tui.state.rate_history import History
from r3d_tui.views import frame
from r3d_tui.views.actions import ACTIONS
from r3d_tui.views.devices import Arrangement, joined
from r3d_tui.views.layout import PANELS, Box, Plan, plan
from r3d_tui.views.look import Look
from r3d_tui.views.look import stages as stages_of
from r3d_tui.views.tracks import Tracks
from r3d_tui.widgets.sheet import Sheet
from r3d_tui.widgets.tiles import Tiles

SOON_S = 0.2
"""Until it is asked again whether the terminal has caught up."""
TICK_S = 1.0
"""Clocks on the screen go by the second, and only while something runs."""
LATE_S = 1.25
"""Snapshots that come by themselves bring the time along; after so long without one the clocks go by themselves."""


class Board(Beginning):
    """Header, rail or dashboard, footer."""

    DEFAULT_CSS = """
    Board { background: $background; }
    Board #header { background: $surface; }
    Board #footer { background: $surface; }
    Board #search, Board #search:focus { height: 1; border: none; padding: 0 1; background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(",".join(action.keys), action.name, show=False) for action in ACTIONS),
        *(Binding(str(number), f"panel({name!r})", show=False) for number, name in enumerate(PANELS, 1)),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.snapshot: Snapshot | None = None
        self.broken = ""
        self.current = "stages"
        self.zoomed = False
        self.device = ""
        self.book = LogBook()
        self._pinned: str | None = None
        self._history = History()
        self.tracks = Tracks()
        self.arrangement = Arrangement()
        self._mode = ""
        self._placed: dict[str, Box] = {}
        """Where what stands."""
        self._drawn = self._came = 0.0
        self._stale = self._asking = self._drawing = False
        self._header = Sheet(id="header", focusable=False)
        self._footer = Sheet(id="footer", focusable=False)
        self._tabs = Sheet(id="tabs", focusable=False)
        self._small = Sheet(id="small", focusable=False)
        self.log_panel = LogPanel()
        self._panels: dict[str, Panel] = {
            panel.panel: panel
            for panel in (
                RailPanel(),
                StagesPanel(),
                DatasetPanel(),
                ModelPanel(),
                DevicesPanel(),
                InferPanel(),
                self.log_panel,
                ResultPanel(),
            )
        }
        self._tiles = Tiles(place=self._place)

    def sheets(self) -> Iterable[Sheet]:
        """All of them; what is seen is the layout's matter."""
        return (self._header, self._tabs, *self._panels.values(), self._footer, self._small)

    def on_mount(self) -> None:
        """Clocks begin to go."""
        self.set_timer(TICK_S, self._tick)
        self.begin_in_time()

    def on_resize(self, event: events.Resize) -> None:
        """Another size: other boxes, other lines."""
        del event
        self.draw_soon()

    def draw_soon(self) -> None:
        """Draw once all have their sizes."""
        if not self._drawing:
            self._drawing = True
            self.call_after_refresh(self._draw_asked)

    def _draw_asked(self) -> None:
        self._drawing = False
        self.draw()

    @property
    def selected(self) -> str:
        """The stage that is looked at: the one chosen, else the one that runs, failed or came last."""
        if self.snapshot is None:
            return ""
        found = stages_of(self.snapshot)
        if self._pinned is not None and any(stage.name == self._pinned for stage in found):
            return self._pinned
        for state in ("running", "failed", "interrupted"):
            names = [stage.name for stage in found if stage.state == state]
            if names:
                return names[-1] if state == "running" else names[0]
        ended = [stage.name for stage in found if stage.state in ("done", "cached", "stopped")]
        return ended[-1] if ended else found[0].name if found else ""

    @property
    def log_seen(self) -> bool:
        """The log panel is on the screen."""
        return self._mode == "dashboard" or (self._mode == "rail" and self.current == "log")

    @on(SnapshotCame)
    def take(self, message: SnapshotCame) -> None:
        """A newer snapshot."""
        if not gc.isenabled():
            gc.freeze()
            gc.enable()
        self.snapshot, self.broken = message.snapshot, ""
        self._came = time.monotonic()
        self._history.add(message.snapshot.run, self.app_clock())
        self.tracks.add(message.snapshot.run.id, message.snapshot.samples)
        self.fetch_tracks(message.snapshot.run.id)
        ids = [device.id for device in joined(message.snapshot)]
        if self.device not in ids:
            self.device = ids[0] if ids else ""
        if self.begun:
            self.draw_news()
        self.begin()
        self.offer_setup()

    @on(LogCame)
    def take_log(self, message: LogCame) -> None:
        """More of the log."""
        if message.piece.stage == self.selected:
            self.book.take(message.piece)
            if self.console_app.behind:
                self.draw_news()
            elif self.log_seen and (scene := self.scene()) is not None:
                self.log_panel.draw(scene)

    @on(FeedBroke)
    def say_broken(self, message: FeedBroke) -> None:
        """The workspace cannot be read now."""
        self.broken = self.words.line(message.text)
        self.begin()
        self.draw_news()

    @on(Answer)
    def take_answer(self, message: Answer) -> None:
        """A thread is done."""
        message.then()

    def draw_news(self) -> None:
        """Draw what came by itself, once the terminal has shown what came before: pictures are left out, not queued."""
        self._stale = self.console_app.behind
        if not self._stale:
            self.draw()
        elif not self._asking:
            self._asking = True
            self.set_timer(SOON_S, self._look_again)

    def _look_again(self) -> None:
        self._asking = False
        self.catch_up()

    def catch_up(self) -> None:
        """Draw what was left out."""
        if self._stale:
            self.draw_news()

    def draw(self) -> None:
        """Draw everything that is on the screen; only cells that changed are sent."""
        if not (self.is_mounted and self.begun):
            return
        self._drawn = time.monotonic()
        width, height = self.app.size
        placed = self._plan(width, height)
        self._mode = placed.mode
        if placed.boxes != self._placed:
            self._tiles.place_again()
        look = Look(self.words, width, height, self.app_clock(), self.selected)
        if placed.mode == "small":
            self._small.show(frame.too_small(look))
            return
        scene = self.scene()
        header = frame.header(self.snapshot, look, read_only=self.read_only, broken=self.broken)
        self._header.show([header])
        self._footer.show([frame.footer(self.snapshot, look, read_only=self.read_only, panel=self.current)])
        self._tabs.show([frame.tabs(look, self.current)])
        if scene is None:
            return
        self.watch_log()
        for name in placed.boxes:
            if name in self._panels:
                self._panels[name].draw(scene)
        for screen in self.app.screen_stack:
            if isinstance(screen, Dialog):
                screen.draw()

    def scene(self) -> Scene | None:
        """What the panels draw from."""
        if self.snapshot is None:
            return None
        return Scene(
            self.snapshot,
            self.words,
            self.app_clock(),
            self.selected,
            self.device,
            self.current,
            self._mode == "dashboard",
            self._history.rates,
            self.book,
            self.tracks.by_device,
            self.arrangement,
        )

    def _plan(self, width: int, height: int) -> Plan:
        count = len(stages_of(self.snapshot)) if self.snapshot else 11
        return plan(width, height, self.current, chips=self._chips(), stages=max(1, count), zoomed=self.zoomed)

    def boxes(self) -> dict[str, Box]:
        """Where what stands now."""
        return self._plan(*self.app.size).boxes

    def _place(self, width: int, height: int) -> dict[str, Box]:
        self._placed = self._plan(width, height).boxes
        boxes = dict(self._placed)
        if self.searching and "footer" in boxes:
            boxes["search"] = boxes.pop("footer")
        return boxes

    def _chips(self) -> int:
        return len(joined(self.snapshot)) if self.snapshot else 0

    def _tick(self) -> None:
        now = time.monotonic()
        left = max(self._came + LATE_S, self._drawn + TICK_S) - now
        if left <= 0:
            left = TICK_S
            if self.snapshot is not None and (self._stale or self.snapshot.run.state == "running"):
                self.draw_news()
        self.set_timer(left, self._tick)

    def relayout(self) -> None:
        """Boxes changed: place and draw again."""
        self._tiles.place_again()
        self.draw()
        self.draw_soon()

    def panel_now(self) -> Panel:
        """The panel that keys go to."""
        return self._panels[self.current]

    def action_panel(self, name: str) -> None:
        """Go to a panel."""
        self.current = name
        self.relayout()

    def action_next_panel(self, step: int = 1) -> None:
        """Go to the next panel."""
        self.action_panel(PANELS[(PANELS.index(self.current) + step) % len(PANELS)])

    def action_previous_panel(self) -> None:
        """Go to the panel before."""
        self.action_next_panel(-1)

    def action_log(self) -> None:
        """Go to the log of the selected stage."""
        self.action_panel("log")

    def action_zoom(self) -> None:
        """One panel large, or all together."""
        self.zoomed = not self.zoomed
        self.relayout()

    def action_down(self, step: int = 1) -> None:
        """Move the cursor, or scroll."""
        if self.current == "stages":
            self.action_next_stage(step)
        elif self.current in ("devices", "infer") and (ids := self.listed_devices()):
            place = ids.index(self.device) if self.device in ids else 0
            self.action_pick_device(ids[max(0, min(len(ids) - 1, place + step))])
        else:
            self.panel_now().scroll_rows(step)

    def action_up(self) -> None:
        """Move the cursor, or scroll, the other way."""
        self.action_down(-1)

    def action_page_down(self, way: int = 1) -> None:
        """Scroll by what is seen."""
        self.panel_now().scroll_rows(way * max(1, self.panel_now().page - 1))

    def action_page_up(self) -> None:
        """Scroll back by what is seen."""
        self.action_page_down(-1)

    def action_first(self) -> None:
        """To the beginning."""
        self.panel_now().scroll_rows(-self.panel_now().row_count)

    def action_last(self) -> None:
        """To the end."""
        self.panel_now().scroll_rows(self.panel_now().row_count)

    def action_next_stage(self, step: int = 1) -> None:
        """Look at the next stage."""
        if self.snapshot is None:
            return
        names = [stage.name for stage in stages_of(self.snapshot)]
        if names:
            place = names.index(self.selected) if self.selected in names else 0
            self.action_choose(names[max(0, min(len(names) - 1, place + step))])

    def action_previous_stage(self) -> None:
        """Look at the stage before."""
        self.action_next_stage(-1)

    def action_choose(self, name: str) -> None:
        """Look at a stage, and stay with it."""
        self._pinned = name
        self.log_panel.at_end = True
        self.draw()

    def action_follow(self) -> None:
        """Look at whatever runs, from here on."""
        self._pinned = None
        self.log_panel.at_end = True
        self.draw()

    def action_failure(self) -> None:
        """Look at the first stage that failed, in its log at its end."""
        failed = _failed(self.snapshot.run) if self.snapshot else ""
        if failed:
            self._pinned = failed
            self.log_panel.at_end = True
            self.action_panel("log" if self._mode == "rail" and self.current == "stages" else "stages")
        else:
            self.say("say.no_failure")


def _failed(run: Run) -> str:
    return next((stage.name for stage in run.stages if stage.state == "failed"), "")
