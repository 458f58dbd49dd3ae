"""The stage `infer` for the plan: what it depends on, its settings, its needs. Nothing heavy is imported."""

from typing import Any

from backends.core.codec import encode
from backends.core.messages import R3dError
from backends.core.needs import Need, module
from backends.core.plan import Reads, Stage, StageSpec
from backends.core.settings import InferSettings, Settings
from backends.inference.runtime_registry import choose, known_runtimes


def plan_infer(settings: Settings) -> Stage:
    infer = settings.infer
    params: dict[str, Any] = {
        "target": infer.target,
        "runtime": infer.runtime,
        "batch": infer.batch,
        "layout": infer.layout,
    }
    if infer.runtime == "null":
        params["options"] = {"classes": settings.model.classes}
    tuning: dict[str, Any] = {
        "devices": encode(infer.devices),
        "limits": {"answer_s": infer.deadline_s},
        "loops": infer.loops,
    }
    if settings.dataset.labels != "auto":
        tuning["names"] = settings.dataset.labels
    if infer.target == "ascend":
        tuning["ais_bench"] = encode(infer.ais_bench)
        tuning["acl_python"] = encode(infer.acl_python)
        params["input"] = infer.input
    is_packed = infer.layout == "packed" and infer.loops == 1 and infer.runtime != "ais_bench"
    return Stage(
        "infer",
        "backends.inference.infer:run",
        version=1,
        params=params,
        tuning=tuning,
        kept=True,
        follows=("preprocess",) if is_packed else (),
        needs=(module("numpy"), *_runtime_need(infer)),
    )


def _runtime_need(infer: InferSettings) -> tuple[Need, ...]:
    """The module that a CPU's runtime needs; where none can be chosen the stage itself says why."""
    if infer.target != "cpu":
        return ()
    try:
        info = choose("cpu", infer.runtime).info
    except R3dError:
        info = known_runtimes().get(infer.runtime, known_runtimes()["onnxruntime"])
    return (module(info.module),)


INFER = StageSpec(
    "infer",
    {
        "preprocess": Reads(("store", "bins", "labels")),
        "simplify": Reads(("onnx",)),
        "compile": Reads(("om",)),
    },
    plan_infer,
)
