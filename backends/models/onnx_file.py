"""ONNX files: written whole, the same bytes for the same model, and checked. It refuses to know which network it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from backends.core.errors import StageError
from backends.core.messages import N_

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


def check(model: onnx.ModelProto, name: str) -> None:
    """Hold the model against what atc can take: the ONNX checker with shapes, one standard opset, weights inside.

    Raises StageError with the first thing that does not hold; `name` is the file's.
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
        onnx.checker.check_model(model, full_check=True)
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
