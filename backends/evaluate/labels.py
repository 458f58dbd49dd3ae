"""Which class a column of scores stands for. It refuses to know where the scores come from.

The guide's order is the sorted list of labels. A file of names, where the user gives one, stands in its own order.
"""

from __future__ import annotations

import json
from pathlib import Path

from backends.contract.errors import InputError
from backends.evaluate.hmdb51 import LABELS
from backends.stores.annotation import name_trouble, read_annotation


def class_names(classes: int, labels: tuple[str, ...], source: str) -> tuple[str, ...]:
    """The name of each of `classes` columns, from the labels of an annotation (in any order).

    Where the annotation lists only some of HMDB51's classes and the model has all 51, HMDB51's order is taken.
    Raises InputError where the numbers do not fit; `source` names the annotation in it.
    """
    if len(labels) == classes:
        return tuple(sorted(labels))
    if classes == len(LABELS) and set(labels) <= set(LABELS):
        return LABELS
    raise InputError(
        "{source}: {labels} labels, but the model gives {classes} scores a clip",
        hint="give an annotation with all classes of the checkpoint, or a file of its class names",
        source=source,
        labels=len(labels),
        classes=classes,
    )


def read_names(path: Path) -> tuple[str, ...]:
    """Class names in class order: of an annotation json (sorted), or of a text file, one name a line (as they stand).

    Raises InputError where the file is neither, or a name cannot be one.
    """
    if path.suffix.lower() == ".json":
        return tuple(sorted(read_annotation(path).labels))
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text in UTF-8"
        raise InputError(
            "{path}: {reason}", hint="give a file with one class name a line", path=str(path), reason=reason
        ) from None
    names = [name for name in (row.strip() for row in text.splitlines()) if name]
    for number, name in enumerate(names, 1):
        if (trouble := name_trouble(name)) or names.index(name) != number - 1:
            raise InputError(
                "{path}: class name {name}: {reason}",
                hint="list each class once, one name a line",
                path=str(path),
                name=json.dumps(name),
                reason=str(trouble) if trouble else "it stands twice",
            )
    if not names:
        raise InputError("{path}: no class names", hint="list each class once, one name a line", path=str(path))
    return tuple(names)
