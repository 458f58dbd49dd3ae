"""Values that cross packages: chips, samples of devices, reports. A number that nobody measured is None."""

from msgspec import Struct

from backends.core.messages import Line, line


class Chip(Struct, frozen=True):
    """One chip as `npu-smi info` tells of it; field names are those of `devices --json`."""

    npu_id: int
    chip_id: int | None = None
    device_id: int | None = None
    """Logic id, the one a runner opens."""
    phy_id: int | None = None
    name: str | None = None
    soc_version: str | None = None
    health: str | None = None
    bus_id: str | None = None
    power_w: float | None = None
    temp_c: float | None = None
    aicore_percent: float | None = None
    memory_used_mb: int | None = None
    memory_total_mb: int | None = None
    ddr_used_mb: int | None = None
    ddr_total_mb: int | None = None
    hbm_used_mb: int | None = None
    hbm_total_mb: int | None = None

    @property
    def device(self) -> str:
        """Its name as a device of a run: by its logic id, or by its place where no logic id is known."""
        if self.device_id is not None:
            return f"npu:{self.device_id}"
        return f"npu:{self.npu_id}.{self.chip_id or 0}"


class ChipProcess(Struct, frozen=True):
    npu_id: int
    chip_id: int | None
    pid: int
    name: str
    memory_mb: int | None = None


class ToolFailure(Struct, frozen=True):
    """What the failure of a foreign tool means."""

    code: str | None
    """Of CANN (E10016), of the driver, or a number of pyACL; None where it gave none."""
    message: str
    """The tool's own line; "" where it printed none."""
    cause: Line = Line("")
    """Empty where nothing that is known was printed."""
    fix: Line = Line("")
    again: bool = True
    """A new process on the same chip may do better."""

    @property
    def reason(self) -> Line:
        """Cause and message in one line, for people."""
        code = self.code if self.code and self.code not in self.message else None
        cause, message = self.cause, self.message
        if not cause.template:
            return line("{message}", message=message)
        if code:
            return line("{cause}: {message} (code {code})", cause=cause, message=message, code=code)
        return line("{cause}: {message}", cause=cause, message=message) if message else cause


class DeviceTable(Struct, frozen=True):
    """One reading of `npu-smi info`, in print order."""

    source: str
    error: ToolFailure | None = None
    driver_version: str | None = None
    chips: tuple[Chip, ...] = ()
    processes: tuple[ChipProcess, ...] = ()


class DeviceSample(Struct, frozen=True):
    """One live reading of one device of a run (a chip, or a group of cores)."""

    device: str
    at: float
    """Wall time in seconds."""
    name: str = ""
    health: str | None = None
    power_w: float | None = None
    card_power_w: float | None = None
    """Of the whole card, where npu-smi prints one power for the chips of a card together."""
    temp_c: float | None = None
    busy_percent: float | None = None
    """AICore %, or the share of the group's cores in use."""
    memory_used_mb: int | None = None
    memory_total_mb: int | None = None
    processes: int | None = None
    trouble: Line = Line("")
    """Why the reading is not there."""
    used_by: str = ""
    """The process that holds most of its memory. Foreign text."""
    not_taken: Line = Line("")
    """Why a run takes it only where `infer.devices` names it."""


class ClassScore(Struct, frozen=True):
    label: str
    videos: int
    top1: int
    """Videos whose best label is right."""
    topk: int


class Confusion(Struct, frozen=True):
    """How often videos of one class were taken for another."""

    label: str
    predicted: str
    videos: int


class VideoScore(Struct, frozen=True):
    video: str
    label: str
    predicted: str
    score: float
    """Of the predicted label, 0 to 1."""
    label_score: float | None = None
    """Of the true label, where it is among the top k."""


class Report(Struct, frozen=True):
    subset: str
    videos: int
    """Videos of the subset that have a result: the accuracy stands over these."""
    videos_listed: int
    """Videos of the subset in the annotation."""
    videos_set_aside: int
    clips: int | None
    k: int
    top1: float
    topk: float
    top1_low: float
    """95 % Wilson interval."""
    top1_high: float
    top1_all: float
    """Over all listed videos, those without a result counted as wrong (the guide without --ignore)."""
    classes: tuple[ClassScore, ...] = ()
    confusions: tuple[Confusion, ...] = ()
    """Only pairs that differ, most frequent first."""
    worst: tuple[VideoScore, ...] = ()
    """Wrong videos, most confident first, at most 200."""
    published_top1: float | None = None
    """The guide's figure, only for HMDB51's own split 1 of 51 classes."""
