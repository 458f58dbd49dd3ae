"""ONNX files: written whole, the same bytes for the same model, and checked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from backends.core.messages import N_, InputError, StageError
from backends.core.model_io import ClipShape
from backends.device.model_runtime import INPUT, OUTPUT

if TYPE_CHECKING:
    import onnx


class OnnxFacts(Struct, frozen=True):
    """What a person asks about a model file."""

    opset: int
    ir_version: int
    nodes: int
    inputs: tuple[tuple[str, tuple[int, ...]], ...]
    outputs: tuple[tuple[str, tuple[int, ...]], ...]


def to_bytes(model: onnx.ModelProto) -> bytes:
    """The model as it stands in a file; deterministic, so that equal models have equal digests."""
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def facts(model: onnx.ModelProto) -> OnnxFacts:
    """Read off the model's own header and graph; a dimension that is not fixed is 0."""
    opset = next((item.version for item in model.opset_import if item.domain in ("", "ai.onnx")), 0)
    inputs, outputs = _ports(model.graph.input), _ports(model.graph.output)
    return OnnxFacts(opset, model.ir_version, len(model.graph.node), inputs, outputs)


def computation(model: onnx.ModelProto) -> str:
    """A digest of what the graph computes: equal for graphs that differ in names or in the order of nodes alone."""
    values = {port.name: f"in{place}" for place, port in enumerate(model.graph.input)}
    for tensor in model.graph.initializer:
        data = hashlib.sha256(tensor.raw_data or tensor.SerializeToString())
        values[tensor.name] = f"{tensor.data_type}{list(tensor.dims)}{data.hexdigest()}"
    for node in model.graph.node:
        attributes = sorted(one.SerializeToString(deterministic=True) for one in node.attribute)
        taken = [values.get(name, name) for name in node.input]
        made = hashlib.sha256(repr((node.domain, node.op_type, attributes, taken)).encode()).hexdigest()
        values |= {name: f"{made}.{number}" for number, name in enumerate(node.output)}
    ends = repr([values.get(port.name) for port in model.graph.output])
    return hashlib.sha256(ends.encode()).hexdigest()


def check(model: onnx.ModelProto, name: str, data: bytes | None = None) -> None:
    """Hold the model against what atc can take: the ONNX checker with shapes, one standard opset, weights inside.

    Raises StageError with the first thing that does not hold; `name` is the file's, `data` the model's bytes where they
    are made already.
    """
    import onnx

    domains = sorted({item.domain for item in model.opset_import} | {node.domain for node in model.graph.node})
    foreign = [domain for domain in domains if domain not in ("", "ai.onnx")]
    hint = N_("a fault of the conversion: please report it with the stage's log")
    if foreign:
        text = N_("{name}: holds operators of {domain}, which only their own runtime can read")
        raise StageError(text, hint=hint, name=name, domain=", ".join(foreign))
    if len(model.opset_import) != 1:
        raise StageError("{name}: imports {n} operator sets, not one", hint=hint, name=name, n=len(model.opset_import))
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in model.graph.initializer):
        raise StageError("{name}: its weights lie in another file", hint=hint, name=name)
    try:
        onnx.checker.check_model(data or model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        reason = " ".join(str(error).split())[:300]
        raise StageError("{name}: the ONNX checker: {reason}", hint=hint, name=name, reason=reason) from None


def load(path: Path) -> onnx.ModelProto:
    """The model of a file that an earlier stage wrote."""
    import onnx

    return onnx.load(path, load_external_data=False)


def _ports(ports: object) -> tuple[tuple[str, tuple[int, ...]], ...]:
    return tuple(
        (port.name, tuple(dim.dim_value for dim in port.type.tensor_type.shape.dim))
        for port in ports  # type: ignore[attr-defined]
    )


def check_ready(path: Path, clip: ClipShape) -> None:
    """InputError where a file that somebody else made is no ONNX model that takes float32 batches of `clip`."""
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # no types

    hint = N_("set infer.batch, preprocess.clip_frames and preprocess.size to the model's, or export it again")
    try:
        found = facts(load(path))
    except (OSError, DecodeError):
        raise InputError("{path}: not an ONNX model", hint="set model.onnx to an .onnx file", path=str(path)) from None
    wanted = (clip.batch, *clip.clip)
    name, shape = found.inputs[0] if len(found.inputs) == 1 else ("", ())
    fits = len(shape) == len(wanted) and all(have in (0, want) for have, want in zip(shape, wanted, strict=True))
    if name != INPUT or not fits or [name for name, _ in found.outputs] != [OUTPUT]:
        text = N_("{path}: the model is from {found}, not from {wanted} to {output}")
        shown = "; ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in (*found.inputs, *found.outputs))
        expected = f"{INPUT} {'x'.join(map(str, wanted))}"
        raise InputError(text, hint=hint, path=str(path), found=shown[:200], wanted=expected, output=OUTPUT)


def refuse_data_elsewhere(path: Path) -> None:
    """Raise InputError where a tensor of an ONNX file lies in a file that is not in the model's own folder.

    Such a file may name any path (`../../.ssh/id_rsa`, a link, a pipe), and a runtime opens it. Which of the runtimes
    looks at the path first depends on its version, so this is asked before any of them.

    A file that is no ONNX model is left to the runtime, which says so.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(path, load_external_data=False)
    except (OSError, DecodeError):
        return
    folder = path.parent.resolve()
    for tensor in _tensors(model):
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        location = next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
        if problem := _problem(folder, location):
            hint = N_("use a model that you trust, with its data beside it")
            raise InputError(problem, hint=hint, path=str(path), location=ascii(location)[1:-1][:200])


def _problem(folder: Path, location: str) -> str | None:
    """The line's template where a file may not be read. `folder` is without links."""
    beside = bool(location) and "\0" not in location and ".." not in location.replace("\\", "/").split("/")
    place = (folder / location).resolve() if beside else folder
    if not place.is_relative_to(folder) or place == folder:
        return N_("{path}: its weights are to be read from {location}, which is not beside it")
    return None if place.is_file() else N_("{path}: its weights are to be read from {location}, which is not a file")


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
