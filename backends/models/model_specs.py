"""What the export, simplify, compile and verify stages are: names, params and needs. It imports none of their work."""

from __future__ import annotations

from pathlib import Path

from backends.ascend.cann import version_file
from backends.ascend.compile_params import CompileParams, CompileTuning
from backends.core.codec import encode
from backends.core.messages import Line, line
from backends.core.model_io import ClipShape
from backends.core.needs import module
from backends.core.plan import Reads, Stage, StageSpec
from backends.core.settings import Settings
from backends.models.checkpoint import Wanted
from backends.models.params import ExportParams, SimplifyParams, VerifyParams

_NUMPY, _ONNX, _TORCH = module("numpy"), module("onnx"), module("torch")


def _export(settings: Settings) -> Stage:
    return Stage(
        name="export",
        entry="backends.models.export:run",
        version=1,
        params=encode(ExportParams(_wanted(settings), _clip(settings))),
        inputs=_checkpoint(settings),
        needs=(_NUMPY, _ONNX, _TORCH),
    )


def _simplify(settings: Settings) -> Stage:
    normal = settings.preprocess.normalization if settings.infer.input == "uint8" else None
    return Stage(
        name="simplify",
        entry="backends.models.simplify:run",
        version=1,
        params=encode(SimplifyParams(normal)),
        needs=(_NUMPY, _ONNX, module("onnxslim")),
    )


def _compile(settings: Settings) -> Stage:
    wanted = settings.compile
    params = CompileParams(
        wanted.soc_version,
        wanted.precision_mode,
        wanted.op_select_implmode,
        wanted.log,
        wanted.extra,
        _clip(settings),
        settings.infer.input,
        wanted.input_format,
        wanted.input_shape,
    )
    skip = _no_compile(settings)
    cann = version_file() if skip is None else None
    return Stage(
        name="compile",
        entry="backends.ascend.compile:run",
        version=1,
        params=encode(params),
        tuning=encode(CompileTuning(settings.infer.devices)),
        inputs={} if cann is None else {"cann": cann},  # an .om of another CANN is another .om
        skip=skip,
        fresh=wanted.soc_version is None,  # the chips may be others today: the stage asks, and judges its .om by that
        kept=True,
    )


def _no_compile(settings: Settings) -> Line | None:
    if settings.infer.target == "cpu":
        return line("the target is cpu: nothing to compile for a chip")
    if settings.infer.runtime in ("cann", "null"):
        return line("the runtime {runtime} needs no .om", runtime=settings.infer.runtime)
    return None


def _verify(settings: Settings) -> Stage:
    limits = settings.verify
    runtime = settings.infer.runtime if settings.infer.target == "cpu" else "onnxruntime"
    params = VerifyParams(_wanted(settings), limits.clips, limits.max_abs, limits.cosine, limits.top1, runtime)
    return Stage(
        name="verify",
        entry="backends.models.verify:run",
        version=1,
        params=encode(params),
        inputs=_checkpoint(settings),
        needs=(_NUMPY, _TORCH, module("onnxruntime")),
    )


def _wanted(settings: Settings) -> Wanted:
    model = settings.model
    return Wanted(
        model.depth,
        model.classes,
        model.shortcut,
        model.widen,
        model.conv1_t_size,
        model.conv1_t_stride,
        model.no_max_pool,
    )


def _clip(settings: Settings) -> ClipShape:
    return ClipShape(settings.infer.batch, settings.preprocess.clip_frames, settings.preprocess.size)


def _checkpoint(settings: Settings) -> dict[str, Path]:
    path = settings.model.checkpoint
    return {} if path is None else {"checkpoint": path}


_MODELS = Reads(("onnx", "uint8"))
EXPORT = StageSpec("export", {"check": Reads()}, _export)
SIMPLIFY = StageSpec("simplify", {"export": Reads(("onnx",))}, _simplify)
COMPILE = StageSpec("compile", {"simplify": _MODELS}, _compile)
VERIFY = StageSpec(
    "verify", {"export": Reads(("onnx",)), "simplify": _MODELS, "preprocess": Reads(("store",))}, _verify
)
