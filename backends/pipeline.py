"""Every stage, one line each, in the order of the guide."""

from pathlib import Path

from backends.checks.check_spec import CHECK, with_needs
from backends.cluster.cluster_specs import cluster_settings, over_servers
from backends.core.plan import Plan, StageSpec
from backends.core.settings import Settings
from backends.data.data_specs import ANNOTATE, FRAMES, PREPROCESS
from backends.evaluate.evaluate_specs import EVALUATE, SCORE
from backends.inference.infer_spec import INFER
from backends.models.model_specs import COMPILE, EXPORT, SIMPLIFY, VERIFY

STAGES: tuple[StageSpec, ...] = (
    CHECK,
    FRAMES,
    ANNOTATE,
    PREPROCESS,
    EXPORT,
    SIMPLIFY,
    COMPILE,
    INFER,
    VERIFY,
    SCORE,
    EVALUATE,
)


def whole_plan(workspace: Path, settings: Settings) -> Plan:
    settings = cluster_settings(settings)
    stages = with_needs(over_servers(settings, tuple(spec.plan(settings) for spec in STAGES)))
    companion: tuple[str, ...] = ("backends.monitor.sampler", "--target", settings.infer.target)
    if settings.infer.devices is not None:
        companion = (*companion, "--devices", ",".join(map(str, settings.infer.devices)))
    return Plan(workspace, stages, parallel=settings.engine.parallel, companion=companion)
