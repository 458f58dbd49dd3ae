"""All about one device after the other, over the board; live while its run is on."""

from collections.abc import Callable
from typing import ClassVar

from textual.binding import Binding, BindingType

from r3d_tui.lang.words import Words
from r3d_tui.screens.dialog import Large
from r3d_tui.state.board_state import BoardState
from r3d_tui.text.rows import Row, Span, cut, row, safe
from r3d_tui.views.chip import Processes, chip
from r3d_tui.views.devices import Device
from r3d_tui.views.look import Look

Ask = Callable[[str, Callable[[Processes], None]], None]
"""Ask which processes are on a device, and call back."""


class ChipPage(Large):
    """One device's page; n and N turn to the next."""

    DEFAULT_CSS = """
    ChipPage { align: center middle; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n,right,tab", "turn(1)", show=False, priority=True),
        Binding("N,shift+n,left,shift+tab", "turn(-1)", show=False, priority=True),
        Binding("p", "ask", show=False),
        Binding("space", "take", show=False),
    ]

    def __init__(
        self,
        state: BoardState,
        words: Words,
        *,
        ask: Ask | None = None,
        take: Callable[[str], None] | None = None,
        clock: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """Begins at the state's device; `take` takes a device out of the run or puts it back."""
        super().__init__(words("chip.title"), self._page, words, also_shuts="enter", clock=clock)
        self._state, self._device = state, state.device
        self._ask, self._take = ask, take
        self._processes: dict[str, Processes] = {}

    def on_mount(self) -> None:
        super().on_mount()
        self.action_ask()

    def draw(self) -> None:
        if not self._body.size.width:
            return
        keys = [("n/N", "chip.next", "turn(1)"), ("j/k", "dialog.scroll", "")]
        if self._take is not None:
            keys.append(("Space", "chip.take", "take"))
        if self._asks:
            keys.append(("p", "chip.ask", "ask"))
        keys += [("y/w", "list.take", "copy"), ("q/Esc", "dialog.close", "shut")]
        found = [device.id for device in self._state.devices]
        place = f"{found.index(self._device) + 1}/{len(found)}" if self._device in found else ""
        title = row(Span(self._heading, "focus"), "  ", Span(safe(self._device), "strong"), "  ")
        title += row(Span(safe(self._shown.name), "warn" if self._shown.simulated else ""))
        self._body.show(
            self._page(self._look(self._body.size.width)),
            cut(title, self._body.size.width),
            foot=self.keyline(keys, place),
        )

    @property
    def _asks(self) -> bool:
        return self._ask is not None and self._device.startswith("npu:")

    @property
    def _shown(self) -> Device:
        return next((one for one in self._state.devices if one.id == self._device), Device(self._device, None, None))

    def _page(self, look: Look) -> list[Row]:
        state, name = self._state, self._device
        track, rates = state.tracks.by_device.get(name), state.rates.rates.get(name, ())
        return chip(self._shown, track, rates, self._processes.get(name), state.snapshot, look)

    def action_turn(self, step: int) -> None:
        found = [device.id for device in self._state.devices]
        if found:
            place = found.index(self._device) if self._device in found else 0
            self._device = found[(place + step) % len(found)]
            self._body.top = 0
            if self._device not in self._processes:
                self.action_ask()
            self.draw()

    def action_ask(self) -> None:
        if self._ask is None or not self._asks:
            return
        device = self._device

        def take(found: Processes) -> None:
            self._processes[device] = found
            if self.is_mounted:
                self.draw()

        self._ask(device, take)

    def action_take(self) -> None:
        if self._take is not None:
            self._take(self._device)
