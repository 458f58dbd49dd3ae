"""What is wrong with a model, found in a second, before any work: for `check`, `init` and the console's first screen.

Each row is a `Finding`; one in the state `missing` is a contradiction that no run gets past.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from backends.core.messages import N_, InputError, Line, line
from backends.core.model_io import NORMALIZATIONS, Normalization
from backends.core.needs import Finding
from backends.core.settings import PreprocessSettings, Settings
from backends.data.dataset_checks import read_labelling
from backends.data.datasets.hmdb51 import HMDB51
from backends.data.video_files import folder_names
from backends.models.checkpoint import MOST_OPTIONS, Identified, describe, identify
from backends.models.model_specs import read_limits, wanted_network
from backends.models.network import options_beside

NAMES = ("checkpoint", "model classes", "training options")
"""Names of the rows."""
PUBLIC: Mapping[int, str] = {
    51: "HMDB51",
    101: "UCF-101",
    200: "ActivityNet",
    339: "Moments in Time",
    400: "Kinetics-400",
    600: "Kinetics-600",
    700: "Kinetics-700",
    1039: "Kinetics-700 and Moments in Time",
    1139: "Kinetics-700, Moments in Time and STAIR-Actions",
}
"""What public checkpoints of so many classes were trained on."""


class ClassCounts(Struct, frozen=True):
    """Numbers of classes, wherever one is known; None where it is not."""

    checkpoint: int | None
    data: int | None
    """Of the annotation, the lists or the class folders."""
    setting: int | None
    is_part: bool = False
    """The labels are some of HMDB51's, whose 51 a checkpoint may have."""

    @property
    def agree(self) -> bool:
        """Nothing known contradicts."""
        known = {self.checkpoint, None if self.is_part and self.checkpoint == len(HMDB51) else self.data}
        return len(known - {None}) < 2


def class_counts(settings: Settings, found: Identified | None = None) -> ClassCounts:
    """The classes of checkpoint, data and settings. InputError where one of them cannot be read."""
    dataset = settings.dataset
    labelling = read_labelling(dataset)
    root = dataset.frames or dataset.videos
    labels = set(labelling.labels) if labelling else folder_names(root) if root and root.is_dir() else set()
    model = found.architecture.classes if found else None
    return ClassCounts(model, len(labels) or None, settings.model.classes, labels <= set(HMDB51))


def model_findings(settings: Settings) -> tuple[Finding, ...]:
    """All rows of the settings' model; nothing raises."""
    path = settings.model.checkpoint
    if path is None:
        return ()
    try:
        found = identify(path, wanted_network(settings), options_beside(path), read_limits(settings))
    except InputError as error:
        return (Finding("checkpoint", "missing", error.line, error.hint),)
    network = line("{network}", network=describe(found.architecture))
    return (Finding("checkpoint", "met", network), *_contradictions(settings, found))


def _contradictions(settings: Settings, found: Identified) -> Iterator[Finding]:
    try:
        counts = class_counts(settings, found)
    except InputError:  # a row of the data set
        counts = ClassCounts(None, None, None)
    if not counts.agree:
        public = PUBLIC.get(found.architecture.classes)
        of = line(" (as many classes as {data} has)", data=public) if public else ""
        text = N_("the checkpoint is a {network}{of}; the data set has {data} classes")
        hint = line("set model.checkpoint to one that was trained on these classes, or give the data it was trained on")
        cause = line(text, network=describe(found.architecture), of=of, data=counts.data)
        yield Finding("model classes", "missing", cause, hint)
    options = options_beside(settings.model.checkpoint)
    different = tuple(_differences(options, settings.preprocess)) if options else ()
    if different:
        otherwise = line("{path} has other values: {settings}", path=str(options), settings=different)
        hint = line("set them under [preprocess] in r3d.toml as the training had them")
        yield Finding("training options", "warning", otherwise, hint)


def _differences(options: Path, used: PreprocessSettings) -> Iterator[Line]:
    """What the training had otherwise than the settings; nothing where the file does not say."""
    try:
        table = json.loads(options.read_bytes()[:MOST_OPTIONS])
        preset = NORMALIZATIONS[table["mean_dataset"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return
    trained = _trained(table, preset)
    for key, there, here in (
        ("mean", trained.mean, used.normalization.mean),
        ("std", trained.std, used.normalization.std),
        ("size", table.get("sample_size", used.size), used.size),
        ("clip_frames", table.get("sample_duration", used.clip_frames), used.clip_frames),
    ):
        if there != here:
            yield line("{key} (there {there}, here {here})", key=key, there=str(there)[:80], here=str(here))


def _trained(table: Mapping[str, Any], preset: Normalization) -> Normalization:
    """For values from 0 to 1: `--value_scale` scales preset and values alike, but not what takes the preset's place."""
    unit = 1 / table["value_scale"] if table.get("value_scale") in (1, 255) else 1.0
    mean = (0.0, 0.0, 0.0) if table.get("no_mean_norm") is True else preset.mean
    return Normalization(mean, (unit, unit, unit) if table.get("no_std_norm") is True else preset.std)
