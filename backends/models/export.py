"""The export stage and step: a checked checkpoint to a checked ONNX file."""

import hashlib
from pathlib import Path
from typing import Literal, cast

from backends.core.codec import decode
from backends.core.events import Outcome
from backends.core.files import write_whole
from backends.core.messages import N_, InputError, Scalar, line
from backends.core.model_io import ClipShape
from backends.models import onnx_file
from backends.models.checkpoint import read_checkpoint
from backends.models.families import known
from backends.models.graph import build_graph
from backends.models.model_specs import ExportParams, StepExportParams
from backends.models.network import ReadLimits, Wanted, options_beside
from backends.worker.job import Job

_PARTS = 4


def run(job: Job) -> Outcome:
    """Stage `export`: input `checkpoint` to `model.onnx`."""
    params = decode(ExportParams, dict(job.params))
    checkpoint = job.inputs.get("checkpoint")
    if checkpoint is None:
        raise InputError("no checkpoint", hint="name the .pth under [model] checkpoint in r3d.toml")
    return export(job, checkpoint, params.wanted, params.clip, job.out / "model.onnx", job.inputs.get("options"))


def step_export(job: Job) -> Outcome:
    """`step export`: the guide's `3D-ResNets_pth2onnx.py`, with `model_specs.StepExportParams`."""
    params = decode(StepExportParams, dict(job.params))
    if params.model is not None and params.model not in known():
        text, hint = N_("the model {model} is not known here"), N_("give --model as one of {known}")
        raise InputError(text, hint=hint, model=ascii(params.model)[1:-1], known=", ".join(known()))
    if params.resnet_shortcut not in (None, "A", "B"):
        text, hint = N_("unknown shortcut type {type}"), N_("give --resnet_shortcut=A or B")
        raise InputError(text, hint=hint, type=ascii(params.resnet_shortcut)[1:-1])
    if params.conv1_t_stride is not None and params.conv1_t_stride < 1:
        raise InputError("conv1_t_stride is {n}", hint="give 1 or more; the guide's is 1", n=params.conv1_t_stride)
    wanted = Wanted(
        params.model_depth,
        params.n_classes,
        cast(Literal["A", "B"] | None, params.resnet_shortcut),
        params.resnet_widen_factor if params.model != "wideresnet" else params.wide_resnet_k,
        params.conv1_t_size,
        params.conv1_t_stride,
        params.no_max_pool,
        params.model,
    )
    clip = ClipShape(params.batch, params.sample_duration, params.sample_size)
    return export(job, params.resume_path, wanted, clip, params.output, options_beside(params.resume_path))


def export(
    job: Job, source: Path, wanted: Wanted, clip: ClipShape, target: Path, options: Path | None = None
) -> Outcome:
    """Read `source`, build the graph for `clip`, check it and write `target` whole. `options` is an opts.json.

    Raises InputError where the checkpoint cannot be used, StageError where the graph does not pass its check.
    """
    job.progress(0, _PARTS, "parts", note=line("reading the checkpoint"))
    checkpoint = read_checkpoint(source, wanted, options, decode(ReadLimits, dict(job.tuning)))
    for warning in checkpoint.warnings:
        job.note(warning, "warning")
    for note in checkpoint.notes:
        job.note(note)
    job.check_stop()
    job.progress(1, _PARTS, "parts", note=line("building the graph"))
    model = build_graph(checkpoint.architecture, checkpoint.state, clip)
    job.progress(2, _PARTS, "parts", note=line("checking the graph"))
    data = onnx_file.to_bytes(model)
    onnx_file.check(model, target.name, data)
    job.check_stop()
    job.progress(3, _PARTS, "parts", note=line("writing the file"))
    write_whole(target, data)
    job.progress(_PARTS, _PARTS, "parts")
    facts, architecture = onnx_file.facts(model), checkpoint.architecture
    figures: dict[str, Scalar] = {
        "arch": architecture.name,
        "depth": architecture.depth,
        "classes": architecture.classes,
        "parameters": checkpoint.parameters,
        "opset": facts.opset,
        "nodes": facts.nodes,
        "bytes": len(data),
        "shortcut": architecture.shortcut,
        "widen": architecture.widen,
        "batch": clip.batch,
        "epoch": checkpoint.epoch,
    }
    output = target.name if target.parent == job.out else str(target)
    return Outcome(figures, {"onnx": output}, hashlib.sha256(data).hexdigest())
