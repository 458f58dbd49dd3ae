"""Energy a clip, from readings of power and the times at which devices were at work.

A device's power is integrated from reading to reading (trapezoids), and held from its first one back to when it began
and from its last one on to when it ended. Where npu-smi prints one power for a card of several chips, that counts once,
while any of them works, and is shared by the clips of all. Too few readings, or too long without one, and there is no
figure.
"""

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from msgspec import Struct, field

from backends.core.device_samples import SampleTail
from backends.core.messages import Scalar
from backends.core.processes import SIMULATED
from backends.core.values import DeviceSample
from backends.device.model_runtime import DeviceSpec

GAP_S = 15.0
"""Longest time that one reading speaks for: the sampler gives a call of npu-smi ten seconds, and pauses for two."""
KNOWN = 0.9
"""Share of the time at work that readings must speak for."""
LEAST = 2
"""Readings while at work, of each device."""
WORKING = frozenset({"working", "idle"})
"""States in which a device costs this run power; idle is waiting for a batch."""

Basis = Literal["measured", "no_power", "few_readings", "gaps"]

NOTHING: Mapping[str, Scalar] = {"joules": None, "joules_per_clip": None, "energy": "few_readings"}
"""The figures of a run in which nothing was computed."""


class _Window(Struct):
    """One stretch of work; times are wall times in seconds."""

    begun: float
    ended: float | None = None
    last: tuple[float, float] | None = None
    joules: float = 0.0
    known_s: float = 0.0

    def read(self, at: float, watts: float) -> None:
        """One reading, later than the one before."""
        before, power = self.last or (self.begun, watts)
        self._add(at - before, (power + watts) / 2)
        self.last = (at, watts)

    def sum(self, now: float) -> tuple[float, float, float]:
        """Joules, seconds that readings speak for, seconds in all."""
        end = now if self.ended is None else self.ended
        joules, known = self.joules, self.known_s
        if self.last is not None and 0 < end - self.last[0] <= GAP_S:
            joules += self.last[1] * (end - self.last[0])
            known += end - self.last[0]
        return joules, known, max(0.0, end - self.begun)

    def _add(self, seconds: float, watts: float) -> None:
        if 0 < seconds <= GAP_S:
            self.joules += seconds * watts
            self.known_s += seconds


class _Source(Struct):
    """What power is read of: a device, or a card."""

    devices: set[str] = field(default_factory=set)
    working: set[str] = field(default_factory=set)
    windows: list[_Window] = field(default_factory=list)
    readings: int = 0
    last: float = float("-inf")

    def turn(self, device: str, at: float, *, on: bool) -> None:
        """A device of it went to work, or left off."""
        before = bool(self.working)
        (self.working.add if on else self.working.discard)(device)
        if self.working and not before:
            self.windows.append(_Window(at))
        elif before and not self.working:
            self.windows[-1].ended = at

    def read(self, at: float, watts: float) -> None:
        """One reading; it counts where it falls into a stretch of work."""
        if at <= self.last:
            return  # the other chip of the card has said it
        for window in reversed(self.windows):
            if window.begun <= at <= (window.ended if window.ended is not None else at):
                self.readings, self.last = self.readings + 1, at
                window.read(at, watts)
                return

    def sum(self, now: float) -> tuple[float | None, Basis]:
        """Joules so far, or None and why."""
        if self.readings < LEAST:
            return None, "few_readings"
        parts = [window.sum(now) for window in self.windows]
        joules, known, seconds = (sum(values) for values in zip(*parts, strict=True))
        return (joules, "measured") if known >= KNOWN * seconds else (None, "gaps")


class Energy:
    """One run's energy; times are passed in. `cards` has the card of each device, None where it is on none."""

    def __init__(self, cards: Mapping[str, str | None]) -> None:
        self._own = {device: _Source({device}) for device in cards}
        self._cards: dict[str, _Source] = {}
        self._card_of: dict[str, _Source] = {}
        for device, card in cards.items():
            if card is not None:
                self._card_of[device] = self._cards.setdefault(card, _Source())
                self._card_of[device].devices.add(device)
        self._silent = 0
        """Readings of devices at work that had no power."""

    def state(self, device: str, state: str, at: float) -> None:
        """A device entered a state (`events.DeviceState`) at the wall time `at`."""
        for source in (self._own.get(device), self._card_of.get(device)):
            if source is not None:
                source.turn(device, at, on=state in WORKING and (state == "working" or device in source.working))

    def read(self, samples: Iterable[DeviceSample]) -> None:
        """Readings, in the order of their times."""
        for sample in samples:
            card = self._card_of.get(sample.device)
            if card is not None and sample.card_power_w is not None:
                card.read(sample.at, sample.card_power_w)
            elif sample.device in self._own and sample.power_w is not None:
                self._own[sample.device].read(sample.at, sample.power_w)
            elif sample.device in self._own and (sample.temp_c is not None or sample.busy_percent is not None):
                self._silent += bool(self._own[sample.device].working)

    def per_clip(self, device: str, clips: Mapping[str, int], now: float) -> float | None:
        """Joules a clip of a device; of a card with one reading, the card's over the clips of its devices."""
        source = self._source(device)
        joules, _ = source.sum(now)
        counted = sum(clips.get(name, 0) for name in source.devices)
        return joules / counted if joules is not None and counted else None

    def figures(self, clips: Mapping[str, int], now: float) -> dict[str, Scalar]:
        """`joules` and `joules_per_clip` of all devices together, and `energy`: measured, or why they are None."""
        sources = {id(source): source for source in map(self._source, self._own) if source.windows}
        sums = [source.sum(now) for source in sources.values()]
        basis = next((basis for joules, basis in sums if joules is None), "measured" if sums else "few_readings")
        if basis == "few_readings" and self._silent >= LEAST and any(not s.readings for s in sources.values()):
            basis = "no_power"
        joules = sum(joules for joules, _ in sums if joules is not None) if basis == "measured" else None
        counted = sum(clips.get(device, 0) for device in self._own)
        return {
            "joules": joules,
            "joules_per_clip": joules / counted if joules is not None and counted else None,
            "energy": basis,
        }

    def _source(self, device: str) -> _Source:
        card = self._card_of.get(device)
        return card if card is not None and card.readings else self._own[device]


class EnergyMeter:
    """`Energy` of a run that goes on, from the file that the run's sampler writes."""

    def __init__(self, samples: Path | None, devices: Sequence[DeviceSpec]) -> None:
        self._energy = Energy({device.id: device.card for device in devices})
        self._tail = SampleTail(samples) if samples is not None else None

    def state(self, device: str, state: str) -> None:
        self._energy.state(device, state, time.time())

    def per_clip(self, device: str, clips: Mapping[str, int]) -> float | None:
        """Joules a clip of a device so far; None where nobody measured it."""
        return self._energy.per_clip(device, clips, time.time())

    def figures(self, clips: Mapping[str, int]) -> dict[str, Scalar]:
        """`joules`, `joules_per_clip` and `energy` (`simulated` of such chips) so far."""
        self._energy.read(self._tail.new() if self._tail is not None else ())
        found = self._energy.figures(clips, time.time())
        simulated = found["energy"] == "measured" and os.environ.get(SIMULATED)
        return {**found, "energy": "simulated"} if simulated else found
