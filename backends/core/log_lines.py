"""An event as a line of its stage's log: the worker writes it, and the console shows it in the reader's language."""

from collections.abc import Iterator, Mapping

from backends.core.events import DeviceChanged, Event, ItemSetAside, StageFailed, StageFinished, StageNote, StageStopped
from backends.core.messages import N_, Line, Scalar, line, size

LEVELS = {"info": N_("info"), "warning": N_("warning"), "error": N_("error")}
STATES = {"found": "available", "working": "running", "out": "excluded", "retired": "dropped"}
"""States of devices whose keys scripts know, in the words of today."""


def log_line(event: Event) -> Line | None:
    """What a person may look for later; None of every other event. Whoever shows it makes foreign text harmless."""
    if isinstance(event, StageNote):
        return line("{level}: {text}", level=Line(LEVELS[event.level]), text=event.text)
    if isinstance(event, ItemSetAside):
        return line("skipped: {item}: {reason}", item=event.item, reason=event.reason)
    if isinstance(event, DeviceChanged):
        state = STATES.get(event.state, event.state)
        return line("device {device}: {state} {reason}", device=event.device, state=state, reason=event.reason)
    if isinstance(event, StageFinished):
        measured = ", ".join(_figures(event.outcome.figures))
        return line("done in {seconds:.1f} s: {figures}", seconds=event.seconds, figures=measured)
    if isinstance(event, StageFailed):
        return line("failed: {message}", message=event.message)
    return line("stopped") if isinstance(event, StageStopped) else None


FIGURES = {
    "clips_taken_up": "clips resumed",
    "devices_retired": "devices dropped",
    "videos_set_aside": "videos skipped",
}
"""Figures whose keys scripts know, in the words of today."""


def _figures(figures: Mapping[str, Scalar]) -> Iterator[str]:
    """As a person reads them: `clips/s 1,539`; none that nobody measured, none twice under an old name."""
    for name, value in figures.items():
        if value is None or name == "text" or (name == "videos_set_aside" and "videos_skipped" in figures):
            continue
        if name == "bytes" and isinstance(value, int):
            yield size(value)
        else:
            yield f"{FIGURES.get(name) or name.replace('_per_s', '/s').replace('_', ' ')} {_shown(value)}"


def _shown(value: Scalar) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,.0f}" if isinstance(value, int) or abs(value) >= 1000 else f"{value:.4g}"
