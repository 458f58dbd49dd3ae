"""The part of the board that finds: devices that are filtered, ordered and chosen, and what is searched for in the log.

It refuses to know where panels stand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace
from textual import events

from r3d_tui.panels.log import LogPanel
from r3d_tui.panels.panel import Scene
from r3d_tui.screens.doing import Doing
from r3d_tui.state.log_buffer import LogBook
from r3d_tui.state.rate_history import History
from r3d_tui.text.safe import safe
from r3d_tui.views.devices import ORDERS, Arrangement, arranged, joined
from r3d_tui.views.look import Look
from r3d_tui.views.tracks import Track, Tracks, tracks_of
from r3d_tui.widgets.tiles import Tiles

if TYPE_CHECKING:
    from textual.widgets import Input

LATER_S = 0.4
"""The history of the devices is read when the first picture stands."""


class Seeking(Doing):
    """Keys that look for something. `Board` has the panels in which it is found."""

    current: str
    book: LogBook
    tracks: Tracks
    arrangement: Arrangement
    log_panel: LogPanel
    _history: History
    _tiles: Tiles
    _tracked = ""

    def scene(self) -> Scene | None:
        """The board's."""
        raise NotImplementedError

    def relayout(self) -> None:
        """The board's."""
        raise NotImplementedError

    def action_panel(self, name: str) -> None:
        """The board's."""
        raise NotImplementedError

    def fetch_tracks(self, run: str) -> None:
        """Once for each run: what its devices' sensors said before this console came."""
        if not run or run == self._tracked:
            return
        self._tracked = run

        def take(found: dict[str, Track]) -> None:
            self.tracks.put(run, found)
            self.draw()

        self.set_timer(LATER_S, lambda: self.ask(lambda: tracks_of(self.client.history(run)), take))

    @property
    def rates(self) -> Mapping[str, Sequence[float | None]]:
        """Clips/s as this console saw them, by device."""
        return self._history.rates

    def listed_devices(self) -> list[str]:
        """The devices that are listed, in their order."""
        if self.snapshot is None:
            return []
        found = arranged(joined(self.snapshot), self.arrangement, Look(self.words, 80))
        return [one.id for one in found if self.current != "infer" or one.run is not None]

    def action_pick_device(self, name: str) -> None:
        """Put the cursor on a device."""
        self.device = name
        if self.current not in ("devices", "infer"):
            self.current = "devices"
            self.relayout()
        self.draw()
        panel, scene = self.panel_now(), self.scene()
        place = panel.cursor(scene) if scene is not None else None
        if place is not None:
            panel.reveal(place)

    def action_chip(self) -> None:
        """All about the device under the cursor."""
        from r3d_tui.screens.opening import open_chip

        open_chip(self)

    def action_order(self, step: int = 1) -> None:
        """Order the devices by the next figure; after the last, by their numbers again."""
        if self.current not in ("devices", "infer"):
            self.say("say.order")
            return
        order = self.arrangement.order + step
        self.arrangement = replace(self.arrangement, order=order if order < len(ORDERS) else -1)
        self.draw()

    def action_show_all(self) -> None:
        """Forget filter and order of the devices, and the search in the log."""
        self.arrangement = Arrangement()
        self.book.search("")
        self.book.only = False
        self.draw()

    def action_only(self) -> None:
        """In the log only the lines that match, or all again."""
        if not self.book.pattern:
            self.say("say.no_pattern")
            return
        self.book.only = not self.book.only
        self.action_panel("log")

    def _filter_devices(self) -> None:
        from r3d_tui.screens.filter import FilterLine  # 20 ms that nobody else needs

        def changed(text: str) -> None:
            self.arrangement = replace(self.arrangement, pattern=text)
            ids = self.listed_devices()
            if ids and self.device not in ids:
                self.device = ids[0]
            self.draw()

        self.app.push_screen(FilterLine(self.arrangement.pattern, self.words("list.hint"), changed))

    def action_search(self) -> None:
        """Type what to look for in the log."""
        if self.searching:
            return
        if self.current in ("devices", "infer"):
            self._filter_devices()
            return
        from textual.widgets import Input  # 20 ms that the first paint need not wait for

        entry = Input(placeholder=self.words("log.search"), id="search", select_on_focus=False, value=self.book.pattern)
        self.searching = True
        self.current = "log"
        self._tiles.mount(entry)
        entry.focus()
        self.relayout()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show the last match while typing."""
        self.book.search(safe(event.value))
        self._show_match(self.book.here)

    def on_input_submitted(self) -> None:
        """Enter: back to the keys, matches stay marked."""
        self.searching = False
        self.query_one("#search").remove()
        self.set_focus(None)
        self.relayout()

    def on_key(self, event: events.Key) -> None:
        """Esc forgets the search; so does u, which shows all again."""
        if event.key != "escape" and not (self.searching and event.key == "ctrl+g"):
            return
        event.stop()
        if self.searching:
            self.on_input_submitted()
        self.action_show_all()

    def action_next_match(self, step: int = 1) -> None:
        """Go to the next match in the log."""
        self._show_match(self.book.turn(step))

    def action_previous_match(self) -> None:
        """Go to the match before."""
        self.action_next_match(-1)

    def _show_match(self, line: int | None) -> None:
        self.draw()
        if line is not None:
            self.log_panel.show_line(line)
            self.draw()
