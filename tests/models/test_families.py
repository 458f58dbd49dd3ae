"""Every model family keeps what the others keep: a new file in `families` joins by itself."""

from __future__ import annotations

import gzip
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from msgspec.structs import replace

from backends.core.messages import InputError
from backends.core.model_io import ClipShape
from backends.device.model_runtime import DeviceSpec, load
from backends.inference.runtime_registry import known_runtimes
from backends.models import families, onnx_file
from backends.models.checkpoint import identify, read_checkpoint
from backends.models.export import run as export
from backends.models.families import known, network_of, recognise
from backends.models.forward import forward
from backends.models.graph import build_graph
from backends.models.model_specs import ExportParams
from backends.models.network import Architecture
from tests.models.fresh_state import fresh_state
from tests.models.golden_clips import rows_of
from tests.models.small import random_state, save_checkpoint

ATC = {"Conv", "Relu", "MaxPool", "AveragePool", "Add", "Mul", "Concat", "Flatten", "Gemm"}
"""Operators that atc takes for five dimensions, and that a graph may hold."""
CLIPS = (
    "RATRACE_wave_f_nm_np1_fr_goo_37",
    "SchoolRulesHowTheyHelpUs_wave_f_nm_np1_ba_med_0",
    "Turnk_r_Pippi_Michel_cartwheel_f_cm_np2_le_med_6",
)
TOLERANCE = 1e-4
QUICK = frozenset(
    {
        "resnet-18_A_t3_w0.5",
        "resnet-50_w0.5",
        "resnet2p1d-18_w0.5",
        "preresnet-18_A",
        "wideresnet-50_k1",
        "resnext-50_t3",
        "densenet-121",
    }
)
"""Variants for every run of the tests: each family, with the options that change its forward pass."""
SHARED = Path(__file__).resolve().parents[3] / "shared"


def variants() -> list[Any]:
    """Names of the golden variants; none where the reference data is not here."""
    try:
        table = json.loads((SHARED / "data/golden/families/variants.json").read_text())
    except OSError:
        return []
    names = [name for name, variant in table.items() if variant["logits"]]
    return [pytest.param(name, marks=() if name in QUICK else pytest.mark.soak) for name in names]


@pytest.fixture(scope="module")
def maker(shared: Path) -> ModuleType:
    """The tool that draws the checkpoints which the golden logits are of."""
    spec = importlib.util.spec_from_file_location("make_checkpoint", shared / "tools/make_checkpoint.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def clips(shared: Path) -> Any:
    """Three real clips, float32 (3, 3, 16, 112, 112)."""
    return np.concatenate([rows_of(shared / "data/golden", video)[:1] for video in CLIPS])


def smallest(family: str, **options: Any) -> Architecture:
    """The family's network of the least depth, as narrow as it can be."""
    widen = {"densenet": 1.0, "resnext": 0.25}.get(family, 0.0625)
    return Architecture(known()[family].depths[0], 5, widen=widen, family=family, **options)


def arrays(state: dict[str, torch.Tensor]) -> dict[str, Any]:
    return {name: tensor.numpy() for name, tensor in state.items()}


def test_tensors_are_the_references(shared: Path) -> None:
    """All 42 sets of names and shapes of the reference are recognised, option by option, and made again in order."""
    table = json.loads(gzip.decompress((shared / "data/reference/families.json.gz").read_bytes()))
    for name, variant in table.items():
        shapes = {tensor: tuple(shape) for tensor, shape in variant["shapes"].items()}
        found, options = recognise(shapes), variant["options"]
        assert found is not None, name
        assert list(shapes.items()) == list(network_of(found).tensors().items()), name
        widen = options["wide_resnet_k" if found.family == "wideresnet" else "resnet_widen_factor"]
        assert (options["model"], options["model_depth"], options["resnet_shortcut"], widen) == (
            found.family,
            found.depth,
            found.shortcut,
            found.widen,
        ), name
        assert (options["conv1_t_size"], options["n_input_channels"]) == (found.conv1_t_size, found.in_channels), name


@pytest.mark.parametrize("name", variants())
def test_logits_are_the_references(name: str, shared: Path, maker: ModuleType, clips: Any, tmp_path: Path) -> None:
    """torch and every CPU runtime that is installed give the reference's logits on real clips within 1e-4."""
    golden = shared / "data/golden/families"
    variant = json.loads((golden / "variants.json").read_text())[name]
    options, expected = variant["reference_options"], np.load(golden / "logits.npz")[name]
    state = maker.family_state_dict(maker.variants()[variant["shapes"]], variant["classes"])
    found = recognise({tensor: tuple(values.shape) for tensor, values in state.items()})
    assert found is not None
    found = replace(found, conv1_t_stride=options["conv1_t_stride"], no_max_pool=options["no_max_pool"])
    seen = np.ascontiguousarray(clips[:, : found.in_channels])
    with torch.inference_mode():
        logits = {"torch": forward(network_of(found), state, torch.from_numpy(seen)).numpy()}
    model = tmp_path / "model.onnx"
    model.write_bytes(onnx_file.to_bytes(build_graph(found, arrays(state), ClipShape(3))))
    for runtime in ("onnxruntime", "openvino"):
        pytest.importorskip(known_runtimes()[runtime].module)
        one = load(known_runtimes()[runtime].entry)()
        one.open(model, DeviceSpec("cpu:0"), seen.shape)
        logits[runtime] = one.run(seen)
        one.close()
    furthest = {which: float(np.abs(rows - expected).max()) for which, rows in logits.items()}
    assert {} == {which: far for which, far in furthest.items() if not far <= TOLERANCE}
    assert variant["logits"]["top1"] == [int(row.argmax()) for row in logits["torch"]]


@pytest.mark.parametrize("family", known())
@pytest.mark.parametrize(
    "options",
    [{}, {"shortcut": "A"}, {"no_max_pool": True}, {"conv1_t_stride": 2}, {"conv1_t_size": 4}],
    ids=lambda options: "-".join(options) or "plain",
)
def test_graph_computes_what_the_network_computes(family: str, options: dict[str, Any]) -> None:
    """ONNX Runtime on the graph and torch on the network give the same logits, by operators that atc takes."""
    architecture = smallest(family, **options)
    frames = 16 if "conv1_t_stride" not in options else 32
    state, shape = random_state(architecture), ClipShape(2, frames, 32)
    data = np.random.default_rng(1).normal(0, 1, (2, *shape.clip)).astype(np.float32)
    with torch.inference_mode():
        expected = forward(network_of(architecture, shape), state, torch.from_numpy(data)).numpy()
    model = build_graph(architecture, arrays(state), shape)
    onnx_file.check(model, "model.onnx")
    session = onnxruntime.InferenceSession(onnx_file.to_bytes(model), providers=["CPUExecutionProvider"])
    found = session.run(["output"], {"input": data})[0]
    np.testing.assert_allclose(found, expected, rtol=0, atol=5e-6 * max(1.0, float(np.abs(expected).max())))
    assert set() == {node.op_type for node in model.graph.node} - ATC
    assert 11 == onnx_file.facts(model).opset


@pytest.mark.parametrize("family", known())
def test_file_of_every_depth_is_recognised(family: str, tmp_path: Path) -> None:
    """A checkpoint is told from its tensors whatever it calls itself, at every depth of the family."""
    for depth in known()[family].depths:
        wanted = replace(smallest(family), depth=depth)
        shapes = network_of(wanted).tensors()
        assert wanted == recognise(shapes, "resnet", 18), depth
    path = save_checkpoint(tmp_path / "c.pth", smallest(family), arch="unknown")
    assert smallest(family) == identify(path).architecture
    assert list(network_of(smallest(family)).tensors()) == list(read_checkpoint(path).state)


@pytest.mark.parametrize("family", known())
def test_network_learns(family: str) -> None:
    """Every weight of a fresh network gets a gradient, and its running statistics move."""
    torch.manual_seed(0)
    network = network_of(smallest(family), ClipShape(2, 16, 40))
    state = fresh_state(network)
    is_learnt = {name: not name.endswith(("running_mean", "running_var", "num_batches_tracked")) for name in state}
    state = {name: tensor.requires_grad_() if is_learnt[name] else tensor for name, tensor in state.items()}
    forward(network, state, torch.randn(2, 3, 16, 40, 40), training=True).sum().backward()
    assert [] == [name for name in state if is_learnt[name] and state[name].grad is None]
    assert [] == [name for name in state if name.endswith("running_mean") and not state[name].any()]


def test_clips_too_small_for_a_network() -> None:
    """A densenet of temporal stride 2 has one frame left where it pools two: said with stride, pool and clip."""
    architecture = replace(smallest("densenet"), conv1_t_stride=2)
    with pytest.raises(InputError, match=r"conv1_t_stride 2 and no_max_pool false cannot take clips of 16x112x112"):
        network_of(architecture, ClipShape())


def test_shortcut_a_takes_every_second_value_and_adds_zeros() -> None:
    """Type A's shortcut is the input at every second place, with channels of zeros behind it."""
    network = network_of(smallest("resnet", shortcut="A"), ClipShape(1, 16, 32))
    op = next(op for op in network.ops if op.kind == "subsample")
    (size,) = [network.ops[one].channels for one in op.inputs]
    assert (8, 4, (2, 2, 2)) == (op.channels, size, op.stride)


TINY = """
from backends.models.network import Architecture
from backends.models.network import Family

def guess(shapes, depth):
    if "tiny.weight" not in shapes:
        return None
    return Architecture(1, shapes["fc.weight"][0], conv1_t_size=3, family="tinynet")

def build(net, architecture):
    net.widths = (4,)
    net.classify(net.relu(net.conv(0, "tiny", 4, (3, 3, 3), (2, 2, 2)), "relu"), "fc")

FAMILY = Family("tinynet", (1,), guess, build)
"""


def test_new_family_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_job: Any) -> None:
    """A file beside the others is found: its checkpoints are recognised, exported and listed among what is known."""
    (tmp_path / "tinynet.py").write_text(TINY)
    monkeypatch.setattr(families, "__path__", [*families.__path__, str(tmp_path)])
    source = save_checkpoint(tmp_path / "c.pth", Architecture(1, 5, conv1_t_size=3, family="tinynet"))
    job = make_job("export", ExportParams(), {"checkpoint": source})
    figures = export(job).figures
    assert ("tinynet-1", 5) == (figures["arch"], figures["classes"])
    assert {"Conv", "Relu", "AveragePool", "Flatten", "Gemm"} == {
        node.op_type for node in onnx.load(job.out / "model.onnx").graph.node
    }
    assert "tinynet 1" in families.offer()
    sys.modules.pop("backends.models.families.tinynet")
