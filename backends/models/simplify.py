"""The simplify stage: onnxslim on the exported model, and a check that nothing but the graph's size changed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from backends.core.codec import decode
from backends.core.events import Outcome
from backends.core.files import write_whole
from backends.core.messages import N_, Scalar, StageError, line
from backends.core.model_io import Normalization
from backends.models import onnx_file
from backends.models.graph import with_uint8_input
from backends.models.model_specs import SimplifyParams
from backends.worker.job import Job

if TYPE_CHECKING:
    import onnx

_PARTS = 3


def run(job: Job) -> Outcome:
    """Stage `simplify`: upstream export's `onnx` to `model_sim.onnx`, same opset, same input and output.

    Where the params say how to normalize, also `model_sim_uint8.onnx`, whose input is bytes (output `uint8`).

    Raises StageError where onnxslim fails, changes an end of the model, or leaves operators that are not standard.
    """
    import onnxslim

    params = decode(SimplifyParams, dict(job.params))
    name = "model_sim.onnx"
    job.progress(0, _PARTS, "parts", note=line("reading the model"))
    source = job.inputs.get("onnx")
    if source is not None:
        onnx_file.refuse_data_elsewhere(source)
        onnx_file.check_ready(source, params.clip)
    source = source or job.upstream["export"].path("onnx")
    model = onnx_file.load(source)
    before, computed = onnx_file.facts(model), onnx_file.computation(model)
    job.progress(1, _PARTS, "parts", note=line("simplifying"))
    try:
        slim = onnxslim.slim(model)
    except Exception as error:
        text, hint = (
            N_("onnxslim failed: {reason}"),
            N_("see the stage's log; the exported model itself is checked and usable"),
        )
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise StageError(text, hint=hint, reason=reason) from error
    after = onnx_file.facts(slim)
    if (before.inputs, before.outputs, before.opset) != (after.inputs, after.outputs, after.opset):
        raise StageError("{name}: onnxslim changed its input, output or opset", hint="try another onnxslim", name=name)
    job.check_stop()
    job.progress(2, _PARTS, "parts", note=line("checking the graph"))
    if onnx_file.computation(slim) == computed:
        slim = onnx_file.load(source)  # nothing to simplify: the very same bytes
    data = onnx_file.to_bytes(slim)
    onnx_file.check(slim, name, data)
    write_whole(job.out / name, data)
    outputs, digest = {"onnx": name}, hashlib.sha256(data)
    if params.uint8 is not None:
        outputs["uint8"] = "model_sim_uint8.onnx"
        digest.update(_write_uint8(job.out / outputs["uint8"], slim, params.uint8))
    job.progress(_PARTS, _PARTS, "parts")
    figures: dict[str, Scalar] = {
        "nodes_before": before.nodes,
        "nodes": after.nodes,
        "bytes": len(data),
        "opset": after.opset,
        "onnxslim": onnxslim.__version__,
    }
    return Outcome(figures, outputs, digest.hexdigest())


def _write_uint8(path: Path, model: onnx.ModelProto, normal: Normalization) -> bytes:
    made = with_uint8_input(model, normal.mean, normal.std)
    onnx_file.check(made, path.name)
    data = onnx_file.to_bytes(made)
    write_whole(path, data)
    return data
