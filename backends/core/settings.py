"""What the user decides in `r3d.toml`, as frozen values. `backends.workspace.settings_file` reads the file.

Paths are absolute here; None means "not given". The published values (16 frames of 112x112, batch 10, 51 classes)
are those of the ModelZoo guide for 3D-ResNets.
"""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from backends.core.model_io import NORMALIZATIONS, Channels, Normalization

VIDEO_SUFFIXES = frozenset(
    (".avi", ".divx", ".mp4", ".m4v", ".mov", ".3gp", ".3g2", ".mkv", ".webm", ".flv", ".f4v", ".wmv", ".asf",
     ".mpg", ".mpeg", ".mpe", ".m2v", ".vob", ".ts", ".mts", ".m2ts")
)  # fmt: skip
"""What the name of a video in `dataset.videos` ends with, in lower case: containers that the decoder opens."""


Count = Annotated[int, Meta(ge=1, le=1000)]
Share = Annotated[float, Meta(ge=0, le=1)]
Positive = Annotated[float, Meta(gt=0, le=1e9)]


def _about(description: str, example: object = None) -> Meta:
    """What the draft of r3d.toml says beside a field, and a value where it has none."""
    return Meta(description=description, examples=[] if example is None else [example])


class DatasetSettings(Struct, frozen=True):
    """Where the videos or frames and their labels are."""

    videos: Annotated[
        Path | None,
        _about(
            "folder of <class>/<video>.avi or .mp4, of videos alone, or of archives; or a .rar, .zip, .tar", "videos"
        ),
    ] = None
    frames: Annotated[Path | None, _about("folder of <class>/<video>/image_00001.jpg, instead of videos", "frames")] = (
        None
    )
    keep_frames: Annotated[
        bool, _about("true: a folder of JPEG files, as the guide makes it; false: frames in memory, the same clips")
    ] = True
    """False in new workspaces: the frames stage is skipped and preprocess decodes the videos."""
    annotation: Annotated[Path | None, _about("the guide's json, instead of splits", "hmdb51_1.json")] = None
    splits: Annotated[
        Path | None,
        _about(
            "folder of lists (HMDB51, UCF-101, Kinetics, your own val.txt), or the archive that holds them", "splits"
        ),
    ] = None
    split: Annotated[
        Annotated[int, Meta(ge=1, le=100_000)], _about("which of its splits; of Kinetics the number of classes")
    ] = 1
    share: Annotated[
        Annotated[float, Meta(gt=0, lt=1)] | None,
        _about("share of the videos to evaluate, where no annotation and no lists are given", 0.3),
    ] = None
    """The share of the videos that are of `subset`; None: all of them."""
    labels: Annotated[str, _about("auto, or a file with one class name a line")] = "auto"
    """`auto`: the annotation's, else HMDB51's where they fit, else the folder names. A file names the classes in the
    order of the model's."""
    subset: str = "validation"


class ModelSettings(Struct, frozen=True):
    """The checkpoint and the network that it holds; None is as the checkpoint, or the opts.json beside it, says."""

    checkpoint: Annotated[Path | None, _about("the .pth that the training script saved", "save_700.pth")] = None
    onnx: Annotated[Path | None, _about("a ready model instead of a checkpoint", "model.onnx")] = None
    om: Annotated[Path | None, _about("a ready model for the chips, instead of both", "model.om")] = None
    depth: Annotated[Count | None, _about("without it: as the checkpoint says", 50)] = None
    classes: Annotated[
        Annotated[int, Meta(ge=1, le=100_000)] | None, _about("without it: as the checkpoint says", 51)
    ] = None
    shortcut: Annotated[Literal["A", "B"] | None, _about("A or B; without it: as the checkpoint says", "B")] = None
    widen: Annotated[Annotated[float, Meta(gt=0, le=16)] | None, _about("without it: as the checkpoint says", 1.0)] = (
        None
    )
    conv1_t_size: Annotated[
        Annotated[int, Meta(ge=1, le=31)] | None,
        _about("frames under the first kernel; without it: as the checkpoint says", 7),
    ] = None
    conv1_t_stride: Annotated[
        Annotated[int, Meta(ge=1, le=16)] | None,
        _about("without it: as the opts.json beside the checkpoint says, else 1", 1),
    ] = None
    no_max_pool: Annotated[
        bool | None, _about("without it: as the opts.json beside the checkpoint says, else false", False)
    ] = None
    read_memory_mb: Annotated[
        int, Meta(ge=64, le=2**30), _about("for looking into the checkpoint; raise it for a large one that you trust")
    ] = 2048
    read_seconds: Annotated[float, Meta(gt=0, le=86_400), _about("the same")] = 30.0


class PreprocessSettings(Struct, frozen=True):
    """How frames become clips: the reference's numbers."""

    clip_frames: Annotated[int, Meta(ge=1, le=512)] = 16
    clip_stride: Annotated[int, Meta(ge=1, le=512)] = 16
    size: Annotated[int, Meta(ge=16, le=1024)] = 112
    max_clips: Annotated[Count, _about("clips of a video beyond this are cut, as in the guide")] = 10
    mean_dataset: Annotated[
        Literal["kinetics", "activitynet", "0.5"],
        _about("kinetics, activitynet or 0.5: the reference's presets of mean and std"),
    ] = "kinetics"
    mean: Annotated[
        Channels | None,
        _about("without it: the preset's; [0, 0, 0] for training with --no_mean_norm", (0.4345, 0.4051, 0.3775)),
    ] = None
    std: Annotated[
        tuple[Positive, Positive, Positive] | None,
        _about("without it: the preset's; [1, 1, 1] for training with --no_std_norm", (0.2768, 0.2713, 0.2737)),
    ] = None
    value_scale: Annotated[Literal[1, 255], _about("1 or 255: the range of values that mean and std are of")] = 1
    workers: Annotated[Annotated[int, Meta(ge=0, le=512)], _about("0: one a core")] = 0

    @property
    def normalization(self) -> Normalization:
        """As settings and presets have it, for values from 0 to 1."""
        preset = NORMALIZATIONS[self.mean_dataset]
        return Normalization(self._unit(self.mean) or preset.mean, self._unit(self.std) or preset.std)

    def _unit(self, given: Channels | None) -> Channels | None:
        """Of values from 0 to 1 instead of 0 to `value_scale`."""
        scale = self.value_scale
        return given and (given[0] / scale, given[1] / scale, given[2] / scale)


class CompileSettings(Struct, frozen=True):
    """atc's options beyond the guide's."""

    soc_version: Annotated[str | None, _about("without it: what npu-smi names", "Ascend310P3")] = None
    precision_mode: Annotated[str | None, _about("", "force_fp16")] = None
    op_select_implmode: Annotated[str | None, _about("", "high_precision")] = None
    log: str = "info"
    extra: Annotated[tuple[str, ...], _about("more arguments for atc")] = ()
    input_format: Annotated[Literal["NCHW", "ND", "NCDHW"], _about("NCHW as in the guide, ND or NCDHW")] = "NCHW"
    """Huawei's guides take NCHW for 3D-ResNets, ND for C3D, NCDHW for some others."""
    input_shape: Annotated[str | None, _about("without it: the model's own input", "input:10,3,16,112,112")] = None
    tune: Annotated[
        Literal["off", "subgraph", "operator"], _about("subgraph or operator: by CANN's aoe on the chip, for hours")
    ] = "off"


class VerifySettings(Struct, frozen=True):
    """Thresholds over which the verify stage fails."""

    clips: Count = 10
    """Real clips to compare on."""
    max_abs: Annotated[Positive, _about("largest difference between two models' logits")] = 1e-3
    cosine: Annotated[
        Annotated[float, Meta(ge=-1, le=1)], _about("least cosine similarity of two models' logits of a clip")
    ] = 0.9999
    top1: Annotated[Share, _about("least share of clips with the same best class")] = 1.0
    om_max_abs: Annotated[Positive | None, _about("of an .om; without it: by its precision mode, fp16 0.05", 0.05)] = (
        None
    )
    om_cosine: Annotated[Annotated[float, Meta(ge=-1, le=1)] | None, _about("the same; fp16 0.999", 0.999)] = None
    om_top1: Annotated[Share | None, _about("the same; fp16 0.9", 0.9)] = None


class InferSettings(Struct, frozen=True):
    """What runs the model, on which devices."""

    target: Annotated[Literal["cpu", "ascend"], _about("cpu or ascend")] = "cpu"
    runtime: Annotated[str, _about("{cpu}; on ascend {ascend}")] = "auto"
    devices: Annotated[
        tuple[Annotated[int, Meta(ge=0, le=1023)], ...] | None,
        _about("without it: all that are fit; on cpu [0, 1] makes two groups of cores", (0, 1)),
    ] = None
    """None: all that are there and healthy (on cpu: one group of all cores)."""
    batch: Annotated[int, Meta(ge=1, le=1024)] = 10
    layout: Annotated[
        Literal["packed", "guide"],
        _about("packed: full batches over clips of many videos; guide: one file a video, padded"),
    ] = "packed"
    input: Annotated[
        Literal["float32", "uint8"],
        _about("float32; uint8 on ascend with acl: the model normalises, which not every CANN takes"),
    ] = "float32"
    """Floats, or the clips' bytes: a quarter of the copying."""
    loops: Annotated[
        Annotated[int, Meta(ge=1, le=100_000)],
        _about("all clips so often; more than 1 makes the throughput of a small set significant"),
    ] = 1
    """The scores are those of the first time."""
    deadline_s: Annotated[
        Annotated[float, Meta(ge=0, le=1e9)],
        _about("seconds after which a silent device is dropped; 0: from its own latency"),
    ] = 0.0
    acl_python: Annotated[
        Path | None,
        _about(
            "the Python that imports acl; without it: this one, or the first on PATH that does", "/usr/bin/python3.7"
        ),
    ] = None
    ais_bench: Annotated[
        Path | None,
        _about("the Python that has ais_bench, or an ais_infer.py; without it: python3 on PATH", "/usr/bin/python3"),
    ] = None


class EvaluateSettings(Struct, frozen=True):
    """How the accuracy is counted."""

    top_k: Count = 5


class ClusterSettings(Struct, frozen=True):
    """Several servers for frames, preprocess and infer."""

    address: Annotated[
        str, _about("empty: this machine; auto or HOST:6379: a Ray cluster; local:3: three processes here")
    ] = ""
    servers: Annotated[tuple[str, ...], _about("names of the servers to use; empty: all")] = ()
    shard_videos: Annotated[
        Annotated[int, Meta(ge=0, le=1024)], _about("videos that a server is given at once; 0: by their number")
    ] = 0
    scratch: Annotated[Path, _about("folder for temporary files on each server")] = Path("/var/tmp")  # noqa: S108
    allow_open: Annotated[bool, _about("true: also a Ray cluster that asks for no token")] = False


class EngineSettings(Struct, frozen=True):
    """How the stages are run."""

    parallel: Annotated[
        Annotated[int, Meta(ge=1, le=64)], _about("stages at once, where they do not depend on each other")
    ] = 2


class ConsoleSettings(Struct, frozen=True):
    """What a front end does in this workspace. No stage reads it, and no cache key holds it."""

    language: Annotated[str | None, _about("a language of the console, en or zh; without it: the locale's", "zh")] = (
        None
    )


class Settings(Struct, frozen=True):
    """The whole of `r3d.toml`."""

    dataset: DatasetSettings = field(default_factory=DatasetSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    preprocess: PreprocessSettings = field(default_factory=PreprocessSettings)
    compile: CompileSettings = field(default_factory=CompileSettings)
    verify: VerifySettings = field(default_factory=VerifySettings)
    infer: InferSettings = field(default_factory=InferSettings)
    evaluate: EvaluateSettings = field(default_factory=EvaluateSettings)
    cluster: ClusterSettings = field(default_factory=ClusterSettings)
    engine: EngineSettings = field(default_factory=EngineSettings)
    console: ConsoleSettings = field(default_factory=ConsoleSettings)
