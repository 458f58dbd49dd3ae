"""Every stage, one line each, in the order of the guide."""

from __future__ import annotations

from pathlib import Path

from backends.contract.plan import Plan, StageSpec
from backends.contract.settings import Settings
from backends.convert.spec import COMPILE, EXPORT, SIMPLIFY, VERIFY
from backends.dataset.spec import ANNOTATE, FRAMES
from backends.devices.spec import CHECK, with_needs
from backends.evaluate.spec import EVALUATE, SCORE
from backends.infer.spec import INFER
from backends.preprocess.spec import PREPROCESS

STAGES: tuple[StageSpec, ...] = (
    CHECK,
    FRAMES,
    ANNOTATE,
    PREPROCESS,
    EXPORT,
    SIMPLIFY,
    COMPILE,
    VERIFY,
    INFER,
    SCORE,
    EVALUATE,
)


def whole_plan(workspace: Path, settings: Settings) -> Plan:
    """The plan of all stages for these settings."""
    stages = with_needs(tuple(spec.plan(settings) for spec in STAGES))
    companion: tuple[str, ...] = ("backends.devices.watch", "--target", settings.infer.target)
    if settings.infer.devices is not None:
        companion = (*companion, "--devices", ",".join(map(str, settings.infer.devices)))
    return Plan(workspace, stages, parallel=settings.engine.parallel, companion=companion)
