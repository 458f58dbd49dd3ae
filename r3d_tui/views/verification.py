"""What verify measured of each model of a run. Pure; the model panel, the report and the documents show it."""

from collections.abc import Mapping

from msgspec import Struct

from backends.core.messages import Line, Scalar, line
from backends.core.run_state import Run, StageRun
from r3d_tui.text import figures
from r3d_tui.text.rows import Span, safe
from r3d_tui.views.look import figure

_MEASURE = "_max_abs"


class Verified(Struct, frozen=True):
    """One model against the checkpoint (or the given .onnx): the worst of the compared clips."""

    name: str
    """`onnx`, `sim`, `om`, or the runtime of infer."""
    max_abs: float | None
    """None where a logit is not a number, or it has not been measured."""
    cosine: float | None
    top1: float | None
    """Share of the clips, 0 to 1."""
    is_passed: bool | None
    """Within all limits; None of a run of 0.1, which did not say."""


def verify_stage(run: Run) -> StageRun:
    """The run's stage verify; one that waits where the run has none."""
    return next((stage for stage in run.stages if stage.name == "verify"), StageRun("verify"))


def is_verified(run: Run) -> bool | None:
    """Whether the models agree; None where that was not measured (yet)."""
    return {"done": True, "cached": True, "failed": False}.get(verify_stage(run).state)


def verified(stage: StageRun) -> tuple[Verified, ...]:
    """Every model that the stage verify compared, also where it failed; none before it is done."""
    return tuple(_one(stage, key.removesuffix(_MEASURE)) for key in _known(stage) if key.endswith(_MEASURE))


def _one(stage: StageRun, name: str) -> Verified:
    passed = _known(stage).get(f"{name}_passed")
    max_abs, cosine, top1 = (figure(stage, f"{name}_{measure}") for measure in ("max_abs", "cosine", "top1"))
    return Verified(name, max_abs, cosine, top1, passed if isinstance(passed, bool) else None)


def precision_mode(stage: StageRun) -> str:
    """Of the .om, as verify or compile knows it; empty where there is none or nobody knows."""
    return safe(str(_known(stage).get("precision_mode") or ""))


def _known(stage: StageRun) -> Mapping[str, Scalar]:
    return {**stage.live, **(stage.outcome.figures if stage.outcome else {})}


MEASURES = ("model.max_abs", "model.cosine", "model.top1")
"""Keys of the headings of what `verified_cells` gives behind the name."""


def verified_cells(one: Verified, mode: str) -> tuple[str, str, str, str]:
    """The model's name, of the .om with its precision `mode`; largest difference, cosine, top-1 match."""
    name = f"{one.name} {mode}".rstrip() if one.name == "om" else one.name
    return name, figures.small(one.max_abs), figures.number(one.cosine, 7), figures.percent(one.top1)


def verified_rows(stage: StageRun) -> list[tuple[tuple[str, str, str, str], Span]]:
    """Cells and mark of each model that verify compared."""
    mode = precision_mode(stage)
    return [(verified_cells(one, mode), mark(one)) for one in verified(stage)]


def verify_failure(stage: StageRun) -> Line:
    """What stands beside the accuracy of a run whose verification failed."""
    return line("the model is not verified: {reason}", reason=stage.reason)


def mark(one: Verified) -> Span:
    """Whether a model is within its limits; nothing where nobody said."""
    return Span("") if one.is_passed is None else Span("✓", "good") if one.is_passed else Span("✗", "bad")
