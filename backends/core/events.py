"""What can happen in a run: one closed union of frozen values, each one line of JSON.

Facts are written to the journal and flushed; ticks (`TICKS`) only refresh the folded state, at most twice a second.
An event of an unknown kind, from a newer version, becomes `Unknown`: kept and shown, never fatal.
"""

import json
from collections.abc import Mapping
from typing import Any, Literal, get_args

from msgspec import Struct, field

from backends.core.codec import DecodeError, decode, encode, parse_json
from backends.core.messages import Line, Scalar, line

KEPT = 200
"""How many skipped items an outcome and the folded state name, and how many notes; the journal has all."""

DeviceState = Literal["found", "loading", "ready", "working", "idle", "stalled", "out", "retired", "done"]
RunState = Literal["new", "running", "done", "failed", "stopped", "interrupted"]


class Skipped(Struct, frozen=True):
    """One item that does not count, and why; who holds it says of which stage, or of which file of lists, it is."""

    item: str
    reason: Line
    is_temporary: bool = False
    """The reason may pass (an I/O error, missing, changed, killed): the next run tries the item again."""
    subset: str | None = None
    """Of an entry of an annotation or a list, where it gives one."""


class Outcome(Struct, frozen=True):
    """What a stage gives: figures to show, outputs by name (paths under its folder), and a digest of their content."""

    figures: Mapping[str, Scalar] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    """Files and folders, relative to the artifact's folder. They must exist while the outcome counts."""
    digest: str = ""
    """Content of the outputs: what depends on this stage is stale when it changes. Empty: its fingerprint stands."""
    set_aside: tuple[Skipped, ...] = ()
    """The first `KEPT` skipped items; the job fills this in."""
    set_aside_count: int = 0
    temporary_count: int = 0
    """How many of those for a reason that may pass: with one or more, the next run makes the stage again."""
    skipped_digest: str = ""
    """Of every skipped item and its reason, whatever their order; empty where there is none."""


class RunStarted(Struct, frozen=True):
    """A supervisor began (or, `resumed`, went on with) a run. `host` and `pid` name it to a second one."""

    run: str
    stages: tuple[str, ...]
    pid: int
    host: str = ""
    resumed: bool = False


class StageStarted(Struct, frozen=True):
    """A child process was spawned for a stage and waits for its request."""

    stage: str
    attempt: int
    reason: Line
    pid: int
    fingerprint: str = ""


class StageProgress(Struct, frozen=True):
    """A tick: `done` of `total` units. `rate` is units a second as the stage measured it, None before it can."""

    stage: str
    done: int
    total: int | None = None
    unit: str = ""
    rate: float | None = None
    note: Line = Line("")
    figures: Mapping[str, Scalar] = field(default_factory=dict)


class StageNote(Struct, frozen=True):
    """A line worth keeping: a warning, a decision, a thing found."""

    stage: str
    text: Line
    level: Literal["info", "warning", "error"] = "info"


class ItemSetAside(Struct, frozen=True):
    """One video, image or line that will not count, by name, and why; the stage goes on."""

    stage: str
    item: str
    reason: Line
    is_temporary: bool = False
    """As of `Skipped`."""


class StageFinished(Struct, frozen=True):
    """A stage is done; its outputs count from here on."""

    stage: str
    attempt: int
    outcome: Outcome
    seconds: float
    """Wall time of the attempt on a monotonic clock."""
    fingerprint: str = ""
    """Of the artifact, where it was not known when the stage began; empty: as it began."""


class StageCached(Struct, frozen=True):
    """A stage need not run: an earlier outcome has the same fingerprint."""

    stage: str
    outcome: Outcome
    reason: Line
    fingerprint: str = ""


class StageSkipped(Struct, frozen=True):
    """A stage does not apply: what depends on it goes on without it."""

    stage: str
    reason: Line


class StageBlocked(Struct, frozen=True):
    """A stage will not be reached in this run: what it depends on failed, or it was not requested. It stays pending."""

    stage: str
    reason: Line


class StagesReset(Struct, frozen=True):
    """The run goes on by other settings: these stages are to run again (what failed, what the settings change, and what
    reads of either)."""

    stages: tuple[str, ...]


class StageFailed(Struct, frozen=True):
    """An attempt ended without an outcome."""

    stage: str
    attempt: int
    message: Line
    hint: Line = Line("")
    seconds: float = 0.0
    exit_code: int = 1
    """What a front end ends with: 1, 2 or 3 as in `errors`."""


class StageStopped(Struct, frozen=True):
    """An attempt was ended on request; what it made so far is kept, and resumed."""

    stage: str
    attempt: int
    seconds: float = 0.0


class DeviceChanged(Struct, frozen=True):
    """A device of the run entered a state; `reason` says why it is out or retired."""

    device: str
    state: DeviceState
    name: str = ""
    reason: Line = Line("")
    pid: int | None = None


class ServerChip(Struct, frozen=True):
    """One device of a server, by the server's last word."""

    id: str
    state: DeviceState = "found"
    clips: int = 0
    clips_per_s: float | None = None
    utilisation: float | None = None
    """Share of time in compute, 0 to 1."""


class ServerWork(Struct, frozen=True):
    """What a server does: a row of devices is a server where several of them compute."""

    chips: tuple[ServerChip, ...] = ()
    decoding: float | None = None
    """Share of the last second in which it decoded, 0 to 1."""
    silent_s: float = 0.0
    """How old its last word is."""


class DeviceProgress(Struct, frozen=True):
    """A tick of one device in inference. Clips count once their scores are durable."""

    device: str
    clips: int
    clips_per_s: float | None = None
    """Over the last seconds."""
    mean_clips_per_s: float | None = None
    """Since the device's first batch."""
    latency_ms: float | None = None
    """Median of its recent batches, compute only."""
    latency_p95_ms: float | None = None
    utilisation: float | None = None
    """Share of time in compute, 0 to 1."""
    joules_per_clip: float | None = None
    """By the power that npu-smi reads while it is at work; of a card with one reading, the card's over its clips."""
    server: ServerWork | None = None
    """Of a server, which is shown as one device; None of a device of this machine."""


class RunFinished(Struct, frozen=True):
    """The supervisor ends; nothing of this run goes on."""

    state: Literal["done", "failed", "stopped"]
    reason: Line = Line("")


class Unknown(Struct, frozen=True):
    """An event of a kind that this version does not know."""

    kind: str
    body: Mapping[str, Any] = field(default_factory=dict)


Event = (
    RunStarted
    | StageStarted
    | StageProgress
    | StageNote
    | ItemSetAside
    | StageFinished
    | StageCached
    | StageSkipped
    | StageBlocked
    | StagesReset
    | StageFailed
    | StageStopped
    | DeviceChanged
    | DeviceProgress
    | RunFinished
    | Unknown
)

TICKS = (StageProgress, DeviceProgress)
"""Kinds that are folded in place and not journalled one by one."""

_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in get_args(Event) if kind is not Unknown}


def to_json(event: Event) -> str:
    """The event as one line of ASCII JSON, its kind first."""
    if isinstance(event, Unknown):
        body: dict[str, Any] = {"kind": event.kind, **event.body}
    else:
        body = {"kind": type(event).__name__, **encode(event)}
    return json.dumps(body, ensure_ascii=True, separators=(",", ":"))


def from_json(text: str | bytes) -> Event:
    """The event of a line; DecodeError where the line is not one."""
    body = parse_json(text)
    if not isinstance(body, dict) or not isinstance(body.get("kind"), str):
        raise DecodeError(line("not an event: no kind"))
    kind = body.pop("kind")
    if kind not in _KINDS:
        return Unknown(kind, body)
    event: Event = decode(_KINDS[kind], body)
    return event
