"""Parts, masked, into one archive that its owner alone can read."""

import gzip
import io
import json
import os
import re
import tarfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from backends.bundle.collect import Part
from backends.bundle.mask import Mask
from backends.core.command_reports import Bundle
from backends.core.messages import N_, InputError, Line, line, os_reason

SUFFIXES = (".tar.gz", ".tgz")
FOLDER = "r3d-tui-bundle"
LARGEST = 32 << 20
"""Bytes of all parts together; what comes after is left out by name."""

README = """\
# What is in this bundle

Made by `r3d-tui doctor --bundle` to show a colleague why a run does what it does. Everything is text.

{files}

Masked, by placeholder and how often: {masked}.
Placeholders: <workspace> and <home> stand for folders, <user> and <host> for names of people and machines, <secret> for
passwords, tokens and keys, <ip>, <mac> and <email> for addresses, <serial> for serial numbers of chips and boards.

Left out on purpose: videos, frames, clips, checkpoints, models, scores and reports; all environment variables but those
in environment.txt. File names of videos and paths outside the home folder are still there: look through it before it
leaves your hands.

Cut or missing:
{cut}

# 本文件包的内容

由 `r3d-tui doctor --bundle` 生成，供同事查看运行情况，全部为文本。姓名、主机名、主目录、工作区路径、密码、令牌、
IP 与 MAC 地址、邮箱、芯片序列号均已替换为占位符。视频、帧、片段、检查点、模型、得分和报告不在其中；除
environment.txt 所列之外，不含任何环境变量。视频文件名和主目录以外的路径仍保留：发送前请自行检查。
"""


def check_target(path: Path) -> None:
    """Raise InputError where the bundle cannot stand there."""
    if not path.name.endswith(SUFFIXES):
        raise InputError("{path}: a bundle is a .tar.gz file", hint="name it so", path=str(path))
    if os.path.lexists(path):
        raise InputError("{path}: there already", hint="name another file, or remove it first", path=str(path))


def write_bundle(path: Path, parts: Iterable[Part], mask: Mask) -> Bundle:
    """Mask the parts and write them, README first. InputError where the file is there already or cannot be written."""
    check_target(path)
    files, cut, left = [], [], LARGEST
    for part in parts:
        name, data = _clean_name(mask.text(part.name)), _masked(part, mask).encode("utf-8", "replace")
        if len(data) > left:
            cut.append(line("{name}: left out, {size} bytes", name=name, size=len(data)))
            continue
        if part.cut.template:
            cut.append(line("{name}: {what}", name=name, what=mask.text(str(part.cut))))
        if data:
            files.append((name, data))
            left -= len(data)
    files.insert(0, ("README.md", _readme(files, cut, mask).encode()))
    return Bundle(path, _write(path, _archive(files)), tuple(name for name, _ in files), tuple(cut))


def documents(given: Mapping[str, Any]) -> Iterable[Part]:
    """What a front end adds: JSON values by file name."""
    return [Part(name, json.dumps(value, default=str), "json") for name, value in given.items()]


def _masked(part: Part, mask: Mask) -> str:
    if part.kind == "text":
        return mask.text(part.text)
    if part.kind == "jsonl":
        return "".join(f"{mask.document(text)}\n" for text in part.text.splitlines())
    return mask.document(part.text) + "\n" if part.text else ""


def _clean_name(name: str) -> str:
    """A path that unpacks into its folder on any system."""
    steps = [re.sub(r"[^A-Za-z0-9._<>-]", "_", step).replace("<", "").replace(">", "") for step in name.split("/")]
    return "/".join(step.lstrip(".") or "_" for step in steps)


def _readme(files: list[tuple[str, bytes]], cut: list[Line], mask: Mask) -> str:
    masked = ", ".join(f"{name} {count}" for name, count in sorted(mask.counts.items())) or "nothing"
    listed = "\n".join(f"- {name}, {len(data)} bytes" for name, data in files)
    return README.format(files=listed, masked=masked, cut="\n".join(f"- {one}" for one in cut) or "- nothing")


def _archive(files: list[tuple[str, bytes]]) -> bytes:
    packed, now = io.BytesIO(), int(time.time())
    with (
        gzip.GzipFile(filename="", fileobj=packed, mode="wb", mtime=0) as stream,  # no name of ours in its head
        tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, data in files:
            entry = tarfile.TarInfo(f"{FOLDER}/{name}")
            entry.size, entry.mode, entry.mtime = len(data), 0o600, now
            archive.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


def _write(path: Path, data: bytes) -> int:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(descriptor, "wb") as file:
                file.write(data)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    except OSError as error:
        text, hint = N_("{path}: {reason}"), N_("name a file that can be written")
        raise InputError(text, hint=hint, path=str(path), reason=os_reason(error)) from None
    return len(data)
