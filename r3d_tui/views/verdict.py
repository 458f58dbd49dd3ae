"""Whether a measured speed may be quoted: VALID, or INVALID with each reason and what to change. Pure.

The rules follow what benchmarks of inference ask for: long enough, nothing but steady work in the figure, all devices
from beginning to end, nobody else on them. What nobody measured is no reason; it is told beside the verdict.
"""

from msgspec import Struct

from backends.core.client import Snapshot
from r3d_tui.text import figures
from r3d_tui.text.rows import Row, Span, cut, row, safe
from r3d_tui.views.devices import joined, of_simulated
from r3d_tui.views.look import LABEL, Look, fact, figure, figure_text, paragraph, stage_of

LEAST_S = 10.0
"""Seconds of inference below which a figure says little of steady work."""
LEAST_BATCHES = 100
"""Batches below which one slow batch moves the figure."""

DRIFT = 0.10
"""Share by which a device's batches of the last third may take longer than those of the first: `backends.monitor.drift`
adds them up. Steady runs of one batch size stay within a few hundredths."""


class Reason(Struct, frozen=True):
    """One reason against a figure: keys `verdict.<key>` and `verdict.<key>_fix`, and the facts that fill the first."""

    key: str
    facts: tuple[tuple[str, str | int], ...] = ()


class ThroughputVerdict(Struct, frozen=True):
    """VALID where there are no reasons against it."""

    reasons: tuple[Reason, ...]
    doubts: tuple[Reason, ...] = ()
    """What makes a valid figure doubtful."""
    unknown: tuple[str, ...] = ()
    """Keys `verdict.<key>` of what nobody measured."""

    @property
    def valid(self) -> bool:
        return not self.reasons


def verdict(snapshot: Snapshot) -> ThroughputVerdict | None:
    """On the speed of the latest inference; None where none was measured."""
    stage = stage_of(snapshot, "infer")
    if stage.outcome is None or figure(stage, "clips_per_s") is None:
        return None
    known = [*_length(snapshot), *_work(snapshot), *_devices(snapshot)]
    slower = _slower(snapshot)
    known += [reason for reason in slower if reason.key == "throttled"]
    doubts = tuple(reason for reason in slower if reason.key == "drift")
    unknown = [] if any(device.run for device in joined(snapshot)) else ["unseen"]
    unknown += ["warm"] if figure(stage, "load_seconds") is None else []
    return ThroughputVerdict(tuple(known), doubts, tuple(unknown))


def verdict_line(found: ThroughputVerdict, look: Look) -> Row:
    """Whether the throughput is significant, and the first reason why not: amber, for the accuracy stands."""
    words = look.words
    if found.valid:
        return row(Span(f"✓ {words('verdict.valid')}", "good"))
    if any(reason.key == "simulated" for reason in found.reasons):
        return row(Span(words("sim.speed"), "dim"))
    first, more = found.reasons[0], len(found.reasons) - 1
    text = f"! {words('verdict.invalid')}: {words(f'verdict.{first.key}', **dict(first.facts))}"
    return row(Span(f"{text} ({words('verdict.more', n=more)})" if more else text, "warn"))


def verdict_rows(found: ThroughputVerdict, look: Look) -> list[Row]:
    """The same with every reason and what to change, and what nobody measured."""
    words = look.words
    key, role = ("valid", "good") if found.valid else ("invalid", "warn")
    rows = [cut(fact(words("verdict.title"), Span(words(f"verdict.{key}"), role)), look.width)]
    for reason in (*found.reasons, *found.doubts):
        text = f"{words(f'verdict.{reason.key}', **dict(reason.facts))}: {words(f'verdict.{reason.key}_fix')}"
        rows += paragraph(text, look.width, "warn", indent=LABEL)
    for name in found.unknown:
        rows += paragraph(words(f"verdict.{name}"), look.width, "dim", indent=LABEL)
    return rows


def _length(snapshot: Snapshot) -> list[Reason]:
    stage = stage_of(snapshot, "infer")
    seconds, batches = figure(stage, "seconds"), figure(stage, "batches")
    found = []
    if seconds is None or seconds < LEAST_S:
        found.append(Reason("short", (("seconds", f"{seconds or 0:.1f}"), ("least", f"{LEAST_S:.0f}"))))
    if batches is None or batches < LEAST_BATCHES:
        found.append(Reason("few", (("batches", int(batches or 0)), ("least", LEAST_BATCHES))))
    return found


def _work(snapshot: Snapshot) -> list[Reason]:
    """What is in the figure beside steady work on the device that was asked for."""
    stage = stage_of(snapshot, "infer")
    found = []
    runtime = figure_text(stage, "runtime")
    if runtime == "null":
        found.append(Reason("null"))
    if of_simulated(snapshot.run):
        found.append(Reason("simulated"))
    target = snapshot.settings.infer.target if snapshot.settings else ""
    if target == "ascend" and runtime in ("onnxruntime", "openvino"):
        found.append(Reason("fallback", (("runtime", runtime),)))
    if beside := figure_text(stage, "clips_per_s_beside"):
        found.append(Reason("beside", (("stage", safe(beside)),)))
    if taken := figure(stage, "clips_taken_up"):
        found.append(Reason("resumed", (("n", int(taken)),)))
    return found


def _slower(snapshot: Snapshot) -> list[Reason]:
    """A device that grew slower: throttled where npu-smi said meanwhile that it was not well, else for no known cause.

    npu-smi prints no limit of temperature, so the hottest reading is told and not judged.
    """
    stage = stage_of(snapshot, "infer")
    share = figure(stage, "latency_drift")
    if share is None or share <= DRIFT:
        return []
    temp, health = figure(stage, "latency_drift_temp_c"), figure_text(stage, "latency_drift_health")
    told = (("device", safe(figure_text(stage, "latency_drift_device"))), ("share", figures.percent(share)))
    heat = ("temp", figures.number(temp, 0, "°C"))
    if health:
        return [Reason("throttled", (*told, heat, ("health", safe(health))))]
    return [Reason("drift", (*told, heat))]


def _devices(snapshot: Snapshot) -> list[Reason]:
    stage = stage_of(snapshot, "infer")
    found = []
    devices = joined(snapshot)
    retired = [device.id for device in devices if device.run and device.run.state == "retired"]
    lost = int(figure(stage, "devices_retired") or 0)
    if retired or lost:
        found.append(Reason("retired", (("n", max(len(retired), lost)), ("devices", ", ".join(retired)))))
    mine = {device.id for device in devices if device.run and device.run.state not in ("found", "out")}
    samples = [sample for sample in snapshot.samples if sample.device in mine]
    shared = [sample.device for sample in samples if (sample.processes or 0) > 1]
    if shared:
        found.append(Reason("shared", (("devices", ", ".join(shared)),)))
    sick = [sample.device for sample in samples if sample.health not in (None, "", "OK")]
    if sick:
        found.append(Reason("unhealthy", (("devices", ", ".join(sick)),)))
    return found
