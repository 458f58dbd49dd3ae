"""A workspace: the folder that holds `r3d.toml`, which a person writes and this module reads, checks and drafts.

Paths in the file are relative to it. Every complaint is one line: the file, the place in it, and the fix.
"""

import difflib
import functools
import os
import re
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from backends.core.codec import DecodeError, decode, encode, parse_toml
from backends.core.files import make_folder, read_file, write_whole
from backends.core.messages import N_, InputError, Line, line
from backends.core.settings import Settings

FILE = "r3d.toml"
ADDRESS = re.compile(r"(auto|local:[1-9]\d?|(?!local:)[^\s/:]+:\d{1,5})?")
"""What `cluster.address` may be. `ray://` is not among them: its client brings a proxy of its own along."""
LARGEST = 1 << 20
"""Bytes of it; more is something else."""


def read_settings(workspace: Path, *, cluster: str | None = None) -> Settings:
    """The settings of a workspace; `cluster`, where given, stands for its `cluster.address`.

    Raises InputError where the file is missing, malformed, or says what cannot be.
    """
    path = workspace / FILE
    table = load(path)
    for section, values in table.items():
        _check_keys(path, section, values)
        for key in _GONE.get(section, ()):
            values.pop(key, None)
        for field in msgspec.structs.fields(_sections()[section]):
            if _holds_path(field) or (field.name == "labels" and values.get("labels") != "auto"):
                _make_absolute(workspace, values, field.name)
    if cluster is not None:
        table.setdefault("cluster", {})["address"] = cluster
    return _checked(path, table)


def workspace_language(workspace: Path) -> str | None:
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
    model = settings.model
    if model.checkpoint is None and model.onnx is None and model.om is None:
        raise InputError("{path}: no checkpoint", hint="name the .pth under [model]", path=path)
    if model.om is not None and settings.infer.target != "ascend":
        text = N_("{path}: model.om is for chips, infer.target is {target}")
        hint = N_("set infer.target to ascend, or give model.onnx or model.checkpoint instead")
        raise InputError(text, hint=hint, path=path, target=settings.infer.target)
    folders = {"frames": dataset.frames}
    packed = {"splits": dataset.splits, "videos": dataset.videos}
    folders.update((key, path) for key, path in packed.items() if path is not None and not _is_archive(path))
    for key, folder in folders.items():
        if folder is not None and not folder.is_dir():
            text = N_("{path}: {key}: {folder} is not a folder")
            raise InputError(text, hint="fix the path", path=path, key=key, folder=str(folder))
    labels = None if dataset.labels == "auto" else Path(dataset.labels)
    files = {"annotation": dataset.annotation, "labels": labels, "checkpoint": model.checkpoint}
    files |= {"onnx": model.onnx, "om": model.om}
    for key, file in files.items():
        if file is not None and not file.is_file():
            text = N_("{path}: {key}: {file} is not a file")
            raise InputError(text, hint="fix the path", path=path, key=key, file=str(file))


def _is_archive(path: Path) -> bool:
    """Folders are recognised without the archives' package, which takes a while to import."""
    if path.is_dir():
        return False
    from backends.data.archives import is_archive

    return is_archive(path)


def write_settings(workspace: Path, settings: Settings) -> Path:
    """Write a commented r3d.toml. Raises InputError where there is one already, or where it could not be read back."""
    path = workspace / FILE
    if path.exists():
        raise InputError("{path}: there already", hint="edit it, or remove it first", path=str(path))
    _checked(path, encode(settings))
    make_folder(workspace)
    write_whole(path, draft(workspace, settings).encode())
    return path


def draft(workspace: Path, settings: Settings) -> str:
    """The text of an r3d.toml: what differs from the defaults is set, the rest is a comment."""
    parts = ["# What r3d-tui works on. Paths are relative to this file. Lines with # show the defaults.\n"]
    for section in msgspec.structs.fields(settings):
        value = getattr(settings, section.name)
        parts.append(f"\n[{section.name}]\n")
        fields = msgspec.structs.fields(value)
        parts.extend(_draft_line(workspace, field, getattr(value, field.name)) for field in fields)
    return "".join(parts)


def find_workspace(folder: Path) -> Path | None:
    """The folder itself or the nearest parent that holds an r3d.toml; None where none does."""
    folder = folder.resolve()
    for candidate in (folder, *folder.parents):
        if (candidate / FILE).is_file():
            return candidate
    return None


def _draft_line(workspace: Path, field: msgspec.structs.FieldInfo, value: Any) -> str:
    comment = described(field.type)
    if value is None:
        metas = (one for one in typing.get_args(field.type) if isinstance(one, msgspec.Meta))
        example = next((one.examples[0] for one in metas if one.examples), "...")
        text = f"# {field.name} = {_toml(workspace, example)}"
    else:
        text = ("# " if value == field.default else "") + f"{field.name} = {_toml(workspace, value)}"
    return f"{text:<44}# {comment}\n" if comment else f"{text}\n"


def described(kind: Any) -> str:
    """What is written beside a setting of that type; empty where nothing is. It names the runtimes that there are."""
    metas = (one for one in typing.get_args(kind) if isinstance(one, msgspec.Meta))
    text = next((one.description for one in metas if one.description), "")
    if "{ascend}" in text:
        from backends.inference.runtime_registry import runtime_names

        text = text.format(cpu=", ".join(runtime_names("cpu")), ascend=", ".join(runtime_names("ascend")[1:]))
    return text


def _toml(workspace: Path, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(workspace, item) for item in value) + "]"
    if isinstance(value, Path):
        relative = os.path.relpath(value, workspace)
        if any("\ud800" <= char <= "\udfff" for char in str(value)):  # bytes of a name that are not UTF-8
            text, hint = N_("{path}: r3d.toml cannot hold a path that is not UTF-8"), N_("rename the file or folder")
            raise InputError(text, hint=hint, path=ascii(str(value))[1:-1])
        value = str(value) if relative.startswith("../../..") else relative
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08X}" for c in escaped) + '"'
    return repr(value)


def load(path: Path, text: str | None = None) -> dict[str, Any]:
    """The tables of a file, or of a `text` that would stand in it. InputError where it cannot be read."""
    try:
        return parse_toml(_read(path) if text is None else text)
    except RecursionError:
        raise InputError("{path}: too deeply nested", hint="fix the file there", path=str(path)) from None
    except ValueError as error:  # not TOML, or a number of more than 4,300 digits
        reason = "".join(c if c.isprintable() else "?" for c in str(error))
        raise InputError("{path}: {reason}", hint="fix the file there", path=str(path), reason=reason) from None


def _read(path: Path) -> str:
    data = read_file(path, hint=N_("make a workspace: r3d-tui init DIR"), most=LARGEST)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError("{path}: not UTF-8", hint="save it as UTF-8", path=str(path)) from None


@functools.cache
def _sections() -> Mapping[str, Any]:
    return typing.get_type_hints(Settings)


_GONE: Mapping[str, tuple[str, ...]] = {"dataset": ("name",), "model": ("opset",)}
"""Settings of version 0.1 that nothing read: passed over."""


def _holds_path(field: msgspec.structs.FieldInfo) -> bool:
    return Path in typing.get_args(typing.get_args(field.type)[0] if typing.get_args(field.type) else field.type)


def _check_keys(path: Path, section: str, values: Any) -> None:
    sections = _sections()
    if section not in sections:
        _refuse_key(path, f"[{section}]", section, tuple(sections))
    if not isinstance(values, dict):
        text = N_("{path}: {key} is not a section")
        raise InputError(text, hint="write it as [{key}]", path=str(path), key=section)
    known = tuple(field.name for field in msgspec.structs.fields(sections[section]))
    for key in values:
        if key not in known and key not in _GONE.get(section, ()):
            _refuse_key(path, f"{section}.{key}", key, known)


def _refuse_key(path: Path, place: str, key: str, known: tuple[str, ...]) -> None:
    near = difflib.get_close_matches(key, known, n=1)
    hint = N_("did you mean {near}?") if near else N_("known are {known}")
    text, shown = N_("{path}: {place} is unknown"), ascii(place)[1:-1]
    raise InputError(text, hint=hint, path=str(path), place=shown, near="".join(near), known=known)


def _make_absolute(workspace: Path, section: Any, key: str) -> None:
    if isinstance(section, dict) and isinstance(section.get(key), str):
        text = section[key]
        if "\0" in text or not text:
            raise InputError("{path}: {key} is not a path", hint="fix the path", path=str(workspace / FILE), key=key)
        section[key] = os.path.abspath(workspace / Path(text).expanduser())  # noqa: PTH100 - links stay links


def _checked(path: Path, table: Mapping[str, Any]) -> Settings:
    address = table.get("cluster", {}).get("address", "")
    if isinstance(address, str) and not ADDRESS.fullmatch(address):
        wanted = line("auto, HOST:PORT of a Ray cluster, or local:3")
        _refuse(path, "cluster.address", line("{value} is not {wanted}", value=repr(address)[:80], wanted=wanted))
    try:
        settings = decode(Settings, table)
    except DecodeError as error:
        _refuse(path, error.place, error.problem)
    devices, infer, kernel = settings.infer.devices, settings.infer, settings.model.conv1_t_size
    if kernel is not None and kernel % 2 == 0:
        _refuse(path, "model.conv1_t_size", line("{value} is not {wanted}", value=kernel, wanted=line("an odd number")))
    if devices is not None and not 0 < len(devices) == len(set(devices)):
        wanted = line("a list of different numbers")
        _refuse(path, "infer.devices", line("{value} is not {wanted}", value=str(list(devices)), wanted=wanted))
    if infer.input == "uint8" and (infer.target != "ascend" or infer.runtime not in ("auto", "acl")):
        _refuse(path, "infer.input", line("uint8 needs target ascend and the runtime acl"))
    return settings


def _refuse(path: Path, place: str, problem: Line) -> NoReturn:
    text, hint = N_("{path}: {place}: {problem}"), N_("fix the value there")
    raise InputError(text, hint=hint, path=str(path), place=place, problem=problem) from None
