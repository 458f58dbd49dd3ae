"""What the user decides in `r3d.toml`, as frozen values. `backends.workspace.settings_file` reads the file.

Paths are absolute here; None means "not given". The published values (16 frames of 112x112, batch 10, 51 classes)
are those of the ModelZoo guide for 3D-ResNets.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from msgspec import Struct, field

from backends.core.model_io import NORMALIZATIONS, Channels, Normalization

VIDEO_SUFFIXES = frozenset(
    (".avi", ".divx", ".mp4", ".m4v", ".mov", ".3gp", ".3g2", ".mkv", ".webm", ".flv", ".f4v", ".wmv", ".asf",
     ".mpg", ".mpeg", ".mpe", ".m2v", ".vob", ".ts", ".mts", ".m2ts")
)  # fmt: skip
"""What the name of a video in `dataset.videos` ends with, in lower case: containers that the decoder opens."""


class DatasetSettings(Struct, frozen=True):
    """Where the videos or frames and their labels are."""

    name: str = "hmdb51"
    videos: Path | None = None
    """A folder of `<class>/<video>.avi|.mp4`, of videos alone, or of archives of them; or one such archive."""
    frames: Path | None = None
    """A folder of `<class>/<video>/image_%05d.jpg`; given instead of `videos`."""
    annotation: Path | None = None
    """The guide's json (`hmdb51_1.json`); given instead of `splits`."""
    splits: Path | None = None
    """The folder, or its archive, of a data set's lists (HMDB51, UCF-101, Kinetics, Moments in Time, one's own)."""
    split: int = 1
    """Which of its splits; of Kinetics the number of classes, where lists of several lie there."""
    share: float | None = None
    """Without annotation and lists: the share of the videos that are of `subset`; None: all of them."""
    labels: str = "auto"
    """`auto` (the annotation's, else HMDB51's where they fit, else the folder names), or the absolute path of a file of
    class names in the order of the model's classes."""
    subset: str = "validation"


class ModelSettings(Struct, frozen=True):
    """The checkpoint and the network that it holds."""

    checkpoint: Path | None = None
    depth: int | None = None
    """None: as the checkpoint says."""
    classes: int | None = None
    """None: as the checkpoint says."""
    shortcut: Literal["A", "B"] | None = None
    widen: float | None = None
    conv1_t_size: int | None = None
    """These three as well: None is as the checkpoint says."""
    conv1_t_stride: int | None = None
    no_max_pool: bool | None = None
    """No tensor shows these two. None: as the opts.json beside the checkpoint says, else 1 and False."""
    opset: int = 11


class PreprocessSettings(Struct, frozen=True):
    """How frames become clips: the reference's numbers."""

    clip_frames: int = 16
    clip_stride: int = 16
    size: int = 112
    max_clips: int = 10
    """Clips of a video beyond this are cut, as the guide does."""
    mean_dataset: Literal["kinetics", "activitynet", "0.5"] = "kinetics"
    """Whose mean and deviation count where the next two are not given."""
    mean: Channels | None = None
    std: Channels | None = None
    """[0, 0, 0] and [1, 1, 1] are the reference's `--no_mean_norm` and `--no_std_norm`."""
    value_scale: Literal[1, 255] = 1
    """The largest value of a pixel where mean and deviation are taken; the presets are scaled with it."""
    workers: int = 0
    """Processes or threads; 0: one a core."""

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

    soc_version: str | None = None
    precision_mode: str | None = None
    op_select_implmode: str | None = None
    log: str = "info"
    extra: tuple[str, ...] = ()
    input_format: Literal["NCHW", "ND", "NCDHW"] = "NCHW"
    """Huawei's guides take NCHW for 3D-ResNets, ND for C3D, NCDHW for some others."""
    input_shape: str | None = None
    """None: the model's own input, as `input:10,3,16,112,112`."""


class VerifySettings(Struct, frozen=True):
    """Thresholds over which the verify stage fails."""

    clips: int = 10
    """Real clips to compare on."""
    max_abs: float = 1e-3
    """Largest absolute difference between two models' logits."""
    cosine: float = 0.9999
    """Least cosine similarity of two models' logits of a clip."""
    top1: float = 1.0
    """Least share of clips on which the top class is the same."""


class InferSettings(Struct, frozen=True):
    """What runs the model, on which devices."""

    target: Literal["cpu", "ascend"] = "cpu"
    runtime: str = "auto"
    """`auto`, `openvino`, `onnxruntime`, `null`; on ascend `acl`, `ais_bench`, `cann`."""
    devices: tuple[int, ...] | None = None
    """None: all that are there and healthy (on cpu: one group of all cores)."""
    batch: int = 10
    layout: Literal["packed", "guide"] = "packed"
    input: Literal["float32", "uint8"] = "float32"
    """What the model is fed: floats, or the clips' bytes, which it normalises itself (a quarter of the copying)."""
    deadline_s: float = 0.0
    """Seconds after which a silent device is retired; 0: set from its own latency."""
    ais_bench: Path | None = None
    """The Python that has ais_bench, or the ais_infer.py to run; None: this Python, else python3 on PATH."""


class EvaluateSettings(Struct, frozen=True):
    """How the accuracy is counted."""

    top_k: int = 5


class EngineSettings(Struct, frozen=True):
    """How the stages are run."""

    parallel: int = 2
    """Stages at once, where they do not depend on each other."""


class ConsoleSettings(Struct, frozen=True):
    """What a face does in this workspace. No stage reads it, and no fingerprint holds it."""

    language: str | None = None
    """None: the locale's."""


class Settings(Struct, frozen=True):
    """The whole of `r3d.toml`."""

    dataset: DatasetSettings = field(default_factory=DatasetSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    preprocess: PreprocessSettings = field(default_factory=PreprocessSettings)
    compile: CompileSettings = field(default_factory=CompileSettings)
    verify: VerifySettings = field(default_factory=VerifySettings)
    infer: InferSettings = field(default_factory=InferSettings)
    evaluate: EvaluateSettings = field(default_factory=EvaluateSettings)
    engine: EngineSettings = field(default_factory=EngineSettings)
    console: ConsoleSettings = field(default_factory=ConsoleSettings)
