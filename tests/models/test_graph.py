"""Tests of `backends.models.graph` and `backends.models.onnx_file`."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from backends.core.messages import InputError, StageError
from backends.core.model_io import ClipShape
from backends.models import graph, onnx_file
from backends.models.graph import build_graph
from backends.models.network import Architecture, Op
from tests.models.small import SMALL, random_state


def arrays(architecture: Architecture) -> dict[str, Any]:
    return {name: tensor.numpy() for name, tensor in random_state(architecture).items()}


def test_model_has_the_guides_ends_and_versions() -> None:
    """The model is opset 11 and IR version 6, from `input` 10x3x16x112x112 to `output` 10x5, weights inside."""
    model = build_graph(SMALL, arrays(SMALL))
    facts = onnx_file.facts(model)
    assert (11, 6) == (facts.opset, facts.ir_version)
    assert (("input", (10, 3, 16, 112, 112)),) == facts.inputs
    assert (("output", (10, 5)),) == facts.outputs
    pool = next(node for node in model.graph.node if node.op_type == "AveragePool")
    assert [1, 4, 4] == list(onnx.helper.get_node_attr_value(pool, "kernel_shape"))


def test_depth_50_has_the_nodes_of_a_simplified_model() -> None:
    """Depth 50 has 122 nodes, 53 of them convolutions: nothing is left for a simplifier to take away."""
    architecture = Architecture(50, 5, widen=0.0625)
    nodes = [node.op_type for node in build_graph(architecture, arrays(architecture)).graph.node]
    assert (122, 53, 49) == (len(nodes), nodes.count("Conv"), nodes.count("Relu"))


def test_same_weights_same_bytes() -> None:
    """Building the same model twice gives the same bytes, so that digests can be compared."""
    first, second = (onnx_file.to_bytes(build_graph(SMALL, arrays(SMALL))) for _ in range(2))
    assert first == second


def test_batch_is_free() -> None:
    """The batch size is the caller's."""
    facts = onnx_file.facts(build_graph(SMALL, arrays(SMALL), ClipShape(3)))
    assert ((3, 3, 16, 112, 112), (3, 5)) == (facts.inputs[0][1], facts.outputs[0][1])


def test_folding_is_done_in_float64() -> None:
    """A folded kernel and bias are the float64 result rounded once."""
    conv, norm = (Op(kind, name, (0,), 1, (1, 1, 1)) for kind, name in (("conv", "conv1"), ("norm", "bn1")))
    weights = {"conv1.weight": 0.1, "bn1.weight": 0.7, "bn1.bias": 0.3, "bn1.running_mean": 0.9, "bn1.running_var": 1.7}
    single = {name: np.full((1,) * (5 if name.startswith("conv") else 1), v, np.float32) for name, v in weights.items()}
    w, gamma, beta, mean, variance = (float(array.reshape(-1)[0]) for array in single.values())
    gain = gamma / (variance + 1e-5) ** 0.5
    kernel, bias = graph.fold(single, conv, norm)
    assert (np.float32(w * gain), np.float32(beta - mean * gain)) == (kernel.reshape(-1)[0], bias[0])


def test_too_large_for_one_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights beyond what an ONNX file holds are refused with both numbers."""
    monkeypatch.setattr(graph, "MOST_BYTES", 2**20 + 1000)
    with pytest.raises(InputError, match="an ONNX file holds at most 1049576"):
        build_graph(SMALL, arrays(SMALL))


def test_check_refuses_what_atc_cannot_read() -> None:
    """Operators of a foreign domain, broken wiring and wrong shapes do not pass the check."""
    model = build_graph(SMALL, arrays(SMALL))
    foreign = onnx.ModelProto.FromString(model.SerializeToString())
    foreign.graph.node[1].domain = "com.microsoft"
    with pytest.raises(StageError, match=r"operators of com\.microsoft"):
        onnx_file.check(foreign, "model.onnx")
    broken = onnx.ModelProto.FromString(model.SerializeToString())
    broken.graph.node[0].input[1] = "nowhere"
    with pytest.raises(StageError, match="the ONNX checker"):
        onnx_file.check(broken, "model.onnx")
    misshaped = onnx.ModelProto.FromString(model.SerializeToString())
    misshaped.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 6
    with pytest.raises(StageError, match="the ONNX checker"):
        onnx_file.check(misshaped, "model.onnx")


def test_names_and_order_do_not_change_what_a_graph_computes() -> None:
    """Graphs with other names and another order of nodes compute the same, one with another weight does not."""
    model = build_graph(SMALL, {name: tensor.numpy() for name, tensor in random_state(SMALL).items()})
    expected = onnx_file.computation(model)
    nodes = list(model.graph.node)
    shortcut = next(place for place, node in enumerate(nodes) if "downsample" in node.name)
    nodes.insert(shortcut - 1, nodes.pop(shortcut))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    for node in model.graph.node:
        node.name = f"other {node.name}"
    assert expected == onnx_file.computation(model)
    bias = next(tensor for tensor in model.graph.initializer if tensor.name == "fc.bias")
    bias.raw_data = bytes(len(bias.raw_data))
    assert expected != onnx_file.computation(model)
