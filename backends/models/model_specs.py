"""What the export, simplify, compile and verify stages are: names, params and needs. It imports none of their work.

The pipeline lists the specs; the stages decode the params.
"""

from pathlib import Path

from msgspec import Struct, convert, field
from msgspec.structs import replace

from backends.ascend.cann import version_file
from backends.ascend.compile_params import CompileParams, CompileTuning
from backends.core.codec import encode
from backends.core.messages import Line, line
from backends.core.model_io import ClipShape, Normalization
from backends.core.needs import module
from backends.core.plan import Reads, Stage, StageSpec
from backends.core.settings import Settings, VerifySettings
from backends.models.network import ReadLimits, Wanted, options_beside


class ExportParams(Struct, frozen=True):
    wanted: Wanted = field(default_factory=Wanted)
    clip: ClipShape = field(default_factory=ClipShape)


class StepExportParams(Struct, frozen=True):
    """`step export`, named as the guide's `3D-ResNets_pth2onnx.py` names its options; paths are absolute.

    That script's other options (root_path, video_path, annotation_path, result_path, dataset) decide nothing here and
    are ignored where they are handed in.
    """

    resume_path: Path
    output: Path
    model: str | None = None
    """A family."""
    model_depth: int | None = None
    """None, here and below: as the checkpoint says."""
    n_classes: int | None = None
    resnet_shortcut: str | None = None
    resnet_widen_factor: float | None = None
    conv1_t_size: int | None = None
    wide_resnet_k: int | None = None
    conv1_t_stride: int | None = None
    no_max_pool: bool | None = None
    """None, of these two: as the opts.json beside the checkpoint says, else 1 and False."""
    batch: int = 10
    sample_duration: int = 16
    """Frames of a clip."""
    sample_size: int = 112


class SimplifyParams(Struct, frozen=True):
    uint8: Normalization | None = None
    """Make a second model as well, which takes bytes and normalizes them so."""
    clip: ClipShape = field(default_factory=ClipShape)
    """What a ready model must take."""


class VerifyParams(Struct, frozen=True):
    wanted: Wanted = field(default_factory=Wanted)
    clip: ClipShape = field(default_factory=ClipShape)
    limits: VerifySettings = field(default_factory=VerifySettings)


_NUMPY, _ONNX, _TORCH = module("numpy"), module("onnx"), module("torch")


def _export(settings: Settings) -> Stage:
    return Stage(
        name="export",
        entry="backends.models.export:run",
        version=1,
        params=encode(ExportParams(wanted_network(settings), _clip(settings))),
        tuning=encode(read_limits(settings)),
        inputs=_checkpoint(settings),
        needs=(_NUMPY, _ONNX),
        skip=_ready(settings),
    )


def _simplify(settings: Settings) -> Stage:
    normal = settings.preprocess.normalization if settings.infer.input == "uint8" else None
    return Stage(
        name="simplify",
        entry="backends.models.simplify:run",
        version=1,
        params=encode(SimplifyParams(normal, _clip(settings))),
        inputs={} if settings.model.onnx is None else {"onnx": settings.model.onnx},
        skip=_ready(settings) if settings.model.om else None,
        needs=(_NUMPY, _ONNX, module("onnxslim")),
    )


def _compile(settings: Settings) -> Stage:
    wanted = settings.compile
    params = replace(
        convert(wanted, CompileParams, from_attributes=True), clip=_clip(settings), input=settings.infer.input
    )
    skip = _no_compile(settings)
    cann = version_file() if skip is None else None
    inputs = {} if cann is None else {"cann": cann}  # an .om of another CANN is another .om
    if settings.model.om is not None:
        inputs = {"om": settings.model.om}
    return Stage(
        name="compile",
        entry="backends.ascend.compile:run",
        version=1,
        params=encode(params),
        tuning=encode(CompileTuning(settings.infer.devices)),
        inputs=inputs,
        skip=skip,
        # the chips may be others today: the stage asks, and judges its .om by that
        fresh=wanted.soc_version is None and settings.model.om is None,
        kept=True,
    )


def _ready(settings: Settings) -> Line | None:
    """Why there is no network to export; None: there is a checkpoint to do it from."""
    if settings.model.om is not None:
        return line("model.om is given: a ready model for the chips")
    return None if settings.model.onnx is None else line("model.onnx is given: a ready model")


def _no_compile(settings: Settings) -> Line | None:
    if settings.infer.target == "cpu":
        return line("the target is cpu: nothing to compile for a chip")
    if settings.infer.runtime in ("cann", "null"):
        return line("the runtime {runtime} needs no .om", runtime=settings.infer.runtime)
    return None


def _verify(settings: Settings) -> Stage:
    model = settings.model
    inputs = _checkpoint(settings) if model.onnx is None else {"onnx": model.onnx}
    skip = None
    if model.om is not None and not inputs:
        skip = line("model.om is given, and neither a checkpoint nor an .onnx to verify it against")
    return Stage(
        name="verify",
        entry="backends.models.verify:run",
        version=2,
        params=encode(VerifyParams(wanted_network(settings), _clip(settings), settings.verify)),
        tuning=encode(read_limits(settings)),
        inputs=inputs,
        # on the CPU both would want the same cores, and infer's throughput would not be its own
        follows=("infer",) if settings.infer.target == "ascend" else (),
        needs=(_NUMPY, module("onnxruntime"), *(() if "onnx" in inputs else (_TORCH,))),
        skip=skip,
    )


def read_limits(settings: Settings) -> ReadLimits:
    """Of the process that looks into the checkpoint first."""
    return ReadLimits(settings.model.read_memory_mb, settings.model.read_seconds)


def wanted_network(settings: Settings) -> Wanted:
    """What the settings say of the network: the fields of one name."""
    return convert(settings.model, Wanted, from_attributes=True)


def _clip(settings: Settings) -> ClipShape:
    return ClipShape(settings.infer.batch, settings.preprocess.clip_frames, settings.preprocess.size)


def _checkpoint(settings: Settings) -> dict[str, Path]:
    path = settings.model.checkpoint
    options = options_beside(path)
    return ({} if path is None else {"checkpoint": path}) | ({} if options is None else {"options": options})


_MODELS = Reads(("onnx", "uint8"))
EXPORT = StageSpec("export", {"check": Reads()}, _export)
SIMPLIFY = StageSpec("simplify", {"export": Reads(("onnx",))}, _simplify)
COMPILE = StageSpec("compile", {"simplify": _MODELS}, _compile)
VERIFY = StageSpec(
    "verify",
    {
        "export": Reads(("onnx",)),
        "simplify": _MODELS,
        "compile": Reads((), ("precision_mode",)),
        "preprocess": Reads(("store",)),
        "infer": Reads(("rows",), ("runtime",)),
    },
    _verify,
)
