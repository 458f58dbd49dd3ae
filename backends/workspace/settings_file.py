"""A workspace: the folder that holds `r3d.toml`, which a person writes and this module reads, checks and drafts.

Paths in the file are relative to it. Every complaint is one line: the file, the place in it, and the mend.
"""

from __future__ import annotations

import difflib
import functools
import os
import sys
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from backends.core.codec import DecodeError, decode
from backends.core.errors import InputError
from backends.core.files import make_folder, write_whole
from backends.core.messages import N_, os_reason
from backends.core.settings import InferSettings, Settings

FILE = "r3d.toml"


def read_settings(workspace: Path) -> Settings:
    """The settings of a workspace. Raises InputError where the file is missing, malformed, or says what cannot be."""
    path = workspace / FILE
    table = load(path)
    for section, values in table.items():
        _check_keys(path, section, values)
    for key in ("frames", "videos", "annotation", "splits"):
        _make_absolute(workspace, table.get("dataset"), key)
    if isinstance(dataset := table.get("dataset"), dict) and dataset.get("labels") != "auto":
        _make_absolute(workspace, dataset, "labels")
    _make_absolute(workspace, table.get("model"), "checkpoint")
    _make_absolute(workspace, table.get("infer"), "ais_bench")
    try:
        settings = decode(Settings, table)
    except DecodeError as error:
        text, hint = N_("{path}: {place}: {problem}"), N_("fix the value there")
        raise InputError(text, hint=hint, path=str(path), place=error.place, problem=error.problem) from None
    _check_values(path, settings)
    return settings


def language(workspace: Path) -> str | None:
    """The language that the file asks for, whatever else is wrong with it; None where it asks for none."""
    try:
        found = load(workspace / FILE).get("console", {}).get("language")
    except (InputError, AttributeError):
        return None
    return found if isinstance(found, str) else None


def refuse_unready(workspace: Path, settings: Settings) -> None:
    """Raise InputError where the settings name nothing to work on, or files that are not there."""
    path = str(workspace / FILE)
    dataset = settings.dataset
    if dataset.videos is None and dataset.frames is None:
        raise InputError("{path}: no videos and no frames", hint="name one of them under [dataset]", path=path)
    if settings.model.checkpoint is None:
        raise InputError("{path}: no checkpoint", hint="name the .pth under [model]", path=path)
    folders = {"frames": dataset.frames}
    packed = {"splits": dataset.splits, "videos": dataset.videos}
    folders.update((key, path) for key, path in packed.items() if path is not None and not _is_archive(path))
    for key, folder in folders.items():
        if folder is not None and not folder.is_dir():
            text = N_("{path}: {key}: {folder} is no folder")
            raise InputError(text, hint="mend the path", path=path, key=key, folder=str(folder))
    labels = None if dataset.labels == "auto" else Path(dataset.labels)
    files = {"annotation": dataset.annotation, "labels": labels, "checkpoint": settings.model.checkpoint}
    for key, file in files.items():
        if file is not None and not file.is_file():
            text = N_("{path}: {key}: {file} is no file")
            raise InputError(text, hint="mend the path", path=path, key=key, file=str(file))


def _is_archive(path: Path) -> bool:
    """Folders are told without the archives' room, which takes a while to import."""
    if path.is_dir():
        return False
    from backends.data.archives import is_archive

    return is_archive(path)


def write_settings(workspace: Path, settings: Settings) -> Path:
    """Write a commented r3d.toml. Raises InputError where there is one already, or where it could not be read back."""
    path = workspace / FILE
    if path.exists():
        raise InputError("{path}: there already", hint="edit it, or remove it first", path=str(path))
    _check_values(path, settings)
    make_folder(workspace)
    write_whole(path, draft(workspace, settings).encode())
    return path


def draft(workspace: Path, settings: Settings) -> str:
    """The text of an r3d.toml: what differs from the defaults is set, the rest stands there as a comment."""
    parts = ["# What r3d-tui works on. Paths are relative to this file. Lines with # show the defaults.\n"]
    for section in msgspec.structs.fields(settings):
        value = getattr(settings, section.name)
        parts.append(f"\n[{section.name}]\n")
        fields = msgspec.structs.fields(value)
        parts.extend(_draft_line(workspace, section.name, field, getattr(value, field.name)) for field in fields)
    return "".join(parts)


def find_workspace(folder: Path) -> Path | None:
    """The folder itself or the nearest parent that holds an r3d.toml; None where none does."""
    for candidate in (folder, *folder.parents):
        if (candidate / FILE).is_file():
            return candidate
    return None


_COMMENTS: Mapping[str, str] = {
    "dataset.videos": "folder of <class>/<video>.avi or .mp4, of videos alone, or of archives; or a .rar, .zip, .tar",
    "dataset.frames": "folder of <class>/<video>/image_00001.jpg, instead of videos",
    "dataset.annotation": "the guide's json (hmdb51_1.json), instead of splits",
    "dataset.splits": "folder of lists (HMDB51, UCF-101, Kinetics, your own val.txt), or the archive that holds them",
    "dataset.split": "which of its splits; of Kinetics the number of classes",
    "dataset.share": "share of the videos to evaluate, where no annotation and no lists are given",
    "dataset.labels": "auto, or a file with one class name a line",
    "model.checkpoint": "the .pth that the training script saved",
    "model.depth": "without it: as the checkpoint says",
    "model.classes": "without it: as the checkpoint says",
    "model.shortcut": "A or B; without it: as the checkpoint says",
    "model.widen": "without it: as the checkpoint says",
    "model.conv1_t_size": "frames under the first kernel; without it: as the checkpoint says",
    "model.conv1_t_stride": "without it: as the opts.json beside the checkpoint says, else 1",
    "model.no_max_pool": "without it: as the opts.json beside the checkpoint says, else false",
    "preprocess.mean_dataset": "kinetics, activitynet or 0.5: the reference's presets of mean and std",
    "preprocess.mean": "without it: the preset's; [0, 0, 0] for training with --no_mean_norm",
    "preprocess.std": "without it: the preset's; [1, 1, 1] for training with --no_std_norm",
    "preprocess.value_scale": "1 or 255: the range of values that mean and std are of",
    "preprocess.max_clips": "clips of a video beyond this are cut, as in the guide",
    "preprocess.workers": "0: one a core",
    "compile.soc_version": "without it: what npu-smi names",
    "compile.extra": "more arguments for atc",
    "compile.input_format": "NCHW as in the guide, ND or NCDHW",
    "compile.input_shape": "without it: the model's own input",
    "verify.max_abs": "largest difference between two models' logits",
    "verify.cosine": "least cosine similarity of two models' logits of a clip",
    "verify.top1": "least share of clips with the same best class",
    "infer.target": "cpu or ascend",
    "infer.runtime": "auto, openvino, onnxruntime, null; on ascend acl, ais_bench, cann",
    "infer.devices": "without it: all that are fit; on cpu [0, 1] makes two groups of cores",
    "infer.layout": "packed: full batches over clips of many videos; guide: one file a video, padded",
    "infer.input": "float32; uint8 on ascend with acl: the model normalises, which not every CANN takes",
    "infer.deadline_s": "seconds after which a silent device is retired; 0: from its own latency",
    "infer.ais_bench": "the Python that has ais_bench, or an ais_infer.py; without it: python3 on PATH",
    "console.language": "a language of the console, en or zh; without it: the locale's",
    "engine.parallel": "stages at once, where they do not hang on each other",
}
_EXAMPLES: Mapping[str, str] = {
    "dataset.videos": '"videos"',
    "dataset.frames": '"frames"',
    "dataset.annotation": '"hmdb51_1.json"',
    "dataset.splits": '"splits"',
    "dataset.share": "0.3",
    "model.checkpoint": '"save_700.pth"',
    "model.depth": "50",
    "model.classes": "51",
    "model.shortcut": '"B"',
    "model.widen": "1.0",
    "model.conv1_t_size": "7",
    "model.conv1_t_stride": "1",
    "model.no_max_pool": "false",
    "preprocess.mean": "[0.4345, 0.4051, 0.3775]",
    "preprocess.std": "[0.2768, 0.2713, 0.2737]",
    "compile.soc_version": '"Ascend310P3"',
    "compile.precision_mode": '"force_fp16"',
    "compile.op_select_implmode": '"high_precision"',
    "compile.input_shape": '"input:10,3,16,112,112"',
    "infer.devices": "[0, 1]",
    "infer.ais_bench": '"/usr/bin/python3"',
    "console.language": '"zh"',
}


def _draft_line(workspace: Path, section: str, field: msgspec.structs.FieldInfo, value: Any) -> str:
    name = f"{section}.{field.name}"
    default = field.default if field.default is not msgspec.NODEFAULT else None
    if value is None:
        text = f"# {field.name} = {_EXAMPLES.get(name, '...')}"
    else:
        text = ("# " if value == default else "") + f"{field.name} = {_toml(workspace, value)}"
    comment = _COMMENTS.get(name)
    return f"{text:<44}# {comment}\n" if comment else text + "\n"


def _toml(workspace: Path, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(workspace, item) for item in value) + "]"
    if isinstance(value, Path):
        relative = os.path.relpath(value, workspace)
        if not _is_utf8(str(value)):
            text, hint = N_("{path}: r3d.toml cannot hold a path that is not UTF-8"), N_("rename the file or folder")
            raise InputError(text, hint=hint, path=ascii(str(value))[1:-1])
        value = str(value) if relative.startswith("../../..") else relative
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08X}" for c in escaped) + '"'
    return repr(value)


def _is_utf8(text: str) -> bool:
    """Bytes of a file name that are not UTF-8 stand in a path as lone surrogates."""
    return not any("\ud800" <= char <= "\udfff" for char in text)


def load(path: Path, text: str | None = None) -> dict[str, Any]:
    """The tables of a file, or of a `text` that would stand in it. InputError where it cannot be read."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        table: dict[str, Any] = tomllib.loads(path.read_bytes().decode("utf-8") if text is None else text)
    except OSError as error:
        template, hint = N_("{path}: {reason}"), N_("make a workspace: r3d-tui init DIR")
        raise InputError(template, hint=hint, path=str(path), reason=os_reason(error)) from None
    except UnicodeDecodeError:
        raise InputError("{path}: not UTF-8", hint="save it as UTF-8", path=str(path)) from None
    except tomllib.TOMLDecodeError as error:
        reason = _plain(str(error))
        raise InputError("{path}: {reason}", hint="fix the file there", path=str(path), reason=reason) from None
    return table


@functools.cache
def _sections() -> Mapping[str, Any]:
    """The sections' classes by name."""
    return typing.get_type_hints(Settings)


def _check_keys(path: Path, section: str, values: Any) -> None:
    sections = _sections()
    if section not in sections:
        _refuse_key(path, f"[{section}]", section, tuple(sections))
    if not isinstance(values, dict):
        text = N_("{path}: {key} is no section")
        raise InputError(text, hint="write it as [{key}]", path=str(path), key=section)
    known = tuple(field.name for field in msgspec.structs.fields(sections[section]))
    for key in values:
        if key not in known:
            _refuse_key(path, f"{section}.{key}", key, known)


def _refuse_key(path: Path, place: str, key: str, known: tuple[str, ...]) -> None:
    near = difflib.get_close_matches(key, known, n=1)
    hint = N_("did you mean {near}?") if near else N_("known are {known}")
    facts = {"path": str(path), "place": ascii(place)[1:-1], "near": near[0] if near else "", "known": ", ".join(known)}
    raise InputError("{path}: {place} is unknown", hint=hint, **facts)


def _make_absolute(workspace: Path, section: Any, key: str) -> None:
    if isinstance(section, dict) and isinstance(section.get(key), str):
        text = section[key]
        if "\0" in text or not text:
            raise InputError("{path}: {key} is no path", hint="mend the path", path=str(workspace / FILE), key=key)
        section[key] = os.path.abspath(workspace / Path(text).expanduser())  # noqa: PTH100 - links stay links


def _check_values(path: Path, settings: Settings) -> None:
    pre, model, infer, verify = settings.preprocess, settings.model, settings.infer, settings.verify
    rules = (
        ("model.depth", model.depth is None or 1 <= model.depth <= 1000, "1 to 1000"),
        ("model.classes", model.classes is None or 1 <= model.classes <= 100_000, "1 to 100000"),
        ("model.widen", model.widen is None or 0 < model.widen <= 16, "above 0 and at most 16"),
        ("model.conv1_t_size", model.conv1_t_size is None or model.conv1_t_size in range(1, 32, 2), "odd, 1 to 31"),
        ("model.conv1_t_stride", model.conv1_t_stride is None or 1 <= model.conv1_t_stride <= 16, "1 to 16"),
        ("model.opset", model.opset == 11, "11: every CANN reads it"),
        ("preprocess.clip_frames", 1 <= pre.clip_frames <= 512, "1 to 512"),
        ("preprocess.clip_stride", 1 <= pre.clip_stride <= 512, "1 to 512"),
        ("preprocess.size", 16 <= pre.size <= 1024, "16 to 1024"),
        ("preprocess.max_clips", 1 <= pre.max_clips <= 1000, "1 to 1000"),
        ("preprocess.std", all(value > 0 for value in pre.std or ()), "three numbers above 0"),
        ("preprocess.workers", 0 <= pre.workers <= 512, "0 to 512"),
        ("verify.clips", 1 <= verify.clips <= 1000, "1 to 1000"),
        ("verify.max_abs", verify.max_abs > 0, "above 0"),
        ("verify.cosine", -1 <= verify.cosine <= 1, "-1 to 1"),
        ("verify.top1", 0 <= verify.top1 <= 1, "0 to 1"),
        ("infer.batch", 1 <= infer.batch <= 1024, "1 to 1024"),
        ("infer.devices", _device_ids(infer.devices), "different numbers from 0 up"),
        ("infer.input", infer.input == "float32" or _takes_bytes(infer), "float32 but on ascend with the runtime acl"),
        ("infer.deadline_s", infer.deadline_s >= 0, "0 or more"),
        ("evaluate.top_k", 1 <= settings.evaluate.top_k <= 1000, "1 to 1000"),
        ("engine.parallel", 1 <= settings.engine.parallel <= 64, "1 to 64"),
        ("dataset.split", 1 <= settings.dataset.split <= 100_000, "1 or more"),
        ("dataset.share", (share := settings.dataset.share) is None or 0 < share < 1, "between 0 and 1"),
    )
    for place, fits, wanted in rules:
        if not fits:
            text, hint = N_("{path}: {place} cannot be that"), N_("it must be {wanted}")
            raise InputError(text, hint=hint, path=str(path), place=place, wanted=wanted)


def _device_ids(devices: tuple[int, ...] | None) -> bool:
    return devices is None or (0 < len(devices) == len(set(devices)) and all(0 <= n < 1024 for n in devices))


def _takes_bytes(infer: InferSettings) -> bool:
    return infer.target == "ascend" and infer.runtime in ("auto", "acl")


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
