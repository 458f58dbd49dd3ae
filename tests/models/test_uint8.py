"""Tests of `backends.models.uint8_input`: bytes in, the same bits out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from backends.core.messages import StageError
from backends.core.model_io import ClipShape, Normalization
from backends.core.settings import InferSettings, Settings
from backends.device import clip_kernels
from backends.device.clip_format import ClipHeader
from backends.models import onnx_file, simplify
from backends.models.graph import build_graph, with_uint8_input
from backends.models.model_specs import COMPILE, SIMPLIFY, SimplifyParams
from backends.models.network import Architecture
from backends.worker.job import Job
from tests.models.small import SMALL, random_state

HEADER = ClipHeader()


@pytest.fixture(scope="module")
def model() -> onnx.ModelProto:
    """A small network for two clips."""
    weights = {name: tensor.numpy() for name, tensor in random_state(SMALL).items()}
    return build_graph(SMALL, weights, ClipShape(batch=2))


def logits(model: onnx.ModelProto, clips: np.ndarray) -> np.ndarray:
    """By ONNX Runtime."""
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    result: np.ndarray = session.run(None, {"input": clips})[0]
    return result


def test_bytes_give_the_same_bits(model: onnx.ModelProto) -> None:
    """Every value of a byte, in every channel: normalised in the graph it is what the clip store gives, to the bit."""
    clips = np.random.default_rng(5).integers(0, 256, (2, *HEADER.shape), np.uint8)
    clips[:, :, 0, 0, :] = np.arange(112, dtype=np.uint8)
    clips[:, :, 0, 1, :] = np.arange(144, 256, dtype=np.uint8)
    floats = np.empty(clips.shape, np.float32)
    for clip, room in zip(clips, floats, strict=True):
        clip_kernels.normalise(clip, clip_kernels.levels(HEADER.mean, HEADER.std), room)
    made = with_uint8_input(model, HEADER.mean, HEADER.std)
    assert logits(model, floats).tobytes() == logits(made, clips).tobytes()


def test_it_is_four_standard_operators_in_front(model: onnx.ModelProto) -> None:
    """Cast, Div, Sub, Div, in that order; the float model itself is left as it was, and atc can read the new one."""
    before = model.SerializeToString(deterministic=True)
    made = with_uint8_input(model, HEADER.mean, HEADER.std)
    assert ["Cast", "Div", "Sub", "Div"] == [node.op_type for node in made.graph.node[:4]]
    assert len(model.graph.node) + 4 == len(made.graph.node)
    assert onnx.TensorProto.UINT8 == made.graph.input[0].type.tensor_type.elem_type
    onnx_file.check(made, "made")
    assert before == model.SerializeToString(deterministic=True)


def test_a_model_with_another_input_is_refused(model: onnx.ModelProto) -> None:
    """A second normalisation would be wrong without a word."""
    made = with_uint8_input(model, HEADER.mean, HEADER.std)
    with pytest.raises(StageError, match="not one of floats called input"):
        with_uint8_input(made, HEADER.mean, HEADER.std)


def test_simplify_makes_it_where_it_is_asked_for(make_job: Callable[..., Job], tmp_path: Path) -> None:
    """A second output, and another digest; without it nothing has changed."""
    (tmp_path / "up").mkdir()
    weights = {name: tensor.numpy() for name, tensor in random_state(SMALL).items()}
    (tmp_path / "up/m.onnx").write_bytes(onnx_file.to_bytes(build_graph(SMALL, weights)))
    upstream: Mapping[str, tuple[Path, Mapping[str, str]]] = {"export": (tmp_path / "up", {"onnx": "m.onnx"})}
    plain = simplify.run(make_job("simplify", SimplifyParams(), upstream=upstream))
    both = simplify.run(make_job("simplify", SimplifyParams(Normalization(HEADER.mean, HEADER.std)), upstream=upstream))
    assert {"onnx": "model_sim.onnx"} == plain.outputs
    assert {"onnx": "model_sim.onnx", "uint8": "model_sim_uint8.onnx"} == both.outputs
    assert plain.digest != both.digest
    made = onnx.load(str(tmp_path / "simplify" / "model_sim_uint8.onnx"))
    assert onnx.TensorProto.UINT8 == made.graph.input[0].type.tensor_type.elem_type


def test_the_setting_reaches_both_stages() -> None:
    """infer.input decides what simplify makes and what compile takes; the default leaves their params as they were."""
    floats = Settings(infer=InferSettings(target="ascend"))
    octets = Settings(infer=InferSettings(target="ascend", input="uint8"))
    assert {} == SIMPLIFY.plan(floats).params
    assert {"mean", "std"} == set(SIMPLIFY.plan(octets).params["uint8"])
    assert "input" not in COMPILE.plan(floats).params
    assert "uint8" == COMPILE.plan(octets).params["input"]


def test_architectures_of_other_clips_work_too() -> None:
    """The constants have one value a channel, whatever the clips' size."""
    shape = ClipShape(1, 8, 56)
    architecture = Architecture(10, 3, widen=0.125, conv1_t_size=3)
    weights = {name: tensor.numpy() for name, tensor in random_state(architecture).items()}
    made = with_uint8_input(build_graph(architecture, weights, shape), HEADER.mean, HEADER.std)
    assert (1, 3) == logits(made, np.zeros((1, 3, 8, 56, 56), np.uint8)).shape
