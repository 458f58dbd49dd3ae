"""A model file that somebody else made: its weights may lie in other files, but only beside it. It runs nothing.

An ONNX file may say that a tensor's bytes lie at a path, and a runtime opens that path: `../../.ssh/id_rsa`, a link, a
pipe. Which of the runtimes looks at the path first depends on its version, so we look before any of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backends.core.errors import InputError
from backends.core.messages import N_

if TYPE_CHECKING:
    import onnx


def refuse_data_elsewhere(path: Path) -> None:
    """Raise InputError where a tensor of an ONNX file lies in a file that is not in the model's own folder.

    A file that is no ONNX model is left to the runtime, which says so.
    """
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # no types

    try:
        model = onnx.load(path, load_external_data=False)
    except (OSError, DecodeError):
        return
    folder = path.parent.resolve()
    for tensor in _tensors(model):
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        location = next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
        if trouble := _trouble(folder, location):
            hint = N_("use a model that you trust, with its data beside it")
            raise InputError(trouble, hint=hint, path=str(path), location=ascii(location)[1:-1][:200])


def _trouble(folder: Path, location: str) -> str | None:
    """The line's template where a file may not be read. `folder` is without links."""
    beside = bool(location) and "\0" not in location and ".." not in location.replace("\\", "/").split("/")
    place = (folder / location).resolve() if beside else folder
    if not place.is_relative_to(folder) or place == folder:
        return N_("{path}: its weights are to be read from {location}, which is not beside it")
    return None if place.is_file() else N_("{path}: its weights are to be read from {location}, which is no file")


def _tensors(message: Any) -> Iterator[onnx.TensorProto]:
    """Every tensor of a model, wherever it stands: initializers, attributes, graphs within nodes, functions."""
    import onnx

    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for item in (value,) if hasattr(value, "ListFields") else value:
            if isinstance(item, onnx.TensorProto):
                yield item
            else:
                yield from _tensors(item)
