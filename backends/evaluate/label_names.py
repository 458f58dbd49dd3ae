"""Which class a column of scores stands for. It refuses to know where the scores come from.

A class's number is its place in the annotation's labels, or in the file of names where the user gives one.
"""

from __future__ import annotations

from backends.core.errors import InputError
from backends.data.class_names import HMDB51


def class_names(classes: int, labels: tuple[str, ...], source: str) -> tuple[str, ...]:
    """The name of each of `classes` columns, from the labels of an annotation in its order.

    Where the annotation lists only some of HMDB51's classes and the model has all 51, HMDB51's order is taken.
    Raises InputError where the numbers do not fit; `source` names the annotation in it.
    """
    if len(labels) == classes:
        return labels
    if classes == len(HMDB51) and set(labels) <= set(HMDB51):
        return HMDB51
    raise InputError(
        "{source}: {labels} labels, but the model gives {classes} scores a clip",
        hint="give an annotation with all classes of the checkpoint, or a file of its class names",
        source=source,
        labels=len(labels),
        classes=classes,
    )
