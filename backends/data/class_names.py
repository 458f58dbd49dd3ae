"""A file of class names, in class order: annotate labels videos by it, score names the columns of scores by it."""

import json
from collections import Counter
from pathlib import Path

from backends.core.files import read_file
from backends.core.messages import N_, InputError, line
from backends.data.annotation import name_problem, read_labels, short

LARGEST = 512 << 20
"""Bytes of a file of names, which may be a whole annotation."""
_FORM = N_("list each class once, one name a line")
_WANTED = N_("give a file with one class name a line")


def read_class_names(path: Path) -> tuple[str, ...]:
    """The names in class order, as the file lists them: one name a line, or a JSON list.

    Lines that begin with `#` are remarks. Where every line begins with a number, as in UCF101's and Kinetics' lists,
    the numbers are left out. An annotation json (`hmdb51_1.json`) gives its labels.
    Raises InputError where the file cannot be read, names nothing, names a class twice, or a name cannot be one.
    """
    data = read_file(path, hint=_WANTED, most=LARGEST)
    if data[:64].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return read_labels(path)
    names = _names(_text(path, data))
    if not names:
        raise InputError("{path}: no class names", hint=_FORM, path=str(path))
    times = Counter(names)
    for name in names:
        if (problem := name_problem(name)) or times[name] > 1:
            raise InputError(
                "{path}: class name {name}: {reason}",
                hint=_FORM,
                path=str(path),
                name=short(json.dumps(name)),
                reason=problem or line("it stands twice"),
            )
    return names


def _text(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError("{path}: not UTF-8 text", hint="save it as UTF-8", path=str(path)) from None


def _names(text: str) -> tuple[str, ...]:
    if text.lstrip().startswith("["):
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            document = None
        if isinstance(document, list) and all(isinstance(name, str) for name in document):
            return tuple(document)
    lines = [one for one in (row.strip() for row in text.splitlines()) if one and not one.startswith("#")]
    numbered = [one.split(maxsplit=1) for one in lines]
    if all(len(parts) == 2 and parts[0].isdecimal() for parts in numbered):
        return tuple(parts[1] for parts in numbered)
    return tuple(lines)
