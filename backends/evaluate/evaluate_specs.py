"""What the score and evaluate stages are: names, params and needs. It imports none of their work."""

from pathlib import Path

from backends.core.needs import module
from backends.core.plan import Reads, Stage, StageSpec
from backends.core.published import MODEL_FIGURES
from backends.core.settings import Settings


def score_k(settings: Settings) -> int:
    """Labels a video in val.json: at least five, so that top-5 can be asked of it later."""
    return max(5, settings.evaluate.top_k)


def _score(settings: Settings) -> Stage:
    return Stage(
        name="score",
        entry="backends.evaluate.score:run",
        version=2,
        params={"k": score_k(settings)},
        inputs=_labels(settings),
        needs=(module("numpy"),),
    )


def _evaluate(settings: Settings) -> Stage:
    return Stage(
        name="evaluate",
        entry="backends.evaluate.evaluate:run",
        version=3,
        params={"subset": settings.dataset.subset, "k": settings.evaluate.top_k},
        inputs=_labels(settings),
    )


def _labels(settings: Settings) -> dict[str, Path]:
    return {} if settings.dataset.labels == "auto" else {"labels": Path(settings.dataset.labels)}


SCORE = StageSpec(
    "score",
    {"annotate": Reads(("annotation",)), "preprocess": Reads(("store",)), "infer": Reads(("rows",))},
    _score,
)
SPEED = ("clips_per_s", "clips_per_s_beside", "pass_clips_per_s", "runtime", "devices", "servers", "joules_per_clip",
         "energy", "batch")  # fmt: skip
"""Figures of infer that the report names."""
EVALUATE = StageSpec(
    "evaluate",
    {
        "frames": Reads(skipped=True),
        "annotate": Reads(("annotation",), ("unlisted",), skipped=True),
        "preprocess": Reads(skipped=True),
        "infer": Reads(figures=SPEED, skipped=True),
        "score": Reads(("val",), ("clips",), skipped=True),
        "export": Reads(figures=MODEL_FIGURES, skipped=True),
    },
    _evaluate,
)
